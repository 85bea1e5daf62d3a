package history

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/journal"
	"github.com/hermodhq/hermod/core/internal/record"
	"github.com/hermodhq/hermod/internal/flow"
	journalv1 "github.com/hermodhq/hermod/proto/hermod/journal/v1"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Log is one partition's log.
type Log interface {
	Read(ctx context.Context, seq uint64) (journal.Frame, error)
	Scan(ctx context.Context, from uint64, fn func(journal.Frame) error) error
	Bounds() (first, last uint64)
	SeekTime(ctx context.Context, t time.Time) (uint64, error)
}

// Trace returns a message's timeline. A message that was trimmed is an [UnknownMessageError].
func Trace(ctx context.Context, log Log, id ids.ID) (Timeline, error) {
	t := tracer{id: id, timeline: Timeline{Status: Status{ID: id.Message()}}}
	from, err := log.SeekTime(ctx, acceptedAfter(id))
	if err == nil {
		err = log.Scan(ctx, from, t.frame)
	}
	if err != nil {
		return Timeline{}, err
	}
	if t.timeline.Message.ID == "" { // it was carried forward from a trimmed part, or is not there
		first, _ := log.Bounds()
		t.timeline.Entries = nil
		if err := log.Scan(ctx, first, t.frame); err != nil {
			return Timeline{}, err
		}
	}
	if t.timeline.Message.ID == "" {
		return Timeline{}, &UnknownMessageError{ID: id.Message()}
	}
	return t.timeline, nil
}

// acceptedAfter returns a time shortly before the id was made: a UUIDv7 begins with Unix milliseconds (RFC 9562).
func acceptedAfter(id ids.ID) time.Time {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).Add(-2 * time.Second)
}

// tracer gathers one message's entries.
type tracer struct {
	id       ids.ID
	timeline Timeline
}

// frame looks into a frame only when the id's bytes are in it.
func (t *tracer) frame(stored journal.Frame) error {
	if !bytes.Contains(stored.Data, t.id[:]) {
		return nil
	}
	f, err := record.Open(stored.Data)
	if err != nil {
		return err
	}
	for _, entry := range f.GetEntries() {
		if bytes.Equal(entry.GetId(), t.id[:]) {
			if err := t.entry(f, entry); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tracer) entry(f *journalv1.Frame, entry *journalv1.Entry) error {
	if text := entry.GetMessage(); len(text) > 0 {
		if err := json.Unmarshal(text, &t.timeline.Message); err != nil {
			return errors.New("the message in the journal cannot be decoded")
		}
	}
	plan, err := record.PlanOf(f, entry)
	if err != nil {
		return err
	}
	if plan != nil {
		t.timeline.Plan = plan
	}
	entries := entriesOf(entry, t.timeline.Plan)
	if n := len(t.timeline.Entries); n > 0 && entry.GetKind() == journalv1.Kind_KIND_CARRIED {
		entries = nil // the carried copy repeats what is there
	}
	t.timeline.Entries = append(t.timeline.Entries, entries...)
	t.status(entry.GetState())
	return nil
}

func (t *tracer) status(st *journalv1.State) {
	s := &t.timeline.Status
	s.Final = st.GetOutcome() != ""
	s.Outcome, s.Reason = message.Outcome(st.GetOutcome()), st.GetReason()
	if p := t.timeline.Plan; p != nil && int(st.GetStep()) < len(p.Steps) {
		s.Account, s.Channel = p.Steps[st.GetStep()].Account, p.Steps[st.GetStep()].Channel
	}
	for _, a := range st.GetAttempts() {
		if o := message.Outcome(a.GetOutcome()); !s.Final && o.Rank() > s.Outcome.Rank() {
			s.Outcome = o
		}
	}
}

// entriesOf returns what one stored entry says: often one line, at times two (a failed call and the step that was left).
func entriesOf(entry *journalv1.Entry, plan *message.Plan) []Entry {
	at := time.Unix(0, entry.GetAt()).UTC()
	base := Entry{At: at}
	step := func(e *Entry, i int32) {
		if plan != nil && i >= 0 && int(i) < len(plan.Steps) {
			e.Step, e.Account, e.Channel = int(i)+1, plan.Steps[i].Account, plan.Steps[i].Channel
		}
	}
	var out []Entry
	add := func(typ message.EventType, fill func(e *Entry)) {
		e := base
		e.Type = typ
		fill(&e)
		out = append(out, e)
	}
	st := entry.GetState()
	switch entry.GetKind() {
	case journalv1.Kind_KIND_ACCEPTED, journalv1.Kind_KIND_CARRIED:
		add(message.EventAccepted, func(e *Entry) {
			if entry.GetShape() == 0 && st.GetDue() > 0 {
				e.Due = time.Unix(0, st.GetDue()).UTC()
			}
		})
		if entry.GetShape() > 0 {
			add(message.EventPlanned, func(*Entry) {})
		}
	case journalv1.Kind_KIND_PLANNED:
		add(message.EventPlanned, func(*Entry) {})
	case journalv1.Kind_KIND_GRANTED:
		add(message.EventAttempted, func(e *Entry) { step(e, entry.GetStep()); e.Attempt = int(entry.GetAttempt()) })
	case journalv1.Kind_KIND_ANSWERED, journalv1.Kind_KIND_RESTARTED, journalv1.Kind_KIND_RECEIPT:
		add(answerType(entry.GetKind()), func(e *Entry) {
			step(e, entry.GetStep())
			e.Attempt, e.Outcome, e.VendorID = int(entry.GetAttempt()), message.Outcome(entry.GetOutcome()), message.VendorMessageID(entry.GetVendorId())
			e.Fault, e.Detail, e.Late = record.Fault(entry.GetFault()), entry.GetDetail(), entry.GetLate()
			if p := flow.Phase(st.GetPhase()); p == flow.Backoff || p == flow.Waiting {
				e.Due = ids.FromNanos(st.GetDue())
			}
		})
	}
	if left := entry.GetLeft(); left != "" {
		add(message.EventStepLeft, func(e *Entry) { step(e, entry.GetStep()); e.Text = left })
	}
	if st.GetOutcome() != "" && !entry.GetLate() {
		add(message.EventFinished, func(e *Entry) {
			step(e, st.GetStep())
			e.Outcome, e.Text, e.Fault = message.Outcome(st.GetOutcome()), st.GetReason(), finalFault(entry)
		})
	}
	return out
}

func answerType(k journalv1.Kind) message.EventType {
	if k == journalv1.Kind_KIND_RECEIPT {
		return message.EventReceipted
	}
	return message.EventAnswered
}

// finalFault is the fault that ended a message that could not be planned.
func finalFault(entry *journalv1.Entry) *fault.Fault {
	if k := entry.GetKind(); k == journalv1.Kind_KIND_UNROUTABLE || k == journalv1.Kind_KIND_ACCEPTED {
		return record.Fault(entry.GetFault())
	}
	return nil
}
