package cache

import "testing"

func TestCache(t *testing.T) {
	c := New(100, func(b []byte) int { return len(b) })
	for seq := uint64(1); seq <= 10; seq++ {
		c.Put(seq, make([]byte, 30))
	}
	c.Put(11, make([]byte, 51)) // would drive out the others
	c.Put(10, make([]byte, 30)) // is there
	for seq, want := range map[uint64]bool{7: false, 8: true, 9: true, 10: true, 11: false} {
		if _, ok := c.Get(seq); ok != want {
			t.Errorf("value %d kept: %v", seq, ok)
		}
	}
	c.Trim(10)
	if _, ok := c.Get(9); ok || c.bytes != 30 {
		t.Errorf("after the trim: %d bytes", c.bytes)
	}
}
