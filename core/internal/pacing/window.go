package pacing

import (
	"math"
	"time"

	"github.com/hermodhq/hermod/core/internal/pacing/internal/heap"
)

const (
	margin      = 11 * time.Millisecond  // by how much calls may differ in their way to the vendor
	holding     = 3 * time.Millisecond   // what each call adds to what holding may cost: 0.3 per cent
	firstBudget = 300 * time.Millisecond // what holding may cost each slot at first
	mostBudget  = time.Second            // and at most, at once
	mostHeld    = time.Second / 2        // for how long one call holds its slot: beyond, it rather hangs at its vendor
	fewAnswers  = 16                     // of the first answers the quickest counts as the usual one
	catchUp     = 400 * time.Millisecond // lateness that is caught up
	lead        = 200 * time.Millisecond // from a grant until the call should leave: an attempt's record takes less
	maxSlots    = 1 << 17                // larger limits are kept as this one: it is more than an engine calls
	never       = math.MaxInt64
	marginPart  = 1 + float64(margin)/float64(time.Second)
	spacingPart = 1.018                       // the margin between two calls for one recipient
	span        = int64(time.Second + margin) // between two calls of one slot
)

// window keeps one account's limit per second. It has as many slots as calls are allowed in a second, and the calls that use one slot lie
// more than a second apart: so no second can have more calls than there are slots. Times are nanoseconds on the account's own
// clock. A nil window is no limit.
type window struct {
	interval int64 // between two calls
	slots    []slot
	free     heap.Heap // the slots, by when they may be used again
	due      int64     // when the next call should leave
	behind   bool      // something has been waiting for due since the last call
	usual    int64     // how long a call takes from leaving to its answer: about the median
	answers  int       // so far
	budget   int64     // for how long slots may still be held
}

// slot is where one call of each second is counted.
type slot struct {
	left int64 // when its last call left
	held int64 // for how long it is held because that was late
	open bool  // that has not been answered
	pos  int32 // in the heap
}

func newWindow(perSecond float64) *window {
	if !(perSecond > 0) || math.IsInf(perSecond, 1) {
		return nil
	}
	perSecond = min(perSecond, maxSlots)
	w := &window{interval: interval(perSecond, marginPart), slots: make([]slot, int(math.Ceil(perSecond))), usual: never}
	w.free.Moved = func(s, to int32) { w.slots[s].pos = to }
	for s := range w.slots {
		w.free.Push(heap.Entry{Value: int32(s)})
	}
	w.budget = int64(len(w.slots)) * int64(firstBudget)
	return w
}

// interval returns the nanoseconds between two calls at a rate, so much wider than the rate asks.
func interval(perSecond, part float64) int64 {
	if !(perSecond > 0) {
		return 0
	}
	return int64(math.Min(part*float64(time.Second)/perSecond, float64(30*24*time.Hour)))
}

// next returns the earliest time of the next call.
func (w *window) next(now int64) int64 {
	if w == nil {
		return 0
	}
	for {
		s := w.free.Entries[0].Value
		if at := int64(w.free.Entries[0].Number); at > now || !w.slots[s].open || !w.late(s, now) {
			return max(w.due, at)
		}
	}
}

// lag returns how late the next call may be for that to be caught up.
func (w *window) lag() int64 {
	if w == nil || !w.behind {
		return 0
	}
	return int64(catchUp)
}

// take records a call.
func (w *window) take(now int64) Left {
	if w == nil {
		return Left{slot: 1}
	}
	s := w.free.Entries[0].Value
	w.slots[s].left, w.slots[s].held, w.slots[s].open = now, 0, true
	w.hold(s)
	w.budget = min(w.budget+int64(holding), int64(len(w.slots))*int64(mostBudget))
	left := Left{slot: s + 1, at: now}
	w.due = max(w.due, now-w.lag()) + w.interval
	w.behind = true
	return left
}

// hold puts a slot where it belongs in the heap.
func (w *window) hold(s int32) {
	one := &w.slots[s]
	w.free.Remove(one.pos)
	w.free.Push(heap.Entry{Number: uint64(one.left + one.held + span), Value: s})
}

// late holds a slot for longer whose call is answered only now, or not even now, and reports whether it did. The call reached its vendor
// somewhere between leaving and its answer. If that takes longer than it does for others, and longer than the margin covers, the
// call may have been held up on its way there. What holding costs is bounded, for each call and in all, since a slow answer may also be the
// vendor's own doing.
func (w *window) late(s int32, now int64) bool {
	one := &w.slots[s]
	more := min(min(now-one.left-max(w.usual, int64(margin)), int64(mostHeld))-one.held, w.budget)
	if more <= 0 {
		return false
	}
	w.budget -= more
	one.held += more
	w.hold(s)
	return true
}

// answered says that a call has been answered.
func (w *window) answered(call Left, now int64) {
	if w == nil {
		return
	}
	took := now - call.at
	if w.answers++; w.answers == 1 {
		w.usual = 0 // the first call of all opens the connection, and is late by that
	}
	if one := &w.slots[call.slot-1]; one.left == call.at && one.open {
		one.open = false
		w.late(call.slot-1, now)
	}
	step := max(w.usual/64, int64(50*time.Microsecond))
	switch {
	case w.answers == 1:
		w.usual = took
	case w.answers < fewAnswers:
		w.usual = min(w.usual, took)
	case took > w.usual:
		w.usual += step
	default:
		w.usual -= step
	}
}

// idle says that nothing was held up by the window: time that passes from here is not caught up.
func (w *window) idle() {
	if w != nil {
		w.behind = false
	}
}
