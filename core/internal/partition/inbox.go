package partition

import (
	"context"
	"errors"
	"fmt"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/pacing"
	"github.com/hermodhq/hermod/core/internal/record"
	"github.com/hermodhq/hermod/core/internal/table"
	"github.com/hermodhq/hermod/internal/flow"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// ErrStopped says that the owner takes nothing any more.
var ErrStopped = errors.New("the engine has stopped")

// ErrBusy says that a message was not even taken up, because too many wait.
var ErrBusy = errors.New("too many messages wait to be accepted")

// weigh readies a message's plan for the journal. A message that no frame can hold is a *[message.Error].
func (o *Owner) weigh(n *table.NewMessage) (err error) {
	if n.Body.Plan != nil {
		if n.Contents, err = record.ContentsOf(n.Body.Plan); err != nil {
			n.Body.Plan, n.Failed = nil, err
		}
	}
	if size, most := len(n.JSON)+len(n.Contents), o.largest(); size > most {
		return &message.Error{Code: "too_large", Path: "content", Text: fmt.Sprintf(
			"the message takes %d bytes in the journal, with its texts rendered; at most %d fit: send media by url, and less data", size, most)}
	}
	return nil
}

// Accept stores a message, and returns once it is durable. An error of ctx says that it is not known whether the
// message was stored.
func (o *Owner) Accept(ctx context.Context, n *table.NewMessage) error {
	select {
	case o.slots <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
	defer func() { <-o.slots }()
	if err := o.weigh(n); err != nil {
		return err
	}
	a := &accept{new: n, done: make(chan error, 1)}
	return o.await(ctx, input{accept: a}, a.done)
}

func (o *Owner) await(ctx context.Context, i input, done <-chan error) error {
	if !o.in.Put(i) {
		return ErrStopped
	}
	select {
	case err := <-done:
		return err
	case <-o.stopped:
		select {
		case err := <-done: // the owner's last act
			return err
		default:
			return ErrStopped
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Granted tells that pacing lets these turns of an account call. It never blocks.
func (o *Owner) Granted(account message.AccountID, turns []pacing.Item) {
	o.in.Put(input{granted: &granted{account: account, turns: turns}})
}

// Barred tells that an account cannot be used now: it is about these turns, or about all that wait for it. It never blocks.
func (o *Owner) Barred(account message.AccountID, turns []pacing.Item, f *fault.Fault) {
	o.in.Put(input{barred: &barred{granted{account, turns}, f}})
}

// Answered tells what became of a call. It never blocks; the number of calls under way bounds the queue.
func (o *Owner) Answered(id ids.ID, ev flow.Event, detail map[string]string) {
	o.in.Put(input{event: &event{id: id, ev: ev, detail: detail}})
}

// Event stores an event about a message, a receipt or a cancellation, and returns once it is durable. A message that is not in memory
// is [table.ErrUnknown].
func (o *Owner) Event(ctx context.Context, id ids.ID, ev flow.Event) error {
	e := &event{id: id, ev: ev, done: make(chan error, 1)}
	return o.await(ctx, input{event: e}, e.done)
}

// Receipt is Event for what an account's vendor says of an attempt that it names itself. An attempt that is none of the account's
// is [table.ErrForeign].
func (o *Owner) Receipt(ctx context.Context, from message.AccountID, id ids.ID, ev flow.Event) error {
	e := &event{id: id, ev: ev, from: from, done: make(chan error, 1)}
	return o.await(ctx, input{event: e}, e.done)
}

// Report stores a vendor's event, and returns once it is durable. orphan is set for a receipt whose attempt is not known.
func (o *Owner) Report(ctx context.Context, ev *message.Event, json []byte, orphan *message.Receipt) error {
	if most := o.largest(); len(json) > most {
		return fault.New(fault.ContentRejected, "event_too_large", "an event takes %d bytes in the journal; at most %d fit", len(json), most)
	}
	r := &report{json: json, account: ev.Account, event: ev, orphan: orphan, done: make(chan error, 1)}
	return o.await(ctx, input{report: r}, r.done)
}

// Do runs fn on the owner's goroutine and waits for it, for questions about the table. fn sees only what is durable.
func (o *Owner) Do(ctx context.Context, fn func()) error {
	done := make(chan error, 1)
	return o.await(ctx, input{look: func() { fn(); done <- nil }}, done)
}

// Wait returns where a message stands once it has reached until or a final outcome. known is false when the owner does not
// remember the message.
func (o *Owner) Wait(ctx context.Context, id ids.ID, until message.Outcome) (s table.Status, known bool, err error) {
	type standing struct {
		table.Status
		known bool
	}
	now, c := make(chan standing, 1), make(chan table.Status, 1)
	err = o.Do(ctx, func() {
		e := o.table.Entries[id]
		if e == nil || ctx.Err() != nil {
			now <- standing{known: e != nil}
			return
		}
		now <- standing{e.Status(), true}
		if s := e.Status(); s.Reached(until) {
			c <- s
			return
		}
		o.waits.Add(id, until, c)
	})
	if err != nil {
		return s, true, err
	}
	if was := <-now; !was.known {
		return s, false, nil
	} else {
		s = was.Status
	}
	select {
	case s = <-c:
		return s, true, nil
	case <-o.stopped:
		return s, true, ErrStopped
	case <-ctx.Done():
		o.in.Put(input{look: func() { o.waits.Remove(id, c) }})
		return s, true, ctx.Err()
	}
}
