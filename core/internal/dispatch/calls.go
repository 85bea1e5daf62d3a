package dispatch

import (
	"context"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/pacing"
	"github.com/hermodhq/hermod/core/internal/table"
	"github.com/hermodhq/hermod/internal/flow"
	"github.com/hermodhq/hermod/rules"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Submit asks for turns. An account that does not exist, or must not be used now, bars its messages: each goes on to its next step.
func (d *Dispatcher) Submit(id message.AccountID, turns []pacing.Item) {
	a := d.accounts[id]
	if a == nil {
		d.bar(id, turns, fault.New(fault.Misconfigured, "account_unknown", "account %s is not configured", id))
		return
	}
	a.pace.Submit(turns)
	if f := a.unusable(); f != nil {
		d.bar(id, turns, f)
	}
}

// breakerOpen is the code of messages that an account's breaker bars.
const breakerOpen = "account_unavailable"

// unusable returns why an account takes no calls now, or nil.
func (a *account) unusable() *fault.Fault {
	if f := a.shut.Load(); f != nil {
		return f
	}
	switch h := a.pace.Health(); h.State {
	case pacing.Paused:
		return &fault.Fault{Class: fault.Misconfigured, Code: "account_paused", Text: "the account is paused: " + h.Reason}
	case pacing.Open:
		return &fault.Fault{Class: fault.Unavailable, Code: breakerOpen, Text: "the account's last calls failed: its breaker is open"}
	}
	return nil
}

// bar tells the owners of turns that their account cannot be used now.
func (d *Dispatcher) bar(id message.AccountID, turns []pacing.Item, f *fault.Fault) {
	for n, part := range byPartition(turns) {
		d.cfg.Owner(int(n)).Barred(id, part, f)
	}
}

// barWaiting bars everything that waits for an account, once for each time that it has become unusable.
func (d *Dispatcher) barWaiting(a *account) {
	f, told := a.unusable(), ""
	if f != nil {
		told = f.Code + string(f.Class) + a.pace.Health().Since.String()
	}
	was, _ := a.told.Swap(told).(string)
	if f == nil || was == told {
		return
	}
	if f.Code == breakerOpen && !strings.HasPrefix(was, breakerOpen) { // once, not each time that a try fails
		d.cfg.Logger.Warn("an account's last calls failed: its breaker is open, and a few calls try the vendor again", "account", a.id,
			"class", a.pace.Health().Reason)
	}
	for n := range d.cfg.Partitions {
		d.cfg.Owner(n).Barred(a.id, nil, f)
	}
}

// mostDetail bounds what an answer may add to a timeline, in bytes.
const mostDetail = 16 << 10

// bounded drops a detail that is too large for the timeline.
func bounded(detail map[string]string) map[string]string {
	size := 0
	for k, v := range detail {
		size += len(k) + len(v)
	}
	if size > mostDetail {
		return map[string]string{"detail": "left out: too large"}
	}
	return detail
}

// grant tells the owners which of their messages may call.
func (d *Dispatcher) grant(a *account, turns []pacing.Item) {
	if d.quieted.Err() != nil {
		return // they stay queued in the journal
	}
	for n, part := range byPartition(turns) {
		d.cfg.Owner(int(n)).Granted(a.id, part)
	}
}

// byPartition copies turns, apart for each partition.
func byPartition(turns []pacing.Item) map[int32][]pacing.Item {
	parts := make(map[int32][]pacing.Item, 4)
	for _, t := range turns {
		parts[t.Partition] = append(parts[t.Partition], t)
	}
	return parts
}

// Skip gives a granted turn back without a call.
func (d *Dispatcher) Skip(id message.AccountID, turn pacing.Item) {
	if a := d.accounts[id]; a != nil {
		a.pace.Done([]pacing.Result{{Item: turn, Skipped: true}})
	}
}

// Withdraw takes a turn back.
func (d *Dispatcher) Withdraw(id message.AccountID, turn pacing.Item) {
	if a := d.accounts[id]; a != nil {
		a.pace.Cancel(turn)
	}
}

// Pause stops the use of an account until [Dispatcher.Resume], and lets what waits for it go on. reason is the class of the fault, code its
// vendor's code or else its own.
func (d *Dispatcher) Pause(id message.AccountID, reason, code string) {
	a := d.accounts[id]
	if a == nil {
		return
	}
	d.cfg.Logger.Error("an account is paused: mend it, then resume it", "account", id, "reason", reason, "code", code,
		"advice", strings.ReplaceAll(fault.Class(reason).Advice(), "NAME", string(id)))
	a.code.Store(&code)
	a.pace.Pause(reason)
	d.barWaiting(a)
}

// Resume lets an account be used again; one that is not open waits for [Dispatcher.Connect] all the same. It reports whether there is
// such an account.
func (d *Dispatcher) Resume(id message.AccountID) bool {
	a := d.accounts[id]
	if a != nil {
		a.told.Store("")
		a.pace.Resume()
	}
	return a != nil
}

// Hold stops the use of an account for as long as its vendor asked.
func (d *Dispatcher) Hold(id message.AccountID, pause time.Duration) {
	if a := d.accounts[id]; a != nil {
		a.pace.RetryAfter(pause)
	}
}

// Health returns an account's state, for rules. An account that does not exist is paused.
func (d *Dispatcher) Health(id message.AccountID) rules.Health {
	a := d.accounts[id]
	if a == nil || a.shut.Load() != nil {
		return rules.Health{State: string(pacing.Paused)}
	}
	h := a.pace.Health()
	return rules.Health{State: string(h.State), Queued: h.Queued}
}

// Pace returns an account's pacing state, for people.
func (d *Dispatcher) Pace(id message.AccountID) pacing.Health {
	if a := d.accounts[id]; a != nil {
		return a.pace.Health()
	}
	return pacing.Health{}
}

// PauseCode returns the code of the fault that an account was last paused for; empty when it never was.
func (d *Dispatcher) PauseCode(id message.AccountID) string {
	if a := d.accounts[id]; a != nil && a.code.Load() != nil {
		return *a.code.Load()
	}
	return ""
}

// Asks reports whether the vendor is to be asked what became of an attempt: always where a channel's receipts are polled, and
// where a pushed one may have been missed, if the connector can ask.
func (d *Dispatcher) Asks(id message.AccountID, channel message.Channel, missed bool) bool {
	a := d.accounts[id]
	if a == nil {
		return false
	}
	receipts := a.channels[channel].Receipts
	return receipts == connector.Polled || (missed && a.queries && receipts == connector.Pushed)
}

// Call hands recorded attempts to their connectors, those that need transforms after these.
func (d *Dispatcher) Call(calls []table.Call) {
	batches := map[*account][]connector.Delivery{}
	for _, c := range calls {
		step := &c.Body.Plan.Steps[c.Step]
		a := d.accounts[step.Account]
		a.out.put(c.ID, underWay{turn: c.Turn, span: d.begin(c, step)})
		if len(step.Transforms) > 0 {
			if d.slots.Acquire(d.ctx, 1) != nil {
				continue // the engine was abandoned: at the next start it is not known whether the call was made
			}
			d.work <- transformed{account: a, call: c}
			continue
		}
		one := deliveryOf(c, step, contentOf(c, step))
		if a.gate != nil {
			a.gate.add(d.ctx, &leaving{id: c.ID, turn: c.Turn, delivery: one})
			continue
		}
		batches[a] = append(batches[a], one)
	}
	for a, batch := range batches {
		d.deliver(a, batch)
	}
}

func (d *Dispatcher) deliver(a *account, batch []connector.Delivery) {
	if conn := a.conn.Load(); conn != nil {
		(*conn).Deliver(batch)
		return
	}
	for _, one := range batch {
		d.Answered(a.id, []connector.Answer{{Message: one.Message, Attempt: one.Attempt,
			Err: fault.New(fault.Unavailable, "account_not_open", "account %s could not be opened; see the log", a.id)}})
	}
}

// contentOf is what the step says, else what the message says.
func contentOf(c table.Call, step *message.Step) message.Content {
	if step.Content.Kind() != "" {
		return step.Content
	}
	return c.Body.Message.Content
}

func deliveryOf(c table.Call, step *message.Step, content message.Content) connector.Delivery {
	m := &c.Body.Message
	return connector.Delivery{
		Message: m.ID, Attempt: c.Attempt, Channel: step.Channel, To: m.To, Content: content,
		Category: m.Category, Labels: m.Labels, Within: step.Within,
	}
}

// transform works calls off that need their transforms. What fails there was never given to a vendor.
func (d *Dispatcher) transform(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case w := <-d.work:
			d.transformOne(ctx, w)
			d.slots.Release(1)
		}
	}
}

func (d *Dispatcher) transformOne(ctx context.Context, w transformed) {
	step := &w.call.Body.Plan.Steps[w.call.Step]
	m := w.call.Body.Message
	m.Content = contentOf(w.call, step)
	if err := d.apply(ctx, step.Transforms, &m); err != nil {
		d.Answered(w.account.id, []connector.Answer{{Message: m.ID, Attempt: w.call.Attempt, Err: err}})
		return
	}
	one := deliveryOf(w.call, step, m.Content)
	one.Category, one.Labels = m.Category, m.Labels
	if w.account.gate != nil {
		w.account.gate.add(d.ctx, &leaving{id: w.call.ID, turn: w.call.Turn, delivery: one})
		return
	}
	d.deliver(w.account, []connector.Delivery{one})
}

func (d *Dispatcher) apply(ctx context.Context, names []string, m *message.Message) error {
	if d.cfg.Transforms == nil {
		return fault.New(fault.Misconfigured, "transform_missing", "the plan names transforms, and none are loaded")
	}
	return d.cfg.Transforms.Apply(ctx, names, m)
}

// Answered brings a connector's answers to the partitions that own the messages.
func (d *Dispatcher) Answered(id message.AccountID, answers []connector.Answer) {
	a := d.accounts[id]
	done := make([]pacing.Result, 0, len(answers))
	failed := false
	for i := range answers {
		ans := &answers[i]
		parsed, err := ids.ParseID(ans.Message)
		if err != nil {
			d.cfg.Logger.Error("a connector answered for a message that is none", "account", id)
			continue
		}
		ev := flow.Event{Kind: flow.Answered, Attempt: ans.Attempt, Fault: fault.From(ans.Err)}
		if ev.Fault == nil {
			ev.VendorID = ans.Result.VendorID
			if ev.Outcome = ans.Result.Outcome; ev.Outcome.Rank() == 0 {
				ev.Outcome = message.Accepted
			}
		}
		if call, out := a.out.take(parsed); out {
			res := pacing.Result{Item: call.turn, Left: call.left}
			if ev.Fault != nil {
				res.Class, res.Skipped, failed = ev.Fault.Class, ofConnector(ev.Fault), true
			}
			done = append(done, res)
			call.end(ev.Fault)
		}
		d.cfg.Owner(parsed.Partition()).Answered(parsed, ev.Bound(), bounded(ans.Result.Detail))
	}
	a.pace.Done(done)
	if failed {
		d.barWaiting(a)
	}
}

// ofConnector reports whether a call ended with its connector's program: that says nothing about the vendor.
func ofConnector(f *fault.Fault) bool {
	return f.Code == "connector_down" || f.Code == "connector_died" || f.Code == "connector_hung"
}

// out holds the calls under way.
type out struct {
	mu    sync.Mutex
	calls map[ids.ID]underWay
}

// underWay is a call that has not been answered.
type underWay struct {
	turn pacing.Item
	left pacing.Left // zero until it has passed its account's gate
	span trace.Span  // nil when nothing is traced
}

func (o *out) put(id ids.ID, c underWay) {
	o.mu.Lock()
	o.calls[id] = c
	o.mu.Unlock()
}

func (o *out) left(id ids.ID, left pacing.Left) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c, ok := o.calls[id]; ok {
		c.left = left
		o.calls[id] = c
	}
}

func (o *out) take(id ids.ID) (underWay, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c, ok := o.calls[id]
	delete(o.calls, id)
	return c, ok
}

// begin starts a call's span. Its attributes hold no personal data.
func (d *Dispatcher) begin(c table.Call, step *message.Step) trace.Span {
	if d.cfg.Tracer == nil {
		return nil
	}
	_, span := d.cfg.Tracer.Start(d.ctx, "hermod.attempt", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("hermod.message", string(c.ID.Message())), attribute.Int("hermod.attempt", c.Attempt),
		attribute.String("hermod.account", string(step.Account)), attribute.String("hermod.channel", string(step.Channel))))
	return span
}

func (u underWay) end(f *fault.Fault) {
	if u.span == nil {
		return
	}
	if f != nil {
		u.span.SetStatus(codes.Error, string(f.Class))
	}
	u.span.End()
}
