package react

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Report is the data of an event about a reaction.
type Report struct {
	Reaction string          `json:"reaction"`         // its name
	Action   string          `json:"action"`           // its identity: of the event, the reaction and the index
	Index    int             `json:"index,omitempty"`  // 1 is the reaction's first action; 0: about the whole reaction
	Event    Cause           `json:"event"`            // what it is a reaction to
	Depth    int             `json:"depth"`            // 1: no reaction is among the causes
	Revision string          `json:"revision"`         // of the rules that decided
	Call     string          `json:"call,omitempty"`   // account/operation
	Try      int             `json:"try,omitempty"`    // 1 is the first call
	Output   json.RawMessage `json:"output,omitempty"` // of a call, where it is not too large
	Fault    *fault.Fault    `json:"fault,omitempty"`
	Undone   int             `json:"undone,omitempty"` // actions after a failed one, which are left undone
	Name     string          `json:"name,omitempty"`   // reaction.told: the signal's name
	With     map[string]any  `json:"with,omitempty"`   // reaction.told: what the rule says
}

// Cause names an event.
type Cause struct {
	Source string            `json:"source"`
	ID     message.EventID   `json:"id"`
	Type   message.EventType `json:"type"`
}

// report begins a report about a task's action; index 0 is about the whole reaction.
func (t *task) report(index int) *Report {
	h := sha256.New()
	for _, part := range []string{t.event.Source, string(t.event.ID), t.want.Name, fmt.Sprint(index)} {
		fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	return &Report{
		Reaction: t.want.Name, Action: hex.EncodeToString(h.Sum(nil)[:16]), Index: index, Depth: t.depth, Revision: t.revision,
		Event: Cause{Source: t.event.Source, ID: t.event.ID, Type: t.event.Type},
	}
}

// event makes an event of a report. The same thing said again has the same id.
func (r *Reactor) event(typ message.EventType, rep *Report) *message.Event {
	ev := &message.Event{ID: message.EventID(rep.Action + "-" + string(typ)), Source: "hermod/" + r.cfg.Engine, Type: typ, Time: r.cfg.Now()}
	if typ == message.EventReactionStarted || typ == message.EventReactionRetrying {
		ev.ID += message.EventID(fmt.Sprintf("-%d", rep.Try))
	}
	ev.Data, _ = json.Marshal(rep) // texts, numbers, and JSON that has been checked
	return ev
}

// bare is the report without what may be large.
func (rep *Report) bare() *Report {
	b := *rep
	b.Output, b.With = nil, nil
	if b.Fault != nil {
		b.Fault = &fault.Fault{Class: b.Fault.Class, Code: "fault_too_large"}
	}
	return &b
}

// record makes a report durable, however long the journal refuses it. It returns false when the engine stops first.
func (r *Reactor) record(ctx context.Context, t *task, typ message.EventType, rep *Report, about func(*message.Event)) bool {
	ev := r.event(typ, rep)
	ev.Account, ev.User, ev.Conversation = t.event.Account, t.event.User, t.event.Conversation
	if about != nil {
		about(ev)
	}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := r.cfg.Store(ctx, ev)
		if err == nil {
			return true
		}
		if errors.Is(err, r.cfg.Stopped) || ctx.Err() != nil {
			return false
		}
		if f, ok := errors.AsType[*fault.Fault](err); ok && f.Class == fault.ContentRejected { // larger than the journal takes
			ev.Data = r.event(typ, rep.bare()).Data
		}
		r.cfg.Logger.Error("what a reaction did could not be recorded; it is tried again", "reaction", rep.Reaction, "event", typ, "error", err)
		if !r.sleep(pause) {
			return false
		}
	}
}
