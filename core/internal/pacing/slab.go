package pacing

import "slices"

const (
	none      = int32(-1)
	chunkBits = 10
	chunkSize = 1 << chunkBits
)

// slab holds values by number. They never move, growing copies nothing, and a slab that becomes empty gives its memory back.
type slab[T any] struct {
	chunks [][]T
	free   []int32
	used   int
}

func (s *slab[T]) at(i int32) *T { return &s.chunks[i>>chunkBits][i&(chunkSize-1)] }

// add takes a free place, whose old content is still there.
func (s *slab[T]) add() int32 {
	if len(s.free) == 0 {
		first := int32(len(s.chunks)) << chunkBits
		s.chunks = append(s.chunks, make([]T, chunkSize))
		for i := range int32(chunkSize) {
			s.free = append(s.free, first+chunkSize-1-i)
		}
	}
	i := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.used++
	return i
}

func (s *slab[T]) remove(i int32) {
	s.free = append(s.free, i)
	s.used--
	if s.used == 0 && len(s.chunks) > 1 {
		*s = slab[T]{}
	}
}

// fifo is a queue in a ring.
type fifo[T any] struct {
	ring    []T
	head, n int
}

func (f *fifo[T]) push(v T) {
	if f.n == len(f.ring) {
		grown := make([]T, max(16, 2*f.n))
		copied := copy(grown, f.ring[f.head:])
		copy(grown[copied:], f.ring[:f.head])
		f.ring, f.head = grown, 0
	}
	f.ring[(f.head+f.n)%len(f.ring)] = v
	f.n++
}

func (f *fifo[T]) front() T { return f.ring[f.head] }

func (f *fifo[T]) back() T { return f.ring[(f.head+f.n-1)%len(f.ring)] }

func (f *fifo[T]) pop() {
	f.head = (f.head + 1) % len(f.ring)
	f.n--
	if f.n == 0 {
		f.head = 0
		if len(f.ring) > chunkSize {
			f.ring = nil
		}
	}
}

// entry is a recipient in a tenant's heap, by the number of its first waiting item.
type entry struct {
	number    uint64
	recipient int32
}

// heap is a binary heap of entries, least number first. moved is told where an entry went; container/heap would cost an
// allocation for each entry.
type heap struct {
	entries []entry
	moved   func(recipient, to int32)
}

func (h *heap) push(e entry) {
	h.entries = append(h.entries, e)
	h.up(len(h.entries)-1, e)
}

// remove takes out the entry at position i.
func (h *heap) remove(i int32) {
	last := len(h.entries) - 1
	moved := h.entries[last]
	h.moved(h.entries[i].recipient, none)
	h.entries = h.entries[:last]
	if int(i) == last {
		return
	}
	if h.down(int(i), moved) == int(i) {
		h.up(int(i), moved)
	}
	if c := cap(h.entries); c > 4*chunkSize && last < c/4 {
		h.entries = slices.Clip(slices.Clone(h.entries))
	}
}

func (h *heap) put(i int, e entry) {
	h.entries[i] = e
	h.moved(e.recipient, int32(i))
}

func (h *heap) up(i int, e entry) {
	for i > 0 {
		parent := (i - 1) / 2
		if h.entries[parent].number <= e.number {
			break
		}
		h.put(i, h.entries[parent])
		i = parent
	}
	h.put(i, e)
}

func (h *heap) down(i int, e entry) int {
	for {
		child := 2*i + 1
		if child >= len(h.entries) {
			break
		}
		if right := child + 1; right < len(h.entries) && h.entries[right].number < h.entries[child].number {
			child = right
		}
		if h.entries[child].number >= e.number {
			break
		}
		h.put(i, h.entries[child])
		i = child
	}
	h.put(i, e)
	return i
}
