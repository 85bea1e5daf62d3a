// Package heap sorts small values by a number, and knows where each stands.
package heap

import "slices"

// None is where a value stands that is in no heap.
const None = -1

const chunk = 1024 // entries that are not given back

// Entry is a value, and the number that it is sorted by.
type Entry struct {
	Number uint64
	Value  int32
}

// Heap is a binary heap, least number first. Moved is told where a value went, or [None]; container/heap would cost an allocation for each
// entry.
type Heap struct {
	Entries []Entry
	Moved   func(value, to int32)
}

// Push adds an entry.
func (h *Heap) Push(e Entry) {
	h.Entries = append(h.Entries, e)
	h.up(len(h.Entries)-1, e)
}

// Remove takes out the entry at position i.
func (h *Heap) Remove(i int32) {
	last := len(h.Entries) - 1
	moved := h.Entries[last]
	h.Moved(h.Entries[i].Value, None)
	h.Entries = h.Entries[:last]
	if int(i) == last {
		return
	}
	if h.down(int(i), moved) == int(i) {
		h.up(int(i), moved)
	}
	if c := cap(h.Entries); c > 4*chunk && last < c/4 {
		h.Entries = slices.Clip(slices.Clone(h.Entries))
	}
}

func (h *Heap) put(i int, e Entry) {
	h.Entries[i] = e
	h.Moved(e.Value, int32(i))
}

func (h *Heap) up(i int, e Entry) {
	for i > 0 {
		parent := (i - 1) / 2
		if h.Entries[parent].Number <= e.Number {
			break
		}
		h.put(i, h.Entries[parent])
		i = parent
	}
	h.put(i, e)
}

func (h *Heap) down(i int, e Entry) int {
	for {
		child := 2*i + 1
		if child >= len(h.Entries) {
			break
		}
		if right := child + 1; right < len(h.Entries) && h.Entries[right].Number < h.Entries[child].Number {
			child = right
		}
		if h.Entries[child].Number >= e.Number {
			break
		}
		h.put(i, h.Entries[child])
		i = child
	}
	h.put(i, e)
	return i
}
