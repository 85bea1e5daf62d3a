// Package table is one partition's state in memory: its messages, their timers, their order per recipient, and who waits for
// them. Only the partition's owner touches it; nothing here is safe for concurrent use.
package table

import (
	"errors"
	"time"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/pacing"
	"github.com/hermodhq/hermod/internal/flow"
	"github.com/hermodhq/hermod/sdk/message"
)

// Entry is one message: its state, and where the log holds the rest. A hundred thousand may wait for receipts, so it is small.
type Entry struct {
	ID        ids.ID
	State     flow.State
	Shape     *Shape // nil until planned
	Body      *Body  // nil while nobody needs it
	Seq       uint64 // the frame that holds the message
	PlanSeq   uint64 // the frame that holds the plan's contents
	Recipient uint64 // hash of the recipient's address
	Tenant    uint64 // hash of the tenant
	Ref       uint64 // of its turn; 0: it waits for none
	timer     int64  // Unix nanoseconds; 0: none
	slot      int32  // in the heap of timers
	Lane      pacing.Lane
	gate      gate
	kept      bool // its body counts against the bound of bodies
}

// Body is a message with its plan. It is read only.
type Body struct {
	Message message.Message
	Plan    *message.Plan // nil until planned
}

// Status is where a message stands.
type Status struct {
	Outcome message.Outcome // the final outcome, or the best so far
	Final   bool
	Reason  string
	Step    *message.Step // the step that is or was last taken; nil when none
}

// Step returns the current step, without its content; nil before the plan.
func (e *Entry) Step() *message.Step {
	if e.Shape == nil || e.State.Step >= len(e.Shape.Plan.Steps) {
		return nil
	}
	return &e.Shape.Plan.Steps[e.State.Step]
}

// Account returns the account of an attempt's step, 1 being the first attempt.
func (e *Entry) Account(attempt int) message.AccountID {
	return e.Shape.Plan.Steps[e.State.Attempts[attempt-1].Step].Account
}

// Status returns where the message stands.
func (e *Entry) Status() Status {
	s := Status{Outcome: e.State.Outcome, Final: e.State.Phase == flow.Done, Reason: e.State.Reason, Step: e.Step()}
	if !s.Final {
		for _, a := range e.State.Attempts {
			if a.Outcome.Rank() > s.Outcome.Rank() {
				s.Outcome = a.Outcome
			}
		}
	}
	return s
}

// Reached reports whether the status is final, or has come as far as until.
func (s Status) Reached(until message.Outcome) bool {
	return s.Final || (until != "" && s.Outcome.Rank() > 0 && s.Outcome.Rank() >= until.Rank())
}

// Ring remembers the newest ids.
type Ring struct {
	Size int
	ids  []ids.ID
	next int
}

// Add returns the id that has to be forgotten for it, if any.
func (r *Ring) Add(id ids.ID) (ids.ID, bool) {
	if len(r.ids) < max(1, r.Size) {
		r.ids = append(r.ids, id)
		return ids.ID{}, false
	}
	old := r.ids[r.next]
	r.ids[r.next] = id
	r.next = (r.next + 1) % len(r.ids)
	return old, true
}

// Waits are the callers who wait for messages.
type Waits map[ids.ID][]waiter

type waiter struct {
	until message.Outcome
	c     chan<- Status
}

// Add lets c hear of the message once, when it has reached until. c needs room for one.
func (w Waits) Add(id ids.ID, until message.Outcome, c chan<- Status) {
	w[id] = append(w[id], waiter{until: until, c: c})
}

// Remove forgets a caller.
func (w Waits) Remove(id ids.ID, c chan<- Status) {
	w.keep(id, func(x waiter) bool { return x.c != c })
}

// Tell tells those who wait for a message where it stands, if that is far enough.
func (w Waits) Tell(id ids.ID, s Status) {
	w.keep(id, func(x waiter) bool {
		if !s.Reached(x.until) {
			return true
		}
		x.c <- s
		return false
	})
}

func (w Waits) keep(id ids.ID, wanted func(waiter) bool) {
	list, ok := w[id]
	if !ok {
		return
	}
	left := list[:0]
	for _, x := range list {
		if wanted(x) {
			left = append(left, x)
		}
	}
	if len(left) == 0 {
		delete(w, id)
		return
	}
	w[id] = left
}

// Due returns when an entry's timer fires; zero when it has none.
func (e *Entry) Due() time.Time { return ids.FromNanos(e.timer) }

// NewMessage describes a message to be accepted.
type NewMessage struct {
	ID        ids.ID
	JSON      []byte // the message, as it is stored
	Contents  []byte // the plan's contents, as they are stored; set by the owner
	Body      *Body  // Plan is nil when the message is planned later, at Due
	Recipient uint64
	Tenant    uint64
	Lane      pacing.Lane
	Expires   time.Time
	Due       time.Time // when to plan; zero: it is planned
	Failed    error     // there is no plan: the message ends as failed with this reason
	Key       [16]byte
	Keyed     bool
}

// Call is one recorded attempt to be made.
type Call struct {
	ID      ids.ID
	Attempt int
	Step    int
	Body    *Body
	Turn    pacing.Item
}

// ErrUnknown says that the table does not hold the message: it was finished long ago, or never was.
var ErrUnknown = errors.New("no such message in memory: it was finished long ago, or never accepted here")

// ErrForeign says that an account's vendor reports of an attempt that was not made on this account.
var ErrForeign = errors.New("the attempt was not made on this account")
