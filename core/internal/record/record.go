// Package record is what the journal holds: the ids of messages, and frames of entries, to and from their stored form.
package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/journal"
	"github.com/hermodhq/hermod/core/internal/pacing"
	"github.com/hermodhq/hermod/internal/flow"
	journalv1 "github.com/hermodhq/hermod/proto/hermod/journal/v1"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// StateOf returns a state in its stored form.
func StateOf(s *flow.State) *journalv1.State {
	out := &journalv1.State{
		Phase: uint32(s.Phase), Step: int32(s.Step), Landed: string(s.Landed), Canceled: s.Canceled,
		Due: ids.Nanos(s.Due), Expires: ids.Nanos(s.Expires), Outcome: string(s.Outcome), Reason: s.Reason,
	}
	if len(s.Attempts) > 0 {
		attempts := make([]journalv1.Attempt, len(s.Attempts))
		out.Attempts = make([]*journalv1.Attempt, len(s.Attempts))
		for i := range s.Attempts {
			a, p := &s.Attempts[i], &attempts[i]
			p.Step, p.Outcome, p.Class, p.Code, p.VendorId = int32(a.Step), string(a.Outcome), string(a.Class), a.Code, string(a.VendorID)
			out.Attempts[i] = p
		}
	}
	return out
}

// StateFrom reads a stored state. Strings that stand in many messages are shared through words.
func StateFrom(p *journalv1.State, words Words) flow.State {
	s := flow.State{
		Phase: flow.Phase(p.GetPhase()), Step: int(p.GetStep()), Landed: message.Outcome(words.of(p.GetLanded())), Canceled: p.GetCanceled(),
		Due: ids.FromNanos(p.GetDue()), Expires: ids.FromNanos(p.GetExpires()),
		Outcome: message.Outcome(words.of(p.GetOutcome())), Reason: words.of(p.GetReason()),
	}
	for _, a := range p.GetAttempts() {
		s.Attempts = append(s.Attempts, flow.Attempt{
			Step: int(a.GetStep()), Outcome: message.Outcome(words.of(a.GetOutcome())), Class: fault.Class(words.of(a.GetClass())),
			Code: words.of(a.GetCode()), VendorID: message.VendorMessageID(a.GetVendorId()),
		})
	}
	return s
}

// Words keeps one copy of each of a bounded number of strings.
type Words map[string]string

func (w Words) of(s string) string {
	if s == "" {
		return ""
	}
	if have, ok := w[s]; ok {
		return have
	}
	if len(w) < 1024 {
		w[s] = s
	}
	return s
}

// LaneOf returns a lane in its stored form: the stored numbers are not pacing's.
func LaneOf(l pacing.Lane) journalv1.Lane { return journalv1.Lane(l) + 1 }

// LaneFrom reads a stored lane.
func LaneFrom(l journalv1.Lane) pacing.Lane {
	if l == journalv1.Lane_LANE_UNSPECIFIED {
		return pacing.Normal
	}
	return pacing.Lane(l - 1)
}

// FaultOf returns a fault in its stored form; nil stays nil.
func FaultOf(f *fault.Fault) *journalv1.Fault {
	if f == nil {
		return nil
	}
	return &journalv1.Fault{
		Class: string(f.Class), Code: f.Code, Text: f.Text, VendorCode: f.VendorCode, VendorText: f.VendorText, RetryAfter: int64(f.RetryAfter),
	}
}

// Fault reads a stored fault; nil stays nil.
func Fault(p *journalv1.Fault) *fault.Fault {
	if p == nil {
		return nil
	}
	return &fault.Fault{
		Class: fault.Class(p.GetClass()), Code: p.GetCode(), Text: p.GetText(),
		VendorCode: p.GetVendorCode(), VendorText: p.GetVendorText(), RetryAfter: time.Duration(p.GetRetryAfter()),
	}
}

// Open decodes a frame of the log.
func Open(data []byte) (*journalv1.Frame, error) {
	f := &journalv1.Frame{}
	if err := proto.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("a frame of the journal cannot be decoded; it may have been written by a newer version: %w", err)
	}
	return f, nil
}

// About decodes what a frame says about one message, and passes over the rest: the entries about it, and the frame's shapes.
func About(data []byte, id ids.ID) (*journalv1.Frame, error) {
	f := &journalv1.Frame{}
	for len(data) > 0 {
		number, kind, tag := protowire.ConsumeTag(data)
		size := protowire.ConsumeFieldValue(number, kind, data[max(tag, 0):])
		if tag < 0 || size < 0 {
			return nil, errors.New("a frame of the journal cannot be decoded: it is damaged")
		}
		field := data[tag : tag+size]
		data = data[tag+size:]
		if kind != protowire.BytesType {
			continue
		}
		value, _ := protowire.ConsumeBytes(field)
		switch {
		case number == 2:
			f.Shapes = append(f.Shapes, value)
		case number == 1 && bytes.Contains(value, id[:]):
			entry := &journalv1.Entry{}
			if err := proto.Unmarshal(value, entry); err != nil {
				return nil, fmt.Errorf("an entry of the journal cannot be decoded: %w", err)
			}
			if bytes.Equal(entry.GetId(), id[:]) {
				f.Entries = append(f.Entries, entry)
			}
		}
	}
	return f, nil
}

// PlanOf returns the plan that an entry holds, with its contents, or nil when it holds none.
func PlanOf(f *journalv1.Frame, entry *journalv1.Entry) (*message.Plan, error) {
	n := int(entry.GetShape())
	if n == 0 {
		return nil, nil
	}
	if n > len(f.GetShapes()) {
		return nil, fmt.Errorf("an entry of the journal names plan %d of %d in its frame", n, len(f.GetShapes()))
	}
	var p message.Plan
	if err := json.Unmarshal(f.Shapes[n-1], &p); err != nil {
		return nil, fmt.Errorf("a plan in the journal cannot be decoded: %w", err)
	}
	if len(entry.GetContents()) == 0 {
		return &p, nil
	}
	var contents []*message.Content
	if err := json.Unmarshal(entry.GetContents(), &contents); err != nil {
		return nil, fmt.Errorf("a plan's contents in the journal cannot be decoded: %w", err)
	}
	for i, c := range contents {
		if c != nil && i < len(p.Steps) {
			p.Steps[i].Content = *c
		}
	}
	return &p, nil
}

// ContentsOf returns the steps' rendered contents as a JSON array, or nothing when no step has one.
func ContentsOf(p *message.Plan) ([]byte, error) {
	any := false
	contents := make([]*message.Content, len(p.Steps))
	for i := range p.Steps {
		if c := &p.Steps[i].Content; c.Kind() != "" || c.Subject != "" {
			contents[i], any = c, true
		}
	}
	if !any {
		return nil, nil
	}
	return json.Marshal(contents)
}

// Describe writes an event into its entry.
func Describe(entry *journalv1.Entry, st *flow.State, ev *flow.Event) {
	entry.Attempt, entry.Step = int32(ev.Attempt), int32(st.Step)
	entry.Outcome, entry.VendorId = string(ev.Outcome), string(ev.VendorID)
	entry.Fault = FaultOf(ev.Fault)
	if ev.Attempt >= 1 && ev.Attempt <= len(st.Attempts) {
		entry.Step = int32(st.Attempts[ev.Attempt-1].Step)
	}
	if ev.Kind == flow.Granted {
		entry.Attempt = int32(len(st.Attempts) + 1)
	}
}

// FindMessage returns the stored frame's entry that holds a message.
func FindMessage(stored journal.Frame, id ids.ID) (*journalv1.Frame, *journalv1.Entry, error) {
	return find(stored, id, func(e *journalv1.Entry) bool { return len(e.GetMessage()) > 0 })
}

// FindPlan returns the stored frame's entry that holds a message's plan. It may be another one than that of the message.
func FindPlan(stored journal.Frame, id ids.ID) (*journalv1.Frame, *journalv1.Entry, error) {
	return find(stored, id, func(e *journalv1.Entry) bool { return e.GetShape() > 0 })
}

// find cuts the frame down to what is about the message.
func find(stored journal.Frame, id ids.ID, wanted func(*journalv1.Entry) bool) (*journalv1.Frame, *journalv1.Entry, error) {
	f, err := About(stored.Data, id)
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range f.GetEntries() {
		if wanted(entry) {
			return f, entry, nil
		}
	}
	return nil, nil, fmt.Errorf("frame %d of the journal does not hold the message", stored.Seq)
}
