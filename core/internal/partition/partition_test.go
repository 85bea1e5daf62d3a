package partition_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/journal"
	"github.com/hermodhq/hermod/core/internal/partition"
	"github.com/hermodhq/hermod/core/internal/table"
	"github.com/hermodhq/hermod/internal/flow"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Nothing is acted upon before the log has it: no call is made, no Accept returns, nobody hears of an outcome.
func TestNothingBeforeTheLog(t *testing.T) {
	log := newLog(time.Now)
	r := newRig(t, log, nil)
	id := r.accept("+447700900000")
	c := r.call()
	full := errors.New("disk full")
	log.refusing(full)
	r.answer(c, message.Delivered)
	<-log.tried
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if s, _, err := r.Wait(ctx, id, ""); err == nil {
		t.Errorf("an outcome that is not stored was told: %+v", s)
	}
	n := r.message("+447700900001", "")
	if err := r.Accept(t.Context(), n); !errors.Is(err, full) {
		t.Errorf("accepted while the log refuses: %v", err)
	}
	if len(r.host.calls) > 0 {
		t.Error("a call was made that is not stored")
	}
	log.refusing(nil)
	if s := r.stands(id, ""); s.Outcome != message.Delivered {
		t.Errorf("afterwards it ended as %+v", s)
	}
	if _, known, _ := r.Wait(t.Context(), n.ID, message.Accepted); known {
		t.Error("what was refused is there nonetheless")
	}
}

// What Accept says of a message while the log comes and goes is true: an accepted one is there, and a key has one message.
func TestRefusedAndTriedAgain(t *testing.T) {
	log := newLog(time.Now)
	r := newRig(t, log, nil)
	full := errors.New("disk full")
	var wg sync.WaitGroup
	var accepted atomic.Int64
	stop := make(chan struct{})
	for s := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				n := r.message(fmt.Sprintf("+4477009000%02d", i%100), fmt.Sprint("key ", s, i))
				if _, known, err := r.host.keys.Reserve(t.Context(), n.Key, n.ID); known || err != nil {
					t.Errorf("a fresh key: %t, %v", known, err)
				}
				if r.Accept(t.Context(), n) == nil {
					accepted.Add(1)
					if _, known, err := r.Wait(t.Context(), n.ID, message.Accepted); !known || err != nil {
						t.Errorf("accepted, and not there: %v", err)
					}
					continue
				}
				again := r.message("+447700900000", fmt.Sprint("key ", s, i)) // refused: the key is free, or known before long
				if first, known, err := r.host.keys.Reserve(t.Context(), again.Key, again.ID); err != nil || known && first != n.ID {
					t.Errorf("%v, known %t as another message", err, known)
				} else if !known {
					r.host.keys.Release(again.Key, again.ID)
				}
			}
		})
	}
	go func() {
		for c := range r.host.calls {
			r.answer(c, message.Delivered)
		}
	}()
	for range 5 {
		for range 20 {
			<-log.appended
		}
		log.refusing(full)
		<-log.tried
		log.refusing(nil)
	}
	close(stop)
	wg.Wait()
	r.end()
	close(r.host.calls)
	if accepted.Load() == 0 {
		t.Error("nothing was accepted")
	}
}

// The log does not know whether it has the frame, and has it: the message is there once, and its key stands for it.
func TestUncertainAppend(t *testing.T) {
	log := newLog(time.Now)
	r := newRig(t, log, nil)
	log.uncertain()
	n := r.message("+447700900000", "key")
	if _, known, err := r.host.keys.Reserve(t.Context(), n.Key, n.ID); known || err != nil {
		t.Fatal(known, err)
	}
	if err := r.Accept(t.Context(), n); !errors.Is(err, journal.ErrUncertain) {
		t.Fatalf("accepted for certain: %v", err)
	}
	again := r.message("+447700900000", "key")
	if first, known, err := r.host.keys.Reserve(t.Context(), again.Key, again.ID); err != nil || !known || first != n.ID {
		t.Errorf("the key stands for %s, known %t, %v", first.Message(), known, err)
	}
	r.answer(r.call(), message.Delivered)
	r.stands(n.ID, "")
	r.end()
	if r = newRig(t, log, nil); r.found.Frames > 3 || r.found.Live != 0 {
		t.Errorf("found %+v, want the frames of one life", r.found)
	}
}

func TestFencedOwnerEnds(t *testing.T) {
	log := newLog(time.Now)
	r := newRig(t, log, nil)
	id := r.accept("+447700900000")
	waiting := make(chan error)
	go func() {
		_, _, err := r.Wait(t.Context(), id, "")
		waiting <- err
	}()
	r.call()
	log.refusing(journal.ErrFenced)
	if err := r.Accept(t.Context(), r.message("+447700900001", "")); !errors.Is(err, journal.ErrFenced) && !errors.Is(err, partition.ErrStopped) {
		t.Errorf("accepted by an owner that is none any more: %v", err)
	}
	if err := <-waiting; !errors.Is(err, partition.ErrStopped) {
		t.Errorf("who waited was told %v", err)
	}
	if err := r.Event(t.Context(), id, flow.Event{Kind: flow.Cancel}); !errors.Is(err, partition.ErrStopped) {
		t.Errorf("afterwards: %v", err)
	}
}

// Each message is recovered where it stood, from the log alone.
func TestRecovery(t *testing.T) {
	log := newLog(time.Now)
	r := newRig(t, log, func(_ *partition.Config, h *host) { h.plan.Steps[0].Unknown = message.Wait })
	var all []table.Call
	for i := range 4 {
		r.accept(fmt.Sprintf("+44770090000%d", i))
		all = append(all, r.call())
	}
	calling, waiting, done := all[0], all[1], all[2]
	r.answer(waiting, message.Accepted)
	r.stands(waiting.ID, message.Accepted)
	r.answer(done, message.Delivered)
	r.stands(done.ID, "")
	r.answer(all[3], message.Accepted)
	r.stands(all[3].ID, message.Accepted)
	r.end()

	r = newRig(t, log, nil)
	if r.found.Live != 3 || r.found.Unknown != 1 {
		t.Errorf("found %+v, want 3 that live, one of them unknown", r.found)
	}
	if s := r.stands(done.ID, ""); s.Outcome != message.Delivered {
		t.Errorf("the finished one: %+v", s)
	}
	for _, c := range []table.Call{calling, waiting} {
		if err := r.Event(t.Context(), c.ID, flow.Event{Kind: flow.Receipt, Attempt: 1, Outcome: message.Delivered}); err != nil {
			t.Fatal(err)
		}
		if s := r.stands(c.ID, ""); s.Outcome != message.Delivered || s.Step.Account != "one" {
			t.Errorf("after the receipt: %+v", s)
		}
	}
	if len(r.host.calls) > 0 {
		t.Error("a call was made again")
	}
	if a, ok := r.host.vendors.Find("one", message.VendorMessageID("v-"+waiting.ID.Message())); !ok || a.ID != waiting.ID {
		t.Error("the vendor's id is not known any more")
	}
}

// A vendor is believed about calls on its own account only, whatever it names.
func TestForeignReceipts(t *testing.T) {
	r := newRig(t, newLog(time.Now), nil)
	id := r.accept("+447700900001")
	r.answer(r.call(), message.Accepted)
	r.stands(id, message.Accepted)
	delivered := flow.Event{Kind: flow.Receipt, Attempt: 1, Outcome: message.Delivered}
	if err := r.Receipt(t.Context(), "two", id, delivered); !errors.Is(err, table.ErrForeign) {
		t.Errorf("a receipt from another account: %v", err)
	}
	never := delivered
	never.Attempt = 7
	if err := r.Receipt(t.Context(), "one", id, never); !errors.Is(err, table.ErrForeign) {
		t.Errorf("a receipt of an attempt that never was: %v", err)
	}
	if s := r.stands(id, message.Accepted); s.Final {
		t.Errorf("after foreign receipts: %+v", s)
	}
	if err := r.Receipt(t.Context(), "one", id, delivered); err != nil {
		t.Fatal(err)
	}
	if s := r.stands(id, ""); s.Outcome != message.Delivered {
		t.Errorf("after its own receipt: %+v", s)
	}
}

// An orphan receipt was stored, its attempt then became known, and the engine died before it was passed on.
func TestRecoveryMatchesOrphans(t *testing.T) {
	log := newLog(time.Now)
	r := newRig(t, log, func(_ *partition.Config, h *host) { h.deaf = true })
	id := r.accept("+447700900000")
	r.answer(r.call(), message.Accepted)
	r.stands(id, message.Accepted)
	rec := message.Receipt{VendorID: message.VendorMessageID("v-" + id.Message()), Outcome: message.Delivered}
	for _, account := range []message.AccountID{"another", "one"} {
		if err := r.Report(t.Context(), &message.Event{Account: account}, []byte(`{"vendor_id":"`+string(rec.VendorID)+`","outcome":"delivered"}`), &rec); err != nil {
			t.Fatal(err)
		}
	}
	r.end()
	_, before := log.Bounds()
	ended := 0
	for range 3 {
		r = newRig(t, log, nil)
		if s := r.stands(id, ""); s.Outcome != message.Delivered {
			t.Errorf("it ended as %+v", s)
		}
		r.end()
		ended += r.host.ended
	}
	if ended != 1 {
		t.Errorf("%d ends were counted", ended)
	}
	if _, after := log.Bounds(); after != before+1 {
		t.Errorf("%d frames more, want one: the receipt counts once", after-before)
	}
}

// Finished messages are forgotten, oldest first, and with them their vendors' ids. A late receipt is then a stranger's.
func TestFinishedAreForgotten(t *testing.T) {
	r := newRig(t, newLog(time.Now), func(c *partition.Config, _ *host) { c.Finished = 4 })
	var all []ids.ID
	for i := range 6 {
		all = append(all, r.accept(fmt.Sprintf("+44770090000%d", i)))
		r.answer(r.call(), message.Delivered)
		r.stands(all[i], "")
	}
	for i, id := range all {
		_, known, err := r.Wait(t.Context(), id, "")
		if err != nil || known != (i >= 2) {
			t.Errorf("message %d of 6: known %t, %v", i, known, err)
		}
		_, ok := r.host.vendors.Find("one", message.VendorMessageID("v-"+id.Message()))
		if ok != (i >= 2) {
			t.Errorf("message %d of 6: its vendor's id is known %t", i, ok)
		}
		err = r.Event(t.Context(), id, flow.Event{Kind: flow.Receipt, Attempt: 1, Outcome: message.Read})
		if errors.Is(err, table.ErrUnknown) != (i < 2) {
			t.Errorf("message %d of 6: a late receipt: %v", i, err)
		}
	}
	if r.host.ended != 6 {
		t.Errorf("%d ends were counted", r.host.ended)
	}
}

// Answers with all the detail that a connector may give do not outgrow a frame together.
func TestFramesAreBounded(t *testing.T) {
	log := newLog(time.Now)
	r := newRig(t, log, func(_ *partition.Config, h *host) { h.hold = true })
	const messages = 400
	var all []ids.ID
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range messages {
		wg.Go(func() {
			id := r.accept(fmt.Sprintf("+447700900%03d", i))
			mu.Lock()
			all = append(all, id)
			mu.Unlock()
		})
	}
	wg.Wait()
	r.host.mu.Lock()
	turns := r.host.queued
	r.host.mu.Unlock()
	r.Granted("one", turns)
	var calls []table.Call
	for range all {
		calls = append(calls, r.call())
	}
	detail := map[string]string{"x": strings.Repeat("x", 60<<10)}
	long := fault.New(fault.InvalidRecipient, "no_such_number", "%s", strings.Repeat("no ", 200))
	for i, c := range calls {
		ev := flow.Event{Kind: flow.Answered, Attempt: 1, Outcome: message.Delivered}
		if i%2 == 0 {
			ev.Fault = long
		}
		r.Answered(c.ID, ev, detail)
	}
	for _, id := range all {
		r.stands(id, "")
	}
	if r.host.stalled != nil {
		t.Errorf("the log refused: %v", r.host.stalled)
	}
}

func TestTooLarge(t *testing.T) {
	log := newLog(time.Now)
	r := newRig(t, log, nil)
	n := r.message("+447700900000", "")
	n.JSON = append(n.JSON, make([]byte, log.limit)...)
	if e, ok := errors.AsType[*message.Error](r.Accept(t.Context(), n)); !ok || e.Code != "too_large" {
		t.Errorf("a message larger than a frame: %v", e)
	}
	err := r.Report(t.Context(), &message.Event{}, make([]byte, log.limit), nil)
	if f := fault.From(err); f == nil || f.Code != "event_too_large" {
		t.Errorf("an event larger than a frame: %v", err)
	}
	r.accept("+447700900000")
}

// Trimming writes live messages and keys again, in frames that fit, and forgets the rest.
func TestTrim(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	log := newLog(clock)
	log.limit = 64 << 10
	r := newRig(t, log, func(_ *partition.Config, h *host) { h.plan.Steps[0].Within = 100 * time.Hour })
	const keys = 5000
	var live ids.ID
	for i := range keys / 50 {
		var wg sync.WaitGroup
		for j := range 50 {
			wg.Go(func() {
				if err := r.Accept(t.Context(), r.message(fmt.Sprintf("+447700900%03d", j), fmt.Sprint("key ", i*50+j))); err != nil {
					t.Error(err)
				}
			})
		}
		for range 50 {
			r.answer(r.call(), message.Delivered)
		}
		wg.Wait()
	}
	live = r.accept("+447700900999")
	r.answer(r.call(), message.Accepted)
	r.stands(live, message.Accepted)
	_, before := log.Bounds()
	for range 3 {
		mu.Lock()
		now = now.Add(2 * time.Hour)
		mu.Unlock()
		for range 2 {
			id := r.accept("+447700900998")
			r.answer(r.call(), message.Delivered)
			r.stands(id, "")
			mu.Lock()
			now = now.Add(2 * time.Minute)
			mu.Unlock()
		}
	}
	r.end()
	if first, _ := log.Bounds(); first <= before {
		t.Fatalf("the log begins at %d, and frames up to %d are old", first, before)
	}
	r = newRig(t, log, nil)
	for i := range keys {
		n := r.message("+447700900000", fmt.Sprint("key ", i))
		if _, known, err := r.host.keys.Reserve(t.Context(), n.Key, n.ID); !known || err != nil {
			t.Fatalf("key %d of %d was forgotten: %v", i, keys, err)
		}
	}
	if s := r.stands(live, message.Accepted); s.Final {
		t.Errorf("the live message: %+v", s)
	}
	if err := r.Event(t.Context(), live, flow.Event{Kind: flow.Receipt, Attempt: 1, Outcome: message.Delivered}); err != nil {
		t.Fatal(err)
	}
	r.stands(live, "")
}

// Quiet records no further attempts, and hands out those that are recorded.
func TestQuiet(t *testing.T) {
	log := newLog(time.Now)
	r := newRig(t, log, func(_ *partition.Config, h *host) { h.hold = true })
	for i := range 100 {
		r.accept(fmt.Sprintf("+447700900%03d", i))
	}
	r.host.mu.Lock()
	turns := r.host.queued
	r.host.mu.Unlock()
	r.Granted("one", turns[:50])
	if err := r.Quiet(t.Context()); err != nil {
		t.Fatal(err)
	}
	called := len(r.host.calls)
	r.Granted("one", turns[50:])
	if err := r.Do(t.Context(), func() {}); err != nil {
		t.Fatal(err)
	}
	r.end()
	if n := len(r.host.calls); n != called {
		t.Errorf("%d calls after Quiet", n-called)
	}
	r = newRig(t, log, nil)
	if r.found.Unknown != called || r.found.Live != 100 {
		t.Errorf("found %+v after %d calls", r.found, called)
	}
}

// A message's body is read back from the log, with the contents of its plan, once too many wait for their turn to be kept.
func TestBodiesAreReadBack(t *testing.T) {
	r := newRig(t, newLog(time.Now), func(_ *partition.Config, h *host) { h.hold = true })
	const messages = 5000
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < messages; i = next.Add(1) - 1 {
				if err := r.Accept(t.Context(), r.message(fmt.Sprint(i), "")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r.host.mu.Lock()
	turns := r.host.queued
	r.host.mu.Unlock()
	r.Granted("one", turns)
	for range messages {
		c := r.call()
		if c.Body.Message.ID != c.ID.Message() || c.Body.Message.Content.Text != "the message's own" || c.Body.Plan.Steps[0].Content.Text != "rendered" {
			t.Fatalf("the body is %+v", c.Body)
		}
	}
}
