// Package accounts has an engine's accounts: it opens them, tries those again that could not be opened, and says how each is.
package accounts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hermodhq/hermod/core/internal/pacing"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// The pauses between two tries to open an account: the first, doubled each time, and the longest. Where a person has to mend
// something at the vendor, every pause is the longest.
const (
	firstPause   = time.Second
	longestPause = time.Minute
	longestWait  = time.Hour // that a vendor can ask for
)

// atOnce is how many accounts are opened at once when the engine starts.
const atOnce = 16

// Config is what a book needs. A is an open account.
type Config[A any] struct {
	Names []message.AccountID // in the order of [Book.Statuses]
	Open  func(ctx context.Context, id message.AccountID) (A, error)
	// Opened hears of each account that has been opened; Shut of each that could not be, and again when what that means has changed: a
	// fault of class unavailable may pass, one of class misconfigured wants a person.
	Opened func(id message.AccountID, a A)
	Shut   func(id message.AccountID, f *fault.Fault)
	// Pace and Connector tell the rest of an account's [Status].
	Pace      func(id message.AccountID) pacing.Health
	Connector func(id message.AccountID) message.ConnectorName
	PauseCode func(id message.AccountID) string // of the fault that an account was last paused for
	Trouble   func(a A) *fault.Fault            // why an open account cannot be used now: its connector is away; nil: all is well
	Now       func() time.Time
	After     func(d time.Duration) (<-chan time.Time, func())
	Rand      func() float64 // jitter, in [0, 1)
	Logger    *slog.Logger
}

// Book has the accounts of one engine. Its methods may be called from several goroutines at once.
type Book[A any] struct {
	cfg Config[A]

	mu   sync.Mutex
	open map[message.AccountID]A
	shut map[message.AccountID]*shut
}

// shut is an account that could not be opened.
type shut struct {
	fault *fault.Fault // of the last try
	since time.Time    // of the first
	next  time.Time    // when it is tried again; zero while it is
	pause time.Duration
	now   chan struct{} // asks for a try at once; holds one
}

// New returns a book whose accounts are not open yet.
func New[A any](cfg Config[A]) *Book[A] {
	return &Book[A]{cfg: cfg, open: map[message.AccountID]A{}, shut: map[message.AccountID]*shut{}}
}

// Open tries every account once, several at a time: a vendor that does not answer holds up no others. An account that the connector
// refuses by what is configured here is an error, for only a new start can mend it; what a vendor refuses, or cannot do now, is tried
// again by [Book.Run]. Call it once.
func (b *Book[A]) Open(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(atOnce)
	errs := make([]error, len(b.cfg.Names))
	for i, id := range b.cfg.Names {
		group.Go(func() error {
			errs[i] = b.first(ctx, id)
			return nil
		})
	}
	_ = group.Wait()
	return errors.Join(errs...)
}

func (b *Book[A]) first(ctx context.Context, id message.AccountID) error {
	a, err := b.cfg.Open(ctx, id)
	switch f := fault.From(err); {
	case err == nil:
		b.opened(id, a)
	case f.Class == fault.Misconfigured && f.VendorCode == "" && f.VendorText == "":
		return fmt.Errorf("account %s: %w", id, err)
	default:
		b.failed(id, f)
		b.cfg.Logger.Error("an account could not be opened; it is tried again, and the others work", "account", id, "error", err)
	}
	return nil
}

// Run tries the accounts again that [Book.Open] could not open, each by itself, until it is open or ctx ends.
func (b *Book[A]) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, s := range b.shut {
		wg.Go(func() { b.again(ctx, id, s) })
	}
}

// again tries one account until it is open. Its tries are not logged: the first failure was, and the log of a night has better uses.
func (b *Book[A]) again(ctx context.Context, id message.AccountID, s *shut) {
	for b.wait(ctx, s) {
		a, err := b.cfg.Open(ctx, id)
		if err == nil {
			b.opened(id, a)
			b.cfg.Logger.Info("an account has been opened after all", "account", id, "after", b.cfg.Now().Sub(s.since).String())
			return
		}
		if ctx.Err() != nil {
			return
		}
		b.failed(id, fault.From(err))
	}
}

// wait waits for the next try, and reports false when there is none.
func (b *Book[A]) wait(ctx context.Context, s *shut) bool {
	b.mu.Lock()
	left := s.next.Sub(b.cfg.Now())
	b.mu.Unlock()
	due, stop := b.cfg.After(left)
	defer stop()
	select {
	case <-ctx.Done():
		return false
	case <-due:
	case <-s.now:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.next = time.Time{}
	return true
}

func (b *Book[A]) opened(id message.AccountID, a A) {
	b.mu.Lock()
	b.open[id] = a
	delete(b.shut, id)
	b.mu.Unlock()
	b.cfg.Opened(id, a)
}

func (b *Book[A]) failed(id message.AccountID, f *fault.Fault) {
	b.mu.Lock()
	s := b.shut[id]
	news := s == nil || lasting(s.fault) != lasting(f)
	if s == nil {
		s = &shut{since: b.cfg.Now(), now: make(chan struct{}, 1)}
		b.shut[id] = s
	}
	s.fault = f
	s.pause = min(max(2*s.pause, firstPause), longestPause)
	if lasting(f) {
		s.pause = longestPause
	}
	pause := s.pause/2 + time.Duration(b.cfg.Rand()*float64(s.pause)/2)
	s.next = b.cfg.Now().Add(max(pause, min(f.RetryAfter, longestWait)))
	b.mu.Unlock()
	if news {
		b.cfg.Shut(id, notOpen(id, f))
	}
}

// lasting reports whether a person has to mend something before an account can be opened.
func lasting(f *fault.Fault) bool { return f.Class.Action() == fault.Pause }

// notOpen is what those hear who want to use an account that could not be opened.
func notOpen(id message.AccountID, f *fault.Fault) *fault.Fault {
	class := fault.Unavailable
	if lasting(f) {
		class = fault.Misconfigured
	}
	return fault.New(class, "account_not_open", "account %s could not be opened (%s), and is tried again", id, f.Class)
}

// Get returns an open account. The error is a *[fault.Fault].
func (b *Book[A]) Get(id message.AccountID) (A, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a, ok := b.open[id]
	if ok {
		return a, nil
	}
	if s := b.shut[id]; s != nil {
		return a, notOpen(id, s.fault)
	}
	if slices.Contains(b.cfg.Names, id) {
		return a, fault.New(fault.Unavailable, "account_not_open", "account %s is being opened", id)
	}
	return a, fault.New(fault.Misconfigured, "account_unknown", "account %s is not configured", id)
}

// TryNow has an account that could not be opened tried at once. It reports whether there is such an account.
func (b *Book[A]) TryNow(id message.AccountID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.shut[id]
	if s == nil {
		return false
	}
	select {
	case s.now <- struct{}{}:
	default: // it has been asked for already
	}
	return true
}
