package dispatch

import (
	"context"
	"encoding/json"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/pacing"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// gate has an account's recorded attempts that wait until its limit lets them leave. Most of its room is never used.
type gate chan *leaving

// leaving is a recorded attempt.
type leaving struct {
	id       ids.ID
	turn     pacing.Item
	delivery connector.Delivery
	reached  chan struct{} // set for a mark, which is no attempt: closed when all before it have left
}

// add lets an attempt wait. There is room for all that are granted; ctx ends when the engine was abandoned.
func (g gate) add(ctx context.Context, one *leaving) {
	select {
	case <-ctx.Done():
	case g <- one:
	}
}

// empty waits until all that wait now have left, or until ctx ends.
func (g gate) empty(ctx context.Context) error {
	if g == nil {
		return nil
	}
	mark := &leaving{reached: make(chan struct{})}
	g.add(ctx, mark)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-mark.reached:
		return nil
	}
}

// Operate runs an operation, and before right before it. One that changes something counts against its account's limit, as a message does,
// and waits for that; all else that holds messages up does not concern it. Nothing is called after an error of before.
func (d *Dispatcher) Operate(ctx context.Context, id message.AccountID, operation string, before func() error,
	call func() (json.RawMessage, error)) (json.RawMessage, error) {
	if a := d.accounts[id]; a != nil && a.changes[operation] {
		waiting, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(d.quieted, cancel)()
		left, err := a.pace.Pass(waiting)
		if err != nil {
			return nil, fault.New(fault.RateLimited, "limit_wait",
				"%s was not called: the account's limit let nothing through in time; call it again, and give it longer: %w", operation, err)
		}
		defer a.pace.Passed(left)
	}
	if err := before(); err != nil {
		return nil, err
	}
	return call()
}

// leave hands an account's attempts to its connector as its limits allow, until ctx ends.
func (d *Dispatcher) leave(ctx context.Context, a *account) {
	for {
		select {
		case <-ctx.Done():
			return
		case one := <-a.gate:
			if one.reached != nil {
				close(one.reached)
				continue
			}
			left, err := a.pace.Leave(ctx, one.turn)
			if err != nil {
				return
			}
			a.out.left(one.id, left)
			d.deliver(a, []connector.Delivery{one.delivery})
		}
	}
}
