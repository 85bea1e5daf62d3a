package react_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hermodhq/hermod/core/internal/react"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// A journal that cannot be read for a while does not let a chain begin anew.
func TestLoopGuardInTrouble(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, "reactions:\n  - {name: r, on: message.finished, do: [{send: {to: {phone: \"+447700900123\"}}}]}\n  - {name: s, on: ticket.new, do: [{send: {to: {phone: \"+447700900123\"}}}]}\n")
		r := w.start()
		for i := range 5 {
			w.mu.Lock()
			w.unread = i
			w.mu.Unlock()
			w.vendor("ticket.new", message.EventID(fmt.Sprint(i)), "u")
			time.Sleep(time.Hour)
		}
		w.stop(r)
		if n := len(w.sent); n != 5*react.MaxDepth {
			t.Errorf("%d messages, want %d", n, 5*react.MaxDepth)
		}
	})
}

// An event that stands in the journal twice sets a reaction off once; one that comes again later, too.
func TestEventsTwice(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, onNew+doWrite)
		calls := 0
		w.invoke = func(int, string, json.RawMessage) (json.RawMessage, error) {
			calls++
			return json.RawMessage("{}"), nil
		}
		r := w.start()
		w.vendor("ticket.new", "1", "u")
		w.vendor("ticket.new", "1", "u")
		w.vendor("ticket.new", "2", "u")
		time.Sleep(time.Hour)
		w.vendor("ticket.new", "1", "u")
		time.Sleep(time.Hour)
		w.stop(r)
		if calls != 2 {
			t.Errorf("%d calls, want one for each of two events", calls)
		}
	})
}

// Reactions to events of reactions end, whatever they are about.
func TestOwnEvents(t *testing.T) {
	for name, x := range map[string]struct {
		do    string
		fault error
	}{
		"told": {do: doTell}, "done": {do: doRead}, "started and done": {do: doWrite},
		"failed": {do: doWrite, fault: fault.New(fault.ContentRejected, "no", "no")}, "retrying": {do: doWrite, fault: fault.New(fault.Unavailable, "no", "no")},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, onNew+x.do+"  - name: own\n    on: reaction.*\n    do:\n"+x.do)
				w.invoke = func(int, string, json.RawMessage) (json.RawMessage, error) { return json.RawMessage("{}"), x.fault }
				r := w.start()
				w.vendor("ticket.new", "1", "u")
				time.Sleep(48 * time.Hour)
				n := len(w.outcomes())
				time.Sleep(48 * time.Hour)
				if later := len(w.outcomes()); later != n || !slices.Contains(w.outcomes(), "failed own chain_too_deep") {
					t.Errorf("%d events, then %d: %q", n, later, w.outcomes())
				}
				w.stop(r)
			})
		})
	}
}

// Two vendors that answer each other through reactions go on no faster than the rate, and hold up nobody else.
func TestPingPong(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, "reactions:\n  - {name: ping, rate: 10, on: ticket.new, do: [{call: desk/write}]}\n  - {name: pong, rate: 10, on: ticket.other, do: [{call: desk/read}]}\n"+
			"  - {name: else, on: ticket.closed, do: [{tell: closed}]}\n")
		w.invoke = func(n int, operation string, _ json.RawMessage) (json.RawMessage, error) {
			typ := message.EventType("ticket.other")
			if operation == "read" {
				typ = "ticket.new"
			}
			w.vendor(typ, message.EventID(fmt.Sprint(n)), "u")
			return json.RawMessage("{}"), nil
		}
		r := w.start()
		w.vendor("ticket.new", "first", "u")
		time.Sleep(10*time.Minute - time.Second)
		if n := w.called(); n > 200 {
			t.Errorf("%d calls in ten minutes, want at most 200", n)
		}
		w.vendor("ticket.closed", "x", "other")
		synctest.Wait()
		if !slices.Contains(w.outcomes(), "told else") {
			t.Error("another reaction is held up")
		}
		w.stop(r)
	})
}

// What the journal cannot hold ends all the same.
func TestTooLarge(t *testing.T) {
	large := strings.Repeat("x", 300<<10)
	for name, x := range map[string]struct {
		do    string
		fault error
		want  []string
	}{
		"signal": {"      - {tell: new, with: {all: \"{{ event.vendor }}\"}}\n", nil, []string{"failed r signal_too_large"}},
		"fault":  {doRead, &fault.Fault{Class: fault.Internal, Code: "x", VendorText: large}, []string{"failed r fault_too_large"}},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, onNew+x.do)
				w.invoke = func(int, string, json.RawMessage) (json.RawMessage, error) { return nil, x.fault }
				w.stored = func(ev *message.Event) error {
					if len(ev.Data) > len(large) {
						return fault.New(fault.ContentRejected, "event_too_large", "it does not fit")
					}
					return nil
				}
				r := w.start()
				w.mu.Lock()
				w.add(message.Event{ID: "1", Source: "hermod/test/desk", Type: "ticket.new", Account: "desk", Vendor: json.RawMessage(`"` + large + `"`)})
				w.mu.Unlock()
				time.Sleep(time.Hour)
				w.expect(x.want...)
				w.stop(r)
			})
		})
	}
}

// A call is made again after every class of fault that may pass and certainly took no effect, and after no other.
func TestFaultClasses(t *testing.T) {
	again := []fault.Class{fault.RateLimited, fault.RecipientBusy, fault.Unavailable}
	for _, class := range append(fault.Classes(), "a_class_of_its_own") {
		for do, reads := range map[string]bool{doWrite: false, doRead: true} {
			t.Run(fmt.Sprint(class, " reads ", reads), func(t *testing.T) {
				virtual(t, func(t *testing.T) {
					w := newWorld(t, onNew+do)
					w.invoke = func(int, string, json.RawMessage) (json.RawMessage, error) { return nil, fault.New(class, "x", "x") }
					r := w.start()
					w.vendor("ticket.new", "1", "u")
					time.Sleep(time.Hour)
					calls, last := 1, "failed r x"
					if slices.Contains(again, class) || reads && class == fault.OutcomeUnknown {
						calls = 4
					}
					if class == fault.OutcomeUnknown && !reads {
						last = "unknown r x"
					}
					if got := w.outcomes(); w.called() != calls || got[len(got)-1] != last {
						t.Errorf("%d calls and %q, want %d and %s", w.called(), got, calls, last)
					}
					w.stop(r)
				})
			})
		}
	}
}
