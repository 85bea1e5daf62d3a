package flow

import (
	"time"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

func (m *machine) granted() {
	if m.Phase != Queued {
		return
	}
	if m.expired() {
		m.finish(message.Expired, "expired")
		return
	}
	m.Attempts = append(m.Attempts, Attempt{Step: m.Step})
	m.Phase, m.Due = Calling, time.Time{}
	m.do(Command{Do: Call, Step: m.Step})
}

// barred goes on to the next step without a call. A passing fault of the last step is waited out in the queue instead.
func (m *machine) barred(f *fault.Fault) {
	if m.Phase == Queued && (f.Class.Action() != fault.Retry || m.another()) {
		m.left = f.Code
		m.leave(f.Code)
	}
}

// Bars reports whether a Barred event would change anything.
func Bars(s *State, plan *message.Plan, ev Event, allowed Allowed) bool {
	m := machine{State: s, plan: plan, allowed: allowed}
	return s.Phase == Queued && (ev.Fault.Class.Action() != fault.Retry || m.another())
}

// another reports whether a later step may be taken.
func (m *machine) another() bool {
	for i := m.Step + 1; i < len(m.plan.Steps); i++ {
		if m.plan.Steps[i].When == "" || m.allowed == nil || m.allowed(i) {
			return true
		}
	}
	return false
}

// answered settles a call. A receipt may have come first, and may know more than the answer.
func (m *machine) answered(ev Event) {
	a := m.last()
	if ev.VendorID != "" {
		a.VendorID = ev.VendorID
	}
	if ev.Fault == nil {
		outcome := ev.Outcome
		if outcome.Rank() == 0 {
			outcome = message.Accepted
		}
		a.rise(outcome)
	}
	switch {
	case m.satisfied(a):
		m.finish(a.Outcome, "")
	case m.Landed != "":
		m.finish(m.Landed, "landed_late")
	case a.Outcome == message.Failed: // a receipt said so before the answer came
		m.refused(a)
	case ev.Fault == nil || a.Outcome.Rank() > 0:
		m.accepted(a)
	default:
		m.failed(ev.Fault, ev.Jitter)
	}
}

// accepted waits for the receipt that the step asks for.
func (m *machine) accepted(a *Attempt) {
	if m.Canceled {
		m.takeBack()
		return
	}
	m.wait(m.step().Within)
}

func (m *machine) wait(within time.Duration) {
	m.Phase = Waiting
	if within <= 0 && m.Expires.IsZero() {
		within = defaultWindow
	}
	m.Due = m.Expires
	if within > 0 {
		if due := m.at.Add(within); m.Expires.IsZero() || due.Before(m.Expires) {
			m.Due = due
		}
	}
}

// failed does what the fault's class asks for.
func (m *machine) failed(f *fault.Fault, jitter float64) {
	a := m.last()
	a.fail(f)
	action := f.Class.Action()
	if f.RetryAfter > 0 && action == fault.Retry {
		m.do(Command{Do: Hold, Step: m.Step, For: f.RetryAfter})
	}
	if m.Canceled {
		m.takeBack()
		return
	}
	switch action {
	case fault.Retry:
		m.retry(f, jitter)
	case fault.Pause:
		m.do(Command{Do: Pause, Step: m.Step, Reason: string(f.Class)})
		m.leave(string(f.Class))
	case fault.Stop:
		m.finish(message.Failed, string(f.Class))
	case fault.Ask:
		m.unknown(f, jitter)
	default:
		m.leave(string(f.Class))
	}
}

// unknown follows the step's policy.
func (m *machine) unknown(f *fault.Fault, jitter float64) {
	switch {
	case m.step().Unknown == message.Resend:
		m.retry(f, jitter)
	case m.step().Unknown == message.Wait && (m.step().Within > 0 || !m.Expires.IsZero()):
		m.wait(m.step().Within)
	default:
		m.leave("outcome_unknown")
	}
}

// retry calls the same step again after a backoff, while the step's budget and the message's time allow it. A rate limit
// is not the message's failure: it costs no retry, within reason.
func (m *machine) retry(f *fault.Fault, jitter float64) {
	calls, counted := 0, 0
	for _, a := range m.Attempts {
		if a.Step == m.Step {
			calls++
			if a.Class != fault.RateLimited {
				counted++
			}
		}
	}
	pause := backoff(f, calls, jitter)
	due := m.at.Add(pause)
	tooLong := m.step().Within > 0 && pause > m.step().Within && m.Step+1 < len(m.plan.Steps)
	if tooLong || counted > m.step().Retries || calls >= mostAttempts || (!m.Expires.IsZero() && !due.Before(m.Expires)) {
		m.leave(string(f.Class))
		return
	}
	m.Phase, m.Due = Backoff, due
}

// backoff doubles from one second (thirty while the recipient is busy) up to five minutes, spread by up to a fifth
// either way, and never less than the vendor asked for.
func backoff(f *fault.Fault, calls int, jitter float64) time.Duration {
	d := firstBackoff
	if f.Class == fault.RecipientBusy {
		d = busyBackoff
	}
	for range calls - 1 {
		d = min(2*d, longestWait)
	}
	d = time.Duration(float64(d) * (0.8 + 0.4*jitter))
	return max(d, f.RetryAfter)
}

// receipt raises the attempt it is about, and settles the message if that is enough.
func (m *machine) receipt(ev Event) {
	a, changed := m.raise(ev)
	if a == nil {
		return
	}
	current := ev.Attempt == len(m.Attempts) && a.Step == m.Step
	if !current {
		m.do(Command{Do: Late, Step: a.Step})
	}
	if !changed {
		return
	}
	switch {
	case m.Phase == Calling && !current:
		if m.satisfied(a) {
			m.Landed = a.Outcome
		}
	case m.Phase == Calling: // the answer will settle it
	case m.satisfied(a):
		reason := ""
		if !current {
			reason = "landed_late"
		}
		m.finish(a.Outcome, reason)
	case current && m.Phase == Waiting && a.Outcome == message.Failed:
		m.refused(a)
	case current && (m.Phase == Backoff || m.Phase == Queued) && a.Outcome.Rank() > 0:
		m.wait(m.step().Within) // an unknown attempt did land: no resend
	}
}

// refused leaves a step whose vendor took the message and then reported that it did not arrive. The vendor was called and
// had it, so the step is not called again, whatever the class.
func (m *machine) refused(a *Attempt) {
	switch {
	case m.Canceled:
		m.takeBack()
	case a.Class.Action() == fault.Stop:
		m.finish(message.Failed, string(a.Class))
	default:
		if a.Class.Action() == fault.Pause {
			m.do(Command{Do: Pause, Step: m.Step, Reason: string(a.Class)})
		}
		m.leave(string(a.Class))
	}
}

// raise takes a receipt into the attempt it is about. It returns nil when there is no such attempt, and whether the
// attempt changed.
func (m *machine) raise(ev Event) (*Attempt, bool) {
	if ev.Attempt < 1 || ev.Attempt > len(m.Attempts) {
		return nil, false
	}
	a := &m.Attempts[ev.Attempt-1]
	if ev.Fault == nil {
		return a, a.rise(ev.Outcome)
	}
	if a.Outcome.Rank() >= message.Delivered.Rank() || a.Outcome == message.Failed || ev.Fault.Class.Action() == fault.Ask {
		return a, false // nothing new, or a report that knows nothing
	}
	a.fail(ev.Fault)
	return a, true
}

// rise moves the outcome upwards, never back. After a failure only proof of delivery counts.
func (a *Attempt) rise(o message.Outcome) bool {
	if o.Rank() <= a.Outcome.Rank() || (a.Outcome == message.Failed && o.Rank() < message.Delivered.Rank()) {
		return false
	}
	a.Outcome, a.Class, a.Code = o, "", ""
	return true
}

func (a *Attempt) fail(f *fault.Fault) {
	a.Outcome, a.Class, a.Code = message.Failed, f.Class, f.Code
	if f.VendorCode != "" {
		a.Code = f.VendorCode
	}
	if f.Class.Action() == fault.Ask {
		a.Outcome = message.Unknown
	}
}

// satisfied reports whether an attempt reached what its step asks for.
func (m *machine) satisfied(a *Attempt) bool {
	return a.Outcome.Rank() > 0 && a.Outcome.Rank() >= max(1, m.plan.Steps[a.Step].Until.Rank())
}

func (m *machine) due() {
	if m.Due.IsZero() || m.at.Before(m.Due) {
		return
	}
	switch m.Phase {
	case Planning, Queued:
		m.finish(message.Expired, "expired")
	case Backoff:
		if m.expired() {
			m.finish(message.Expired, "expired")
			return
		}
		m.enqueue()
	case Waiting:
		if m.expired() {
			m.endOfTime()
			return
		}
		m.leave("no_receipt")
	}
}

// endOfTime ends a message whose time ran out while it waited for a receipt.
func (m *machine) endOfTime() {
	if m.last().Outcome == message.Unknown {
		m.finish(message.Unknown, "outcome_unknown")
		return
	}
	m.finish(message.Expired, "no_receipt")
}

func (m *machine) cancel() {
	if m.Phase == Calling {
		m.Canceled = true
		return
	}
	m.takeBack()
}

// takeBack ends a canceled message with the most that any attempt reached.
func (m *machine) takeBack() {
	outcome, reason := message.Canceled, "canceled"
	for _, a := range m.Attempts {
		if a.Outcome == message.Unknown && outcome.Rank() == 0 {
			outcome = message.Unknown
		} else if a.Outcome.Rank() > outcome.Rank() {
			outcome, reason = a.Outcome, "cancel_came_late"
		}
	}
	m.finish(outcome, reason)
}

// restarted takes up a message after the engine died. A call that was out is unknown: it may have been made.
func (m *machine) restarted() {
	switch m.Phase {
	case Queued:
		m.do(Command{Do: Enqueue, Step: m.Step})
	case Calling:
		a := m.last()
		switch {
		case m.satisfied(a):
			m.finish(a.Outcome, "")
		case m.Landed != "":
			m.finish(m.Landed, "landed_late")
		case a.Outcome.Rank() > 0:
			m.accepted(a)
		default:
			m.failed(&fault.Fault{Class: fault.OutcomeUnknown, Code: "engine_restarted"}, 0.5)
		}
	}
}
