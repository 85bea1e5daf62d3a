// Package cache keeps the byte strings used last, by sequence, up to a number of bytes.
package cache

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Cache holds values that carry some bytes each. Its methods may be called from several goroutines.
type Cache[V any] struct {
	mu    sync.Mutex
	lru   *simplelru.LRU[uint64, V]
	size  func(V) int
	bytes int
	limit int
}

// New returns a cache of at most limit bytes, as size counts them.
func New[V any](limit int, size func(V) int) *Cache[V] {
	c := &Cache[V]{limit: limit, size: size}
	c.lru, _ = simplelru.NewLRU(1<<20, func(_ uint64, v V) { c.bytes -= size(v) }) // fails for a size of zero only
	return c
}

// Get returns the value at seq, which becomes the one used last.
func (c *Cache[V]) Get(seq uint64) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lru.Get(seq)
}

// Put keeps v unless it would take more than half of the cache.
func (c *Cache[V]) Put(seq uint64, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.size(v)
	if c.lru.Contains(seq) || n > c.limit/2 {
		return
	}
	c.lru.Add(seq, v)
	for c.bytes += n; c.bytes > c.limit; {
		c.lru.RemoveOldest()
	}
}

// Trim drops everything before seq.
func (c *Cache[V]) Trim(seq uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.lru.Keys() {
		if s < seq {
			c.lru.Remove(s)
		}
	}
}
