package react_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/hermodhq/hermod/sdk/message"
)

// Events of one conversation keep their order, whoever takes part in it; so do those of one person, or of one message, without a
// conversation. Others do not wait.
func TestOrderOfActions(t *testing.T) {
	for name, tt := range map[string]struct {
		first, second message.Event
		waits         bool
	}{
		"one conversation":            {message.Event{Conversation: "c", User: "u"}, message.Event{Conversation: "c", User: "v"}, true},
		"one person":                  {message.Event{User: "u"}, message.Event{User: "u"}, true},
		"one message":                 {message.Event{Message: "m"}, message.Event{Message: "m"}, true},
		"two conversations of one":    {message.Event{Conversation: "c", User: "u"}, message.Event{Conversation: "d", User: "u"}, false},
		"two people":                  {message.Event{User: "u"}, message.Event{User: "v"}, false},
		"one name at two accounts":    {message.Event{Account: "a", User: "u"}, message.Event{Account: "b", User: "u"}, false},
		"a conversation and a person": {message.Event{Conversation: "x"}, message.Event{User: "x"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, onNew+"      - {call: desk/write, with: {name: \"{{ event.id }}\"}}\n")
				var mu sync.Mutex
				var begun []string
				end := make(chan struct{})
				w.invoke = func(_ int, _ string, in json.RawMessage) (json.RawMessage, error) {
					mu.Lock()
					begun = append(begun, string(in))
					mu.Unlock()
					<-end
					return json.RawMessage("{}"), nil
				}
				r := w.start()
				for i, ev := range []message.Event{tt.first, tt.second} {
					ev.ID, ev.Source, ev.Type = message.EventID([]string{"1", "2"}[i]), "hermod/test/desk", "ticket.new"
					w.mu.Lock()
					w.add(ev)
					w.mu.Unlock()
				}
				synctest.Wait()
				mu.Lock()
				if want := map[bool]int{true: 1, false: 2}[tt.waits]; len(begun) != want {
					t.Errorf("%d calls have begun, want %d: %q", len(begun), want, begun)
				}
				mu.Unlock()
				close(end)
				synctest.Wait()
				w.stop(r)
				if tt.waits && !slices.Equal(begun, []string{`{"name":"1"}`, `{"name":"2"}`}) {
					t.Errorf("called %q", begun)
				}
			})
		})
	}
}

// A call that waits for its account's limit when the engine dies was certainly not made, and is made after the restart.
func TestKilledWhileWaiting(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, onNew+doWrite)
		w.limit = make(chan struct{})
		r := w.start()
		w.vendor("ticket.new", "1", "u")
		synctest.Wait()
		w.kill(r)
		w.dead, w.limit = false, nil
		r = w.start()
		synctest.Wait()
		w.stop(r)
		if got := w.outcomes(); len(w.calls) != 1 || slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "unknown") }) {
			t.Errorf("%d calls, %q", len(w.calls), got)
		}
	})
}
