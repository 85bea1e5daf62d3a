package rules

import (
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/hermodhq/hermod/rules/internal/content"
	"github.com/hermodhq/hermod/rules/internal/eval"
	"github.com/hermodhq/hermod/rules/internal/strict"
	"github.com/hermodhq/hermod/sdk/message"
)

// Defaults of routes and steps.
const (
	DefaultExpires = 24 * time.Hour
	DefaultRetries = 3  // of a step that another follows
	FinalRetries   = 10 // of a route's last step: about a quarter of an hour, since nothing else is left to try
	maxRetries     = 10
	maxSteps       = 20
)

// route is one compiled route.
type route struct {
	place
	when    *eval.Condition // nil: always
	steps   []step
	expires time.Duration
	strict  bool
}

// step is one compiled step: the plan's step without its content, and the content.
type step struct {
	planned message.Step
	content *content.Content // nil: the message's own
}

// route reads one route and adds it to the set.
func (l *loader) route(n *yaml.Node) {
	e := l.Mapping(n, "a route", "name", "when", "transforms", "fallback", "expires", "order")
	if e == nil {
		return
	}
	l.Required(n, e, "a route", "name", "fallback")
	r := &route{place: place{file: l.File.Name, line: n.Line}, expires: DefaultExpires}
	if name := e.Get("name"); name != nil {
		l.routeName(r, name)
	}
	r.when = l.Condition(e.Get("when"), eval.InRoute)
	l.reachable(r, n, e)
	if v := e.Get("expires"); v != nil {
		if d, ok := l.Duration(v, "expires"); ok {
			r.expires = d
		}
	}
	if v := e.Get("order"); v != nil {
		_, r.strict = l.Choice(v, "order", "strict")
	}
	shared := l.transforms(e.Get("transforms"))
	if v := e.Get("fallback"); v != nil {
		l.steps(r, v, shared)
	}
	l.set.routes = append(l.set.routes, r)
}

func (l *loader) routeName(r *route, n *yaml.Node) {
	name, ok := l.Text(n, "a route's name")
	if !ok {
		return
	}
	r.place.route = name
	switch first, twice := l.names[name]; {
	case name == "" || len(name) > 100:
		l.At(n, CodeValueInvalid, "", "a route's name has 1 to 100 bytes")
	case twice:
		l.At(n, CodeRouteDuplicate, "choose another name", "another route is called %s", first)
	default:
		l.names[name] = r.place
	}
}

// reachable finds routes that no message can get to, and remembers what this one takes.
func (l *loader) reachable(r *route, n *yaml.Node, e strict.Entries) {
	when := e.Get("when")
	at := n
	if when != nil {
		at = when
	}
	switch {
	case l.catchAll != nil:
		l.At(at, CodeRouteUnreachable, "move it before that route, or remove it", "no message gets here: route %s takes every message before", *l.catchAll)
	case when == nil || r.when != nil && r.when.Constant && r.when.Value:
		l.catchAll = &r.place
	case r.when == nil: // it has an error of its own
	case r.when.Constant:
		l.At(at, CodeRouteUnreachable, "mend the condition, or remove the route", "no message gets here: the condition is never true")
	default:
		if first, twice := l.conditions[r.when.Canonical]; twice {
			l.At(at, CodeRouteUnreachable, "change the condition, or merge the routes", "no message gets here: route %s has the same condition", first)
			return
		}
		l.conditions[r.when.Canonical] = r.place
	}
}

func (l *loader) steps(r *route, n *yaml.Node, shared []string) {
	items := l.List(n, "fallback")
	if len(items) > maxSteps {
		l.At(items[maxSteps], CodeValueInvalid, "", "a route has at most %d steps", maxSteps)
		return
	}
	var waited time.Duration // all steps before
	for i, item := range items {
		if waited >= r.expires {
			l.At(item, CodeStepUnreachable, "make `expires` longer, or the steps' `within` shorter",
				"the steps before may wait %s, and the message expires after %s", strict.Short(waited), strict.Short(r.expires))
			waited = 0
		}
		s := l.step(item, shared, i == len(items)-1)
		waited += s.planned.Within
		r.steps = append(r.steps, s)
	}
}

func (l *loader) step(n *yaml.Node, shared []string, final bool) step {
	s := step{planned: message.Step{Until: message.Accepted, Unknown: message.Next, Retries: DefaultRetries}}
	if final {
		s.planned.Retries = FinalRetries
	}
	e := l.Mapping(n, "a step", slices.Concat([]string{"via", "when", "transforms", "until", "within", "unknown", "retries"}, content.Keys())...)
	if e == nil {
		return s
	}
	l.Required(n, e, "a step", "via")
	if cond := l.Condition(e.Get("when"), eval.InStep); cond != nil {
		s.planned.When = cond.Source
		l.set.conditions[cond.Source] = cond
		if cond.Constant && !cond.Value {
			l.At(e.Get("when"), CodeStepUnreachable, "mend the condition, or remove the step", "no message gets here: the condition is never true")
		}
	}
	s.planned.Transforms = slices.Concat(shared, l.transforms(e.Get("transforms")))
	s.content = l.Content(e)
	timing := l.timing(&s.planned, e, final)
	via := e.Get("via")
	if via == nil {
		return s
	}
	account, info, ok := l.channel(via)
	if !ok {
		return s
	}
	s.planned.Account, s.planned.Channel = account, info.Channel
	if s.content != nil {
		l.carries(e, s.content, via.Value, info)
	}
	if timing {
		l.outcomes(&s.planned, e, via.Value, info, final)
	}
	return s
}

// timing reads until, within, unknown and retries.
func (l *loader) timing(p *message.Step, e strict.Entries, final bool) (ok bool) {
	ok = true
	if n := e.Get("until"); n != nil {
		var until string
		until, ok = l.Choice(n, "until", "accepted", "sent", "delivered", "read", "replied")
		if ok {
			p.Until = message.Outcome(until)
		}
	}
	if n := e.Get("within"); n != nil {
		d, valid := l.Duration(n, "within")
		p.Within, ok = d, ok && valid
		p.Unknown = message.Wait
	}
	if n := e.Get("unknown"); n != nil {
		if policy, valid := l.Choice(n, "unknown", "wait", "next", "resend"); valid {
			p.Unknown = message.Policy(policy)
		}
	}
	if n := e.Get("retries"); n != nil {
		p.Retries, _ = l.Number(n, "retries", 0, maxRetries)
	}
	if e.Get("within") != nil || final {
		return ok
	}
	if ok && p.Until.Rank() > message.Accepted.Rank() {
		l.At(e["until"].Key, CodeWithinMissing, "add within: 2m, or as long as the channel needs", "until: %s needs `within`, since another step follows: when shall it begin?", p.Until)
	}
	if n := e.Get("unknown"); n != nil && p.Unknown == message.Wait {
		l.At(e["unknown"].Key, CodeWithinMissing, "add within: 2m, or as long as the channel needs", "unknown: wait needs `within`, since another step follows: when shall it begin?")
	}
	return ok
}

// outcomes checks what the channel can report, and for how long the vendor keeps trying.
func (l *loader) outcomes(p *message.Step, e strict.Entries, via string, info ChannelInfo, final bool) {
	if p.Until != message.Accepted && !slices.Contains(info.Outcomes, p.Until) {
		known := info.Outcomes
		if !slices.Contains(known, message.Accepted) {
			known = append([]message.Outcome{message.Accepted}, known...)
		}
		l.At(e.Get("until"), CodeOutcomeUnsupported, "it reports "+joinWords(known), "%s never reports %s, so the step could not succeed", via, p.Until)
	}
	if p.Within > 0 && info.TTL > p.Within && !final {
		l.At(e.Get("within"), CodeTTL, fmt.Sprintf("make `within` at least %s, or make this the last step", strict.Short(info.TTL)),
			"the vendor of %s keeps trying for %s: the message could arrive after the next step has begun", via, strict.Short(info.TTL))
	}
}

// carries checks that a channel can carry the content.
func (l *loader) carries(step strict.Entries, c *content.Content, via string, info ChannelInfo) {
	kind := c.Kind()
	key := step[string(kind)].Key
	if key != nil && len(info.Kinds) > 0 && !slices.Contains(info.Kinds, kind) {
		l.At(key, CodeContentUnsupported, "it carries "+joinWords(info.Kinds), "%s cannot carry %s", via, kind)
	}
	n := step.Get("text")
	if n == nil || info.MaxText <= 0 {
		return
	}
	if c.Shortest() > info.MaxText {
		l.Inside(n, 0, CodeTextTooLong, fmt.Sprintf("shorten it by %d", c.Shortest()-info.MaxText),
			"%s takes %d characters, and this text has at least %d", via, info.MaxText, c.Shortest())
	}
}
