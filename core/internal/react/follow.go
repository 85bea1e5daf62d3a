package react

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

var errQuiet = errors.New("the reactions are stopping")

// follow reads what was done behind the stored place, clears up what a crash left in doubt, and handles events until there are no
// reactions any more.
func (r *Reactor) follow(ctx, actions context.Context) error {
	r.mu.Lock()
	from := r.from
	r.prog = progress{}
	r.mu.Unlock()
	if err := r.cfg.SetCursor(ctx, from); err != nil { // a place that a new rule set began at is not stored yet
		return err
	}
	always := func() bool { return true }
	r.known = map[string]past{}
	r.taken.Purge() // the events are handled from there once more
	nowhere := func(context.Context, []byte) error { return nil }
	if err := r.cfg.Follow(ctx, Place{From: from, Moved: nowhere, Closing: always, VendorsOnly: always}, r.remember); err != nil {
		return err
	}
	if err := r.clear(ctx); err != nil {
		return err
	}
	return r.cfg.Follow(ctx, Place{
		From: from, Moved: r.moved,
		Closing:     func() bool { return r.stopping() || r.cfg.Rules().Reactions() == 0 },
		VendorsOnly: func() bool { return !r.cfg.Rules().FollowsMessages() },
	}, func(ctx context.Context, ev message.Event) error { return r.handle(ctx, actions, ev) })
}

// past is what the journal says of an action.
type past struct {
	last   message.EventType // reaction.started, and so on
	report Report
	about  message.Event
}

// remember notes what an event says of an action.
func (r *Reactor) remember(_ context.Context, ev message.Event) error {
	if !r.own(&ev) {
		return nil
	}
	var rep Report
	if json.Unmarshal(ev.Data, &rep) != nil || rep.Action == "" || ev.Type == message.EventReactionThrottled {
		return nil
	}
	// Records of one action may stand in several partitions, which are read one after the other: an end counts over a beginning.
	if have, ok := r.known[rep.Action]; ok && (ended(have.last) || have.report.Try > rep.Try || have.report.Try == rep.Try && have.last == message.EventReactionRetrying) && !ended(ev.Type) {
		return nil
	}
	r.known[rep.Action] = past{last: ev.Type, report: rep, about: ev}
	return nil
}

func ended(t message.EventType) bool {
	return t == message.EventReactionDone || t == message.EventReactionFailed || t == message.EventReactionUnknown || t == message.EventReactionTold
}

// own reports whether an event is the engine's own about a reaction.
func (r *Reactor) own(ev *message.Event) bool {
	return strings.HasPrefix(string(ev.Type), "reaction.") && ev.Source == "hermod/"+r.cfg.Engine
}

// clear records calls that were under way when the engine died as unknown.
func (r *Reactor) clear(ctx context.Context) error {
	for id, p := range r.known {
		if p.last != message.EventReactionStarted {
			continue
		}
		p.report.Fault = &fault.Fault{Class: fault.OutcomeUnknown, Code: "engine_restarted", Text: "the engine died while the call was out: it may have taken effect"}
		ev := r.event(message.EventReactionUnknown, &p.report)
		ev.Account, ev.User, ev.Conversation = p.about.Account, p.about.User, p.about.Conversation
		if err := r.cfg.Store(ctx, ev); err != nil {
			return err
		}
		p.last = message.EventReactionUnknown
		r.known[id] = p
		r.cfg.Logger.Warn("it is not known whether a reaction's call took effect; it is not repeated", "reaction", p.report.Reaction, "call", p.report.Call)
	}
	return nil
}

// handle takes an event up. It returns once there is room for what the reactions want done about it.
func (r *Reactor) handle(ctx, actions context.Context, ev message.Event) error {
	if r.stopping() {
		return errQuiet
	}
	set := r.cfg.Rules()
	wanted := set.React(&ev, r.cfg.Now())
	if len(wanted) == 0 {
		return nil
	}
	depth, err := r.depth(ctx, &ev)
	if err != nil {
		return err
	}
	if depth > MaxDepth {
		return nil // told about where the chain was cut
	}
	brief := message.Event{ID: ev.ID, Source: ev.Source, Type: ev.Type, Account: ev.Account, Message: ev.Message, User: ev.User, Conversation: ev.Conversation}
	for _, w := range wanted {
		t := &task{want: w, event: &brief, depth: depth + 1, revision: set.Revision()}
		if again, _ := r.taken.ContainsOrAdd(t.report(0).Action, struct{}{}); again && ev.ID != "" {
			continue // the event stands in the journal twice
		}
		select {
		case r.slots <- struct{}{}:
		case <-r.quiet:
			return errQuiet
		}
		r.mu.Lock()
		t.epoch = r.prog.begin()
		r.mu.Unlock()
		r.enqueue(actions, t)
	}
	return nil
}

// depth returns how long the chain of reactions before an event is, as far as it can be known.
func (r *Reactor) depth(ctx context.Context, ev *message.Event) (int, error) {
	if r.own(ev) {
		var rep Report
		_ = json.Unmarshal(ev.Data, &rep)
		return rep.Depth, nil
	}
	id := ev.Message
	if id == "" && ev.Receipt != nil {
		id = ev.Receipt.Message
	}
	if id == "" {
		return 0, nil
	}
	labels, err := r.cfg.Labels(ctx, id)
	if err != nil { // without them a chain would begin anew
		return 0, fmt.Errorf("the labels of a message: %w", err)
	}
	n, _ := strconv.Atoi(labels[DepthLabel]) // 0: no reaction sent it, or it was trimmed long ago
	return n, nil
}

// moved notes that everything before a place was handed out.
func (r *Reactor) moved(ctx context.Context, to []byte) error {
	r.mu.Lock()
	r.prog.passed(to)
	r.mu.Unlock()
	return r.save(ctx, false)
}

// save stores the place up to which everything is done, about once a second.
func (r *Reactor) save(ctx context.Context, force bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.cfg.Now()
	to := r.prog.done()
	if to == nil || r.from == nil || bytes.Equal(to, r.from) || !force && now.Sub(r.saved) < saveEvery {
		return nil
	}
	if err := r.cfg.SetCursor(ctx, to); err != nil {
		return err
	}
	r.from, r.saved = to, now
	return nil
}

// progress knows up to which place everything is done. Between two places lies an epoch.
type progress struct {
	open    *epoch // since the last place
	pending []*epoch
	reached []byte
}

// epoch counts what is not done yet of what was taken up between two places.
type epoch struct {
	tasks int
	to    []byte
}

// begin counts a task in the present epoch.
func (p *progress) begin() *epoch {
	if p.open == nil {
		p.open = &epoch{}
	}
	p.open.tasks++
	return p.open
}

// passed ends the present epoch at a place.
func (p *progress) passed(to []byte) {
	if p.open != nil {
		p.pending, p.open = append(p.pending, p.open), nil
	}
	if n := len(p.pending); n > 0 {
		p.pending[n-1].to = to
	} else {
		p.reached = to
	}
}

// done returns the place up to which everything is done; nil when it has not moved.
func (p *progress) done() []byte {
	for len(p.pending) > 0 && p.pending[0].tasks == 0 {
		p.reached = p.pending[0].to
		p.pending = p.pending[1:]
	}
	return p.reached
}
