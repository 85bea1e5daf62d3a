package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("JOURNAL_CHILD_DIR"); dir != "" {
		os.Exit(child(os.Getenv("JOURNAL_CHILD"), dir))
	}
	goleak.VerifyTestMain(m)
}

func testConfig(dir string) Config { return Config{Dir: dir, Sync: true, Partitions: 2} }

// start opens a journal that is closed at the end of the test.
func start(t testing.TB, cfg Config) *Journal {
	t.Helper()
	j, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { stop(t, j) })
	return j
}

func stop(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Close(context.Background()); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func frameData(n int) []byte { return fmt.Appendf(nil, "frame %d", n) }

func fill(t testing.TB, p *Partition, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		f, err := p.Append(t.Context(), frameData(n))
		if err != nil {
			t.Fatalf("Append %d: %v", n, err)
		}
		if f.Seq != uint64(n) {
			t.Fatalf("Append %d: sequence %d", n, f.Seq)
		}
	}
}

// expect scans a partition and wants the frames from..to, which fill made.
func expect(t testing.TB, p *Partition, from, to int) {
	t.Helper()
	want := from
	err := p.Scan(t.Context(), 0, func(f Frame) error {
		if int(f.Seq) != want || !bytes.Equal(f.Data, frameData(want)) {
			return fmt.Errorf("frame %d %q, want %d", f.Seq, f.Data, want)
		}
		want++
		return nil
	})
	if err != nil {
		t.Fatalf("Scan: %v", err)
	}
	if want != to+1 {
		t.Fatalf("Scan ended before frame %d, want up to %d", want, to)
	}
}

func wantCode(t testing.TB, err error, want string) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code != want {
		t.Fatalf("error %v, want code %s", err, want)
	}
	if e.Text == "" || e.Advice == "" {
		t.Fatalf("error %q lacks text or advice", e)
	}
}

func TestAppendReadScan(t *testing.T) {
	dir := t.TempDir()
	j := start(t, testConfig(dir))
	p := j.Partition(0)
	if first, last := p.Bounds(); first != 1 || last != 0 {
		t.Fatalf("bounds of an empty partition: %d %d", first, last)
	}
	began := time.Now()
	fill(t, p, 1, 2500)
	fill(t, j.Partition(1), 1, 3)
	expect(t, p, 1, 2500)
	for range 2 { // from the server, then from memory
		f, err := p.Read(t.Context(), 1234)
		if err != nil || !bytes.Equal(f.Data, frameData(1234)) || f.Time.Before(began.Add(-time.Second)) {
			t.Fatalf("Read: %+v, %v", f, err)
		}
	}
	_, err := p.Read(t.Context(), 2501)
	wantCode(t, err, CodeNoFrame)
	stop(t, j)
	stop(t, j) // again

	j = start(t, testConfig(dir))
	expect(t, j.Partition(0), 1, 2500)
	expect(t, j.Partition(1), 1, 3)
	if s := j.Partition(0).Stats(); s.Frames != 2500 || s.Bytes < 2500*10 {
		t.Fatalf("stats %+v", s)
	}
	fill(t, j.Partition(0), 2501, 2502)
	_, err = j.Partition(0).Append(t.Context(), make([]byte, MaxFrame+1))
	wantCode(t, err, CodeTooLarge)
	if _, err := j.Partition(0).Append(t.Context(), make([]byte, MaxFrame)); err != nil {
		t.Fatal(err)
	}
}

func contains(raw []byte, s string) bool { return bytes.Contains(raw, []byte(s)) }
