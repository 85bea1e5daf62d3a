package core_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// One idempotency key, one message: from many goroutines at once, and across a restart.
func TestKeys(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	c := newClock()
	k := newKit(t, v, oneStep(""), func(cfg *core.Config) { cfg.IdempotencyWindow, cfg.Clock = time.Hour, c })
	const keys, senders = 20, 16
	ids := make([][]message.ID, keys)
	sendAll := func() {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for s := range senders {
			wg.Go(func() {
				for i := range keys {
					m := text(s, "hello") // the key alone counts
					m.Key = message.Key(fmt.Sprint("key ", (i+s)%keys))
					id, err := k.Send(t.Context(), m)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					ids[(i+s)%keys] = append(ids[(i+s)%keys], id)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
	}
	sendAll()
	k.restart()
	sendAll()
	all := map[message.ID]bool{}
	for i, list := range ids {
		if len(list) != 2*senders || len(slices.Compact(slices.Clone(list))) != 1 {
			t.Errorf("key %d gave %v", i, list)
		}
		all[list[0]] = true
		k.ends(list[0], message.Accepted, "")
	}
	if len(all) != keys || v.count() != keys {
		t.Errorf("%d messages and %d calls for %d keys", len(all), v.count(), keys)
	}
	c.pass(2 * time.Hour)
	m := text(0, "hello")
	m.Key = "key 0"
	if id := k.send(m); all[id] {
		t.Errorf("the key is still remembered after its window")
	}
}

// A Send that gives up leaves open whether the message was taken; the same key settles it.
func TestKeyAfterGivingUp(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	k := newKit(t, v, oneStep(""), nil)
	given := 0
	for i := range 200 {
		m := text(i, "hello")
		m.Key = message.Key(fmt.Sprint("key ", i))
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*5*time.Microsecond)
		first, err := k.Send(ctx, m)
		cancel()
		if err != nil {
			given++
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		}
		second := k.send(m)
		if err == nil && first != second {
			t.Fatalf("key %d has two messages", i)
		}
		k.ends(second, message.Accepted, "")
	}
	if n := v.count(); n != 200 || given == 0 {
		t.Errorf("%d calls for 200 keys, %d of which were given up first", n, given)
	}
}

// A subscriber goes on where it stopped, also after a restart: nothing is missing, and what comes again has the same id.
func TestEventsAcrossRestarts(t *testing.T) {
	t.Parallel()
	k := newKit(t, newVendor(t), oneStep(""), nil)
	type seen struct {
		count int
		text  string
	}
	events := map[message.EventID]*seen{}
	order := map[message.ID][]message.EventType{}
	finished := 0
	take := func(stopAt int) {
		t.Helper()
		k.until("billing", func(ev message.Event) bool {
			if ev.Source != "hermod/hermod" || ev.ID == "" {
				t.Fatalf("event without a name: %+v", ev)
			}
			s := events[ev.ID]
			if s == nil {
				s = &seen{text: string(ev.Type) + string(ev.Message)}
				events[ev.ID] = s
				order[ev.Message] = append(order[ev.Message], ev.Type)
				if ev.Type == message.EventFinished {
					finished++
				}
			}
			if s.count++; s.text != string(ev.Type)+string(ev.Message) {
				t.Errorf("event %s is not what it was", ev.ID)
			}
			return finished >= stopAt
		})
	}
	for round := range 3 {
		var last message.ID
		for i := range 50 {
			last = k.send(text(i, "hello"))
		}
		k.reaches(last, "")
		take(50*round + 25)
		k.restart()
	}
	take(150)
	want := []message.EventType{message.EventAccepted, message.EventPlanned, message.EventAttempted, message.EventAnswered, message.EventFinished}
	if len(order) != 150 {
		t.Errorf("events about %d messages, want 150", len(order))
	}
	for id, types := range order {
		if !slices.Equal(types, want) {
			t.Errorf("%s: %v", id, types)
		}
	}
	another := 0
	k.until("another", func(ev message.Event) bool {
		if events[ev.ID] == nil {
			t.Errorf("%s has another id for another subscriber", ev.Type)
		}
		another++
		return another == len(events)
	})
}

func TestLiveEvents(t *testing.T) {
	t.Parallel()
	k := newKit(t, newVendor(t), oneStep(""), nil)
	k.ends(k.send(text(0, "before")), message.Accepted, "")
	ctx, cancel := context.WithCancel(t.Context())
	var got []message.ID
	first := make(chan struct{})
	done := make(chan error)
	var once sync.Once
	go func() {
		done <- k.Events(ctx, "", func(_ context.Context, ev message.Event) error {
			got = append(got, ev.Message)
			once.Do(func() { close(first) })
			return nil
		})
	}()
	var id message.ID
	for waiting := true; waiting; { // the subscription begins at some time
		id = k.send(text(1, "after"))
		k.reaches(id, "")
		select {
		case <-first:
			waiting = false
		default:
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(got) == 0 {
		t.Error("no events")
	}
	stopped := make(chan error)
	go func() {
		stopped <- k.Events(t.Context(), "to the end", func(context.Context, message.Event) error { return nil })
	}()
	k.stop()
	if err := <-stopped; !errors.Is(err, core.ErrStopped) {
		t.Errorf("a subscriber at the end: %v", err)
	}
}

// TestNothingLeaks runs everything that can happen, with the log at its lowest level, and looks for what must not be in it.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var log bytes.Buffer
	v := newVendor(t)
	var n atomic.Int64
	classes := append([]fault.Class{"", ""}, fault.Classes()...)
	v.answer = func(_ context.Context, c vendCall, _ int) vendReply {
		return vendReply{Class: classes[int(n.Add(1))%len(classes)], Code: "refused"}
	}
	k := newKit(t, v, twoSteps("when: data.count > 1"), func(cfg *core.Config) {
		cfg.Logger = slog.New(slog.NewJSONHandler(&locked{mu: &mu, w: &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	secrets := []string{vendToken, "447700900", "message text", "ada@example.com", "2015550", "Ada", "secret label"}
	for i := range 120 {
		m := text(i, "message text")
		m.To.Email, m.To.Name, m.Labels = "ada@example.com", "Ada", map[string]string{"note": "secret label"}
		if i%3 > 0 {
			m.Data = map[string]any{"count": 2, "phone": phone(i), "text": "message text"}
		}
		id := k.send(m)
		k.told("one", receiptFor(id, 1, message.Delivered), vendEvent{Phone: phone(i), Text: "message text"})
		if _, err := k.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		_ = k.Resume("one")
		_ = k.Resume("two")
	}
	bad := text(0, "message text")
	bad.To.Phone = "+44770090012x"
	_, err := k.Send(t.Context(), bad)
	for _, s := range secrets {
		if err == nil || strings.Contains(err.Error(), s) {
			t.Errorf("the refusal of a bad number: %v", err)
		}
	}
	k.webhook("one", "wrong", []byte(`[{"Phone":"+447700900000","Text":"message text"}]`))
	k.webhook("one", vendToken, []byte(`{"Phone":"+447700900000","Text":"message text"}`))
	k.write("routes: +447700900000 message text")
	if err := k.Reload(); err == nil {
		t.Error("a bad rule file was taken")
	}
	k.write(oneStep(""))
	k.restart()
	k.stop()
	mu.Lock()
	defer mu.Unlock()
	if log.Len() == 0 {
		t.Fatal("nothing was logged: the test proves nothing")
	}
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "the rules were refused") { // shows the operator's own line of the rule file
			continue
		}
		for _, s := range secrets {
			if strings.Contains(line, s) {
				t.Errorf("%q is in the log: %s", s, line)
			}
		}
	}
}

// locked is a writer that several engines may use.
type locked struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
