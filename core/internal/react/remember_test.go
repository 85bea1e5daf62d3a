package react

import (
	"encoding/json"
	"testing"

	"github.com/hermodhq/hermod/sdk/message"
)

// What is known of an action does not depend on the order in which its records are read: they stand in several partitions.
func TestRememberInAnyOrder(t *testing.T) {
	record := func(typ message.EventType, try int) message.Event {
		data, err := json.Marshal(Report{Reaction: "r", Action: "a", Try: try})
		if err != nil {
			t.Fatal(err)
		}
		return message.Event{Source: "hermod/test", Type: typ, Data: data}
	}
	life := []message.Event{
		record(message.EventReactionStarted, 1), record(message.EventReactionRetrying, 1), record(message.EventReactionStarted, 2),
		record(message.EventReactionRetrying, 2), record(message.EventReactionDone, 2),
	}
	var permute func(rest, order []message.Event, want message.Event)
	permute = func(rest, order []message.Event, want message.Event) {
		if len(rest) == 0 {
			r := &Reactor{cfg: Config{Engine: "test"}, known: map[string]past{}}
			for _, ev := range append(order, message.Event{Source: "hermod/test/account", Type: message.EventReactionFailed, Data: want.Data}) {
				if err := r.remember(t.Context(), ev); err != nil {
					t.Fatal(err)
				}
			}
			if got := r.known["a"].last; got != want.Type {
				t.Errorf("%v is remembered as %s, want %s", order, got, want.Type)
			}
		}
		for i := range rest {
			next := append(append([]message.Event(nil), rest[:i]...), rest[i+1:]...)
			permute(next, append(append([]message.Event(nil), order...), rest[i]), want)
		}
	}
	for n := 1; n <= len(life); n++ {
		permute(life[:n], nil, life[n-1])
	}
}
