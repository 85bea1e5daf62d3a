package journal

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestTrim(t *testing.T) {
	dir := t.TempDir()
	j := start(t, testConfig(dir))
	p := j.Partition(0)
	fill(t, p, 1, 100)
	if _, err := p.Read(t.Context(), 20); err != nil { // so that it is in memory
		t.Fatal(err)
	}
	before := p.Stats().Bytes
	for _, seq := range []uint64{31, 31, 7} { // again and backwards change nothing
		if err := p.TrimBefore(t.Context(), seq); err != nil {
			t.Fatal(err)
		}
		if first, last := p.Bounds(); first != 31 || last != 100 {
			t.Fatalf("bounds %d %d", first, last)
		}
	}
	if after := p.Stats().Bytes; after >= before {
		t.Errorf("bytes %d before, %d after", before, after)
	}
	_, err := p.Read(t.Context(), 20)
	if !errors.Is(err, ErrTrimmed) {
		t.Fatalf("Read of a trimmed frame: %v", err)
	}
	expect(t, p, 31, 100)
	if err := p.TrimBefore(t.Context(), 1000); err != nil { // all
		t.Fatal(err)
	}
	if first, last := p.Bounds(); first != 101 || last != 100 {
		t.Fatalf("bounds of the emptied partition %d %d", first, last)
	}
	stop(t, j)
	j = start(t, testConfig(dir))
	fill(t, j.Partition(0), 101, 102)
	expect(t, j.Partition(0), 101, 102)
}

func TestSeekTime(t *testing.T) {
	cfg := testConfig(t.TempDir())
	base := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	now := base
	cfg.Now = func() time.Time { return now }
	j := start(t, cfg)
	p := j.Partition(0)
	if seq, err := p.SeekTime(t.Context(), base); err != nil || seq != 1 {
		t.Fatalf("empty: %d, %v", seq, err)
	}
	for n := 1; n <= 20; n++ {
		now = base.Add(time.Duration(n) * time.Second)
		if n > 10 {
			now = base // the clock was set back: time stands still, but goes on
		}
		f, err := p.Append(t.Context(), frameData(n))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Read(t.Context(), f.Seq); err != nil || !got.Time.Equal(f.Time) {
			t.Fatalf("time %v appended, %v read, %v", f.Time, got.Time, err)
		}
	}
	if err := p.TrimBefore(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	for want, at := range map[uint64]time.Time{
		3: base, 5: base.Add(5 * time.Second), 6: base.Add(5*time.Second + 1), 11: base.Add(10*time.Second + 1), 21: base.Add(time.Hour),
	} {
		if seq, err := p.SeekTime(t.Context(), at); err != nil || seq != want {
			t.Errorf("at %s: %d, %v, want %d", at, seq, err, want)
		}
	}
	stop(t, j)
	p = start(t, cfg).Partition(0)
	f, err := p.Append(t.Context(), frameData(21))
	if err != nil || !f.Time.After(base.Add(10*time.Second)) {
		t.Fatalf("after opening again: %v, %v", f.Time, err)
	}
}

// storeBehind stores a frame in the partition without its knowing, as a try does whose answer is lost.
func storeBehind(t *testing.T, p *Partition, id string, data []byte) {
	t.Helper()
	_, err := p.j.link.JS.PublishMsg(t.Context(), &nats.Msg{Subject: p.j.cfg.subject(p.index), Data: data, Header: nats.Header{frameHeader: {id}}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestUncertain(t *testing.T) {
	cfg := testConfig(t.TempDir())
	j := start(t, cfg)
	p := j.Partition(0)
	fill(t, p, 1, 3)
	id := j.session + ".99.1893456000000000000"

	// in doubt and stored: another frame is refused, the same one is recognised
	storeBehind(t, p, id, frameData(4))
	p.doubt = &doubt{id: id, data: frameData(4)}
	_, err := p.Append(t.Context(), frameData(5))
	wantCode(t, err, CodeUncertain)
	fill(t, p, 4, 4)

	// in doubt and not stored: any frame will do
	p.doubt = &doubt{id: j.session + ".98.1893456000000000000", data: frameData(77)}
	fill(t, p, 5, 5)
	p.doubt = &doubt{id: j.session + ".97.1893456000000000000", data: frameData(6)}
	fill(t, p, 6, 6)
	expect(t, p, 1, 6)

	// a frame of nobody knows whom
	storeBehind(t, p, "somebody.1.1893456000000000000", frameData(7))
	_, err = p.Append(t.Context(), frameData(7))
	wantCode(t, err, CodeFenced)
}

// TestForeignMessage has another program publish into the stream.
func TestForeignMessage(t *testing.T) {
	cfg := testConfig(t.TempDir())
	j := start(t, cfg)
	p := j.Partition(0)
	fill(t, p, 1, 2)
	if _, err := j.link.JS.Publish(t.Context(), "hermod.p0", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	_, err := p.Append(t.Context(), frameData(3))
	wantCode(t, err, CodeFenced)
	expect(t, p, 1, 2) // reading works on
	<-j.Lost()
	stop(t, j)
	j = start(t, cfg) // and the message is passed over
	fill(t, j.Partition(0), 4, 5)
	n := 0
	if err := j.Partition(0).Scan(t.Context(), 0, func(Frame) error { n++; return nil }); err != nil || n != 4 {
		t.Fatalf("%d frames, %v", n, err)
	}
	_, err = j.Partition(0).Read(t.Context(), 3)
	wantCode(t, err, CodeNoFrame)
}

// TestReconnect loses the connection to the embedded server, as a process may that was suspended.
func TestReconnect(t *testing.T) {
	j := start(t, testConfig(t.TempDir()))
	p := j.Partition(0)
	fill(t, p, 1, 3)
	if err := j.link.NC.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	fill(t, p, 4, 6)
	expect(t, p, 1, 6)
}

// TestFirstTryStored is a retry whose first try was stored: recognised by its id, and one frame.
func TestFirstTryStored(t *testing.T) {
	cfg := testConfig(t.TempDir())
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	cfg.Now = func() time.Time { return now }
	j := start(t, cfg)
	p := j.Partition(0)
	storeBehind(t, p, fmt.Sprintf("%s.1.%d", j.session, now.UnixNano()), frameData(1))
	fill(t, p, 1, 2)
	expect(t, p, 1, 2)
}

func TestAppendCancelled(t *testing.T) {
	j := start(t, testConfig(t.TempDir()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := j.Partition(0).Append(ctx, frameData(1)); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled before: %v", err)
	}
	fill(t, j.Partition(0), 1, 2)
}

func TestScanStops(t *testing.T) {
	p := start(t, testConfig(t.TempDir())).Partition(0)
	fill(t, p, 1, 50)
	enough := errors.New("enough")
	n := 0
	err := p.Scan(t.Context(), 11, func(f Frame) error {
		if n++; n == 5 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 5 {
		t.Fatalf("%d frames, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = p.Scan(ctx, 1, func(Frame) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: %v", err)
	}
}

func TestCursors(t *testing.T) {
	dir := t.TempDir()
	j := start(t, testConfig(dir))
	if v, err := j.Cursor(t.Context(), "nobody"); err != nil || v != nil {
		t.Fatalf("%q, %v", v, err)
	}
	for _, name := range []string{"a", "a.b", "a b*>", "é"} {
		for _, v := range []string{"old", name} {
			if err := j.SetCursor(t.Context(), name, []byte(v)); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantCode(t, j.SetCursor(t.Context(), "", nil), CodeTooLarge)
	wantCode(t, j.SetCursor(t.Context(), "a", make([]byte, MaxCursor+1)), CodeTooLarge)
	stop(t, j)
	j = start(t, testConfig(dir))
	for _, name := range []string{"a", "a.b", "a b*>", "é"} {
		if v, err := j.Cursor(t.Context(), name); err != nil || string(v) != name {
			t.Errorf("%s: %q, %v", name, v, err)
		}
	}
}

func TestClosed(t *testing.T) {
	j := start(t, testConfig(t.TempDir()))
	fill(t, j.Partition(0), 1, 1)
	stop(t, j)
	_, err := j.Partition(0).Append(t.Context(), frameData(1))
	wantCode(t, err, CodeClosed)
	_, err = j.Partition(0).Read(t.Context(), 1)
	wantCode(t, err, CodeClosed)
	wantCode(t, j.Partition(0).Scan(t.Context(), 1, func(Frame) error { return nil }), CodeClosed)
	wantCode(t, j.Partition(0).TrimBefore(t.Context(), 2), CodeClosed)
	_, err = j.Cursor(t.Context(), "a")
	wantCode(t, err, CodeClosed)
}

func TestTwoJournals(t *testing.T) {
	a, b := start(t, testConfig(t.TempDir())), start(t, testConfig(t.TempDir()))
	fill(t, a.Partition(0), 1, 3)
	fill(t, b.Partition(0), 1, 2)
	expect(t, a.Partition(0), 1, 3)
	expect(t, b.Partition(0), 1, 2)
}
