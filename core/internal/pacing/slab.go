package pacing

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
