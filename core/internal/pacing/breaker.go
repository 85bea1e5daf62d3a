package pacing

import (
	"errors"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/hermodhq/hermod/sdk/fault"
)

// Breaker says when an account's circuit breaker opens. Calls that end unavailable, outcome_unknown or internal are failures; any
// other answer shows that the vendor is there. The zero value has the defaults.
type Breaker struct {
	Off      bool          // no breaker
	Failures int           // failures in a row that open it; default 10
	Ratio    float64       // or this part of the calls within Window; default 0.5
	MinCalls int           // calls that Ratio needs, counted from the first failure; default 20
	Window   time.Duration // default 10 s, counted in tenths
	OpenFor  time.Duration // how long it stays open before it tries again; default 15 s
	Probes   int           // calls that must succeed to close it again, and that run at once; default 3
}

func (b Breaker) withDefaults() Breaker {
	setDefault(&b.Failures, 10)
	setDefault(&b.Ratio, 0.5)
	setDefault(&b.MinCalls, 20)
	setDefault(&b.Window, 10*time.Second)
	setDefault(&b.OpenFor, 15*time.Second)
	setDefault(&b.Probes, 3)
	return b
}

func setDefault[T int | float64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// circuit is an account's breaker. gobreaker counts and decides; calls are fed to it when they end, since they are granted in
// batches and end elsewhere. The account's lock guards it.
type circuit struct {
	cb       *gobreaker.CircuitBreaker[struct{}] // nil when off
	settings Breaker
	now      func() int64
	state    gobreaker.State
	era      uint16 // counts the changes of state: a call from before the last one tells nothing about now
	changed  int64
	until    int64 // open: when to try again
	watch    int64 // successes are counted until then
	probing  int   // half-open: calls under way
	reason   fault.Class
}

var errFailed = errors.New("the call failed")

func newCircuit(settings Breaker, now func() int64) *circuit {
	c := &circuit{settings: settings.withDefaults(), now: now, watch: -1}
	if settings.Off {
		return c
	}
	s := c.settings
	c.cb = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:  uint32(s.Probes),
		Interval:     s.Window,
		BucketPeriod: max(s.Window/10, 1),
		Timeout:      s.OpenFor,
		ReadyToTrip: func(n gobreaker.Counts) bool {
			return int(n.ConsecutiveFailures) >= s.Failures ||
				int(n.Requests) >= s.MinCalls && float64(n.TotalFailures) >= s.Ratio*float64(n.Requests)
		},
		OnStateChange: func(_ string, _, to gobreaker.State) { c.enter(to) },
	})
	return c
}

func (c *circuit) enter(to gobreaker.State) {
	c.state, c.changed, c.probing = to, c.now(), 0
	c.era++
	c.watch = -1
	c.until = c.changed + int64(c.settings.OpenFor) + int64(time.Millisecond) // gobreaker asks for later than, not for at
}

// refresh lets an open breaker become half-open when its time has come.
func (c *circuit) refresh(now int64) {
	if c.state == gobreaker.StateOpen && now >= c.until {
		if c.cb.State() == gobreaker.StateOpen {
			c.until = now + int64(time.Millisecond)
		}
	}
}

// room says how many calls may be granted now.
func (c *circuit) room() int {
	switch c.state {
	case gobreaker.StateOpen:
		return 0
	case gobreaker.StateHalfOpen:
		return max(0, c.settings.Probes-c.probing)
	}
	return int(^uint(0) >> 1)
}

// nextTry returns when there may be room again: never when only the end of a call brings it.
func (c *circuit) nextTry() int64 {
	if c.state == gobreaker.StateOpen {
		return c.until
	}
	return never
}

// granted marks an item with the era in which it goes out.
func (c *circuit) granted(item *Item) {
	item.era = c.era
	if c.state == gobreaker.StateHalfOpen {
		c.probing++
	}
}

// done counts the end of a call.
func (c *circuit) done(r *Result, now int64) {
	if c.cb == nil || r.Item.era != c.era {
		return
	}
	if c.state == gobreaker.StateHalfOpen {
		c.probing--
	}
	switch {
	case r.Skipped:
	case r.Class == fault.Unavailable || r.Class == fault.OutcomeUnknown || r.Class == fault.Internal:
		c.watch, c.reason = now+int64(c.settings.Window), r.Class
		_, _ = c.cb.Execute(failed)
	case c.state == gobreaker.StateHalfOpen || now <= c.watch:
		_, _ = c.cb.Execute(succeeded)
	}
	// Otherwise all is well, and has been for a whole window: there is nothing to compare a success with.
}

func failed() (struct{}, error)    { return struct{}{}, errFailed }
func succeeded() (struct{}, error) { return struct{}{}, nil }
