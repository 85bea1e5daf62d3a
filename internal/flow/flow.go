// Package flow is the life of one message as a pure state machine: no I/O, no clock, no goroutine, no randomness.
//
// [Next] takes a message's state, its plan and one event, changes the state and returns what is to be done. The engine
// stores each event with the state that followed it, so recovery needs the last state only, and a newer version of this
// machine never reinterprets the past. Rule tests and simulations run over the same machine in virtual time.
package flow

import (
	"strings"
	"time"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Phase says what a message waits for.
type Phase uint8

// The phases. Their numbers are stored: never change them.
const (
	Planning Phase = 0 // for its plan, or for its time to be sent
	Queued   Phase = 1 // for its turn to call the current step's vendor
	Calling  Phase = 2 // for the answer to a call
	Backoff  Phase = 3 // for Due, to call the same step again
	Waiting  Phase = 4 // for a receipt, until Due
	Done     Phase = 5 // for nothing: Outcome is final
)

// State is all that must be remembered of a message between two events, besides its plan.
type State struct {
	Attempts []Attempt       // every call so far, oldest first
	Due      time.Time       // when Kind Due is wanted; zero: never
	Expires  time.Time       // no call after this; zero: never
	Outcome  message.Outcome // final outcome; set once, in phase Done
	Reason   string          // a stable code for the outcome
	Landed   message.Outcome // a receipt that satisfied an earlier step while a call was out; "" when none
	Step     int             // index of the current step
	Phase    Phase
	Canceled bool // asked for while a call was out
}

// Attempt is one call to a vendor.
type Attempt struct {
	Step     int
	Outcome  message.Outcome // "" until answered; then only upwards, or failed or unknown
	Class    fault.Class     // of the last fault; "" when none
	Code     string          // the vendor's code, else ours
	VendorID message.VendorMessageID
}

// Kind is the kind of an [Event].
type Kind uint8

// The kinds. Their numbers are stored: never change them.
const (
	Planned    Kind = 1  // a plan was made
	Unroutable Kind = 2  // no plan could be made; Fault says why
	Granted    Kind = 3  // pacing lets the current step call
	Answered   Kind = 4  // the call's answer
	Receipt    Kind = 5  // a vendor's report about an attempt
	Due        Kind = 6  // State.Due has come
	Cancel     Kind = 7  // the host takes the message back
	Restarted  Kind = 8  // the engine starts again with this state
	Barred     Kind = 14 // the current step's account cannot be used now; Fault says why
)

// Event is something that happened to a message.
type Event struct {
	Kind     Kind
	At       time.Time
	Attempt  int             // Answered, Receipt: 1 is the first attempt
	Outcome  message.Outcome // Answered, Receipt: a positive outcome; ignored when Fault is set
	Fault    *fault.Fault    // Answered, Receipt, Unroutable
	VendorID message.VendorMessageID
	Jitter   float64 // Answered: in [0,1), spreads backoffs
}

// ReceiptEvent is the event of a vendor's report about an attempt.
func ReceiptEvent(r message.Receipt, attempt int) Event {
	return Event{Kind: Receipt, Attempt: attempt, Outcome: r.Outcome, Fault: r.Fault, VendorID: r.VendorID}.Bound()
}

// Bounds of what comes from outside, in bytes: more is cut off. Vendors' own ids and codes are far shorter.
const (
	mostID   = 512
	mostText = 1024
)

// Bound cuts an event's texts down to what the journal takes, whatever a connector says.
func (ev Event) Bound() Event {
	ev.VendorID = message.VendorMessageID(cut(string(ev.VendorID), mostID))
	if f := ev.Fault; f != nil {
		g := *f
		g.Class, g.Code, g.VendorCode = fault.Class(cut(string(f.Class), mostID)), cut(f.Code, mostID), cut(f.VendorCode, mostID)
		g.Text, g.VendorText = cut(f.Text, mostText), cut(f.VendorText, mostText)
		ev.Fault = &g
	}
	return ev
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// Do is the kind of a [Command].
type Do uint8

// The commands.
const (
	Enqueue Do = iota + 1 // ask pacing for the current step's turn
	Call                  // call the vendor: the attempt is the last of State.Attempts
	Leave                 // for the timeline: a step was given up; Reason says why
	Finish                // the message has its final outcome
	Pause                 // stop using the step's account: Reason says why
	Hold                  // the step's vendor asked for a pause of For
	Late                  // for the timeline: a receipt for a step already left, or after the end
)

// Command is something the engine must do after an event has been stored.
type Command struct {
	Do     Do
	Step   int
	Reason string
	For    time.Duration
}

// Limits of the machine's own policies.
const (
	firstBackoff  = time.Second
	busyBackoff   = 30 * time.Second
	longestWait   = 5 * time.Minute
	mostAttempts  = 20        // per step, rate limits included
	defaultWindow = time.Hour // for a step that waits for a receipt and names no bound at all
)

// Allowed reports whether a step's `when` condition lets it be taken.
type Allowed func(step int) bool

// Next applies ev to s and appends to out what is to be done. An event that does not fit the state (late, duplicate,
// reordered) changes nothing that was settled. plan must be the same for all events of a message; it is read only.
func Next(s *State, plan *message.Plan, ev Event, allowed Allowed, out []Command) []Command {
	m := machine{State: s, plan: plan, at: ev.At, allowed: allowed, out: out}
	if s.Phase == Done {
		if ev.Kind == Receipt {
			m.raise(ev)
			m.do(Command{Do: Late})
		}
		return m.out
	}
	switch ev.Kind {
	case Planned:
		if s.Phase == Planning {
			m.enter(0)
		}
	case Unroutable:
		if s.Phase == Planning {
			m.finish(message.Failed, reasonOf(ev.Fault))
		}
	case Granted:
		m.granted()
	case Answered:
		if s.Phase == Calling && ev.Attempt == len(s.Attempts) {
			m.answered(ev)
		}
	case Receipt:
		m.receipt(ev)
	case Due:
		m.due()
	case Barred:
		m.barred(ev.Fault)
	case Cancel:
		m.cancel()
	case Restarted:
		m.restarted()
	}
	return m.out
}

// machine is the scratch pad of one call of Next.
type machine struct {
	*State
	plan    *message.Plan
	at      time.Time
	allowed Allowed
	out     []Command
	left    string // why the step just left was given up without a call
}

func (m *machine) do(c Command) { m.out = append(m.out, c) }

func (m *machine) step() *message.Step { return &m.plan.Steps[m.Step] }

func (m *machine) last() *Attempt { return &m.Attempts[len(m.Attempts)-1] }

func (m *machine) expired() bool { return !m.Expires.IsZero() && !m.at.Before(m.Expires) }

// enter takes the first allowed step from i on, and ends the message when there is none.
func (m *machine) enter(i int) {
	if m.expired() {
		m.finish(message.Expired, "expired")
		return
	}
	for ; i < len(m.plan.Steps); i++ {
		if m.plan.Steps[i].When == "" || m.allowed == nil || m.allowed(i) {
			m.Step = i
			m.enqueue()
			return
		}
	}
	m.exhausted()
}

func (m *machine) enqueue() {
	m.Phase, m.Due = Queued, m.Expires
	m.do(Command{Do: Enqueue, Step: m.Step})
}

// exhausted ends a message for which no step is left, with the most that is known.
func (m *machine) exhausted() {
	outcome, reason := message.Failed, "no_step_allowed"
	if m.left != "" {
		reason = m.left
	}
	for _, a := range m.Attempts {
		if a.Outcome == message.Unknown {
			outcome, reason = message.Unknown, "outcome_unknown"
		} else if outcome == message.Failed {
			reason = a.reason()
		}
	}
	m.finish(outcome, reason)
}

func (a *Attempt) reason() string {
	if a.Class != "" {
		return string(a.Class)
	}
	return "no_receipt"
}

func (m *machine) finish(o message.Outcome, reason string) {
	m.Phase, m.Due, m.Outcome, m.Reason = Done, time.Time{}, o, reason
	m.do(Command{Do: Finish, Step: m.Step, Reason: reason})
}

// leave gives the current step up and enters the next.
func (m *machine) leave(reason string) {
	m.do(Command{Do: Leave, Step: m.Step, Reason: reason})
	m.enter(m.Step + 1)
}

func reasonOf(f *fault.Fault) string {
	if f == nil {
		return "unroutable"
	}
	if f.Code != "" {
		return f.Code
	}
	return string(f.Class)
}
