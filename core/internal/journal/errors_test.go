package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestErrorTexts holds the texts that operators see. UPDATE_GOLDEN=1 writes them anew.
func TestErrorTexts(t *testing.T) {
	var b strings.Builder
	note := func(err error) {
		t.Helper()
		if err == nil {
			t.Fatal("no error")
		}
		fmt.Fprintln(&b, regexp.MustCompile(`process \d+`).ReplaceAllString(err.Error(), "process PID"))
	}
	dir := t.TempDir()
	open := func(change func(*Config)) {
		t.Helper()
		cfg := testConfig(dir)
		change(&cfg)
		_, err := Open(t.Context(), cfg)
		note(err)
	}
	open(func(c *Config) { c.Dir = "" })
	open(func(c *Config) { c.URL = "nats://127.0.0.1:4222" })
	open(func(c *Config) { c.Partitions = -1 })
	open(func(c *Config) { c.Prefix = "a.b" })
	open(func(c *Config) { c.MaxBytes = -1 })
	open(func(c *Config) { c.Dir, c.URL, c.EncryptionKey = "", "nats://127.0.0.1:4222", "secret" })

	j := start(t, testConfig(dir))
	p := j.Partition(0)
	fill(t, p, 1, 4)
	open(func(*Config) {})
	_, err := p.Append(t.Context(), make([]byte, MaxFrame+1))
	note(err)
	if err := p.TrimBefore(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	for _, seq := range []uint64{1, 9} {
		_, err = p.Read(t.Context(), seq)
		note(err)
	}
	note(j.SetCursor(t.Context(), "", nil))
	stop(t, j)
	_, err = p.Append(t.Context(), nil)
	note(err)

	open(func(c *Config) { c.Partitions = 8 })
	open(func(c *Config) { c.EncryptionKey = "secret" })
	open(func(c *Config) { c.Prefix = "other" })
	remove(t, streamFile(dir, "meta.inf"))
	open(func(*Config) {})
	remove(t, filepath.Join(dir, "journal.json"))
	open(func(*Config) {})

	got := strings.ReplaceAll(b.String(), dir, "DIR")
	if strings.Contains(got, "secret") {
		t.Error("an error carries the key")
	}
	golden := filepath.Join("testdata", "errors.golden")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestErrorUnwraps(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), testConfig(filepath.Join(file, "x")))
	if _, ok := errors.AsType[*os.PathError](err); !ok {
		t.Errorf("%v does not unwrap to its cause", err)
	}
}

// TestStartFails gives the server a file where it wants its directory.
func TestStartFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "jetstream"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), testConfig(dir))
	wantCode(t, err, CodeStart)
	remove(t, filepath.Join(dir, "jetstream"))
	start(t, testConfig(dir)) // nothing holds on to the directory
}

func FuzzIDTime(f *testing.F) {
	f.Add("ABCDEFGHIJKL.1.1893456000000000000")
	f.Add("..")
	f.Add("")
	f.Fuzz(func(t *testing.T, id string) {
		if at := idTime(id); !at.IsZero() && !strings.HasSuffix(id, strings.TrimLeft(fmt.Sprint(at.UnixNano()), "-+")) {
			t.Errorf("%q gives %d", id, at.UnixNano())
		}
	})
}
