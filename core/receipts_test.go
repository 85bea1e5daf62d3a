package core_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// once fails the test unless the message's timeline has exactly one end.
func (k *kit) once(id message.ID) {
	k.t.Helper()
	if got := k.timeline(id); strings.Count(got, "message.finished") != 1 {
		k.t.Errorf("it ended more or less than once\n%s", got)
	}
}

// A receipt may overtake the vendor's answer, with our name for the attempt or only with the vendor's, which is not known yet.
func TestReceiptBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	for _, named := range []bool{true, false} {
		v := newVendor(t)
		var k *kit
		v.answer = func(_ context.Context, c vendCall, _ int) vendReply {
			e := receiptFor(c.Message, c.Attempt, message.Delivered)
			if named {
				e.Receipt.Message, e.Receipt.Attempt, e.Receipt.VendorID = c.Message, c.Attempt, ""
			}
			k.told("one", e)
			return vendReply{}
		}
		k = newKit(t, v, twoSteps(waitForDelivery), nil)
		id := k.send(text(0, "hello"))
		k.ends(id, message.Delivered, "")
		k.once(id)
	}
}

func TestReceiptForNobody(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	k := newKit(t, v, twoSteps(waitForDelivery), nil)
	k.told("one", vendEvent{Receipt: &message.Receipt{VendorID: "never-seen", Outcome: message.Delivered}},
		vendEvent{Receipt: &message.Receipt{VendorID: "waits", Outcome: message.Delivered}},
		vendEvent{Receipt: &message.Receipt{Message: "01980000-0000-7000-8000-000000000001", Attempt: 1, Outcome: message.Delivered}},
		vendEvent{Receipt: &message.Receipt{Message: "no id", Attempt: 1, Outcome: message.Delivered}},
		vendEvent{Receipt: &message.Receipt{Outcome: message.Delivered}})
	found := 0
	k.until("nobody", func(ev message.Event) bool {
		if ev.Type == message.EventReceipt && ev.Account == "one" && ev.Receipt != nil {
			found++
		}
		return found == 5
	})
	k.restart()
	v.answer = func(context.Context, vendCall, int) vendReply { return vendReply{ID: "waits"} }
	id := k.send(text(0, "hello"))
	k.ends(id, message.Delivered, "") // the orphan found its attempt, across a restart
	v.answer = nil
	other := k.send(text(1, "hello"))
	if s := k.reaches(other, message.Accepted); s.Outcome != message.Accepted {
		t.Errorf("another message stands at %+v", s)
	}
}

func TestReceiptAcrossRestarts(t *testing.T) {
	t.Parallel()
	k := newKit(t, newVendor(t), twoSteps(waitForDelivery), nil)
	id := k.send(text(0, "hello"))
	k.reaches(id, message.Accepted)
	k.restart()
	k.told("one", receiptFor(id, 1, message.Sent))
	k.restart()
	if s := k.reaches(id, message.Sent); s.Final || s.Outcome != message.Sent {
		t.Errorf("it stands at %+v", s)
	}
	k.told("one", receiptFor(id, 1, message.Delivered))
	k.ends(id, message.Delivered, "")
	k.restart()
	k.told("one", receiptFor(id, 1, message.Read))
	k.ends(id, message.Delivered, "") // the end stays
	if got := k.timeline(id); !strings.Contains(got, "message.receipted one whatsapp read late") {
		t.Errorf("the late receipt is not on the timeline\n%s", got)
	}
	k.once(id)
}

func TestLateReceipts(t *testing.T) {
	t.Parallel()
	c := newClock()
	v := newVendor(t)
	hold := make(chan struct{})
	v.answer = func(ctx context.Context, c vendCall, _ int) vendReply {
		if c.Account == "two" {
			select {
			case <-hold:
			case <-ctx.Done():
			}
			if c.Text == "refuse" {
				return vendReply{Class: fault.InvalidRecipient, Code: "no_such_number"}
			}
		}
		return vendReply{}
	}
	k := newKit(t, v, twoSteps(waitForDelivery), func(cfg *core.Config) { cfg.Clock = c })
	taken, refused := k.send(text(0, "take")), k.send(text(1, "refuse"))
	k.reaches(taken, message.Accepted)
	k.reaches(refused, message.Accepted)
	c.pass(3 * time.Minute)
	v.await(t, 4) // both second steps are with the vendor
	k.told("one", receiptFor(taken, 1, message.Delivered), receiptFor(refused, 1, message.Delivered))
	close(hold)
	k.ends(taken, message.Accepted, "")               // both arrived: the second step counts
	k.ends(refused, message.Delivered, "landed_late") // the first did, after all
	k.once(taken)
	k.once(refused)
}

// A receipt for a step that was left ends the message while it waits for its turn at the next. The timeline tells that once.
func TestLateReceiptWhileQueued(t *testing.T) {
	t.Parallel()
	c := newClock()
	v := newVendor(t)
	letGo := holding(v)
	k := newKit(t, v, "routes:\n  - name: all\n    fallback:\n      - {via: one/whatsapp, until: delivered, within: 1m}\n      - {via: two/sms}\n", func(cfg *core.Config) {
		cfg.Clock = c
		a := cfg.Accounts["two"]
		a.Limits = &connector.Limits{PerSecond: 0.001, Concurrency: 1}
		cfg.Accounts["two"] = a
	})
	letGo()
	var all []message.ID
	for i := range 3 {
		all = append(all, k.send(text(i, "hello")))
		k.reaches(all[i], message.Accepted)
	}
	c.pass(2 * time.Minute)
	v.await(t, 4) // the account's only call for a quarter of an hour
	for _, id := range all {
		k.told("one", receiptFor(id, 1, message.Delivered))
		k.reaches(id, "")
		k.told("one", receiptFor(id, 1, message.Read))
		k.once(id)
	}
	late := 0
	for _, id := range all {
		if k.now(id).Reason == "landed_late" {
			late++
		}
	}
	if late != 2 || v.count() != 4 {
		t.Errorf("%d ended by a late receipt, want 2; %d calls, want 4", late, v.count())
	}
}

func TestDuplicateReports(t *testing.T) {
	t.Parallel()
	k := newKit(t, newVendor(t), twoSteps(waitForDelivery), nil)
	id := k.send(text(0, "hello"))
	k.reaches(id, message.Accepted)
	for range 3 {
		k.told("one", receiptFor(id, 1, message.Delivered), receiptFor(id, 1, message.Delivered), receiptFor(id, 1, message.Sent))
		k.told("one", vendEvent{EventID: "ev-1", Phone: phone(0), Text: "thanks"})
	}
	k.told("two", vendEvent{EventID: "ev-1", Phone: phone(0), Text: "another account's"})
	k.told("one", vendEvent{EventID: "ev-last", Phone: phone(0), Text: "bye"})
	k.ends(id, message.Delivered, "")
	k.once(id)
	wrote := map[string]int{}
	k.until("all", func(ev message.Event) bool {
		if ev.Type == message.EventMessageReceived {
			wrote[ev.Source+" "+string(ev.ID)]++
		}
		return wrote["hermod/hermod/one ev-last"] == 1 && len(wrote) == 3
	})
	for name, n := range wrote {
		if n != 1 {
			t.Errorf("%s came %d times", name, n)
		}
	}
}

func TestBounce(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	k := newKit(t, v, twoSteps(waitForDelivery), nil)
	id := k.send(text(0, "hello"))
	k.reaches(id, message.Accepted)
	e := receiptFor(id, 1, message.Failed)
	e.Receipt.Fault = fault.New(fault.InvalidRecipient, "not_on_whatsapp", "the number has no account")
	k.told("one", e)
	k.ends(id, message.Accepted, "")
	if calls := v.seen(); len(calls) != 2 || calls[1].Account != "two" {
		t.Errorf("the vendor saw %+v", calls)
	}
}

func TestPolledReceipts(t *testing.T) {
	t.Parallel()
	c := newClock()
	v := newVendor(t)
	var count atomic.Int64
	asked := make(chan struct{}, 100)
	v.query = func(q connector.Query) message.Receipt {
		defer func() { asked <- struct{}{} }()
		switch n := count.Add(1); {
		case n < 3:
			return message.Receipt{}
		case n < 5:
			return message.Receipt{VendorID: q.VendorID, Outcome: message.Sent}
		}
		return message.Receipt{VendorID: q.VendorID, Outcome: message.Delivered}
	}
	k := newKit(t, v, "routes:\n  - name: all\n    fallback:\n      - {via: one/telegram, until: delivered, within: 1h}\n      - {via: two/sms}\n", func(cfg *core.Config) { cfg.Clock = c })
	id := k.send(text(0, "hello"))
	k.reaches(id, message.Accepted)
	for range 3 {
		passes(t, c, asked)
	}
	k.reaches(id, message.Sent)
	k.restart()
	for range 2 {
		passes(t, c, asked)
	}
	k.ends(id, message.Delivered, "")
	if n := v.count(); n != 1 {
		t.Errorf("%d calls, want one", n)
	}
}

// passes lets seconds pass, unhurriedly, until c gets something.
func passes[T any](t *testing.T, c *clock, what <-chan T) {
	t.Helper()
	for range 3000 {
		select {
		case <-what:
			return
		case <-time.After(2 * time.Millisecond):
			c.pass(time.Second)
		}
	}
	t.Fatal("time passed, and it did not happen")
}
