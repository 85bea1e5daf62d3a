package flow_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hermodhq/hermod/internal/flow"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

var positive = []message.Outcome{message.Accepted, message.Sent, message.Delivered, message.Read, message.Replied}

func drawPlan(t *rapid.T) *message.Plan {
	p := &message.Plan{Expires: rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour}).Draw(t, "expires")}
	for range rapid.IntRange(1, 4).Draw(t, "steps") {
		p.Steps = append(p.Steps, message.Step{
			Account: "a", Channel: message.SMS,
			Until:   rapid.SampledFrom(positive).Draw(t, "until"),
			Within:  rapid.SampledFrom([]time.Duration{0, 10 * time.Second, 2 * time.Minute}).Draw(t, "within"),
			Unknown: rapid.SampledFrom([]message.Policy{message.Wait, message.Next, message.Resend}).Draw(t, "unknown"),
			Retries: rapid.IntRange(0, 3).Draw(t, "retries"),
			When:    rapid.SampledFrom([]string{"", "", "x"}).Draw(t, "when"),
		})
	}
	return p
}

// drawEvent is any event at all, whether or not it fits the state.
func drawEvent(t *rapid.T, s *flow.State) flow.Event {
	kind := rapid.SampledFrom([]flow.Kind{flow.Granted, flow.Granted, flow.Answered, flow.Answered, flow.Receipt, flow.Receipt,
		flow.Due, flow.Due, flow.Cancel, flow.Restarted, flow.Barred, flow.Planned}).Draw(t, "kind")
	ev := flow.Event{Kind: kind, Jitter: rapid.Float64Range(0, 0.999).Draw(t, "jitter")}
	if kind == flow.Cancel && rapid.IntRange(0, 9).Draw(t, "rarely") > 0 {
		ev.Kind = flow.Due
	}
	if kind == flow.Answered || kind == flow.Receipt {
		ev.Attempt = rapid.IntRange(0, len(s.Attempts)+1).Draw(t, "attempt")
		if rapid.Bool().Draw(t, "good") {
			ev.Outcome = rapid.SampledFrom(positive).Draw(t, "outcome")
			return ev
		}
		ev.Outcome = message.Failed
	}
	ev.Fault = &fault.Fault{Class: rapid.SampledFrom(fault.Classes()).Draw(t, "class"), Code: "c"}
	return ev
}

// watch holds what must be true whatever happens.
type watch struct {
	t        *rapid.T
	plan     *message.Plan
	finished int
	mayCall  map[int]bool // by step: whether another call is allowed
}

func (w *watch) check(before, after flow.State, ev flow.Event, commands []flow.Command) {
	for _, c := range commands {
		switch c.Do {
		case flow.Finish:
			w.finished++
		case flow.Call:
			if allowed, before := w.mayCall[c.Step]; before && !allowed {
				w.t.Fatalf("step %d is called again although its vendor may have the message", c.Step)
			}
			w.mayCall[c.Step] = false
		}
	}
	if w.finished > 1 || (after.Phase == flow.Done) != (w.finished == 1) {
		w.t.Fatalf("%d final outcomes in phase %d", w.finished, after.Phase)
	}
	if before.Phase == flow.Done && (after.Outcome != before.Outcome || after.Reason != before.Reason || after.Step != before.Step) {
		w.t.Fatalf("the final outcome changed from %v to %v", before.Outcome, after.Outcome)
	}
	if after.Step < before.Step {
		w.t.Fatal("the plan went backwards")
	}
	for i := range before.Attempts {
		b, a := before.Attempts[i].Outcome, after.Attempts[i].Outcome
		if a.Rank() < b.Rank() && !(a == message.Failed && b.Rank() < message.Delivered.Rank()) {
			w.t.Fatalf("attempt %d went back from %q to %q", i+1, b, a)
		}
	}
	if before.Phase == flow.Calling && ev.Kind == flow.Answered && ev.Attempt == len(before.Attempts) {
		w.learn(&before, ev.Fault)
	}
	if before.Phase == flow.Calling && ev.Kind == flow.Restarted {
		w.learn(&before, &fault.Fault{Class: fault.OutcomeUnknown})
	}
	if after.Phase != flow.Done && after.Phase != flow.Calling && after.Phase != flow.Queued && after.Due.IsZero() {
		w.t.Fatalf("phase %d waits for nothing: the message would never end", after.Phase)
	}
}

// learn notes whether the step that was called may be called again: when its vendor certainly did not take the message, or when
// the rule says resend.
func (w *watch) learn(before *flow.State, f *fault.Fault) {
	if f == nil {
		return
	}
	step := &w.plan.Steps[before.Step]
	w.mayCall[before.Step] = f.Class.Taken() == fault.NotTaken || step.Unknown == message.Resend
}

func clone(s flow.State) flow.State {
	s.Attempts = append([]flow.Attempt(nil), s.Attempts...)
	return s
}

// TestAnyOrder plays random orders of answers, receipts (late, duplicate, reordered, for steps already left), timers, crashes and
// cancellations, and then lets time run out.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := drawPlan(t)
		now := start
		s := flow.State{}
		if plan.Expires > 0 {
			s.Expires = now.Add(plan.Expires)
		}
		w := &watch{t: t, plan: plan, mayCall: map[int]bool{}}
		allowed := func(int) bool { return rapid.Bool().Draw(t, "allowed") }
		play := func(ev flow.Event) {
			ev.At = now
			before := clone(s)
			commands := flow.Next(&s, plan, ev, allowed, nil)
			w.check(before, clone(s), ev, commands)
		}
		play(flow.Event{Kind: flow.Planned})
		for range rapid.IntRange(0, 40).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "seconds")) * time.Second)
			play(drawEvent(t, &s))
		}
		for i := 0; s.Phase != flow.Done; i++ { // the engine's part: grant what is queued, answer what is called, fire what is due
			if i > 200 {
				t.Fatal("the message does not end")
			}
			switch s.Phase {
			case flow.Queued:
				play(flow.Event{Kind: flow.Granted})
			case flow.Calling:
				play(flow.Event{Kind: flow.Answered, Attempt: len(s.Attempts), Fault: &fault.Fault{Class: fault.Unavailable}})
			default:
				now = now.Add(max(0, s.Due.Sub(now)))
				play(flow.Event{Kind: flow.Due})
			}
		}
	})
}
