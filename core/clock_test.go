package core_test

import (
	"sync"
	"time"
)

// clock is a time that passes when the test says so.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*clockTimer]struct{}
}

type clockTimer struct {
	at time.Time
	c  chan time.Time
}

// newClock begins at the present: messages' ids carry the system's time.
func newClock() *clock {
	return &clock{now: time.Now().Truncate(time.Second), timers: map[*clockTimer]struct{}{}}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) After(d time.Duration) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &clockTimer{at: c.now.Add(d), c: make(chan time.Time, 1)}
	if d <= 0 {
		t.c <- c.now
		return t.c, func() {}
	}
	c.timers[t] = struct{}{}
	return t.c, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, t)
	}
}

// pass lets time pass, and fires what is due.
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for t := range c.timers {
		if !t.at.After(c.now) {
			t.c <- c.now
			delete(c.timers, t)
		}
	}
}
