package guest

import (
	"context"

	"github.com/tetratelabs/wazero/experimental"
)

const pageSize = 64 << 10

// memory is the linear memory of one instance. wazero's own limit refuses growth as well, but does not tell; this one
// remembers, so that a guest that dies of it can be told from any other.
type memory struct {
	limit   uint64
	buf     []byte
	refused bool // a request over the limit came since the last call began
}

// Reallocate grows the memory to size bytes; nil is a refusal.
func (m *memory) Reallocate(size uint64) []byte {
	if size > m.limit {
		m.refused = true
		return nil
	}
	if old := uint64(len(m.buf)); size > old {
		m.buf = append(m.buf, make([]byte, size-old)...)
	}
	return m.buf[:size:size]
}

// Free lets go of the memory.
func (m *memory) Free() { m.buf = nil }

// withMemory makes m the memory of the instance that is made with the context.
func withMemory(ctx context.Context, m *memory) context.Context {
	return experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(
		func(_, _ uint64) experimental.LinearMemory { return m }))
}
