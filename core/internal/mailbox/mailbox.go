// Package mailbox is a queue with many senders and one receiver that takes everything that waits at once.
package mailbox

import "sync"

// Mailbox is a queue. Make it with [New]. Its senders bound it: it holds what is under way, never a backlog.
type Mailbox[T any] struct {
	signal chan struct{}

	mu     sync.Mutex
	items  []T
	spare  []T
	closed bool
}

// New returns an empty mailbox.
func New[T any]() *Mailbox[T] { return &Mailbox[T]{signal: make(chan struct{}, 1)} }

// Put never blocks. It reports whether the receiver will see the item.
func (m *Mailbox[T]) Put(item T) bool {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return false
	}
	m.items = append(m.items, item)
	first := len(m.items) == 1
	m.mu.Unlock()
	if first {
		select {
		case m.signal <- struct{}{}:
		default:
		}
	}
	return true
}

// Signal tells the receiver that the mailbox is no longer empty.
func (m *Mailbox[T]) Signal() <-chan struct{} { return m.signal }

// Ready reports whether something waits.
func (m *Mailbox[T]) Ready() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.items) > 0
}

// Take returns at most most items, oldest first. The slice is valid until the next call.
func (m *Mailbox[T]) Take(most int) []T {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.items) > most {
		head := append(m.spare[:0], m.items[:most]...)
		left := copy(m.items, m.items[most:])
		clear(m.items[left:])
		m.spare, m.items = head, m.items[:left]
		return head
	}
	m.items, m.spare = m.spare[:0], m.items
	return m.spare
}

// Close refuses what comes from now on, and returns what waits.
func (m *Mailbox[T]) Close() []T {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items, m.closed = nil, true
	return items
}
