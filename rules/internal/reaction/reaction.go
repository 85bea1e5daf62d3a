// Package reaction compiles reactions, the rules on events, and says what they want done about an event.
package reaction

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/hermodhq/hermod/rules/internal/content"
	"github.com/hermodhq/hermod/rules/internal/eval"
	"github.com/hermodhq/hermod/rules/internal/strict"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// The stable codes of mistakes that this package finds by itself.
const (
	CodeDuplicate = "reaction_duplicate"
	CodeEvent     = "event_unknown"
	CodeOperation = "operation_unknown"
)

// Defaults and bounds of reactions.
const (
	DefaultRetries = 3
	DefaultRate    = 100 // a minute
	maxRetries     = 10
	maxRate        = 60_000
	maxActions     = 20
)

// Operation is an operation of an account.
type Operation struct {
	Name    string          `json:"name"`
	Input   json.RawMessage `json:"input"`   // its JSON Schema; empty: not known, nothing is checked
	Mutates bool            `json:"mutates"` // changes something at the vendor: not repeated when the outcome is not known
}

// Account is what reactions may use of an account.
type Account struct {
	Operations []Operation
	Events     []message.EventType
}

// Reaction is one compiled reaction. It may be used by many goroutines at once, each with its own machine.
type Reaction struct {
	name, file    string
	line          int
	on            string // an event type; or a prefix, where prefix says so
	prefix        bool
	when          *eval.Condition // nil: always
	actions       []action
	retries, rate int
}

// Wanted is what one reaction wants done about one event.
type Wanted struct {
	Name    string
	File    string
	Line    int
	Retries int      // further calls after faults that certainly took no effect
	Rate    int      // at most so many actions a minute
	Actions []Action // in their order
	Err     error    // a *fault.Fault: the condition cannot be evaluated, and there are no actions
}

// Action is one thing to do. One of its fields is set.
type Action struct {
	Call *Call
	Send *message.Message
	Tell *Tell
	Err  error // a *fault.Fault: a value is missing, or does not fit the operation's schema
}

// Call is a call of an account's operation.
type Call struct {
	Account   message.AccountID
	Operation string
	Input     json.RawMessage
	Mutates   bool
}

// Tell is a signal to the host.
type Tell struct {
	Name string
	With map[string]any
}

// action is one compiled action.
type action interface {
	render(m *eval.Machine) Action
	where() string
}

// Reader reads reactions.
type Reader struct {
	content.Reader // its compiler is one for reactions
	Accounts       map[message.AccountID]Account
	names          map[string]string // of reactions, and where they stand
}

// Reaction reads one reaction; nil when it is none at all.
func (r *Reader) Reaction(n *yaml.Node) *Reaction {
	e := r.Mapping(n, "a reaction", "name", "on", "when", "do", "retries", "rate")
	if e == nil {
		return nil
	}
	r.Required(n, e, "a reaction", "name", "on", "do")
	c := &Reaction{file: r.File.Name, line: n.Line, retries: DefaultRetries, rate: DefaultRate}
	if v := e.Get("name"); v != nil {
		c.name = r.name(v)
	}
	if v := e.Get("on"); v != nil {
		r.on(c, v)
	}
	c.when = r.Condition(e.Get("when"), eval.InReaction)
	if v := e.Get("retries"); v != nil {
		c.retries, _ = r.Number(v, "retries", 0, maxRetries)
	}
	if v := e.Get("rate"); v != nil {
		c.rate, _ = r.Number(v, "rate", 1, maxRate)
	}
	if v := e.Get("do"); v != nil {
		items := r.List(v, "do")
		if len(items) > maxActions {
			r.At(items[maxActions], strict.CodeValueInvalid, "split the reaction", "a reaction has at most %d actions", maxActions)
		}
		for _, item := range items {
			if a := r.action(item); a != nil {
				c.actions = append(c.actions, a)
			}
		}
	}
	return c
}

func (r *Reader) name(n *yaml.Node) string {
	name, ok := r.Text(n, "a reaction's name")
	if !ok {
		return ""
	}
	if r.names == nil {
		r.names = map[string]string{}
	}
	switch first, twice := r.names[name]; {
	case name == "" || len(name) > 100:
		r.At(n, strict.CodeValueInvalid, "", "a reaction's name has 1 to 100 bytes")
	case twice:
		r.At(n, CodeDuplicate, "choose another name", "another reaction is called %s (%s)", name, first)
	default:
		r.names[name] = fmt.Sprintf("%s:%d", r.File.Name, n.Line)
	}
	return name
}

// on reads the event type, or the prefix, that a reaction is about. A type that no account reports never comes.
func (r *Reader) on(c *Reaction, n *yaml.Node) {
	s, ok := r.Text(n, "on")
	if !ok {
		return
	}
	c.on, c.prefix = strings.CutSuffix(s, "*")
	if c.prefix && (!strings.HasSuffix(c.on, ".") || len(c.on) < 2) || strings.Contains(c.on, "*") {
		r.At(n, strict.CodeValueInvalid, "write a type, or a prefix such as ticket.*", "on is an event type, and %q is none", s)
		return
	}
	known := r.events()
	if !slices.ContainsFunc(known, c.takes) {
		r.At(n, CodeEvent, strict.DidYouMean(s, known), "no account reports events of type %s", s)
	}
}

// events lists the types that there are: the accounts' and the engine's.
func (r *Reader) events() []string {
	var known []string
	for _, t := range append(engineEvents(), message.EventReceipt, message.EventReactionDone, message.EventReactionFailed, message.EventReactionUnknown, message.EventReactionTold) {
		known = append(known, string(t))
	}
	for _, a := range r.Accounts {
		for _, t := range a.Events {
			known = append(known, string(t))
		}
	}
	slices.Sort(known)
	return slices.Compact(known)
}

// engineEvents are the types of what happens to messages.
func engineEvents() []message.EventType {
	return []message.EventType{message.EventAccepted, message.EventPlanned, message.EventAttempted, message.EventAnswered, message.EventReceipted, message.EventStepLeft, message.EventFinished}
}

func (c *Reaction) takes(eventType string) bool {
	return c.on == eventType || c.prefix && strings.HasPrefix(eventType, c.on)
}

// Takes reports whether the reaction is about events of a type.
func (c *Reaction) Takes(t message.EventType) bool { return c.takes(string(t)) }

// TakesMessages reports whether the reaction is about what happens to messages.
func (c *Reaction) TakesMessages() bool { return slices.ContainsFunc(engineEvents(), c.Takes) }

// React says what the reaction wants done about the machine's event; nil when its condition does not hold.
func (c *Reaction) React(m *eval.Machine) *Wanted {
	w := &Wanted{Name: c.name, File: c.file, Line: c.line, Retries: c.retries, Rate: c.rate}
	if c.when != nil {
		holds, err := c.when.Holds(m)
		if err != nil {
			w.Err = refuse("condition_failed", "reaction %s (%s:%d): its condition: %w; guard values that may be missing, as in (event.data.total ?? 0) > 100", c.name, c.file, c.line, err)
			return w
		}
		if !holds {
			return nil
		}
	}
	for i, a := range c.actions {
		done := a.render(m)
		if done.Err != nil {
			code := eval.CodeValueInvalid
			if e, ok := errors.AsType[*eval.RenderError](done.Err); ok {
				code = e.Code
			}
			done.Err = refuse(code, "reaction %s (%s:%d), action %d (%s): %w", c.name, c.file, c.line, i+1, a.where(), done.Err)
		}
		w.Actions = append(w.Actions, done)
	}
	return w
}

// refuse makes a fault. Its parts come from the rule files, never from the event, so the text stays as it is.
func refuse(code, format string, args ...any) error {
	f := fault.New(fault.ContentRejected, code, format, args...)
	f.Text = fmt.Errorf(format, args...).Error()
	return f
}
