package pacing

import (
	"math"
	"time"
)

const (
	spacingMargin = 1.012                  // between grants, as a part of the interval that the limit allows
	windowMargin  = 1.005                  // of the window that is never exceeded; smaller, so that lateness can be caught up
	catchUp       = 400 * time.Millisecond // lateness that is caught up
	maxRing       = 1 << 16                // grants remembered; larger limits are kept over a part of a second
	never         = math.MaxInt64
)

// window keeps one account's limit per second. Times are nanoseconds on the account's own clock. A nil window is no limit.
type window struct {
	interval int64   // between two grants
	span     int64   // the last len(ring) grants must lie further apart than this
	ring     []int64 // times of the last grants
	oldest   int
	due      int64 // when the next grant should be
	behind   bool  // something has been waiting for due since the last grant
}

func newWindow(perSecond float64) *window {
	if !(perSecond > 0) || math.IsInf(perSecond, 1) {
		return nil
	}
	n := math.Min(math.Ceil(perSecond), maxRing)
	span := windowMargin * float64(time.Second)
	if n == maxRing {
		span *= n / perSecond
	}
	w := &window{interval: spacing(perSecond), span: int64(span), ring: make([]int64, int(n))}
	for i := range w.ring {
		w.ring[i] = -int64(span)
	}
	return w
}

// spacing returns the nanoseconds between two grants at a rate, margin included.
func spacing(perSecond float64) int64 {
	if !(perSecond > 0) {
		return 0
	}
	return int64(math.Min(spacingMargin*float64(time.Second)/perSecond, float64(30*24*time.Hour)))
}

// next returns the earliest time of the next grant.
func (w *window) next() int64 {
	if w == nil {
		return 0
	}
	return max(w.due, w.ring[w.oldest]+w.span)
}

// take records a grant.
func (w *window) take(now int64) {
	if w == nil {
		return
	}
	w.ring[w.oldest] = now
	w.oldest++
	if w.oldest == len(w.ring) {
		w.oldest = 0
	}
	if w.behind {
		now -= int64(catchUp)
	}
	w.due = max(w.due, now) + w.interval
	w.behind = true
}

// late says that what was granted since then was handed out by now only. The calls begin now or later, so the windows that they
// count in do as well.
func (w *window) late(since, now int64) {
	if now-since < int64(time.Millisecond) {
		return
	}
	for i := len(w.ring) - 1; i >= 0; i-- { // from the newest back
		at := &w.ring[(w.oldest+i)%len(w.ring)]
		if *at < since {
			return
		}
		*at = now
	}
}

// idle says that nothing was held up by the window: time that passes from here is not caught up.
func (w *window) idle() {
	if w != nil {
		w.behind = false
	}
}
