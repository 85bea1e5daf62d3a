package directory

import (
	"path/filepath"
	"testing"
)

func FuzzParseMark(f *testing.F) {
	good := mark{last: 7, first: 3}.bytes()
	f.Add(good[:])
	f.Add(good[:10])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		k := parseMark(raw)
		if k == (mark{}) {
			return
		}
		if again := k.bytes(); string(again[:]) != string(raw[:markSize]) {
			t.Errorf("%+v from %x becomes %x", k, raw, again)
		}
	})
}

func TestMarks(t *testing.T) {
	path := filepath.Join(t.TempDir(), MarksFile)
	open := func() *Marks {
		m, err := openMarks(path, 3)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.close() })
		return m
	}
	m := open()
	if err := m.Check(1, 50, 60, true); err != nil {
		t.Fatalf("nothing is known: %v", err)
	}
	m.Acked(1, 60)
	m.Acked(1, 20) // late
	if err := m.Trim(1, 10); err != nil {
		t.Fatal(err)
	}
	m = open()
	for _, c := range []struct {
		first, last uint64
		sync, ok    bool
	}{
		{10, 60, true, true}, {1, 60, true, true}, {10, 61, true, true}, // killed before the trim, before the mark
		{11, 60, true, false}, {10, 59, true, false}, {10, 59, false, true}, {11, 60, false, false},
	} {
		if err := m.Check(1, c.first, c.last, c.sync); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if err := m.Check(0, 1, 0, true); err != nil {
		t.Errorf("another partition: %v", err)
	}
	if m.CheckCursors(1, 59) == nil || m.CheckCursors(1, 60) != nil || m.CheckCursors(2, 0) != nil {
		t.Error("cursors")
	}
}
