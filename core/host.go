package core

import (
	"context"
	"time"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/index"
	"github.com/hermodhq/hermod/core/internal/pacing"
	"github.com/hermodhq/hermod/core/internal/table"
	"github.com/hermodhq/hermod/internal/flow"
	"github.com/hermodhq/hermod/rules"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Plan decides a message with the rule set of this moment. A message that no route takes is an error.
func (r *running) Plan(m *message.Message) (*message.Plan, error) {
	decision, err := r.rules.Current().Decide(r.input(m))
	if err != nil {
		return nil, err
	}
	if decision.Plan == nil {
		return nil, fault.New(fault.Unsupported, "no_route", "no route takes the message (rules %s); add a route, then send it again", decision.Revision)
	}
	return decision.Plan, nil
}

func (r *running) input(m *message.Message) *rules.Input {
	return &rules.Input{
		Message: m, Now: r.engine.cfg.Clock.Now(), Health: r.dispatch.Health,
		Contact: rules.Contact{LastInbound: r.contacts.Last(m.To.Address())},
	}
}

// Allowed evaluates a step's condition. A condition that cannot be evaluated does not hold.
func (r *running) Allowed(when string, m *message.Message, plan *message.Plan, attempts []flow.Attempt) bool {
	past := make([]rules.Attempt, len(attempts))
	for i, a := range attempts {
		step := &plan.Steps[a.Step]
		past[i] = rules.Attempt{Account: step.Account, Channel: step.Channel, Outcome: a.Outcome, Class: string(a.Class), Code: a.Code}
	}
	ok, err := r.rules.Current().Allowed(when, r.input(m), past)
	if err != nil {
		r.engine.cfg.Logger.Warn("a step was passed over: its condition cannot be evaluated", "message", m.ID, "route", plan.Route, "error", err)
	}
	return ok && err == nil
}

// Submit asks pacing for turns.
func (r *running) Submit(account message.AccountID, turns []pacing.Item) {
	r.dispatch.Submit(account, turns)
}

// Withdraw takes a turn back.
func (r *running) Withdraw(account message.AccountID, turn pacing.Item) {
	r.dispatch.Withdraw(account, turn)
}

// Skip gives a granted turn back.
func (r *running) Skip(account message.AccountID, turn pacing.Item) { r.dispatch.Skip(account, turn) }

// Call hands attempts out.
func (r *running) Call(calls []table.Call) { r.dispatch.Call(calls) }

// Pause stops the use of an account.
func (r *running) Pause(id message.AccountID, reason, code string) {
	r.dispatch.Pause(id, reason, code)
}

// Hold stops the use of an account for a while.
func (r *running) Hold(account message.AccountID, d time.Duration) { r.dispatch.Hold(account, d) }

// Sent remembers an attempt's vendor id.
func (r *running) Sent(account message.AccountID, vendor message.VendorMessageID, id ids.ID, attempt int) []message.Receipt {
	return r.vendors.Put(account, vendor, index.Attempt{ID: id, Attempt: uint8(min(attempt, 255))})
}

// Forget drops a vendor id.
func (r *running) Forget(account message.AccountID, vendor message.VendorMessageID) {
	r.vendors.Forget(account, vendor)
}

// Await asks the vendor for the attempt's state, where the channel's receipts must be asked for, or may have been missed.
func (r *running) Await(step *message.Step, vendor message.VendorMessageID, id ids.ID, attempt int, due time.Time, recovered bool) {
	if r.dispatch.Asks(step.Account, step.Channel, recovered) {
		r.poller.Add(step, vendor, id, attempt, due)
	}
}

// Key takes an idempotency key up.
func (r *running) Key(digest [16]byte, id ids.ID, at time.Time, seq uint64) {
	r.keys.Add(digest, id, at, seq)
}

// KeysBefore lists a partition's keys in frames before seq.
func (r *running) KeysBefore(i int, seq uint64) []ids.Key { return r.keys.Before(i, seq) }

// Unkey gives a key up.
func (r *running) Unkey(digest [16]byte, id ids.ID) { r.keys.Release(digest, id) }

// Orphan keeps a receipt whose attempt is not known yet, or passes it on when it has become known.
func (r *running) Orphan(receipt message.Receipt, account message.AccountID, at time.Time) {
	if a, known := r.vendors.Orphan(account, receipt, at); known {
		r.owners[a.ID.Partition()].Answered(a.ID, flow.ReceiptEvent(receipt, int(a.Attempt)), nil)
	}
}

// Inbound notes when people wrote.
func (r *running) Inbound(e *message.Event) {
	r.intake.Recall(e)
	if e.Contact == nil {
		return
	}
	for _, address := range []string{e.Contact.Phone, e.Contact.Email} {
		if e.Inbound != nil {
			r.contacts.Wrote(address, e.Inbound.Channel, e.Inbound.At)
		}
		for i := range e.Messages {
			if in := &e.Messages[i]; in.From == "client" {
				r.contacts.Wrote(address, in.Channel, in.At)
			}
		}
	}
}

// Counted feeds the metrics.
func (r *running) Counted(kind flow.Kind, st *flow.State, ended bool) {
	r.metrics.Count(kind, st, ended)
}

// Committed wakes those who follow the journal.
func (r *running) Committed(int, uint64) { r.changed.Send() }

// Stalled notes that a partition's log refuses frames, or takes them again.
func (r *running) Stalled(i int, err error) {
	if err == nil {
		if r.stalls[i].Load() != nil {
			r.stalls[i].Store(nil)
			r.engine.cfg.Logger.Info("the journal takes messages again", "partition", i)
		}
		return
	}
	if r.stalls[i].Swap(&err) == nil {
		r.engine.cfg.Logger.Error("the journal takes nothing; it is tried again", "partition", i, "error", err)
	}
}

// store makes a vendor's events durable.
func (r *running) store(ctx context.Context, account message.AccountID, events []message.Event) error {
	if r.closing.Load() {
		return ErrStopped
	}
	r.sends.Add(1)
	defer r.sends.Done()
	return r.intake.Add(ctx, account, events)
}
