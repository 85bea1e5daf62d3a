package core_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// limited sets account one's limits.
func limited(l connector.Limits) func(*core.Config) {
	return func(c *core.Config) {
		a := c.Accounts["one"]
		a.Limits = &l
		c.Accounts["one"] = a
	}
}

// First calls for one recipient are made in the order of acceptance, under pacing, refusals and a restart in the middle.
func TestOrderPerRecipient(t *testing.T) {
	t.Parallel()
	const recipients, each = 40, 25
	v := newVendor(t)
	v.answer = func(_ context.Context, c vendCall, n int) vendReply {
		if n%7 == 0 && c.Attempt == 1 {
			return vendReply{Class: fault.RecipientBusy, Code: "busy"}
		}
		return vendReply{}
	}
	k := newKit(t, v, oneStep("retries: 10"), limited(connector.Limits{PerSecond: 900, PerRecipientPerSecond: 100, Concurrency: 50}))
	var wg sync.WaitGroup
	for r := range recipients {
		wg.Go(func() {
			for i := range each {
				m := text(r, fmt.Sprint(i))
				m.Priority = message.Normal
				if _, err := k.Send(t.Context(), m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	v.await(t, recipients*each/3)
	k.restart()
	next := map[string]int{}
	first := map[message.ID]bool{}
	for n := recipients * each; len(first) < recipients*each; n++ {
		clear(first)
		for _, c := range v.await(t, n) {
			first[c.Message] = true
		}
	}
	clear(first)
	for _, c := range v.seen() {
		if first[c.Message] {
			continue
		}
		first[c.Message] = true
		if c.Text != fmt.Sprint(next[c.To]) {
			t.Fatalf("%s: the first call of message %s came when %d was next", c.To, c.Text, next[c.To])
		}
		next[c.To]++
	}
}

// Recipients never wait for each other, nor a message for one that waits for a receipt or a backoff.
func TestNobodyIsHeldUp(t *testing.T) {
	t.Parallel()
	c := newClock()
	v := newVendor(t)
	hold := make(chan struct{})
	v.answer = func(ctx context.Context, c vendCall, _ int) vendReply {
		switch c.Text {
		case "hold":
			select {
			case <-hold:
			case <-ctx.Done():
			}
		case "busy":
			return vendReply{Class: fault.RecipientBusy, Code: "busy"}
		}
		return vendReply{}
	}
	k := newKit(t, v, "routes:\n  - name: waits\n    when: msg.category == \"waits\"\n    fallback:\n      - {via: one/whatsapp, until: delivered, within: 1h}\n  - name: all\n    fallback:\n      - {via: one/sms}\n",
		func(cfg *core.Config) { cfg.Clock = c })
	held := k.send(text(0, "hold"))
	behind := k.send(text(0, "behind"))
	for i := range 50 {
		k.ends(k.send(text(i+1, "hello")), message.Accepted, "")
	}
	if s := k.now(behind); s.Outcome != "" {
		t.Errorf("the first message's call is under way, and the second stands at %+v", s)
	}
	close(hold)
	k.ends(held, message.Accepted, "")
	k.ends(behind, message.Accepted, "")
	waits := text(1, "waits")
	waits.Category = "waits"
	receipt := k.send(waits)
	k.ends(k.send(text(1, "behind")), message.Accepted, "")
	busy := k.send(text(2, "busy"))
	k.ends(k.send(text(2, "behind")), message.Accepted, "")
	for _, id := range []message.ID{receipt, busy} {
		if s := k.now(id); s.Final {
			t.Errorf("it ended as %+v", s)
		}
	}
}

// now returns where a message stands.
func (k *kit) now(id message.ID) core.Status {
	k.t.Helper()
	tl, err := k.Trace(k.t.Context(), id)
	if err != nil {
		k.t.Fatal(err)
	}
	return tl.Status
}

// A rule with `order: strict` holds the recipient's next message until this one is final, whatever it waits for, across a restart.
func TestStrictOrder(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %t", restart), func(t *testing.T) {
			t.Parallel()
			c := newClock()
			v := newVendor(t)
			v.answer = func(_ context.Context, c vendCall, n int) vendReply {
				if n == 0 {
					return vendReply{Class: fault.RecipientBusy, Code: "busy"}
				}
				return vendReply{}
			}
			rules := "routes:\n  - name: all\n    order: strict\n    fallback:\n      - {via: one/whatsapp, until: delivered, within: 1h}\n"
			k := newKit(t, v, rules, func(cfg *core.Config) { cfg.Clock = c })
			var all []message.ID
			for i := range 4 {
				all = append(all, k.send(text(0, fmt.Sprint(i))))
			}
			maybe := func() {
				if restart {
					k.restart()
				}
			}
			k.waitsFor(all[0], "recipient_busy")
			maybe()
			c.pass(5 * time.Minute)
			for i, id := range all {
				k.reaches(id, message.Accepted)
				maybe()
				marker := k.send(text(1+i, "somebody else's"))
				k.reaches(marker, message.Accepted)
				for _, later := range all[i+1:] {
					if got := k.timeline(later); strings.Contains(got, "attempted") {
						t.Fatalf("message %d is not final, and a later one was called\n%s", i, got)
					}
				}
				attempt := 1
				if i == 0 {
					attempt = 2
				}
				k.told("one", receiptFor(id, attempt, message.Delivered))
				k.ends(id, message.Delivered, "")
			}
		})
	}
}

// Stop lets work finish and records no call that is not made: with no retries to spare, every message still ends well.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	k := newKit(t, v, oneStep("retries: 0"), limited(connector.Limits{Concurrency: 32}))
	const messages = 600
	var all []message.ID
	var mu sync.Mutex
	var wg sync.WaitGroup
	for s := range 20 {
		wg.Go(func() {
			for i := range messages / 20 {
				id, err := k.Send(t.Context(), text(20*i+s, "hello"))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				all = append(all, id)
				mu.Unlock()
			}
		})
	}
	for i := range 3 {
		v.await(t, 100*(i+1))
		if i > 0 {
			k.restart()
		} else {
			wg.Wait()
			k.restart()
		}
	}
	for _, id := range all {
		k.ends(id, message.Accepted, "")
	}
	if n := v.count(); n != messages {
		t.Errorf("%d calls for %d messages", n, messages)
	}
}

// Stop in the middle of Sends: each Send either returns an id, which counts, or says that the engine stops.
func TestStopWhileSending(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	k := newKit(t, v, oneStep(""), nil)
	var mu sync.Mutex
	var all []message.ID
	var wg sync.WaitGroup
	engine := k.Engine
	for s := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id, err := engine.Send(t.Context(), text(8*i+s, "hello"))
				if err != nil {
					if !errors.Is(err, core.ErrStopped) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				all = append(all, id)
				mu.Unlock()
			}
		})
	}
	v.await(t, 300)
	k.stop()
	wg.Wait()
	k.start()
	for _, id := range all {
		k.ends(id, message.Accepted, "")
	}
	if n := v.count(); n != len(all) {
		t.Errorf("%d calls for %d messages", n, len(all))
	}
}
