package react_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hermodhq/hermod/core/internal/react"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

const onNew = "reactions:\n  - name: r\n    on: ticket.new\n    do:\n"

const (
	doWrite = "      - {call: desk/write, with: {name: \"{{ event.contact.name }}\"}}\n"
	doRead  = "      - call: desk/read\n"
	doSend  = "      - send: {to: {phone: \"{{ event.contact.phone }}\"}, content: {text: Hi}}\n"
	doTell  = "      - {tell: new, with: {who: \"{{ event.contact.name }}\"}}\n"
)

func (w *world) expect(outcomes ...string) {
	w.t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(outcomes, w.outcomes()); diff != "" {
		w.t.Errorf("what is recorded (-want +got):\n%s", diff)
	}
}

func TestActions(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, onNew+doWrite+doRead+doSend+doTell)
		r := w.start()
		w.vendor("ticket.other", "0", "u")
		w.vendor("ticket.new", "1", "u")
		w.expect("started r", "done r", "done r", "done r", "told r")
		w.stop(r)
		if want := []string{`desk/write {"name":"Ada"}`, "desk/read {}"}; !slices.Equal(w.calls, want) {
			t.Errorf("calls %q, want %q", w.calls, want)
		}
		for key, m := range w.sent {
			if !strings.HasPrefix(string(key), "hermod.reaction.") || m.To.Phone != "+447700900123" || m.Labels["hermod.depth"] != "1" || m.Content.Text != "Hi" {
				t.Errorf("sent %+v", m)
			}
		}
		var told struct {
			Name string         `json:"name"`
			With map[string]any `json:"with"`
		}
		last := w.events[len(w.events)-1]
		if err := json.Unmarshal(last.Data, &told); err != nil || told.Name != "new" || told.With["who"] != "Ada" || last.User != "u" || last.Source != "hermod/test" {
			t.Errorf("told %+v, %v", last, err)
		}
	})
}

func TestFaults(t *testing.T) {
	refused := fault.New(fault.ContentRejected, "no", "no")
	busy := fault.New(fault.Unavailable, "busy", "busy")
	lost := fault.New(fault.OutcomeUnknown, "lost", "lost")
	tests := []struct {
		name, do string
		faults   []error // of the first calls
		want     []string
		took     time.Duration // at least
	}{
		{"refused", doWrite + doTell, []error{refused}, []string{"started r", "failed r no"}, 0},
		{"busy twice", doWrite, []error{busy, busy}, []string{"started r", "retrying r busy", "started r", "retrying r busy", "started r", "done r"}, 1500 * time.Millisecond},
		{"busy for good", doRead + "    retries: 1\n", []error{busy, busy}, []string{"failed r busy"}, 500 * time.Millisecond},
		{"no retries", doWrite + "    retries: 0\n", []error{busy}, []string{"started r", "failed r busy"}, 0},
		{"asked to wait", doRead, []error{busy.After(30 * time.Second)}, []string{"done r"}, 30 * time.Second},
		{"unknown", doWrite + doTell, []error{lost}, []string{"started r", "unknown r lost"}, 0},
		{"unknown, but it only reads", doRead, []error{lost}, []string{"done r"}, 0},
		{"any error", doWrite, []error{errors.New("x")}, []string{"started r", "failed r unclassified"}, 0},
		{"a value is missing", "      - {call: desk/write, with: {a: \"{{ event.data.a }}\"}}\n", nil, []string{"failed r template_value_missing"}, 0},
		{"a condition cannot be evaluated", doTell + "    when: event.data.a > 1\n", nil, []string{"failed r condition_failed"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, onNew+tt.do)
				w.invoke = func(n int, _ string, _ json.RawMessage) (json.RawMessage, error) {
					if n < len(tt.faults) {
						return nil, tt.faults[n]
					}
					return json.RawMessage("{}"), nil
				}
				r, began := w.start(), time.Now()
				w.vendor("ticket.new", "1", "u")
				synctest.Wait()
				for len(w.outcomes()) < len(tt.want) && time.Since(began) < time.Hour {
					time.Sleep(100 * time.Millisecond)
					synctest.Wait()
				}
				if took := time.Since(began); took < tt.took {
					t.Errorf("done after %s, want at least %s", took, tt.took)
				}
				time.Sleep(time.Hour)
				w.expect(tt.want...)
				w.stop(r)
			})
		})
	}
}

// A message that is not accepted is a failure; a journal that takes nothing is waited for.
func TestSend(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, onNew+doSend)
		errs := []error{fault.New(fault.Unavailable, "journal_unavailable", "full"), fault.New(fault.Unavailable, "journal_unavailable", "full")}
		w.sending = func(int) error {
			if len(errs) == 0 {
				return nil
			}
			err := errs[0]
			errs = errs[1:]
			return err
		}
		r := w.start()
		w.vendor("ticket.new", "1", "u")
		time.Sleep(time.Minute)
		w.expect("done r")
		errs = []error{&message.Error{Code: "recipient_missing", Path: "to", Text: "no"}}
		w.vendor("ticket.new", "2", "u")
		w.expect("done r", "failed r recipient_missing")
		w.stop(r)
	})
}

// Whatever moment the engine dies at, a call that changes something is made once, and a message is sent once.
func TestKilled(t *testing.T) {
	tests := []struct {
		name, do string
		at       message.EventType // dies instead of storing this
		want     []string
		calls    int
		sent     int
	}{
		{"before started", doWrite, message.EventReactionStarted, []string{"started r", "done r"}, 1, 0},
		{"before done", doWrite + doTell, message.EventReactionDone, []string{"started r", "unknown r engine_restarted"}, 1, 0},
		{"before failed", doWrite, message.EventReactionFailed, []string{"started r", "unknown r engine_restarted"}, 1, 0},
		{"before done, but it only reads", doRead, message.EventReactionDone, []string{"done r"}, 2, 0},
		{"before done, of a message", doSend, message.EventReactionDone, []string{"done r"}, 0, 1},
		{"before told", doTell, message.EventReactionTold, []string{"told r"}, 0, 0},
		{"between actions", doWrite + doTell, message.EventReactionTold, []string{"started r", "done r", "told r"}, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, onNew+tt.do)
				if tt.at == message.EventReactionFailed {
					w.invoke = func(int, string, json.RawMessage) (json.RawMessage, error) {
						return nil, fault.New(fault.ContentRejected, "no", "no")
					}
				}
				w.stored = func(ev *message.Event) error {
					if w.dead = ev.Type == tt.at; w.dead {
						return errStopped
					}
					return nil
				}
				r := w.start()
				w.vendor("ticket.new", "1", "u")
				synctest.Wait()
				w.stored = nil
				w.kill(r)
				for range 3 { // later starts change nothing
					w.stop(w.start())
					r = w.start()
					w.expect(tt.want...)
					w.stop(r)
				}
				if w.called() != tt.calls || len(w.sent) != tt.sent {
					t.Errorf("%d calls, %d messages; want %d and %d", w.called(), len(w.sent), tt.calls, tt.sent)
				}
			})
		})
	}
}

// A stop lets a call that is under way end; one that waits to be made again is made after the next start.
func TestStop(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, onNew+doWrite)
		w.invoke = func(int, string, json.RawMessage) (json.RawMessage, error) {
			time.Sleep(10 * time.Second)
			return json.RawMessage("{}"), nil
		}
		r := w.start()
		w.vendor("ticket.new", "1", "u")
		synctest.Wait()
		w.stop(r)
		w.expect("started r", "done r")

		w.invoke = func(int, string, json.RawMessage) (json.RawMessage, error) {
			return nil, fault.New(fault.RateLimited, "slow", "slow").After(time.Minute)
		}
		r = w.start()
		w.vendor("ticket.new", "2", "u")
		synctest.Wait()
		w.stop(r)
		w.invoke = nil
		r = w.start()
		w.expect("started r", "done r", "started r", "retrying r slow", "started r", "done r")
		w.stop(r)
	})
}

// What a call without an answer holds up is its own lane, and the cursor: events of others are handled, and come not again.
func TestLanes(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, onNew+"      - {call: desk/write, with: {id: \"{{ event.id }}\"}}\n")
		release := make(chan struct{})
		w.invoke = func(_ int, _ string, input json.RawMessage) (json.RawMessage, error) {
			if string(input) == `{"id":"1"}` {
				<-release
			}
			return json.RawMessage("{}"), nil
		}
		r := w.start()
		w.vendor("ticket.new", "1", "u")
		w.vendor("ticket.new", "2", "u")
		for i := range 50 {
			w.vendor("ticket.new", message.EventID(fmt.Sprint("v", i)), message.VendorUserID(fmt.Sprint("v", i)))
		}
		synctest.Wait()
		if n := w.called(); n != 51 {
			t.Errorf("%d calls while one is out, want 51", n)
		}
		time.Sleep(5 * time.Second)
		w.vendor("ticket.other", "x", "u")
		synctest.Wait()
		w.mu.Lock()
		cursor := w.cursor[7]
		w.mu.Unlock()
		if cursor != 0 {
			t.Errorf("the cursor went on to %d past a call that is out", cursor)
		}
		close(release)
		synctest.Wait()
		if i, j := slices.Index(w.calls, `desk/write {"id":"1"}`), slices.Index(w.calls, `desk/write {"id":"2"}`); j < i {
			t.Error("a person's events were handled out of order")
		}
		w.stop(r)
		before := w.called()
		w.stop(w.start())
		if w.called() != before || before != 52 {
			t.Errorf("%d calls, then %d", before, w.called())
		}
	})
}

func TestLoopGuard(t *testing.T) {
	virtual(t, func(t *testing.T) {
		loop := "reactions:\n  - {name: r, on: message.finished, do: [{send: {to: {phone: \"+447700900123\"}}}]}\n  - {name: s, on: ticket.new, do: [{send: {to: {phone: \"+447700900123\"}}}]}\n" +
			"  - {name: f, on: reaction.failed, do: [{tell: failed}]}\n"
		w := newWorld(t, loop)
		r := w.start()
		w.vendor("ticket.new", "1", "u")
		time.Sleep(time.Hour)
		got := w.outcomes()
		slices.Sort(got) // a message may be finished before it is recorded that it was sent
		if diff := cmp.Diff([]string{"done r", "done r", "done r", "done s", "failed r chain_too_deep"}, got); diff != "" {
			t.Errorf("what is recorded (-want +got):\n%s", diff)
		}
		w.stop(r)
	})
}

func TestRate(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, onNew+doRead+"    rate: 10\n")
		r := w.start()
		for i := range 25 {
			w.vendor("ticket.new", message.EventID(fmt.Sprint(i)), message.VendorUserID(fmt.Sprint(i)))
		}
		for i, want := range []int{10, 20, 25, 25} {
			synctest.Wait()
			if n := w.called(); n != want {
				t.Errorf("%d calls in minute %d, want %d", n, i, want)
			}
			time.Sleep(time.Minute + time.Millisecond)
		}
		if n := len(w.outcomes()); n != 26 || !slices.Contains(w.outcomes(), "throttled r") {
			t.Errorf("%d events, want 25 done and one throttled: %q", n, w.outcomes())
		}
		w.stop(r)
	})
}

// Events count from when there are reactions; those before are left alone.
func TestRulesChange(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, "")
		r := w.start()
		w.vendor("ticket.new", "1", "u")
		synctest.Wait()
		r.Loaded(w.load(onNew + doTell))
		w.vendor("ticket.new", "2", "u")
		w.expect("told r")
		r.Loaded(w.load(""))
		w.vendor("ticket.new", "3", "u")
		synctest.Wait()
		if len(w.cursor) != 0 {
			t.Error("a place is kept without reactions")
		}
		r.Loaded(w.load(onNew + doTell))
		w.vendor("ticket.new", "4", "u")
		w.expect("told r", "told r")
		w.stop(r)
		w.vendor("ticket.new", "5", "u")
		r = w.start()
		w.expect("told r", "told r", "told r")
		w.stop(r)
	})
}

// A journal that cannot be read or written for a while loses nothing.
func TestJournalTrouble(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, onNew+doWrite)
		failures := 3
		w.stored = func(*message.Event) error {
			if failures--; failures >= 0 {
				return errors.New("the disk is full")
			}
			return nil
		}
		r := w.start()
		w.vendor("ticket.new", "1", "u")
		time.Sleep(time.Minute)
		w.expect("started r", "done r")
		w.stop(r)
		if w.called() != 1 {
			t.Errorf("%d calls", w.called())
		}
	})
}

// A reactor that never came to be, as when the engine's start failed, has nothing to stop.
func TestStopWithoutStart(t *testing.T) {
	var r *react.Reactor
	r.Loaded(nil)
	<-r.Stop(t.Context())
}

// A stop whose time is over gives up a call that is out; the next start says that nobody knows.
func TestStopGivesUp(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, onNew+doWrite)
		w.abandoned = true
		r := w.start()
		w.vendor("ticket.new", "1", "u")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		<-r.Stop(ctx)
		w.expect("started r")
		r = w.start()
		w.expect("started r", "unknown r engine_restarted")
		w.stop(r)
	})
}
