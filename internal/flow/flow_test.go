package flow_test

import (
	"testing"
	"time"

	"github.com/hermodhq/hermod/internal/flow"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// sms after whatsapp, the route of the README.
func twoSteps() *message.Plan {
	return &message.Plan{Expires: time.Hour, Steps: []message.Step{
		{Account: "a", Channel: message.WhatsApp, Until: message.Delivered, Within: 2 * time.Minute, Unknown: message.Wait, Retries: 1},
		{Account: "b", Channel: message.SMS, Until: message.Accepted, Unknown: message.Next, Retries: 1},
	}}
}

// happening is one event at so many seconds after the start.
type happening struct {
	at int
	ev flow.Event
}

func answered(attempt int, o message.Outcome) flow.Event {
	return flow.Event{Kind: flow.Answered, Attempt: attempt, Outcome: o, VendorID: "v"}
}

func refused(attempt int, c fault.Class) flow.Event {
	return flow.Event{Kind: flow.Answered, Attempt: attempt, Fault: &fault.Fault{Class: c, Code: "x"}, Jitter: 0.5}
}

func receipt(attempt int, o message.Outcome) flow.Event {
	return flow.Event{Kind: flow.Receipt, Attempt: attempt, Outcome: o}
}

func bounced(attempt int, c fault.Class) flow.Event {
	return flow.Event{Kind: flow.Receipt, Attempt: attempt, Outcome: message.Failed, Fault: &fault.Fault{Class: c}}
}

var (
	planned   = flow.Event{Kind: flow.Planned}
	granted   = flow.Event{Kind: flow.Granted}
	due       = flow.Event{Kind: flow.Due}
	cancel    = flow.Event{Kind: flow.Cancel}
	restarted = flow.Event{Kind: flow.Restarted}
)

// run plays happenings and returns the state and every command.
func run(plan *message.Plan, list []happening) (flow.State, []flow.Command) {
	s := flow.State{Expires: start.Add(plan.Expires)}
	var all []flow.Command
	for _, h := range list {
		h.ev.At = start.Add(time.Duration(h.at) * time.Second)
		all = flow.Next(&s, plan, h.ev, nil, all)
	}
	return s, all
}

func and(list []happening, more ...happening) []happening {
	return append(append([]happening(nil), list...), more...)
}

func TestLives(t *testing.T) {
	called := []happening{{0, planned}, {0, granted}}
	accepted := and(called, happening{1, answered(1, message.Accepted)})
	fellBack := and(accepted, happening{121, due}, happening{121, granted})
	unknown := and(called, happening{1, refused(1, fault.OutcomeUnknown)})
	tests := []struct {
		name    string
		list    []happening
		phase   flow.Phase
		outcome message.Outcome
		reason  string
		calls   int
	}{
		{"delivered in time", and(accepted, happening{30, receipt(1, message.Delivered)}), flow.Done, message.Delivered, "", 1},
		{"read counts as delivered", and(accepted, happening{30, receipt(1, message.Read)}), flow.Done, message.Read, "", 1},
		{"sent is not enough", and(accepted, happening{30, receipt(1, message.Sent)}), flow.Waiting, "", "", 1},
		{"no receipt, then sms", and(fellBack, happening{122, answered(2, message.Accepted)}), flow.Done, message.Accepted, "", 2},
		{"a timer that fires early does nothing", and(accepted, happening{120, due}), flow.Waiting, "", "", 1},
		{"not on whatsapp, then sms", and(called, happening{1, refused(1, fault.InvalidRecipient)}, happening{1, granted}, happening{2, answered(2, message.Sent)}), flow.Done, message.Sent, "", 2},
		{"a bounce, then sms", and(accepted, happening{5, bounced(1, fault.InvalidRecipient)}, happening{5, granted}, happening{6, answered(2, "")}), flow.Done, message.Accepted, "", 2},
		{"a bounce after delivery is not believed", and(accepted, happening{5, receipt(1, message.Delivered)}, happening{6, bounced(1, fault.Internal)}), flow.Done, message.Delivered, "", 1},
		{"a transient bounce does not repeat the step", and(accepted, happening{5, bounced(1, fault.Unavailable)}), flow.Queued, "", "", 1},
		{"the receipt overtakes the answer", and(called, happening{1, receipt(1, message.Delivered)}, happening{2, answered(1, message.Accepted)}), flow.Done, message.Delivered, "", 1},
		{"the bounce overtakes the answer", and(called, happening{1, bounced(1, fault.InvalidRecipient)}, happening{2, answered(1, message.Accepted)}), flow.Queued, "", "", 1},
		{"late delivery while queued for sms", and(accepted, happening{121, due}, happening{122, receipt(1, message.Delivered)}), flow.Done, message.Delivered, "landed_late", 1},
		{"late delivery while sms is called", and(fellBack, happening{122, receipt(1, message.Delivered)}, happening{123, answered(2, message.Accepted)}), flow.Done, message.Accepted, "", 2},
		{"late delivery, sms fails", and(fellBack, happening{122, receipt(1, message.Delivered)}, happening{123, refused(2, fault.Internal)}), flow.Done, message.Delivered, "landed_late", 2},
		{"down, one retry, up", and(called, happening{1, refused(1, fault.Unavailable)}, happening{3, due}, happening{3, granted}, happening{4, answered(2, message.Delivered)}), flow.Done, message.Delivered, "", 2},
		{"down for longer than the retries", and(called, happening{1, refused(1, fault.Unavailable)}, happening{3, due}, happening{3, granted}, happening{4, refused(2, fault.Unavailable)}), flow.Queued, "", "", 2},
		{"unsubscribed stops everything", and(called, happening{1, refused(1, fault.Unsubscribed)}), flow.Done, message.Failed, "unsubscribed", 1},
		{"unknown waits", unknown, flow.Waiting, "", "", 1},
		{"unknown, then it did arrive", and(unknown, happening{9, receipt(1, message.Delivered)}), flow.Done, message.Delivered, "", 1},
		{"unknown, sms refused too", and(unknown, happening{122, due}, happening{122, granted}, happening{123, refused(2, fault.InvalidRecipient)}), flow.Done, message.Unknown, "outcome_unknown", 2},
		{"everything fails", and(called, happening{1, refused(1, fault.Internal)}, happening{1, granted}, happening{2, refused(2, fault.InvalidRecipient)}), flow.Done, message.Failed, "invalid_recipient", 2},
		{"canceled in the queue", []happening{{0, planned}, {1, cancel}}, flow.Done, message.Canceled, "canceled", 0},
		{"canceled during the call, refused", and(called, happening{1, cancel}, happening{2, refused(1, fault.Unavailable)}), flow.Done, message.Canceled, "canceled", 1},
		{"canceled during the second call, refused: the first was accepted", and(fellBack, happening{122, cancel}, happening{123, refused(2, fault.Unavailable)}), flow.Done, message.Accepted, "cancel_came_late", 2},
		{"canceled during the second call, refused: the first is unknown", and(unknown, happening{122, due}, happening{122, granted}, happening{123, cancel}, happening{124, refused(2, fault.Unavailable)}), flow.Done, message.Unknown, "canceled", 2},
		{"canceled too late", and(called, happening{1, cancel}, happening{2, answered(1, message.Accepted)}), flow.Done, message.Accepted, "cancel_came_late", 1},
		{"canceled while waiting", and(accepted, happening{5, cancel}), flow.Done, message.Accepted, "cancel_came_late", 1},
		{"expired in the queue", []happening{{0, planned}, {3600, due}}, flow.Done, message.Expired, "expired", 0},
		{"granted after expiry", []happening{{0, planned}, {3601, granted}}, flow.Done, message.Expired, "expired", 0},
		{"the engine died during the call", and(called, happening{5, restarted}), flow.Waiting, "", "", 1},
		{"the engine died in the queue", []happening{{0, planned}, {5, restarted}, {5, granted}}, flow.Calling, "", "", 1},
		{"no plan", []happening{{0, flow.Event{Kind: flow.Unroutable, Fault: &fault.Fault{Code: "no_route"}}}}, flow.Done, message.Failed, "no_route", 0},
		{"account barred, next step", []happening{{0, planned}, {0, flow.Event{Kind: flow.Barred, Fault: &fault.Fault{Class: fault.Unavailable, Code: "account_unavailable"}}}}, flow.Queued, "", "", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, commands := run(twoSteps(), test.list)
			calls, ends := 0, 0
			for _, c := range commands {
				if c.Do == flow.Call {
					calls++
				}
				if c.Do == flow.Finish {
					ends++
				}
			}
			if s.Phase != test.phase || s.Outcome != test.outcome || s.Reason != test.reason || calls != test.calls {
				t.Errorf("phase %d outcome %q reason %q calls %d, want %d %q %q %d", s.Phase, s.Outcome, s.Reason, calls, test.phase, test.outcome, test.reason, test.calls)
			}
			if want := map[bool]int{true: 1}[s.Phase == flow.Done]; ends != want {
				t.Errorf("%d final outcomes, want %d", ends, want)
			}
		})
	}
}

func TestResendPolicy(t *testing.T) {
	plan := twoSteps()
	plan.Steps[0].Unknown = message.Resend
	s, _ := run(plan, []happening{{0, planned}, {0, granted}, {1, refused(1, fault.OutcomeUnknown)}})
	if s.Phase != flow.Backoff {
		t.Fatalf("phase %d after an unknown outcome with resend, want backoff", s.Phase)
	}
	s, _ = run(plan, []happening{{0, planned}, {0, granted}, {1, refused(1, fault.OutcomeUnknown)}, {2, receipt(1, message.Sent)}})
	if s.Phase != flow.Waiting {
		t.Errorf("phase %d after a receipt for the unknown attempt, want waiting: resending would duplicate", s.Phase)
	}
	s, commands := run(plan, []happening{{0, planned}, {0, granted}, {1, refused(1, fault.OutcomeUnknown)}, {10, due}, {11, receipt(1, message.Sent)}, {12, granted}})
	if calls := len(commands) - 3; s.Phase != flow.Waiting || calls != 0 || len(s.Attempts) != 1 {
		t.Errorf("phase %d, %d attempts, commands %+v after a receipt while queued to resend, want waiting and one call", s.Phase, len(s.Attempts), commands)
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	f := &fault.Fault{Class: fault.RateLimited, RetryAfter: 90 * time.Second}
	s, commands := run(twoSteps(), []happening{{0, planned}, {0, granted}, {1, flow.Event{Kind: flow.Answered, Attempt: 1, Fault: f}}})
	if want := start.Add(91 * time.Second); s.Phase != flow.Backoff || s.Due.Before(want) {
		t.Errorf("phase %d, due %v; want a backoff until %v at least", s.Phase, s.Due, want)
	}
	if last := commands[len(commands)-1]; last.Do != flow.Hold || last.For != 90*time.Second {
		t.Errorf("last command %+v, want a hold of the account for 90s", last)
	}
}

func TestConditionsDecideAgainAtEachStep(t *testing.T) {
	plan := twoSteps()
	plan.Steps[1].When = "never"
	s := flow.State{}
	deny := func(int) bool { return false }
	for _, ev := range []flow.Event{planned, granted, refused(1, fault.InvalidRecipient)} {
		ev.At = start
		flow.Next(&s, plan, ev, deny, nil)
	}
	if s.Phase != flow.Done || s.Outcome != message.Failed || s.Reason != "invalid_recipient" {
		t.Errorf("phase %d outcome %q reason %q; want failed with the reason of the last attempt", s.Phase, s.Outcome, s.Reason)
	}
}
