package history

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/journal"
	"github.com/hermodhq/hermod/core/internal/record"
	journalv1 "github.com/hermodhq/hermod/proto/hermod/journal/v1"
	"github.com/hermodhq/hermod/sdk/message"
)

// Source is what events are read from.
type Source struct {
	Engine    string // its name, for the events' source
	Logs      []Log
	Changed   func() <-chan struct{} // closed at the next new frame
	Closing   func() bool            // the engine stops
	Cursor    func(ctx context.Context, name string) ([]byte, error)
	SetCursor func(ctx context.Context, name string, value []byte) error
	Now       func() time.Time
	// VendorsOnly leaves out what happens to messages, while it says so; nil: nothing is left out.
	VendorsOnly func() bool
}

// ErrClosing says that the engine stops: everything up to then has been handed out.
var ErrClosing = errors.New("the engine has stopped")

// Follow hands every event to handle, one at a time, until ctx ends or handle fails. A named subscriber goes on where it
// stopped: its place is stored about once a second. With an empty name only events from now on come.
func (src *Source) Follow(ctx context.Context, subscriber string, handle func(context.Context, message.Event) error) error {
	s := &subscription{src: src, name: subscriber, handle: handle, next: make([]uint64, len(src.Logs))}
	if err := s.begin(ctx); err != nil {
		return err
	}
	for {
		changed := src.Changed()
		moved := false
		for i := range s.next {
			n, err := s.follow(ctx, i)
			if err != nil {
				return errors.Join(err, s.save(context.WithoutCancel(ctx), true))
			}
			moved = moved || n > 0
		}
		if err := s.save(ctx, !moved); err != nil {
			return err
		}
		if moved {
			continue
		}
		if src.Closing() {
			return ErrClosing
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// subscription is one reader of the journal.
type subscription struct {
	src    *Source
	name   string
	handle func(context.Context, message.Event) error
	next   []uint64 // per partition, the sequence to read next
	plans  planMemo
	saved  time.Time
	dirty  bool
}

func (s *subscription) begin(ctx context.Context) error {
	for i := range s.next {
		first, last := s.src.Logs[i].Bounds()
		s.next[i] = first
		if s.name == "" {
			s.next[i] = last + 1
		}
	}
	if s.name == "" {
		return nil
	}
	stored, err := s.src.Cursor(ctx, "events."+s.name)
	if err != nil {
		return fmt.Errorf("the place of subscriber %q cannot be read: %w", s.name, err)
	}
	for i := 0; i < len(s.next) && len(stored) >= 8*(i+1); i++ {
		_, last := s.src.Logs[i].Bounds() // a log without fsync may have come back shorter than the stored place
		s.next[i] = max(s.next[i], min(binary.BigEndian.Uint64(stored[8*i:]), last+1))
	}
	return nil
}

// follow hands out what one partition has, up to a bound so that the others get their turn.
func (s *subscription) follow(ctx context.Context, i int) (int, error) {
	const atOnce = 64
	log := s.src.Logs[i]
	read := 0
	for first, last := log.Bounds(); s.next[i] <= last && read < atOnce; read++ {
		s.next[i] = max(s.next[i], first)
		stored, err := log.Read(ctx, s.next[i])
		switch {
		case errors.Is(err, journal.ErrTrimmed), errors.Is(err, journal.ErrNoFrame):
		case err != nil:
			return read, err
		default:
			if err := s.frame(ctx, i, stored); err != nil {
				return read, err
			}
		}
		s.next[i]++
		s.dirty = true
	}
	return read, nil
}

func (s *subscription) frame(ctx context.Context, i int, stored journal.Frame) error {
	f, err := record.Open(stored.Data)
	if err != nil {
		return err
	}
	for n, entry := range f.GetEntries() {
		for k, ev := range s.eventsOf(f, entry) {
			if ev.ID == "" {
				ev.ID = message.EventID(fmt.Sprintf("%d-%d-%d-%d", i, stored.Seq, n, k))
			}
			if err := s.handle(ctx, ev); err != nil {
				return err
			}
		}
	}
	return nil
}

// eventsOf turns one stored entry into events.
func (s *subscription) eventsOf(f *journalv1.Frame, entry *journalv1.Entry) []message.Event {
	source := "hermod/" + s.src.Engine
	switch entry.GetKind() {
	case journalv1.Kind_KIND_INBOUND:
		var ev message.Event
		if json.Unmarshal(entry.GetEvent(), &ev) != nil {
			return nil
		}
		return []message.Event{ev}
	case journalv1.Kind_KIND_ORPHAN:
		var rec message.Receipt
		if json.Unmarshal(entry.GetEvent(), &rec) != nil {
			return nil
		}
		account := message.AccountID(entry.GetAccount())
		return []message.Event{{Source: source + "/" + entry.GetAccount(), Type: message.EventReceipt, Time: time.Unix(0, entry.GetAt()).UTC(), Account: account, Receipt: &rec}}
	case journalv1.Kind_KIND_CARRIED, journalv1.Kind_KIND_KEYS:
		return nil
	}
	if len(entry.GetId()) != len(ids.ID{}) || s.src.VendorsOnly != nil && s.src.VendorsOnly() {
		return nil
	}
	id := ids.ID(entry.GetId())
	var out []message.Event
	for _, e := range entriesOf(entry, s.plans.of(f, entry, id)) {
		data, err := json.Marshal(e)
		if err != nil {
			continue
		}
		out = append(out, message.Event{Source: source, Type: e.Type, Time: e.At, Account: e.Account, Message: id.Message(), Data: data})
	}
	return out
}

// save stores the subscriber's place: at once when force, else about once a second.
func (s *subscription) save(ctx context.Context, force bool) error {
	now := s.src.Now()
	if s.name == "" || !s.dirty || (!force && now.Sub(s.saved) < time.Second) {
		return nil
	}
	place := make([]byte, 0, 8*len(s.next))
	for _, n := range s.next {
		place = binary.BigEndian.AppendUint64(place, n)
	}
	if err := s.src.SetCursor(ctx, "events."+s.name, place); err != nil {
		return fmt.Errorf("the place of subscriber %q cannot be stored: %w", s.name, err)
	}
	s.saved, s.dirty = now, false
	return nil
}

// planMemo remembers the plans of messages under way, so that events can name accounts and channels. It is bounded: an event whose
// plan was forgotten comes without them.
type planMemo struct {
	byID map[ids.ID]*message.Plan
}

const mostPlans = 65536

func (m *planMemo) of(f *journalv1.Frame, entry *journalv1.Entry, id ids.ID) *message.Plan {
	if p, err := record.PlanOf(f, entry); err == nil && p != nil {
		if m.byID == nil || len(m.byID) >= mostPlans {
			m.byID = map[ids.ID]*message.Plan{}
		}
		for i := range p.Steps {
			p.Steps[i].Content = message.Content{}
		}
		m.byID[id] = p
		return p
	}
	p := m.byID[id]
	if entry.GetState().GetOutcome() != "" {
		delete(m.byID, id)
	}
	return p
}
