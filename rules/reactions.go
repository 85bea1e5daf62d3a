package rules

import (
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/hermodhq/hermod/rules/internal/content"
	"github.com/hermodhq/hermod/rules/internal/event"
	"github.com/hermodhq/hermod/rules/internal/reaction"
	"github.com/hermodhq/hermod/sdk/message"
)

// OperationInfo says what reactions may call.
type OperationInfo = reaction.Operation

// Reaction is what one reaction wants done about one event.
type Reaction = reaction.Wanted

// Action is one thing that a reaction wants done.
type Action = reaction.Action

// Call is an action: call an operation of an account.
type Call = reaction.Call

// Tell is an action: tell the host.
type Tell = reaction.Tell

// Reactions returns how many reactions the set has.
func (s *Set) Reactions() int { return len(s.reactions) }

// FollowsMessages reports whether a reaction is about what happens to messages, and not about vendors' events only.
func (s *Set) FollowsMessages() bool { return s.messages }

// React says what the reactions want done about an event, in the order of the files. Values that are missing, and input that does not fit
// the operation's schema, are errors of their action; they carry no value of the event.
func (s *Set) React(ev *message.Event, now time.Time) (all []Reaction) {
	var d *decider
	for _, r := range s.reactions {
		if !r.Takes(ev.Type) {
			continue
		}
		if d == nil {
			d = s.machines.Get().(*decider)
			defer s.end(d)
			d.Env.Event, d.Env.Now = event.Of(ev), now.UTC()
		}
		if w := r.React(&d.Machine); w != nil {
			all = append(all, *w)
		}
	}
	return all
}

// reactions returns a reader that shares what routes are read with.
func (c Catalog) reactions(shared content.Reader) reaction.Reader {
	accounts := map[message.AccountID]reaction.Account{}
	for id, a := range c.Accounts {
		accounts[id] = reaction.Account{Operations: a.Operations, Events: a.Events}
	}
	return reaction.Reader{Reader: content.Reader{Decoder: shared.Decoder, Compiler: shared.Compiler.ForReactions()}, Accounts: accounts}
}

func (l *loader) readReactions(n *yaml.Node) {
	for _, item := range l.List(n, "reactions") {
		if r := l.reactions.Reaction(item); r != nil {
			l.set.reactions = append(l.set.reactions, r)
			l.set.messages = l.set.messages || r.TakesMessages()
		}
	}
}
