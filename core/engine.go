// Package core is what a host embeds: an engine that accepts messages durably, routes them by rules through vendor
// connectors, follows receipts, falls back when they do not come, and reports one outcome for each message.
//
// [New] checks a [Config] and opens nothing; [Engine.Start] does the I/O; [Engine.Stop] ends it. Nothing is global: two
// engines in one process do not meet. All methods of Engine are safe for concurrent use.
package core

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hermodhq/hermod/core/internal/accounts"
	"github.com/hermodhq/hermod/core/internal/address"
	"github.com/hermodhq/hermod/core/internal/dispatch"
	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/index"
	"github.com/hermodhq/hermod/core/internal/intake"
	"github.com/hermodhq/hermod/core/internal/journal"
	"github.com/hermodhq/hermod/core/internal/mailbox"
	"github.com/hermodhq/hermod/core/internal/metrics"
	"github.com/hermodhq/hermod/core/internal/partition"
	"github.com/hermodhq/hermod/core/internal/pluginhost"
	"github.com/hermodhq/hermod/core/internal/poll"
	"github.com/hermodhq/hermod/core/internal/react"
	"github.com/hermodhq/hermod/core/internal/wasmhost"
	"github.com/hermodhq/hermod/rules"
	"github.com/hermodhq/hermod/sdk/message"
)

// Engine delivers messages. Make it with [New].
type Engine struct {
	cfg       Config
	addresses *address.Normalizer

	mu      sync.Mutex // guards Start and Stop
	phase   phase
	running atomic.Pointer[running]
}

type phase int

const (
	fresh phase = iota
	started
	stopped
)

// running is what exists between Start and Stop.
type running struct {
	engine     *Engine
	journal    *journal.Journal
	owners     []*partition.Owner
	plugins    *pluginhost.Host
	accounts   *accounts.Book[*pluginhost.Account]
	catalog    rules.Catalog
	dispatch   *dispatch.Dispatcher
	poller     *poll.Poller
	transforms *wasmhost.Set
	rules      *rules.Watcher
	react      *react.Reactor
	keys       *index.Keys
	vendors    *index.Vendors
	contacts   *index.Contacts
	metrics    *metrics.Metrics
	changed    *mailbox.Broadcast
	intake     *intake.Store
	stalls     []atomic.Pointer[error]

	closing atomic.Bool
	group   errgroup.Group     // owners and background services
	opening context.CancelFunc // ends the tries to open accounts
	cancel  context.CancelFunc // ends the background services
	abandon context.CancelFunc // ends the owners without draining them
	sends   sync.WaitGroup     // intake under way
	unwatch func() error       // ends the accounts' metrics
}

// ErrStopped says that the engine takes nothing: it has not been started, or is being stopped.
var ErrStopped = errors.New("the engine is not running: call Start first, and nothing after Stop")

// New checks cfg and returns an engine that has opened nothing yet. Errors are of type *[ConfigError], all found joined.
func New(cfg Config) (*Engine, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	addresses, err := address.New(cfg.DefaultRegion)
	if err != nil {
		return nil, &ConfigError{Code: "config_region", Field: "DefaultRegion", Text: err.Error(), Advice: "use an ISO 3166-1 code such as GB, or leave it empty"}
	}
	return &Engine{cfg: cfg, addresses: addresses}, nil
}

// Start opens the journal, starts the connectors, loads the rules and takes up every message where it stood. ctx bounds the
// starting only. An engine can be started once; after an error it has closed what it had opened.
func (e *Engine) Start(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.phase != fresh {
		return errors.New("an engine can be started once: make a new one with core.New")
	}
	e.phase = stopped
	r := &running{engine: e}
	if err := r.open(ctx); err != nil {
		return errors.Join(err, r.stop(context.WithoutCancel(ctx)))
	}
	e.running.Store(r)
	r.react.Start(ctx)
	e.phase = started
	return nil
}

// open builds everything, and starts it in the order in which parts need each other.
func (r *running) open(ctx context.Context) (err error) {
	cfg := &r.engine.cfg
	if r.metrics, err = metrics.New(cfg.Meter); err != nil {
		return err
	}
	if r.journal, err = journal.Open(ctx, cfg.journal()); err != nil {
		return err
	}
	r.keys = index.NewKeys(cfg.IdempotencyWindow, cfg.Clock.Now)
	r.vendors = index.NewVendors(cfg.Clock.Now)
	r.contacts = index.NewContacts()
	r.changed = mailbox.NewBroadcast()
	r.stalls = make([]atomic.Pointer[error], r.journal.Len())
	var owners []intake.Owner
	for i := range r.journal.Len() {
		r.owners = append(r.owners, partition.New(partition.Config{
			Index: i, Log: r.journal.Partition(i), Host: r, Now: cfg.Clock.Now, After: cfg.Clock.After, Logger: cfg.Logger,
			Retention: cfg.Retention, MaxBytes: cfg.MaxBytes / int64(r.journal.Len()), Finished: finishedKept,
		}))
		owners = append(owners, r.owners[i])
	}
	r.intake = intake.NewStore(intake.StoreConfig{Engine: cfg.Name, Owners: owners, Vendors: r.vendors, Now: cfg.Clock.Now})
	if err := r.loadTransforms(ctx); err != nil {
		return err
	}
	if err := r.startConnectors(ctx); err != nil {
		return err
	}
	if err := r.loadRules(ctx); err != nil {
		return err
	}
	if err := r.recover(ctx); err != nil {
		return err
	}
	if err := r.openAccounts(ctx); err != nil {
		return err
	}
	if r.unwatch, err = r.metrics.Watch(accounts.States(), r.accounts.Each); err != nil {
		return err
	}
	r.run(context.WithoutCancel(ctx))
	return nil
}

// finishedKept is how many finished messages each partition keeps in memory, for late receipts and Wait.
const finishedKept = 16384

func (r *running) recover(ctx context.Context) error {
	var group errgroup.Group
	began := time.Now()
	found := make([]partition.Recovered, len(r.owners))
	for i, o := range r.owners {
		group.Go(func() (err error) {
			found[i], err = o.Recover(ctx)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("the journal could not be read back: %w", err)
	}
	var all partition.Recovered
	for _, f := range found {
		all.Frames, all.Live, all.Unknown = all.Frames+f.Frames, all.Live+f.Live, all.Unknown+f.Unknown
	}
	if all.Frames > 0 {
		r.engine.cfg.Logger.Info("journal read back", "frames", all.Frames, "live", all.Live, "unknown", all.Unknown, "took", time.Since(began).String())
	}
	return nil
}

// run starts the goroutines. Each is waited for by stop.
func (r *running) run(ctx context.Context) {
	var background, opening, owners context.Context
	background, r.cancel = context.WithCancel(ctx)
	opening, r.opening = context.WithCancel(background)
	owners, r.abandon = context.WithCancel(ctx)
	for _, o := range r.owners {
		r.group.Go(func() error { return r.own(owners, o) })
	}
	r.group.Go(func() error { r.dispatch.Run(background); return nil })
	r.group.Go(func() error { r.accounts.Run(opening); return nil })
	r.group.Go(func() error { r.poller.Run(background); return nil })
	r.group.Go(func() error { _ = r.rules.Run(background); return nil })
	r.group.Go(func() error { r.watchOwnership(background); return nil })
}

func (r *running) own(ctx context.Context, o *partition.Owner) error {
	err := o.Run(ctx)
	if err != nil && !errors.Is(err, context.Canceled) {
		r.closing.Store(true)
		r.engine.cfg.Logger.Error("the engine takes no more messages: a partition stopped", "error", err)
	}
	return err
}

// watchOwnership stops intake when another engine has taken the journal over.
func (r *running) watchOwnership(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-r.journal.Lost():
		r.closing.Store(true)
		r.engine.cfg.Logger.Error("the engine takes no more messages: the journal is lost", "error", r.journal.Err())
	}
}

// Stop ends the engine: it takes nothing new, waits for the calls that are under way and records their answers; when ctx ends
// first, the rest is abandoned, and recorded as unknown at the next start. Messages that wait stay in the journal. Stop may be
// called again.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.running.Load()
	if e.phase != started || r == nil {
		return nil
	}
	e.phase = stopped
	return r.stop(ctx)
}

func (r *running) stop(ctx context.Context) error {
	r.closing.Store(true)
	if r.changed != nil {
		r.changed.Send()
	}
	var errs []error
	reacted := r.react.Stop(ctx)
	if r.dispatch != nil {
		r.dispatch.Quiet() // no more turns
	}
	if r.cancel != nil {
		r.opening()
		for _, o := range r.owners {
			_ = o.Quiet(ctx) // no more attempts, not even for turns that were granted just now
		}
		_ = r.dispatch.Settle(ctx)
	}
	<-reacted
	if r.plugins != nil {
		errs = append(errs, r.plugins.Stop(ctx)) // every call under way is answered
	}
	if r.cancel != nil {
		r.cancel()
		for _, o := range r.owners {
			o.Drain()
		}
		drained := make(chan error, 1)
		go func() { drained <- r.group.Wait() }()
		select {
		case <-drained:
		case <-ctx.Done():
			r.abandon()
			<-drained
		}
		r.abandon()
	}
	if r.unwatch != nil {
		errs = append(errs, r.unwatch())
	}
	if r.keys != nil {
		r.keys.Close()
	}
	r.sends.Wait()
	if r.transforms != nil {
		errs = append(errs, r.transforms.Close(context.WithoutCancel(ctx)))
	}
	if r.journal != nil {
		errs = append(errs, r.journal.Close(context.WithoutCancel(ctx)))
	}
	return errors.Join(errs...)
}

// get returns what runs, for methods that need it.
func (e *Engine) get() (*running, error) {
	r := e.running.Load()
	if r == nil || r.closing.Load() {
		return nil, ErrStopped
	}
	return r, nil
}

// Ready returns nil when the engine accepts messages and its journal takes them.
func (e *Engine) Ready() error {
	r, err := e.get()
	if err != nil {
		return err
	}
	return r.stalled()
}

// Revision returns the hash of the rule set in use; empty before Start.
func (e *Engine) Revision() string {
	r, err := e.get()
	if err != nil {
		return ""
	}
	return r.rules.Current().Revision()
}

// owner returns the owner of a message.
func (r *running) owner(id message.ID) (*partition.Owner, ids.ID, error) {
	parsed, err := ids.ParseID(id)
	if err != nil {
		return nil, parsed, &UnknownMessageError{ID: id}
	}
	if parsed.Partition() >= len(r.owners) {
		return nil, parsed, &UnknownMessageError{ID: id}
	}
	return r.owners[parsed.Partition()], parsed, nil
}
