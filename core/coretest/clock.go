package coretest

import (
	"sync"
	"time"
)

// Clock is a clock that moves only when told. It is safe for concurrent use.
type Clock struct {
	mu      sync.Mutex
	now     time.Time
	waiting map[chan time.Time]time.Time
}

// NewClock returns a clock that stands at t.
func NewClock(t time.Time) *Clock { return &Clock{now: t, waiting: map[chan time.Time]time.Time{}} }

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After delivers the time once the clock has moved by d; stop releases the timer.
func (c *Clock) After(d time.Duration) (<-chan time.Time, func()) {
	fire := make(chan time.Time, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if d <= 0 {
		fire <- c.now
		return fire, func() {}
	}
	c.waiting[fire] = c.now.Add(d)
	return fire, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, fire)
	}
}

// Advance moves the clock forward, and fires what has become due.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for fire, at := range c.waiting {
		if !at.After(c.now) {
			fire <- c.now
			delete(c.waiting, fire)
		}
	}
}
