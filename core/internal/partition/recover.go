package partition

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/journal"
	"github.com/hermodhq/hermod/core/internal/record"
	"github.com/hermodhq/hermod/core/internal/table"
	"github.com/hermodhq/hermod/internal/flow"
	journalv1 "github.com/hermodhq/hermod/proto/hermod/journal/v1"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// receiptGrace is how long a message that waits for a receipt waits at least after a restart.
const receiptGrace = 5 * time.Second

// Recovered says what [Owner.Recover] found.
type Recovered struct {
	Frames  int
	Live    int // messages that are not final
	Unknown int // calls that were out when the engine died
}

// Recover rebuilds the table from the log. Call it once, before [Owner.Run].
func (o *Owner) Recover(ctx context.Context) (Recovered, error) {
	var found Recovered
	shared := record.Words{}
	first, _ := o.cfg.Log.Bounds()
	err := o.cfg.Log.Scan(ctx, first, func(stored journal.Frame) error {
		f, err := record.Open(stored.Data)
		if err != nil {
			return err
		}
		found.Frames++
		for _, entry := range f.GetEntries() {
			if err := o.replay(f, entry, stored.Seq, shared); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return found, err
	}
	o.resume(&found)
	return found, nil
}

// replay takes one stored entry into the table. Events are not run again: each carries the state that followed it.
func (o *Owner) replay(f *journalv1.Frame, entry *journalv1.Entry, seq uint64, shared record.Words) error {
	switch entry.GetKind() {
	case journalv1.Kind_KIND_KEYS:
		for _, k := range entry.GetKeys() {
			o.cfg.Host.Key([16]byte(k.GetKey()), ids.ID(k.GetId()), ids.FromNanos(k.GetAt()), seq)
		}
		return nil
	case journalv1.Kind_KIND_ORPHAN:
		var r message.Receipt
		if err := json.Unmarshal(entry.GetEvent(), &r); err != nil {
			return nil // it was reported as it came, and names no attempt of ours
		}
		o.cfg.Host.Orphan(r, message.AccountID(entry.GetAccount()), ids.FromNanos(entry.GetAt()))
		return nil
	case journalv1.Kind_KIND_INBOUND:
		var ev message.Event
		if err := json.Unmarshal(entry.GetEvent(), &ev); err == nil {
			o.cfg.Host.Inbound(&ev)
		}
		return nil
	}
	if len(entry.GetId()) != len(ids.ID{}) {
		return nil // a kind of entry that this version does not know
	}
	return o.replayMessage(f, entry, seq, shared)
}

func (o *Owner) replayMessage(f *journalv1.Frame, entry *journalv1.Entry, seq uint64, shared record.Words) error {
	id := ids.ID(entry.GetId())
	e := o.table.Entries[id]
	kind := entry.GetKind()
	if kind == journalv1.Kind_KIND_ACCEPTED || kind == journalv1.Kind_KIND_CARRIED {
		if e == nil {
			e = &table.Entry{ID: id}
			o.table.Entries[id] = e
		}
		e.Seq, e.PlanSeq = seq, seq
		e.Recipient, e.Tenant, e.Lane = entry.GetRecipient(), entry.GetTenant(), record.LaneFrom(entry.GetLane())
		if len(entry.GetKey()) == 16 {
			o.cfg.Host.Key([16]byte(entry.GetKey()), id, ids.FromNanos(entry.GetAt()), seq)
		}
	}
	if e == nil {
		return nil // the message was finished and trimmed; this is a late receipt
	}
	if n := int(entry.GetShape()); n > 0 && n <= len(f.GetShapes()) {
		s, err := o.shapes.Parse(f.Shapes[n-1])
		if err != nil {
			return err
		}
		e.Shape, e.PlanSeq = s, seq
	}
	was := e.State.Phase
	e.State = record.StateFrom(entry.GetState(), shared)
	if e.State.Phase == flow.Done && was != flow.Done {
		o.finished(e)
	}
	return nil
}

// resume takes every live message up where it stood, in order of acceptance.
func (o *Owner) resume(found *Recovered) {
	live := make([]*table.Entry, 0, len(o.table.Entries))
	for _, e := range o.table.Entries {
		o.index(e)
		if e.State.Phase != flow.Done {
			live = append(live, e)
		}
	}
	slices.SortFunc(live, func(a, b *table.Entry) int { return cmp.Compare(string(a.ID[:]), string(b.ID[:])) })
	found.Live = len(live)
	for _, e := range live {
		o.order.Resume(e)
		o.due.Set(e, ids.Nanos(e.State.Due))
		switch e.State.Phase {
		case flow.Waiting: // a receipt may have come while nobody listened: the vendor is asked first
			o.due.Set(e, max(ids.Nanos(e.State.Due), ids.Nanos(o.cfg.Now().Add(receiptGrace))))
		case flow.Calling:
			found.Unknown++
			o.in.Put(input{event: &event{id: e.ID, ev: flow.Event{Kind: flow.Restarted, Attempt: len(e.State.Attempts), Fault: restarted}}})
		case flow.Queued:
			o.in.Put(input{ask: func() {
				if o.order.Enter(e) {
					o.submit(e)
				}
			}})
		}
	}
}

var restarted = &fault.Fault{Class: fault.OutcomeUnknown, Code: "engine_restarted", Text: "the engine died while the call was out: the vendor may have taken the message"}

// index tells the engine which vendor ids the message's attempts have.
func (o *Owner) index(e *table.Entry) {
	for i := range e.State.Attempts {
		a := &e.State.Attempts[i]
		if a.VendorID == "" || e.Shape == nil || a.Step >= len(e.Shape.Plan.Steps) {
			continue
		}
		step := &e.Shape.Plan.Steps[a.Step]
		for _, r := range o.cfg.Host.Sent(step.Account, a.VendorID, e.ID, i+1) {
			o.Answered(e.ID, flow.ReceiptEvent(r, i+1), nil)
		}
		if e.State.Phase == flow.Waiting && i == len(e.State.Attempts)-1 {
			o.cfg.Host.Await(step, a.VendorID, e.ID, i+1, e.State.Due, true)
		}
	}
}
