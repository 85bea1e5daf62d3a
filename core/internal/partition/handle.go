package partition

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/pacing"
	"github.com/hermodhq/hermod/core/internal/record"
	"github.com/hermodhq/hermod/core/internal/table"
	"github.com/hermodhq/hermod/internal/flow"
	journalv1 "github.com/hermodhq/hermod/proto/hermod/journal/v1"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// handle takes inputs into the frame, in their order. What the frame has no room for is left for the next.
func (o *Owner) handle(inputs []input) {
	for i, in := range inputs {
		if entries, bytes := o.frame.Size(); o.full() || (entries > 0 && bytes+in.texts() > o.limit/8*7) {
			o.rest = append(o.rest, inputs[i:]...)
			break
		}
		switch {
		case in.accept != nil:
			o.accept(in.accept)
		case in.event != nil:
			o.event(in.event)
		case in.granted != nil:
			o.granted(in.granted)
		case in.barred != nil:
			o.barred(in.barred)
		case in.report != nil:
			o.report(in.report)
		case in.ask != nil:
			in.ask()
		case in.look != nil:
			o.frame.looks = append(o.frame.looks, in.look)
		}
	}
	clear(inputs)
}

// texts is about how many bytes an input brings into the frame.
func (i *input) texts() (n int) {
	switch {
	case i.accept != nil:
		n = len(i.accept.new.JSON) + len(i.accept.new.Contents)
	case i.report != nil:
		n = len(i.report.json)
	case i.event != nil:
		for k, v := range i.event.detail {
			n += len(k) + len(v)
		}
	}
	return n
}

// accept enters a message, with its plan where it has one, and takes its first step.
func (o *Owner) accept(a *accept) {
	n := a.new
	e := &table.Entry{ID: n.ID, Body: n.Body, Recipient: n.Recipient, Tenant: n.Tenant, Lane: n.Lane}
	e.State.Expires, e.State.Due = n.Expires, n.Due
	o.table.Entries[e.ID] = e
	entry := o.frame.Add(&e.ID, journalv1.Kind_KIND_ACCEPTED)
	entry.Message, entry.Recipient, entry.Tenant, entry.Lane = n.JSON, e.Recipient, e.Tenant, record.LaneOf(e.Lane)
	o.frame.Grow(len(n.JSON))
	if n.Keyed {
		entry.Key = n.Key[:]
		o.frame.keys = append(o.frame.keys, ids.Key{Digest: n.Key, ID: e.ID, At: o.frame.Now})
	}
	o.frame.stored = append(o.frame.stored, e)
	o.frame.dones = append(o.frame.dones, a.done)
	switch {
	case n.Failed != nil:
		o.apply(e, entry, flow.Event{Kind: flow.Unroutable, Fault: fault.From(n.Failed)})
	case e.Body.Plan != nil:
		o.withPlan(e, entry, e.Body.Plan, n.Contents)
	default:
		o.due.Set(e, ids.Nanos(e.State.Due))
		entry.State = record.StateOf(&e.State)
	}
}

// planned enters the plan of a message that waited for its time.
func (o *Owner) planned(e *table.Entry, body *table.Body, plan *message.Plan) {
	entry := o.frame.Add(&e.ID, journalv1.Kind_KIND_PLANNED)
	contents, err := record.ContentsOf(plan)
	if text, _ := json.Marshal(&body.Message); err == nil && len(text)+len(contents) > o.largest() { // both stand in one entry once carried
		err = fault.New(fault.ContentRejected, "too_large", "the message takes %d bytes in the journal, with its texts rendered; at most %d fit",
			len(text)+len(contents), o.largest())
	}
	if err != nil {
		o.apply(e, entry, flow.Event{Kind: flow.Unroutable, Fault: fault.From(err)})
		return
	}
	e.Body = &table.Body{Message: body.Message, Plan: plan}
	o.withPlan(e, entry, plan, contents)
}

func (o *Owner) withPlan(e *table.Entry, entry *journalv1.Entry, plan *message.Plan, contents []byte) {
	shape, err := o.shapes.Of(plan)
	entry.Contents = contents
	if err != nil {
		o.apply(e, entry, flow.Event{Kind: flow.Unroutable, Fault: fault.From(err)})
		return
	}
	e.Shape = shape
	entry.Shape = o.frame.Shape(shape.JSON)
	o.frame.Grow(len(entry.Contents))
	o.frame.planned = append(o.frame.planned, e)
	if plan.Expires > 0 {
		if at := o.frame.Now.Add(plan.Expires); e.State.Expires.IsZero() || at.Before(e.State.Expires) {
			e.State.Expires = at
		}
	}
	o.apply(e, entry, flow.Event{Kind: flow.Planned})
}

func (o *Owner) event(in *event) {
	e := o.table.Entries[in.id]
	if e == nil {
		if in.done != nil {
			in.done <- table.ErrUnknown
		}
		return
	}
	if in.from != "" && !madeBy(e, in.ev.Attempt, in.from) {
		in.done <- table.ErrForeign
		return
	}
	if in.done != nil {
		o.frame.dones = append(o.frame.dones, in.done)
	}
	if e.State.Phase == flow.Done && in.ev.Kind != flow.Receipt {
		return // it has ended, and nothing but a late receipt is worth a record
	}
	if in.ev.Kind == flow.Receipt && !news(e, &in.ev) {
		return // a repeat: what it says is in the log, or in this frame
	}
	entry := o.step(e, in.ev)
	if entry.Detail = in.detail; len(in.detail) > 0 {
		o.frame.Grow((&input{event: in}).texts())
	}
}

// madeBy reports whether an attempt was made on an account.
func madeBy(e *table.Entry, attempt int, account message.AccountID) bool {
	return attempt >= 1 && attempt <= len(e.State.Attempts) && e.Shape.Plan.Steps[e.State.Attempts[attempt-1].Step].Account == account
}

// news reports whether a receipt says more of its attempt than is known.
func news(e *table.Entry, ev *flow.Event) bool {
	if ev.Attempt < 1 || ev.Attempt > len(e.State.Attempts) {
		return false
	}
	have := e.State.Attempts[ev.Attempt-1].Outcome
	if ev.Fault != nil {
		return have != message.Failed && have.Rank() < message.Delivered.Rank()
	}
	return ev.Outcome.Rank() > have.Rank()
}

func (o *Owner) report(r *report) {
	kind := journalv1.Kind_KIND_INBOUND
	if r.orphan != nil {
		kind = journalv1.Kind_KIND_ORPHAN
	}
	entry := o.frame.Add(nil, kind)
	entry.Event, entry.Account = r.json, string(r.account)
	o.frame.Grow(len(r.json))
	o.frame.dones = append(o.frame.dones, r.done)
	o.frame.reports = append(o.frame.reports, r)
}

// granted records an attempt for each turn. A message that was canceled, expired or barred meanwhile gives its turn back.
func (o *Owner) granted(g *granted) {
	if o.quiet.Load() {
		return // they stay queued, and ask again when the engine starts
	}
	for i, turn := range g.turns {
		if o.full() {
			o.rest = append(o.rest, input{granted: &granted{account: g.account, turns: g.turns[i:]}})
			return
		}
		e := o.queue[turn.Ref]
		if e == nil {
			o.cfg.Host.Skip(g.account, turn)
			continue
		}
		o.leaveQueue(e)
		o.step(e, flow.Event{Kind: flow.Granted})
		if e.State.Phase != flow.Calling {
			o.cfg.Host.Skip(g.account, turn)
			continue
		}
		o.frame.calls = append(o.frame.calls, called{e: e, turn: turn})
	}
}

// barred lets messages that wait for an account go on to their next step, where they have one.
func (o *Owner) barred(b *barred) {
	ev := flow.Event{Kind: flow.Barred, Fault: b.fault}
	turns := b.turns
	if turns == nil {
		turns = o.waitingFor(b.account)
	}
	for i, turn := range turns {
		if o.full() {
			o.rest = append(o.rest, input{barred: &barred{granted{b.account, turns[i:]}, b.fault}})
			return
		}
		if e := o.queue[turn.Ref]; e != nil {
			o.bar(e, ev)
		}
	}
}

// waitingFor returns the turns that wait for an account, oldest first: that is also how the log is read back fastest.
func (o *Owner) waitingFor(account message.AccountID) []pacing.Item {
	var turns []pacing.Item
	for _, e := range o.queue {
		if e.Step().Account == account {
			turns = append(turns, o.turnOf(e))
		}
	}
	slices.SortFunc(turns, func(a, b pacing.Item) int { return cmp.Compare(a.Ref, b.Ref) })
	return turns
}

// bar is recorded only when it changes something: a message whose last step is barred for a while goes on waiting.
func (o *Owner) bar(e *table.Entry, ev flow.Event) {
	if flow.Bars(&e.State, e.Shape.Plan, ev, func(i int) bool { return o.allowed(e, i) }) {
		o.step(e, ev)
	}
}

// step runs one event through the state machine and records it with the state that follows.
func (o *Owner) step(e *table.Entry, ev flow.Event) *journalv1.Entry {
	return o.apply(e, o.frame.Add(&e.ID, journalv1.Kind(ev.Kind)), ev)
}

func (o *Owner) apply(e *table.Entry, entry *journalv1.Entry, ev flow.Event) *journalv1.Entry {
	ev.At, ev.Jitter = o.frame.Now, o.rand.Float64()
	record.Describe(entry, &e.State, &ev)
	was, step, calls := e.State.Phase, e.State.Step, len(e.State.Attempts)
	var plan *message.Plan
	if e.Shape != nil {
		plan = e.Shape.Plan
	}
	o.scratch = flow.Next(&e.State, plan, ev, func(i int) bool { return o.allowed(e, i) }, o.scratch[:0])
	ended := e.State.Phase == flow.Done && was != flow.Done
	o.cfg.Host.Counted(ev.Kind, &e.State, ended)
	if e.Ref != 0 && (e.State.Phase != flow.Queued || e.State.Step != step) {
		o.cfg.Host.Withdraw(plan.Steps[step].Account, o.turnOf(e))
		o.leaveQueue(e)
	}
	for _, c := range o.scratch {
		o.command(e, entry, c)
	}
	entry.State = record.StateOf(&e.State)
	o.frame.Grow(record.Texts(entry))
	if ended && entry.Late { // the receipt and the end are told apart: later receipts are late as well, and end nothing
		o.frame.Add(&e.ID, journalv1.Kind_KIND_DUE).State = record.StateOf(&e.State)
	}
	o.due.Set(e, ids.Nanos(e.State.Due))
	if ev.Kind == flow.Answered && calls == len(e.State.Attempts) && ev.VendorID != "" && ev.Attempt >= 1 && ev.Attempt <= calls {
		o.frame.sent = append(o.frame.sent, sent{e: e, attempt: ev.Attempt})
	}
	if next := o.order.Pass(e); next != nil {
		o.submit(next)
	}
	if e.State.Phase != flow.Calling && e.State.Phase != flow.Queued {
		o.table.Drop(e)
	}
	if len(o.waits) > 0 {
		o.frame.changed = append(o.frame.changed, e)
	}
	return entry
}

// command takes one of the state machine's commands. What reaches outside waits until the frame is durable, but for
// asking pacing for a turn: a turn alone does nothing.
func (o *Owner) command(e *table.Entry, entry *journalv1.Entry, c flow.Command) {
	switch c.Do {
	case flow.Enqueue:
		if o.order.Enter(e) {
			o.submit(e)
		}
	case flow.Leave:
		entry.Left, entry.Step = c.Reason, int32(c.Step)
	case flow.Late:
		entry.Late = true
	case flow.Finish:
		o.frame.finished = append(o.frame.finished, e)
	case flow.Pause:
		last := &e.State.Attempts[len(e.State.Attempts)-1]
		o.cfg.Host.Pause(e.Shape.Plan.Steps[c.Step].Account, c.Reason, last.Code)
	case flow.Hold:
		o.cfg.Host.Hold(e.Shape.Plan.Steps[c.Step].Account, c.For)
	}
}

// submit notes that a message wants a turn; flush asks for all of them.
func (o *Owner) submit(e *table.Entry) {
	o.ref++
	e.Ref = o.ref
	o.queue[e.Ref] = e
	o.frame.turns[e.Step().Account] = append(o.frame.turns[e.Step().Account], o.turnOf(e))
}

func (o *Owner) turnOf(e *table.Entry) pacing.Item {
	return pacing.Item{Ref: e.Ref, Partition: int32(o.cfg.Index), Recipient: e.Recipient, Tenant: e.Tenant, Lane: e.Lane}
}

func (o *Owner) leaveQueue(e *table.Entry) {
	delete(o.queue, e.Ref)
	e.Ref = 0
}

// allowed evaluates a step's condition. It needs the message, which may have to be read back.
func (o *Owner) allowed(e *table.Entry, step int) bool {
	body, err := o.body(o.ctx, e)
	if err != nil {
		o.cfg.Logger.Error("a step's condition could not be evaluated: the message cannot be read back", "id", e.ID.Message(), "error", err)
		return false
	}
	return o.cfg.Host.Allowed(e.Shape.Plan.Steps[step].When, &body.Message, e.Shape.Plan, e.State.Attempts)
}
