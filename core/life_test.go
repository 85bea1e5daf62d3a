package core_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

const waitForDelivery = "until: delivered\n        within: 2m"

// holding answers calls once the test lets go of them.
func holding(v *vendor) (letGo func()) {
	hold := make(chan struct{})
	v.answer = func(ctx context.Context, _ vendCall, _ int) vendReply {
		select {
		case <-hold:
		case <-ctx.Done():
		}
		return vendReply{}
	}
	return func() { close(hold) }
}

func TestFallback(t *testing.T) {
	t.Parallel()
	c := newClock()
	v := newVendor(t)
	k := newKit(t, v, twoSteps(waitForDelivery), func(cfg *core.Config) { cfg.Clock = c })
	id := k.send(text(0, "hello"))
	k.reaches(id, message.Accepted)
	c.pass(2*time.Minute - time.Second)
	if s := k.reaches(id, message.Accepted); s.Final {
		t.Fatalf("it ended before the receipt's time was over: %+v", s)
	}
	c.pass(2 * time.Second)
	k.ends(id, message.Accepted, "")
	calls := v.seen()
	if len(calls) != 2 || calls[0].Account != "one" || calls[1].Account != "two" || calls[1].Channel != message.SMS {
		t.Errorf("the vendor saw %+v", calls)
	}
	want := `message.accepted
message.planned
message.attempted one whatsapp
message.answered one whatsapp accepted
message.step_left one whatsapp no_receipt
message.attempted two sms
message.answered two sms accepted
message.finished two sms accepted
`
	if got := k.timeline(id); got != want {
		t.Errorf("the timeline is\n%s\nwant\n%s", got, want)
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	c := newClock()
	v := newVendor(t)
	v.answer = func(context.Context, vendCall, int) vendReply {
		return vendReply{Class: fault.Unavailable, Code: "down"}
	}
	k := newKit(t, v, "routes:\n  - name: all\n    expires: 10m\n    fallback:\n      - {via: one/sms, retries: 10}\n", func(cfg *core.Config) { cfg.Clock = c })
	byRoute := k.send(text(0, "hello"))
	m := text(1, "hello")
	m.Expires = c.Now().Add(time.Minute)
	byMessage := k.send(m)
	k.waitsFor(byRoute, "message.answered")
	k.waitsFor(byMessage, "message.answered")
	late := text(2, "hello")
	late.SendAt, late.Expires = c.Now().Add(time.Hour), c.Now().Add(2*time.Hour)
	planned := k.send(late)
	c.pass(70 * time.Second)
	k.ends(byMessage, message.Expired, "expired")
	v.await(t, 3)
	k.restart()
	c.pass(10 * time.Minute)
	k.ends(byRoute, message.Expired, "expired")
	before := v.count()
	c.pass(3 * time.Hour) // past the time to send and the end at once
	k.ends(planned, message.Expired, "expired")
	if n := v.count(); n != before {
		t.Errorf("%d calls after the end", n-before)
	}
}

func TestExpiredInTheQueue(t *testing.T) {
	t.Parallel()
	c := newClock()
	v := newVendor(t)
	letGo := holding(v)
	k := newKit(t, v, oneStep(""), func(cfg *core.Config) {
		cfg.Clock = c
		a := cfg.Accounts["one"]
		a.Limits = &connector.Limits{Concurrency: 1}
		cfg.Accounts["one"] = a
	})
	first := k.send(text(0, "hello"))
	v.await(t, 1)
	m := text(1, "hello")
	m.Expires = c.Now().Add(time.Minute)
	queued := k.send(m)
	c.pass(time.Hour)
	k.ends(queued, message.Expired, "expired")
	letGo()
	k.ends(first, message.Accepted, "")
	if n := v.count(); n != 1 {
		t.Errorf("%d calls, want one", n)
	}
}

func TestScheduled(t *testing.T) {
	t.Parallel()
	c := newClock()
	v := newVendor(t)
	k := newKit(t, v, oneStep(""), func(cfg *core.Config) { cfg.Clock = c })
	at := func(i int, d time.Duration) message.ID {
		m := text(i, "hello")
		m.SendAt = c.Now().Add(d)
		return k.send(m)
	}
	past, soon, later, canceled := at(0, -time.Minute), at(1, time.Minute), at(2, time.Hour), at(3, time.Hour)
	k.ends(past, message.Accepted, "")
	if s, err := k.Cancel(t.Context(), canceled); err != nil || s.Outcome != message.Canceled {
		t.Errorf("canceled: %+v, %v", s, err)
	}
	c.pass(time.Minute)
	k.ends(soon, message.Accepted, "")
	k.restart()
	k.write(strings.Replace(oneStep(`text: "by the rules of that hour"`), "via: one", "via: two", 1))
	if err := k.Reload(); err != nil {
		t.Fatal(err)
	}
	c.pass(time.Hour)
	k.ends(later, message.Accepted, "")
	calls := v.seen()
	if len(calls) != 3 || calls[2].Account != "two" || calls[2].Text != "by the rules of that hour" {
		t.Errorf("the vendor saw %+v; a message is planned when it is sent", calls)
	}
	if !strings.Contains(k.timeline(canceled), "canceled canceled") || strings.Contains(k.timeline(canceled), "attempted") {
		t.Errorf("the canceled one's timeline\n%s", k.timeline(canceled))
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	letGo := holding(v)
	k := newKit(t, v, twoSteps(waitForDelivery), func(cfg *core.Config) {
		a := cfg.Accounts["one"]
		a.Limits = &connector.Limits{Concurrency: 1}
		cfg.Accounts["one"] = a
	})
	calling := k.send(text(0, "hello"))
	v.await(t, 1)
	queued, behind := k.send(text(1, "hello")), k.send(text(0, "behind the first"))
	cancel := func(id message.ID, outcome message.Outcome, reason string) {
		t.Helper()
		s, err := k.Cancel(t.Context(), id)
		if err != nil || s.Outcome != outcome || s.Reason != reason {
			t.Errorf("got %+v, %v; want %s (%s)\n%s", s, err, outcome, reason, k.timeline(id))
		}
	}
	cancel(queued, message.Canceled, "canceled")
	cancel(behind, message.Canceled, "canceled")
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	if s, err := k.Cancel(ctx, calling); !errors.Is(err, context.DeadlineExceeded) || s.Final {
		t.Errorf("during the call: %+v, %v", s, err)
	}
	letGo()
	k.ends(calling, message.Accepted, "cancel_came_late")
	waiting := k.send(text(2, "hello"))
	k.reaches(waiting, message.Accepted)
	cancel(waiting, message.Accepted, "cancel_came_late")
	k.told("one", receiptFor(waiting, 1, message.Delivered))
	cancel(waiting, message.Accepted, "cancel_came_late") // again: it stays as it was
	if n := v.count(); n != 2 {
		t.Errorf("%d calls, want two", n)
	}
	for _, id := range []message.ID{queued, behind, calling, waiting} {
		if n := strings.Count(k.timeline(id), "message.finished"); n != 1 {
			t.Errorf("%s ended %d times\n%s", id, n, k.timeline(id))
		}
	}
	var unknown *core.UnknownMessageError
	if _, err := k.Cancel(t.Context(), "01980000-0000-7000-8000-000000000001"); !errors.As(err, &unknown) {
		t.Errorf("an id that never was: %v", err)
	}
}

func TestCancelInBackoff(t *testing.T) {
	t.Parallel()
	c := newClock()
	v := newVendor(t)
	v.answer = func(context.Context, vendCall, int) vendReply {
		return vendReply{Class: fault.RateLimited, Code: "slow_down", RetryAfter: 10 * time.Second}
	}
	k := newKit(t, v, oneStep(""), func(cfg *core.Config) { cfg.Clock = c })
	id := k.send(text(0, "hello"))
	v.await(t, 1)
	k.waitsFor(id, "message.answered")
	if s, err := k.Cancel(t.Context(), id); err != nil || s.Outcome != message.Canceled {
		t.Errorf("got %+v, %v", s, err)
	}
	c.pass(time.Hour)
	k.restart()
	k.ends(id, message.Canceled, "canceled")
	if n := v.count(); n != 1 {
		t.Errorf("%d calls after the cancellation, want none", n-1)
	}
}

func TestBreakerOpens(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	v.answer = func(_ context.Context, c vendCall, _ int) vendReply {
		if c.Account == "one" {
			return vendReply{Class: fault.Unavailable, Code: "down"}
		}
		return vendReply{}
	}
	k := newKit(t, v, "routes:\n  - name: all\n    fallback:\n      - {via: one/sms, retries: 10}\n      - {via: two/sms}\n", nil)
	var all []message.ID
	for i := range 40 {
		all = append(all, k.send(text(i, "hello")))
	}
	v.await(t, 10)
	for _, id := range all { // those that were refused come back after their backoff, and find the breaker open
		k.ends(id, message.Accepted, "")
	}
	one, two := 0, 0
	for _, c := range v.seen() {
		if c.Account == "one" {
			one++
		} else {
			two++
		}
	}
	if one >= 100 || two != 40 {
		t.Errorf("%d calls at the account that is down, %d at the other", one, two)
	}
	for _, s := range k.Accounts() {
		if want := map[message.AccountID]string{"one": "open", "two": "closed"}[s.Account]; s.State != want {
			t.Errorf("%s is %s, want %s", s.Account, s.State, want)
		}
	}
	last := k.send(text(50, "hello"))
	k.ends(last, message.Accepted, "")
	if got := k.timeline(last); strings.Contains(got, "attempted one") || !strings.Contains(got, "account_unavailable") {
		t.Errorf("a message after that tried the account that is down\n%s", got)
	}
}

func TestUnauthorizedPausesTheAccount(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	v.answer = func(_ context.Context, c vendCall, _ int) vendReply {
		if c.Account == "one" && c.Text != "mended" {
			return vendReply{Class: fault.Unauthorized, Code: "bad_token"}
		}
		return vendReply{}
	}
	k := newKit(t, v, twoSteps("unknown: next"), nil)
	for i := range 3 {
		id := k.send(text(i, "hello"))
		k.ends(id, message.Accepted, "")
		if s := k.Accounts()[0]; s.State != "paused" || s.Reason != "unauthorized" {
			t.Fatalf("the account is %+v", s)
		}
	}
	if n := v.count(); n != 4 {
		t.Errorf("%d calls, want one at the account that is paused and three at the other", n)
	}
	if err := k.Resume("one"); err != nil {
		t.Fatal(err)
	}
	id := k.send(text(9, "mended"))
	if s := k.ends(id, message.Accepted, ""); s.Account != "one" {
		t.Errorf("after Resume the message went to %s", s.Account)
	}
	if err := k.Resume("three"); fault.From(err) == nil || fault.From(err).Code != "account_unknown" {
		t.Errorf("an account that does not exist: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		class   fault.Class
		outcome message.Outcome
		reason  string
		calls   int
	}{
		{fault.InvalidRecipient, message.Accepted, "", 2},
		{fault.ContentRejected, message.Accepted, "", 2},
		{fault.Unsubscribed, message.Failed, "unsubscribed", 1},
		{fault.OutcomeUnknown, message.Accepted, "", 2},
		{fault.Internal, message.Accepted, "", 2},
	}
	for _, tt := range tests {
		t.Run(string(tt.class), func(t *testing.T) {
			t.Parallel()
			v := newVendor(t)
			v.answer = func(_ context.Context, _ vendCall, n int) vendReply {
				if n == 0 {
					return vendReply{Class: tt.class, Code: "refused"}
				}
				return vendReply{}
			}
			k := newKit(t, v, twoSteps("unknown: next"), nil)
			id := k.send(text(0, "hello"))
			k.ends(id, tt.outcome, tt.reason)
			if n := v.count(); n != tt.calls {
				t.Errorf("%d calls, want %d", n, tt.calls)
			}
		})
	}
}

func TestNoRoute(t *testing.T) {
	t.Parallel()
	k := newKit(t, newVendor(t), "routes:\n  - name: otp\n    when: msg.category == \"otp\"\n    fallback:\n      - {via: one/sms, text: \"{{ data.code }}\"}\nunrouted: fail\n", nil)
	k.ends(k.send(text(0, "hello")), message.Failed, "no_route")
	m := text(1, "hello")
	m.Category = "otp"
	id := k.send(m)
	k.ends(id, message.Failed, "template_value_missing")
	k.restart()
	k.ends(id, message.Failed, "template_value_missing")
	tl, err := k.Trace(t.Context(), id)
	if err != nil || len(tl.Entries) == 0 {
		t.Fatal(tl, err)
	}
	if f := tl.Entries[len(tl.Entries)-1].Fault; f == nil || !strings.Contains(f.Text, "data.code") {
		t.Errorf("the timeline does not say what is missing: %v", f)
	}
}

// A vendor that closes the connection leaves open whether it took the message.
func TestVendorBreaks(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	v.status = func(c vendCall) int {
		if c.Account == "one" {
			return http.StatusBadGateway
		}
		return http.StatusOK
	}
	k := newKit(t, v, oneStep("unknown: next"), nil)
	k.ends(k.send(text(0, "hello")), message.Unknown, "outcome_unknown")
	var out int
	raw, err := k.Invoke(t.Context(), "one", "pid", json.RawMessage(`{}`))
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil || out == 0 {
		t.Errorf("the operation gave %s, %v", raw, err)
	}
}
