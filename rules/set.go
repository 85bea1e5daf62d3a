package rules

import (
	"fmt"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/hermodhq/hermod/rules/internal/eval"
	"github.com/hermodhq/hermod/rules/internal/event"
	"github.com/hermodhq/hermod/rules/internal/reaction"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// maxForeign bounds how many conditions of other revisions' plans are kept compiled.
const maxForeign = 256

// Set is a rule set: everything that one load read. It never changes, and may be used by many goroutines at once.
type Set struct {
	revision   string
	routes     []*route
	reactions  []*reaction.Reaction
	messages   bool                       // a reaction is about what happens to messages
	conditions map[string]*eval.Condition // of steps, by their text
	sessions   map[message.Channel]time.Duration
	machines   sync.Pool // of *decider

	foreign  *lru.Cache[string, *eval.Condition] // conditions of plans that another revision made
	mu       sync.Mutex                          // guards compiler
	compiler *eval.Compiler
}

func newSet(revision string, compiler *eval.Compiler, sessions map[message.Channel]time.Duration) *Set {
	foreign, err := lru.New[string, *eval.Condition](maxForeign)
	if err != nil {
		panic(err) // only for a size below one
	}
	s := &Set{revision: revision, conditions: map[string]*eval.Condition{}, sessions: sessions, foreign: foreign, compiler: compiler}
	s.machines.New = func() any { return newDecider(s) }
	return s
}

// Revision is a hash over the names and bytes of the rule files, 12 hexadecimal digits: equal files, equal revision.
func (s *Set) Revision() string { return s.revision }

// Routes returns how many routes the set has.
func (s *Set) Routes() int { return len(s.routes) }

// Decide gives the plan of the first route that takes the message. Plan is nil when none does. The plan's transforms, and
// contents without expressions, are shared with other plans: do not change them. The error is a *fault.Fault of class
// content_rejected with the code template_value_missing, template_value_invalid or condition_failed; it names the route, the step and the expression, and
// carries no value of the message.
func (s *Set) Decide(in *Input) (Decision, error) {
	d := s.begin(in, nil)
	defer s.end(d)
	none := Decision{Revision: s.revision}
	for _, r := range s.routes {
		if r.when != nil {
			holds, err := r.when.Holds(&d.Machine)
			if err != nil {
				none.Route = r.place.route
				return none, refuse(FaultCondition, "route %s: its condition: %w; guard values that may be missing, as in (data.total ?? 0) > 100", r.place, err)
			}
			if !holds {
				continue
			}
		}
		plan, err := s.plan(r, d)
		return Decision{Plan: plan, Route: r.place.route, Revision: s.revision}, err
	}
	return none, nil
}

// plan renders a route's steps for the message.
func (s *Set) plan(r *route, d *decider) (*message.Plan, error) {
	p := &message.Plan{Revision: s.revision, Route: r.place.route, File: r.file, Line: r.line, Expires: r.expires, Strict: r.strict,
		Steps: make([]message.Step, len(r.steps))}
	for i := range r.steps {
		p.Steps[i] = r.steps[i].planned
		c := r.steps[i].content
		if c == nil {
			continue
		}
		var err error
		if p.Steps[i].Content, err = c.Render(&d.Machine); err != nil {
			code := FaultValueInvalid
			if e := eval.AsRenderError(err); e != nil {
				code = e.Code
			}
			return nil, refuse(code, "route %s, step %d (%s/%s), %w", r.place, i+1, p.Steps[i].Account, p.Steps[i].Channel, err)
		}
	}
	return p, nil
}

// Allowed says whether a step of a plan may be taken now; when is the step's condition, and empty always holds. The plan may come
// from another revision. The error is a *fault.Fault like those of [Set.Decide], with the code condition_failed.
func (s *Set) Allowed(when string, in *Input, attempts []Attempt) (bool, error) {
	if when == "" {
		return true, nil
	}
	cond, ok := s.conditions[when]
	if !ok {
		var err error
		if cond, err = s.compileForeign(when); err != nil {
			return false, err
		}
	}
	d := s.begin(in, attempts)
	defer s.end(d)
	holds, err := cond.Holds(&d.Machine)
	if err != nil {
		return false, refuse(FaultCondition, "a step's condition: %w", err)
	}
	return holds, nil
}

func (s *Set) compileForeign(when string) (*eval.Condition, error) {
	if cond, ok := s.foreign.Get(when); ok {
		return cond, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	cond, problem := s.compiler.Condition(when, eval.InStep)
	if problem != nil {
		return nil, refuse(FaultCondition, "a step's condition from an earlier rule set does not fit any more: %s", problem.Text)
	}
	s.foreign.Add(when, cond)
	return cond, nil
}

// refuse makes a fault. Its parts come from the rule files, never from the message; expressions come redacted. So the text stays
// as it is: names of routes would suffer from being redacted again.
func refuse(code, format string, args ...any) error {
	f := fault.New(fault.ContentRejected, code, format, args...)
	f.Text = fmt.Errorf(format, args...).Error()
	return f
}

func (s *Set) begin(in *Input, attempts []Attempt) *decider {
	d := s.machines.Get().(*decider)
	d.bind(in, attempts)
	return d
}

func (s *Set) end(d *decider) {
	d.release()
	s.machines.Put(d)
}

// decider is a machine together with the input that it looks at. It is reused.
type decider struct {
	eval.Machine
	set *Set
	in  *Input
}

func newDecider(s *Set) *decider {
	d := &decider{Machine: *eval.NewMachine(), set: s}
	d.Env.Account, d.Env.SessionOpen, d.Env.OptedOut = d.account, d.sessionOpen, d.optedOut
	return d
}

func (d *decider) bind(in *Input, attempts []Attempt) {
	d.in = in
	m := in.Message
	msg := &d.Env.Msg
	msg.To = eval.To{Phone: m.To.Phone, Country: m.To.Country, Email: m.To.Email, Name: m.To.Name}
	msg.Category, msg.Priority, msg.Labels = m.Category, string(m.Priority), m.Labels
	if m.Priority == "" {
		msg.Priority = string(message.Normal)
	}
	msg.Key, msg.ID = string(m.Key), string(m.ID)
	msg.Content = event.ContentOf(&m.Content)
	d.Env.Data, d.Env.Now = m.Data, in.Now.UTC()
	for _, a := range attempts {
		d.Env.Attempts = append(d.Env.Attempts, eval.Attempt{Account: string(a.Account), Channel: string(a.Channel), Outcome: string(a.Outcome), Class: a.Class, Code: a.Code})
	}
}

func (d *decider) release() {
	d.in = nil
	d.Reset()
}

func (d *decider) account(name string) eval.Account {
	a := eval.Account{State: "closed"}
	if d.in.Health == nil {
		return a
	}
	h := d.in.Health(message.AccountID(name))
	a.Queued = h.Queued
	if h.State != "" {
		a.State = h.State
	}
	return a
}

// sessionOpen asks whether free text may be sent: always, where the channel has no window.
func (d *decider) sessionOpen(channel string) bool {
	window, limited := d.set.sessions[message.Channel(channel)]
	if !limited {
		return true
	}
	last, ok := d.in.Contact.LastInbound[message.Channel(channel)]
	return ok && !d.in.Now.Before(last) && d.in.Now.Sub(last) < window
}

func (d *decider) optedOut(channel string) bool {
	return slices.Contains(d.in.Contact.OptedOut, message.Channel(channel))
}
