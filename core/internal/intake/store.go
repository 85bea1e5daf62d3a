package intake

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/index"
	"github.com/hermodhq/hermod/core/internal/table"
	"github.com/hermodhq/hermod/internal/flow"
	"github.com/hermodhq/hermod/sdk/message"
)

// StoreConfig is what a [Store] needs.
type StoreConfig struct {
	Engine  string // its name, for the events' source
	Owners  []Owner
	Vendors *index.Vendors
	Now     func() time.Time
}

// Owner stores events in one partition, and returns once they are durable.
type Owner interface {
	Event(ctx context.Context, id ids.ID, ev flow.Event) error
	Receipt(ctx context.Context, from message.AccountID, id ids.ID, ev flow.Event) error
	Report(ctx context.Context, ev *message.Event, json []byte, orphan *message.Receipt) error
}

// Store makes vendors' events durable: receipts with the messages they are about, everything else as it is. An event that comes
// again, with the same id, is dropped while its id is remembered. It is safe for concurrent use.
type Store struct {
	StoreConfig
	seen *index.Seen

	mu     sync.Mutex
	adding map[claim]chan struct{} // closed when it is decided
}

// claim is an event that is being stored.
type claim struct {
	account message.AccountID
	id      message.EventID
}

// NewStore returns a store.
func NewStore(cfg StoreConfig) *Store {
	return &Store{StoreConfig: cfg, seen: index.NewSeen(), adding: map[claim]chan struct{}{}}
}

// Add returns once all events are durable. They are stored in their order.
func (s *Store) Add(ctx context.Context, account message.AccountID, events []message.Event) error {
	for i := range events {
		if err := s.add(ctx, account, &events[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) add(ctx context.Context, account message.AccountID, ev *message.Event) error {
	ev.Account = account
	ev.Source = "hermod/" + s.Engine + "/" + string(account)
	if ev.Time.IsZero() {
		ev.Time = s.Now()
	}
	if ev.Type == message.EventReceipt && ev.Receipt != nil {
		return s.receipt(ctx, ev)
	}
	return s.once(ctx, claim{account, ev.ID}, func() error { return s.report(ctx, ev, nil) })
}

// once stores an event, unless it has been stored. A vendor that repeats a request while the first is still being stored waits for what
// becomes of that.
func (s *Store) once(ctx context.Context, c claim, store func() error) error {
	if c.id == "" {
		return store()
	}
	for {
		s.mu.Lock()
		if s.seen.Has(c.account, c.id) {
			s.mu.Unlock()
			return nil
		}
		first, under := s.adding[c]
		if !under {
			s.adding[c] = make(chan struct{})
			s.mu.Unlock()
			break
		}
		s.mu.Unlock()
		select {
		case <-first:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := store()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.seen.Add(c.account, c.id)
	}
	close(s.adding[c])
	delete(s.adding, c)
	return err
}

// Recall remembers an event of the journal, so that a repeat after a restart is dropped too.
func (s *Store) Recall(ev *message.Event) {
	if ev.Source == "hermod/"+s.Engine+"/"+string(ev.Account) {
		s.seen.Add(ev.Account, ev.ID)
	}
}

// Own makes an event of the engine itself durable.
func (s *Store) Own(ctx context.Context, ev *message.Event) error {
	text, err := json.Marshal(ev)
	if err != nil {
		return err
	}
	return s.Owners[ids.PartitionOf(string(ev.ID), len(s.Owners))].Report(ctx, ev, text, nil)
}

// receipt finds the attempt that a receipt is about. One that is about none of ours is stored as an event.
func (s *Store) receipt(ctx context.Context, ev *message.Event) error {
	rec := *ev.Receipt
	if rec.Message != "" && rec.Attempt > 0 {
		if id, err := ids.ParseID(rec.Message); err == nil && id.Partition() < len(s.Owners) {
			return s.about(ctx, id, rec.Attempt, ev)
		}
	}
	if rec.VendorID == "" {
		return s.report(ctx, ev, nil)
	}
	if a, ok := s.Vendors.Find(ev.Account, rec.VendorID); ok {
		return s.about(ctx, a.ID, int(a.Attempt), ev)
	}
	return s.report(ctx, ev, &rec)
}

func (s *Store) about(ctx context.Context, id ids.ID, attempt int, ev *message.Event) error {
	err := s.Owners[id.Partition()].Receipt(ctx, ev.Account, id, flow.ReceiptEvent(*ev.Receipt, attempt))
	switch {
	case errors.Is(err, table.ErrUnknown):
		ev.Message = id.Message()
		return s.report(ctx, ev, nil)
	case errors.Is(err, table.ErrForeign): // it is believed about its own account's calls only
		return s.report(ctx, ev, nil)
	}
	return err
}

// Polled stores the answer to a question about an attempt.
func (s *Store) Polled(ctx context.Context, id ids.ID, attempt int, rec message.Receipt) error {
	err := s.Owners[id.Partition()].Event(ctx, id, flow.ReceiptEvent(rec, attempt))
	if errors.Is(err, table.ErrUnknown) {
		return nil
	}
	return err
}

// report stores an event about no message in memory, in the partition of its person or vendor id. An orphan is stored as
// the receipt alone: the engine passes it on once its attempt is known.
func (s *Store) report(ctx context.Context, ev *message.Event, orphan *message.Receipt) error {
	what := any(ev)
	home := string(ev.Account) + "/" + string(ev.User)
	if orphan != nil {
		what, home = orphan, string(ev.Account)+"/"+string(orphan.VendorID)
	}
	text, err := json.Marshal(what)
	if err != nil {
		return err
	}
	return s.Owners[ids.PartitionOf(home, len(s.Owners))].Report(ctx, ev, text, orphan)
}
