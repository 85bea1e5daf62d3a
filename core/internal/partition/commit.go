package partition

import (
	"context"
	"errors"
	"time"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/journal"
	"github.com/hermodhq/hermod/core/internal/pacing"
	"github.com/hermodhq/hermod/core/internal/record"
	"github.com/hermodhq/hermod/core/internal/table"
	"github.com/hermodhq/hermod/internal/flow"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// frame is what will be committed next, and what is to be done once it is durable.
type frame struct {
	record.Builder
	turns    map[message.AccountID][]pacing.Item
	dones    []chan error
	stored   []*table.Entry // whose message is in this frame
	planned  []*table.Entry // whose plan is in this frame
	calls    []called
	sent     []sent
	finished []*table.Entry
	changed  []*table.Entry // that somebody may wait for
	reports  []*report
	keys     []ids.Key
	looks    []func()
}

// called is a message that has a turn to call.
type called struct {
	e    *table.Entry
	turn pacing.Item
}

// sent is an attempt that got a vendor's id.
type sent struct {
	e       *table.Entry
	attempt int
}

// begin starts a new frame. The lists are used again, and let go of what they held.
func (o *Owner) begin(now time.Time) {
	f := &o.frame
	f.Begin(now)
	if f.turns == nil {
		f.turns = map[message.AccountID][]pacing.Item{}
	}
	f.dones, f.stored, f.planned, f.calls = empty(f.dones), empty(f.stored), empty(f.planned), empty(f.calls)
	f.sent, f.finished, f.changed, f.reports, f.keys = empty(f.sent), empty(f.finished), empty(f.changed), empty(f.reports), empty(f.keys)
	f.looks = empty(f.looks)
}

func empty[T any](s []T) []T {
	clear(s)
	return s[:0]
}

// full reports whether the frame shall take nothing more: it leaves room for one entry of the largest size.
func (o *Owner) full() bool {
	entries, bytes := o.frame.Size()
	return entries >= 2*frameEntries || bytes >= min(frameBytes, o.limit/4)
}

// largest returns how many bytes the texts of one entry may have.
func (o *Owner) largest() int { return o.limit / 8 * 5 }

// flush asks pacing for the turns that messages want.
func (o *Owner) flush() {
	for account, turns := range o.frame.turns {
		if len(turns) > 0 {
			o.cfg.Host.Submit(account, turns)
			o.frame.turns[account] = turns[:0]
		}
	}
}

// commit makes the frame durable. While the journal refuses it, commit tells everybody who waits and tries again: the
// state in memory is ahead of the log and must not be acted upon before the log has it.
func (o *Owner) commit(ctx context.Context) error {
	if entries, _ := o.frame.Size(); entries == 0 {
		return nil
	}
	data, err := o.frame.Marshal()
	if err != nil {
		return err
	}
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		stored, err := o.cfg.Log.Append(ctx, data)
		if err == nil {
			o.stored(stored.Seq)
			return nil
		}
		if ctx.Err() != nil || lost(err) {
			o.refuse(err)
			return err
		}
		o.cfg.Host.Stalled(o.cfg.Index, err)
		o.refuse(err)
		o.refuseWaiting(err)
		timer, stop := o.cfg.After(pause)
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case <-timer:
		}
	}
}

// lost reports whether an append can never succeed again: another engine owns the journal, or ours is closed.
func lost(err error) bool {
	j, ok := errors.AsType[*journal.Error](err)
	return ok && (j.Code == journal.CodeFenced || j.Code == journal.CodeOwned || j.Code == journal.CodeClosed)
}

// refuse answers everybody who waits for this frame. What they asked for may still become durable.
func (o *Owner) refuse(err error) {
	for _, done := range o.frame.dones {
		done <- err
	}
	clear(o.frame.dones)
	o.frame.dones = o.frame.dones[:0]
}

// refuseWaiting turns away the messages that wait for the next frame: nothing is known of when there will be one.
func (o *Owner) refuseWaiting(err error) {
	waiting := o.rest
	for o.in.Ready() {
		waiting = append(waiting, o.in.Take(frameEntries)...)
	}
	o.rest = nil
	for _, in := range waiting {
		if in.accept == nil {
			o.rest = append(o.rest, in)
			continue
		}
		o.cfg.Host.Unkey(in.accept.new.Key, in.accept.new.ID)
		in.accept.done <- err
	}
}

func (o *Owner) stored(seq uint64) {
	for _, e := range o.frame.stored {
		e.Seq, e.PlanSeq = seq, seq
	}
	for _, e := range o.frame.planned {
		e.PlanSeq = seq
	}
	for _, k := range o.frame.keys {
		o.cfg.Host.Key(k.Digest, k.ID, k.At, seq)
	}
	o.cfg.Host.Stalled(o.cfg.Index, nil)
	o.cfg.Host.Committed(o.cfg.Index, seq)
}

// act does what had to wait for the frame.
func (o *Owner) act() {
	f := &o.frame
	for _, done := range f.dones {
		done <- nil
	}
	o.call()
	for _, s := range f.sent {
		o.sent(s)
	}
	for _, e := range f.finished {
		o.finished(e)
	}
	for _, r := range f.reports {
		if r.orphan != nil {
			o.cfg.Host.Orphan(*r.orphan, r.account, f.Now)
		} else {
			o.cfg.Host.Inbound(r.event)
		}
	}
	for _, e := range append(f.stored, f.planned...) {
		if o.table.Keep(e); e.State.Phase == flow.Planning {
			o.table.Drop(e)
		}
	}
	for _, e := range f.changed {
		o.waits.Tell(e.ID, e.Status())
	}
	for _, look := range f.looks {
		look()
	}
}

// call hands the frame's recorded attempts out.
func (o *Owner) call() {
	if len(o.frame.calls) == 0 {
		return
	}
	calls := make([]table.Call, 0, len(o.frame.calls))
	for _, c := range o.frame.calls {
		e := c.e
		body, err := o.body(o.ctx, e)
		if err != nil {
			o.cfg.Host.Skip(e.Step().Account, c.turn)
			class := fault.Internal
			if unreadable(err) {
				class = fault.Unavailable
			}
			f := fault.New(class, "message_unreadable", "the message cannot be read back from the journal: %w", err)
			o.Answered(e.ID, flow.Event{Kind: flow.Answered, Attempt: len(e.State.Attempts), Fault: f}, nil)
			continue
		}
		calls = append(calls, table.Call{ID: e.ID, Attempt: len(e.State.Attempts), Step: e.State.Step, Body: body, Turn: c.turn})
	}
	o.cfg.Host.Call(calls)
}

func (o *Owner) sent(s sent) {
	a := &s.e.State.Attempts[s.attempt-1]
	step := &s.e.Shape.Plan.Steps[a.Step]
	for _, r := range o.cfg.Host.Sent(step.Account, a.VendorID, s.e.ID, s.attempt) {
		o.Answered(s.e.ID, flow.ReceiptEvent(r, s.attempt), nil)
	}
	if s.e.State.Phase == flow.Waiting {
		o.cfg.Host.Await(step, a.VendorID, s.e.ID, s.attempt, s.e.State.Due, false)
	}
}

// finished remembers a message for late receipts, and lets the oldest such message go.
func (o *Owner) finished(e *table.Entry) {
	old := o.table.Finished(e)
	if old == nil {
		return
	}
	for i := range old.State.Attempts {
		if vendor := old.State.Attempts[i].VendorID; vendor != "" {
			o.cfg.Host.Forget(old.Account(i+1), vendor)
		}
	}
}
