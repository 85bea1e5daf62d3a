package table

import "container/heap"

// Timers are entries in the order in which they are due.
type Timers struct{ h timerHeap }

// First returns the entry that is due next, or nil.
func (t *Timers) First() *Entry {
	if len(t.h) == 0 {
		return nil
	}
	return t.h[0]
}

// FirstAt returns when the first entry is due, in Unix nanoseconds.
func (t *Timers) FirstAt() int64 { return t.h[0].timer }

// Set moves an entry's timer to a time in Unix nanoseconds; 0 removes it.
func (t *Timers) Set(e *Entry, at int64) {
	switch {
	case e.timer == at:
	case e.timer == 0:
		e.timer = at
		heap.Push(&t.h, e)
	case at == 0:
		heap.Remove(&t.h, int(e.slot))
		e.timer = 0
	default:
		e.timer = at
		heap.Fix(&t.h, int(e.slot))
	}
}

type timerHeap []*Entry

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].timer < h[j].timer }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot, h[j].slot = int32(i), int32(j)
}

func (h *timerHeap) Push(x any) {
	e := x.(*Entry)
	e.slot = int32(len(*h))
	*h = append(*h, e)
}

func (h *timerHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
