package heap_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/hermodhq/hermod/core/internal/pacing/internal/heap"
)

// The heap gives its entries least first, whatever is taken out in between, and always knows where each stands.
func TestHeap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pos := map[int32]int32{}
		h := heap.Heap{Moved: func(r, to int32) { pos[r] = to }}
		for i, n := range rapid.SliceOfN(rapid.Uint64Range(0, 50), 1, 60).Draw(rt, "numbers") {
			h.Push(heap.Entry{Number: n, Value: int32(i)})
			if rapid.IntRange(0, 2).Draw(rt, "remove") == 0 {
				at := int32(rapid.IntRange(0, len(h.Entries)-1).Draw(rt, "at"))
				gone := h.Entries[at].Value
				h.Remove(at)
				if pos[gone] != heap.None {
					rt.Fatal("a removed entry stands somewhere")
				}
			}
			for i, e := range h.Entries {
				if pos[e.Value] != int32(i) || i > 0 && h.Entries[(i-1)/2].Number > e.Number {
					rt.Fatalf("entry %d is out of place", i)
				}
			}
		}
	})
}
