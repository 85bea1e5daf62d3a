package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hermodhq/hermod/core/history"
	"github.com/hermodhq/hermod/core/internal/dispatch"
	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/index"
	"github.com/hermodhq/hermod/core/internal/partition"
	"github.com/hermodhq/hermod/core/internal/table"
	"github.com/hermodhq/hermod/internal/flow"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Send accepts a message. It returns the message's id once the message is durable (see [Durability]); from then on the
// message reaches exactly one final outcome. A message for which no route exists is accepted too, and ends as failed.
//
// With an idempotency key that was used before, Send returns the first message's id and sends nothing. Refusals are a
// *[message.Error], or a *[fault.Fault] with code "journal_unavailable" when the journal cannot take the message now. An error of ctx
// leaves open whether the message was accepted: send it again with the same key.
func (e *Engine) Send(ctx context.Context, m message.Message) (message.ID, error) {
	r, err := e.get()
	if err != nil {
		return "", err
	}
	r.sends.Add(1)
	defer r.sends.Done()
	if err := r.stalled(); err != nil {
		return "", err
	}
	if err := e.addresses.Message(&m); err != nil {
		return "", err
	}
	n, owner, err := r.prepare(&m)
	if err != nil {
		return "", err
	}
	if n.Keyed {
		first, known, err := r.keys.Reserve(ctx, n.Key, n.ID)
		switch {
		case errors.Is(err, index.ErrClosed):
			return "", ErrStopped
		case err != nil:
			return "", fmt.Errorf("the message was not accepted: %w", err)
		case known:
			return first.Message(), nil
		}
	}
	if err := owner.Accept(ctx, n); err != nil {
		return "", r.refused(ctx, n, err)
	}
	return m.ID, nil
}

// prepare plans a message and encodes it for the journal.
func (r *running) prepare(m *message.Message) (*table.NewMessage, *partition.Owner, error) {
	address := m.To.Address()
	owner := ids.PartitionOf(address, len(r.owners))
	id, err := ids.NewID(owner)
	if err != nil {
		return nil, nil, err
	}
	m.ID = id.Message()
	n := &table.NewMessage{
		ID: id, Body: &table.Body{Message: *m}, Recipient: ids.Hash(address), Tenant: ids.Hash(m.Tenant()),
		Lane: dispatch.Lane(m.Priority), Expires: m.Expires,
	}
	if n.JSON, err = json.Marshal(m); err != nil {
		return nil, nil, &message.Error{Code: "not_json", Path: "data", Text: "the message cannot be written as JSON: use JSON values only"}
	}
	if m.Key != "" {
		n.Key, n.Keyed = index.Digest(m.Key), true
	}
	if m.SendAt.After(r.engine.cfg.Clock.Now()) {
		n.Due = m.SendAt
	} else if n.Body.Plan, err = r.Plan(&n.Body.Message); err != nil {
		n.Failed = err
	}
	return n, r.owners[owner], nil
}

// refused explains why a message could not be stored in time. Its key stays taken unless it was certainly not stored.
func (r *running) refused(ctx context.Context, n *table.NewMessage, err error) error {
	switch stopped := errors.Is(err, partition.ErrStopped); {
	case stopped || errors.Is(err, partition.ErrBusy):
		r.keys.Release(n.Key, n.ID)
		if stopped {
			return ErrStopped
		}
		return fmt.Errorf("the message was not accepted: %w", err)
	case isRefusal(err):
		r.keys.Release(n.Key, n.ID)
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("it is not known whether the message was accepted; send it again with the same key: %w", ctx.Err())
	}
	return fault.New(fault.Unavailable, "journal_unavailable", "the journal did not take the message, which may still be stored; send it again with the same key: %w", err)
}

// isRefusal reports whether the message itself is why it was not taken.
func isRefusal(err error) bool {
	_, refusal := errors.AsType[*message.Error](err)
	return refusal
}

// stalled returns why the journal takes nothing now, or nil.
func (r *running) stalled() error {
	for i := range r.stalls {
		if err := r.stalls[i].Load(); err != nil {
			return fault.New(fault.Unavailable, "journal_unavailable", "the journal takes nothing now; nothing was accepted: %w", *err)
		}
	}
	return nil
}

// Wait returns where a message stands once it has reached until or a final outcome; with an empty until, a final outcome.
// When ctx ends first it returns where the message stands, and ctx's error.
func (e *Engine) Wait(ctx context.Context, id message.ID, until message.Outcome) (Status, error) {
	r, err := e.get()
	if err != nil {
		return Status{ID: id}, err
	}
	owner, parsed, err := r.owner(id)
	if err != nil {
		return Status{ID: id}, err
	}
	s, known, err := owner.Wait(ctx, parsed, until)
	switch {
	case errors.Is(err, partition.ErrStopped):
		return statusOf(id, s), ErrStopped
	case err != nil || known:
		return statusOf(id, s), err
	}
	t, err := e.Trace(ctx, id) // finished too long ago to be in memory
	return t.Status, err
}

// Cancel takes a message back. It is too late once a vendor has taken it: the status says how it ended.
func (e *Engine) Cancel(ctx context.Context, id message.ID) (Status, error) {
	r, err := e.get()
	if err != nil {
		return Status{ID: id}, err
	}
	owner, parsed, err := r.owner(id)
	if err != nil {
		return Status{ID: id}, err
	}
	err = owner.Event(ctx, parsed, flow.Event{Kind: flow.Cancel})
	switch {
	case errors.Is(err, table.ErrUnknown):
		t, err := e.Trace(ctx, id)
		return t.Status, err
	case err != nil:
		return Status{ID: id}, err
	}
	return e.Wait(ctx, id, "")
}

func statusOf(id message.ID, s table.Status) Status {
	out := Status{ID: id, Outcome: s.Outcome, Final: s.Final, Reason: s.Reason}
	if s.Step != nil {
		out.Account, out.Channel = s.Step.Account, s.Step.Channel
	}
	return out
}

// Trace returns everything that happened to a message, from the journal. A message that was trimmed is an [UnknownMessageError].
func (e *Engine) Trace(ctx context.Context, id message.ID) (Timeline, error) {
	r, err := e.get()
	if err != nil {
		return Timeline{}, err
	}
	_, parsed, err := r.owner(id)
	if err != nil {
		return Timeline{}, err
	}
	return history.Trace(ctx, r.journal.Partition(parsed.Partition()), parsed)
}

// Events hands every event to handle, one at a time, until ctx ends or handle fails: what happens to messages (the event's
// Data is an [Entry]), and what vendors report. Events of one message come in their order.
//
// A named subscriber goes on where it stopped, also after a restart: its place is stored about once a second, so an event
// may come again, with the same id. A new name begins with the oldest event in the journal; with an empty name only events
// from now on come, and no place is stored. Use a name in one call at a time.
func (e *Engine) Events(ctx context.Context, subscriber string, handle func(context.Context, message.Event) error) error {
	r, err := e.get()
	if err != nil {
		return err
	}
	if err := r.events().Follow(ctx, subscriber, handle); !errors.Is(err, history.ErrClosing) {
		return err
	}
	return ErrStopped
}

// Status is where a message stands.
type Status = history.Status

// Timeline is everything that happened to one message.
type Timeline = history.Timeline

// Entry is one thing that happened to a message.
type Entry = history.Entry

// UnknownMessageError says that the engine has no such message.
type UnknownMessageError = history.UnknownMessageError
