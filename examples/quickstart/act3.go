package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/examples/quickstart/internal/front"
	"github.com/hermodhq/hermod/sdk/message"
)

const senders = 8

// burst is what act 3 sends, and what became of it.
type burst struct {
	ids        []message.ID // of the messages, in their order
	unanswered []bool       // the kill took the answer to Send
	accepted   atomic.Int64
	midway     chan struct{}   // closed when the host is to be killed
	resume     chan struct{}   // closed when the second host runs
	killed     time.Time       // when the first host was gone
	timelines  []core.Timeline // of every message
	vendor     tallyOfCalls
}

// tallyOfCalls is what the vendor saw.
type tallyOfCalls struct {
	calls   int
	most    int // for one message
	taken   int
	doubled int // messages that were taken twice on one channel
}

// killHost is act 3.
func (d *demo) killHost(ctx context.Context) (*burst, error) {
	all := burstOf(d.burst)
	d.screen.act("Act 3: %d messages, and kill -9 of the host in the middle of them.", len(all))
	b := &burst{ids: make([]message.ID, len(all)), unanswered: make([]bool, len(all)), midway: make(chan struct{}), resume: make(chan struct{})}
	before := d.vendor.sim.State()
	calls := d.vendor.after(len(all) * 2 / 5)
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	group, sending := errgroup.WithContext(bounded)
	group.Go(func() error { return b.send(sending, d.front, all, calls) })
	group.Go(func() error { return d.strike(sending, b, len(before.Requests)) })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var err error
	if b.timelines, err = d.finish(ctx, b.ids); err != nil {
		return nil, err
	}
	b.vendor = d.vendor.since(len(before.Requests), len(before.Messages))
	return b, d.account(b)
}

// burstOf makes messages to as many numbers: orders, and a one-time code after each three of them.
func burstOf(n int) []message.Message {
	all := make([]message.Message, n)
	for i := range all {
		phone := fmt.Sprintf("+4477009009%02d", i/2)
		if i%2 == 1 {
			phone = fmt.Sprintf("+120255501%02d", i/2)
		}
		all[i] = message.Message{Key: message.Key(fmt.Sprintf("burst-%d", i)), To: message.Recipient{Phone: phone}, Category: "order",
			Data: map[string]any{"order": fmt.Sprint(2000 + i), "news": "has shipped"}}
		if i%4 == 3 {
			all[i].Category, all[i].Priority, all[i].Data = "code", message.Urgent, map[string]any{"code": fmt.Sprintf("%06d", 7919*i)}
		}
	}
	return all
}

// send hands all messages to the host from several goroutines: three quarters at once, and the rest after so many calls
// to the vendor. The host is killed in the middle of that rest, so that it dies accepting as well as calling.
func (b *burst) send(ctx context.Context, f *front.Front, all []message.Message, calls <-chan struct{}) error {
	next := make(chan int)
	group, ctx := errgroup.WithContext(ctx)
	for range senders {
		group.Go(func() error {
			for i := range next {
				if err := b.one(ctx, f, all, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(next)
		for i := range all {
			switch i {
			case len(all) * 3 / 4:
				select {
				case <-calls:
				case <-ctx.Done():
				}
			case len(all) * 7 / 8:
				close(b.midway)
			}
			select {
			case next <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}

// one sends a message. When the host dies before it answers, the message is sent again with the same key once there is a host.
func (b *burst) one(ctx context.Context, f *front.Front, all []message.Message, i int) (err error) {
	if b.ids[i], err = f.Send(ctx, all[i]); err != nil {
		b.unanswered[i] = true
		select {
		case <-b.resume:
		case <-ctx.Done():
			return err
		}
		if b.ids[i], err = f.Send(ctx, all[i]); err != nil {
			return err
		}
	}
	b.accepted.Add(1)
	return nil
}

// strike kills the host when its time has come, and starts it again.
func (d *demo) strike(ctx context.Context, b *burst, requests int) error {
	select {
	case <-b.midway:
	case <-ctx.Done():
		return ctx.Err()
	}
	accepted := b.accepted.Load()
	if err := d.host.Kill(); err != nil {
		return err
	}
	b.killed = time.Now()
	d.screen.say("kill -9 %d, when %d messages had been accepted and the vendor had got %d calls.", d.host.PID(), accepted, d.vendor.since(requests, 0).calls)
	h, err := d.front.Start(ctx)
	if err != nil {
		return err
	}
	d.host = h
	d.screen.say("A new host (pid %d) took the journal over and was ready after %s.", h.PID(), time.Since(b.killed).Round(time.Millisecond))
	close(b.resume)
	return nil
}

// since counts what the vendor got and took after so many requests and messages.
func (v *vendor) since(requests, taken int) tallyOfCalls {
	s := v.sim.State()
	t := tallyOfCalls{taken: len(s.Messages) - taken}
	calls, twice := map[string]int{}, map[string]int{}
	for _, r := range s.Requests[requests:] {
		if strings.HasPrefix(r.Cmd, "Send") {
			t.calls++
			calls[r.Phone]++ // each message has a number of its own
			t.most = max(t.most, calls[r.Phone])
		}
	}
	for _, m := range s.Messages[taken:] {
		if twice[m.Cmd+m.Phone]++; twice[m.Cmd+m.Phone] == 2 {
			t.doubled++
		}
	}
	return t
}

// interrupted reports whether the message's call was out when the host died.
func interrupted(t *core.Timeline) bool {
	return slices.ContainsFunc(t.Entries, func(e core.Entry) bool { return e.Fault != nil && e.Fault.Code == "engine_restarted" })
}

// lost counts the accepted messages that have no final outcome.
func (b *burst) lost() int { return len(b.ids) - finals(b.timelines) }

// account prints what became of everything.
func (d *demo) account(b *burst) error {
	var out []core.Timeline // calls that were out
	before, unanswered, stored := 0, 0, 0
	for i := range b.timelines {
		t := &b.timelines[i]
		early := t.Entries[0].At.Before(b.killed)
		switch {
		case b.unanswered[i] && early:
			stored++
		case early:
			before++
		}
		if b.unanswered[i] {
			unanswered++
		}
		if interrupted(t) {
			out = append(out, *t)
		}
	}
	if len(out) > 0 {
		d.screen.say("\n-- A message whose call was out when the host died")
		if err := d.timeline(&out[0]); err != nil {
			return err
		}
	}
	d.screen.say("\nThe count:")
	d.screen.table([][3]string{
		{"accepted", fmt.Sprint(len(b.timelines)), fmt.Sprintf("%d before the kill, %d after it", before, len(b.timelines)-before)},
		{"sends left unanswered by the kill", fmt.Sprint(unanswered), fmt.Sprintf("sent again with the same key: %d had been stored, and kept their id", stored)},
		{"final", fmt.Sprint(finals(b.timelines)), counts(outcomes(b.timelines))},
		{"lost", fmt.Sprint(b.lost()), ""},
		{"calls out at the kill", fmt.Sprint(len(out)), "outcome unknown at first; these messages ended as: " + counts(outcomes(out))},
		{"calls that the vendor got", fmt.Sprint(b.vendor.calls), fmt.Sprintf("at most %d for one message, fallbacks and retries included", b.vendor.most)},
		{"messages that it took", fmt.Sprint(b.vendor.taken), "fallbacks included"},
		{"taken twice on one channel", fmt.Sprint(b.vendor.doubled), "no rule of the demo says `unknown: resend`"},
	})
	switch {
	case b.lost() != 0:
		return errors.New("messages were lost")
	case b.vendor.doubled != 0:
		return errors.New("messages were sent twice")
	}
	return nil
}
