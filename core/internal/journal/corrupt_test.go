package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/core/internal/journal/internal/directory"
)

// damage is one way to hurt a closed journal's directory.
type damage struct {
	name string
	hurt func(t *testing.T, dir string)
	code string
}

func streamFile(dir string, part ...string) string {
	return filepath.Join(append([]string{dir, "jetstream", "$G", "streams", "hermod_P0"}, part...)...)
}

// edit changes a file's bytes.
func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(raw), 0o600); err != nil {
		t.Fatal(err)
	}
}

func flip(at float64) func([]byte) []byte {
	return func(b []byte) []byte {
		b[int(at*float64(len(b)-1))] ^= 0x5a
		return b
	}
}

func cut(keep float64) func([]byte) []byte {
	return func(b []byte) []byte { return b[:int(keep*float64(len(b)))] }
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// withoutIndex makes the server rebuild its state from the blocks, as after a crash.
func withoutIndex(hurt func(t *testing.T, dir string)) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		remove(t, streamFile(dir, "msgs", "index.db"))
		hurt(t, dir)
	}
}

func damages() []damage {
	block := func(n int, change func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) { edit(t, streamFile(dir, "msgs", fmt.Sprintf("%d.blk", n)), change) }
	}
	drop := func(part ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { remove(t, streamFile(dir, part...)) }
	}
	return []damage{
		{"last block cut", block(2, cut(0.5)), CodeCorrupt},
		{"last block cut, no index", withoutIndex(block(2, cut(0.5))), CodeCorrupt},
		{"last block empty, no index", withoutIndex(block(2, cut(0))), CodeCorrupt},
		{"last block garbled", block(2, flip(0.3)), CodeCorrupt},
		{"last block garbled, no index", withoutIndex(block(2, flip(0.3))), CodeCorrupt},
		{"last block gone", drop("msgs", "2.blk"), CodeCorrupt},
		{"last block gone, no index", withoutIndex(drop("msgs", "2.blk")), CodeCorrupt},
		{"first block cut, no index", withoutIndex(block(1, cut(0.5))), CodeCorrupt},
		{"first block garbled", block(1, flip(0.5)), CodeCorrupt},
		{"first block garbled, no index", withoutIndex(block(1, flip(0.5))), CodeCorrupt},
		{"first block gone, no index", withoutIndex(drop("msgs", "1.blk")), CodeCorrupt},
		{"all blocks gone", drop("msgs"), CodeCorrupt},
		{"index garbled", func(t *testing.T, dir string) { edit(t, streamFile(dir, "msgs", "index.db"), flip(0.5)) }, ""},
		{"index empty", func(t *testing.T, dir string) { edit(t, streamFile(dir, "msgs", "index.db"), cut(0)) }, ""},
		{"meta garbled", func(t *testing.T, dir string) { edit(t, streamFile(dir, "meta.inf"), flip(0.5)) }, CodeCorrupt},
		{"meta gone", drop("meta.inf"), CodeCorrupt},
		{"sum garbled", func(t *testing.T, dir string) { edit(t, streamFile(dir, "meta.sum"), flip(0.5)) }, CodeCorrupt},
		{"stream gone", drop(), CodeCorrupt},
		{"META stream gone", func(t *testing.T, dir string) {
			remove(t, filepath.Join(dir, "jetstream", "$G", "streams", "hermod_META"))
		}, CodeCorrupt},
		{"cursors cut, no index", func(t *testing.T, dir string) {
			msgs := filepath.Join(dir, "jetstream", "$G", "streams", "hermod_META", "msgs")
			remove(t, filepath.Join(msgs, "index.db"))
			edit(t, filepath.Join(msgs, "1.blk"), cut(0.5))
		}, CodeCorrupt},
		{"server's directory gone", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "jetstream")) }, CodeCorrupt},
		{"manifest gone", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "journal.json")) }, CodeCorrupt},
		{"manifest garbled", func(t *testing.T, dir string) { edit(t, filepath.Join(dir, "journal.json"), cut(0.5)) }, CodeCorrupt},
		{"marks garbled", func(t *testing.T, dir string) { edit(t, filepath.Join(dir, directory.MarksFile), flip(0)) }, ""},
	}
}

// TestCorrupt wants each damage to be an error with advice, at Open or at the latest when the frames are read, and
// harmless ones to be repaired.
func TestCorrupt(t *testing.T) {
	for _, key := range []string{"", "a key of the tests"} {
		cfg := testConfig(t.TempDir())
		cfg.Sync, cfg.EncryptionKey = false, key
		whole := cfg.Dir
		frames := makeBlocks(t, cfg)
		cfg.Sync = true
		for _, d := range damages() {
			if key != "" && !strings.HasPrefix(d.name, "last block") {
				continue // the server meets these before it decrypts, or no key is involved
			}
			t.Run(fmt.Sprintf("%s/encrypted=%v", d.name, key != ""), func(t *testing.T) {
				cfg := cfg
				cfg.Dir = filepath.Join(t.TempDir(), "copy")
				if err := os.CopyFS(cfg.Dir, os.DirFS(whole)); err != nil {
					t.Fatal(err)
				}
				d.hurt(t, cfg.Dir)
				n, err := openAndRead(t, cfg)
				if d.code != "" {
					wantCode(t, err, d.code)
				} else if err != nil || n != frames {
					t.Fatalf("%d frames of %d, %v", n, frames, err)
				}
			})
		}
	}
}

// makeBlocks writes frames into partition 0 until there are two block files, and closes the journal.
func makeBlocks(t *testing.T, cfg Config) int {
	t.Helper()
	j := start(t, cfg)
	defer stop(t, j)
	if err := j.SetCursor(t.Context(), "somebody", []byte("here")); err != nil {
		t.Fatal(err)
	}
	for n := 1; ; n++ {
		if _, err := j.Partition(0).Append(t.Context(), make([]byte, 256<<10)); err != nil {
			t.Fatal(err)
		}
		if st, err := os.Stat(streamFile(cfg.Dir, "msgs", "2.blk")); err == nil && st.Size() > 1<<20 {
			return n
		}
	}
}

func openAndRead(t *testing.T, cfg Config) (int, error) {
	j, err := Open(t.Context(), cfg)
	if err != nil {
		return 0, err
	}
	defer stop(t, j)
	n := 0
	err = j.Partition(0).Scan(t.Context(), 0, func(Frame) error { n++; return nil })
	return n, err
}

// TestCorruptRead finds damage that the server only meets when it reads a block.
func TestCorruptRead(t *testing.T) {
	cfg := testConfig(t.TempDir())
	makeBlocks(t, cfg)
	edit(t, streamFile(cfg.Dir, "msgs", "1.blk"), flip(0.5))
	j, err := Open(t.Context(), cfg)
	if err != nil {
		wantCode(t, err, CodeCorrupt)
		return
	}
	defer stop(t, j)
	first, last := j.Partition(0).Bounds()
	bad := 0
	for seq := first; seq <= last; seq++ {
		if _, err := j.Partition(0).Read(t.Context(), seq); err != nil {
			wantCode(t, err, CodeCorrupt)
			bad++
		}
	}
	if bad == 0 {
		t.Fatal("the damage was not noticed")
	}
}

// TestTornTail is what a power cut during an append leaves: not an error, since nobody was told that it is stored.
func TestTornTail(t *testing.T) {
	cfg := testConfig(t.TempDir())
	j := start(t, cfg)
	fill(t, j.Partition(0), 1, 10)
	stop(t, j)
	remove(t, streamFile(cfg.Dir, "msgs", "index.db"))
	edit(t, streamFile(cfg.Dir, "msgs", "1.blk"), func(b []byte) []byte { return append(b, b[:len(b)/20]...) })
	j = start(t, cfg)
	expect(t, j.Partition(0), 1, 10)
	fill(t, j.Partition(0), 11, 12)
}

// TestLostWithoutSync accepts the loss of frames that were never synced.
func TestLostWithoutSync(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Sync = false
	j := start(t, cfg)
	fill(t, j.Partition(0), 1, 10)
	stop(t, j)
	remove(t, streamFile(cfg.Dir, "msgs", "index.db"))
	edit(t, streamFile(cfg.Dir, "msgs", "1.blk"), cut(0.55))
	j = start(t, cfg)
	expect(t, j.Partition(0), 1, 5)
	if _, err := j.Partition(0).Append(t.Context(), frameData(6)); err != nil {
		t.Fatal(err)
	}
}

// TestGapWithoutSync is the same where the server remembers how many frames there were.
func TestGapWithoutSync(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Sync = false
	j := start(t, cfg)
	fill(t, j.Partition(0), 1, 10)
	stop(t, j)
	edit(t, streamFile(cfg.Dir, "msgs", "1.blk"), cut(0.55))
	j = start(t, cfg)
	p := j.Partition(0)
	expect(t, p, 1, 5)
	f, err := p.Append(t.Context(), frameData(6))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := p.Scan(t.Context(), 5, func(f Frame) error { got = append(got, string(f.Data)); return nil }); err != nil || len(got) != 2 {
		t.Fatalf("%q, %v", got, err)
	}
	if seq, err := p.SeekTime(t.Context(), f.Time); err != nil || seq > f.Seq || seq < 6 {
		t.Fatalf("SeekTime: %d, %v, the frame is %d", seq, err, f.Seq)
	}
}

func TestAcceptLoss(t *testing.T) {
	cfg := testConfig(t.TempDir())
	j := start(t, cfg)
	fill(t, j.Partition(0), 1, 10)
	stop(t, j)
	remove(t, streamFile(cfg.Dir, "msgs", "index.db"))
	edit(t, streamFile(cfg.Dir, "msgs", "1.blk"), cut(0.55))
	_, err := Open(t.Context(), cfg)
	wantCode(t, err, CodeCorrupt)
	remove(t, filepath.Join(cfg.Dir, directory.MarksFile)) // as the advice says
	expect(t, start(t, cfg).Partition(0), 1, 5)
}

func TestKey(t *testing.T) {
	plain, secret := testConfig(t.TempDir()), testConfig(t.TempDir())
	secret.EncryptionKey = "a key of the tests"
	for _, cfg := range []Config{plain, secret} {
		j := start(t, cfg)
		fill(t, j.Partition(0), 1, 10)
		stop(t, j)
	}
	with := func(cfg Config, key string) Config { cfg.EncryptionKey = key; return cfg }
	for _, cfg := range []Config{with(plain, "some key"), with(secret, ""), with(secret, "another key")} {
		_, err := Open(t.Context(), cfg)
		wantCode(t, err, CodeKey)
	}
	for _, cfg := range []Config{plain, secret} { // nothing was harmed
		expect(t, start(t, cfg).Partition(0), 1, 10)
	}
	for cfg, want := range map[*Config]bool{&plain: true, &secret: false} {
		raw, err := os.ReadFile(streamFile(cfg.Dir, "msgs", "1.blk"))
		if err != nil {
			t.Fatal(err)
		}
		if got := contains(raw, "frame 7"); got != want {
			t.Errorf("frames readable in the file: %v, want %v", got, want)
		}
	}
}

func TestPartitionsFixed(t *testing.T) {
	cfg := testConfig(t.TempDir())
	stop(t, start(t, cfg))
	cfg.Partitions = 3
	_, err := Open(t.Context(), cfg)
	wantCode(t, err, CodePartitions)
	if !errors.Is(err, &Error{Code: CodePartitions}) {
		t.Error("errors.Is does not match by code")
	}
}
