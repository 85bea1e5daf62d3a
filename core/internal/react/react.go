// Package react carries out the reactions of rule files: it follows the journal's events, and calls operations, sends messages and
// tells the host as the rules say.
//
// Every action has an identity: the event's source and id, the reaction's name, and the action's index. A message is sent
// with the identity as its key, so at most once. Before an operation that changes something is called, that is made durable;
// after a crash a call without an answer is recorded as unknown and not repeated. What is done is kept as events in the journal itself. The place up to
// which everything is done is stored as a cursor; after a restart the events behind it are read for what was done, and then handled.
package react

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/hermodhq/hermod/rules"
	"github.com/hermodhq/hermod/sdk/message"
)

// Bounds.
const (
	MaxDepth     = 4     // reactions in one chain, each caused by the one before
	waiting      = 4096  // reactions to events that are taken up; above that the next event waits
	acting       = 32    // calls and sends under way at once
	mostTaken    = 65536 // reactions to events that are remembered, so that a repeat is noticed
	maxOutput    = 64 << 10
	maxTold      = 256 << 10 // bytes of a signal's values
	firstPause   = time.Second
	longestPause = time.Minute
	longestAfter = 10 * time.Minute // of what a vendor asks for
	saveEvery    = time.Second
)

// DepthLabel is the label of messages that reactions sent: how long the chain of reactions before them is.
const DepthLabel = "hermod.depth"

// Place says where and how the journal is followed.
type Place struct {
	From        []byte // as Config.End or Moved gave it
	Moved       func(ctx context.Context, to []byte) error
	Closing     func() bool // end when everything has been handed out
	VendorsOnly func() bool // what happens to messages is not wanted now
}

// Handle takes one event.
type Handle func(ctx context.Context, ev message.Event) error

// Config is what a reactor needs. All functions are safe for concurrent use.
type Config struct {
	Engine string
	Rules  func() *rules.Set
	// Follow hands every event of the journal to handle, one at a time. It returns nil when Closing said so.
	Follow    func(ctx context.Context, p Place, handle Handle) error
	End       func() []byte // the place behind the newest event
	Cursor    func(ctx context.Context) ([]byte, error)
	SetCursor func(ctx context.Context, place []byte) error
	// Store makes an event of the engine durable.
	Store func(ctx context.Context, ev *message.Event) error
	Send  func(ctx context.Context, m message.Message) (message.ID, error)
	// Invoke calls an operation. before runs when nothing holds the call up any more, right before it; an error of before is returned, and
	// nothing is called.
	Invoke func(ctx context.Context, account message.AccountID, operation string, input json.RawMessage, before func() error) (json.RawMessage, error)
	// Labels returns the labels of a message; none of one that is not known any more.
	Labels  func(ctx context.Context, id message.ID) (map[string]string, error)
	Stopped error // in the chain of errors of Send, Invoke and Store while the engine stops: nothing was done
	Now     func() time.Time
	After   func(d time.Duration) (<-chan time.Time, func())
	Logger  *slog.Logger
}

// Reactor carries out reactions. Make it with [Open].
type Reactor struct {
	cfg     Config
	quiet   chan struct{} // closed: begin nothing more
	done    chan struct{} // closed: nothing runs any more
	wake    chan struct{}
	slots   chan struct{}
	calls   chan struct{}
	known   map[string]past              // what the journal says of actions behind the cursor; never changed while events are handled
	taken   *lru.Cache[string, struct{}] // reactions to events that were taken up since: an event that comes again sets nothing off
	lanes   lanes
	rates   rates
	tasks   sync.WaitGroup
	started atomic.Bool
	stop    context.CancelFunc // ends following
	abandon context.CancelFunc // ends calls under way

	mu    sync.Mutex
	from  []byte // the stored place; nil: no reactions, nothing is followed
	saved time.Time
	prog  progress
}

// Open returns a reactor that handles every event from now on, or from where the last one stopped. Nothing runs yet.
func Open(ctx context.Context, cfg Config) (*Reactor, error) {
	r := &Reactor{cfg: cfg, quiet: make(chan struct{}), done: make(chan struct{}), wake: make(chan struct{}, 1),
		slots: make(chan struct{}, waiting), calls: make(chan struct{}, acting), lanes: lanes{queues: map[string][]*task{}},
		rates: rates{windows: map[string]*window{}}}
	var err error
	if r.taken, err = lru.New[string, struct{}](mostTaken); err != nil {
		return nil, err
	}
	from, err := cfg.Cursor(ctx)
	if err != nil {
		return nil, err
	}
	switch active := cfg.Rules().Reactions() > 0; {
	case len(from) > 0: // also without reactions: what was begun is still to be cleared up
		r.from = from
	case active:
		r.from = cfg.End()
		if err := cfg.SetCursor(ctx, r.from); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Loaded tells of a new rule set. The first one with reactions makes the events from now on count. A nil reactor takes no notice.
func (r *Reactor) Loaded(set *rules.Set) {
	if r == nil || set.Reactions() == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.from == nil {
		r.from = r.cfg.End()
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// Start begins to follow the journal. ctx carries values only.
func (r *Reactor) Start(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	following, stop := context.WithCancel(ctx)
	actions, abandon := context.WithCancel(ctx)
	r.stop, r.abandon = stop, abandon
	r.started.Store(true)
	go func() {
		defer close(r.done)
		r.run(following, actions)
		r.tasks.Wait()
		if err := r.save(actions, true); err != nil {
			r.cfg.Logger.Warn("the place of the reactions could not be stored; it is found again at the next start", "error", err)
		}
	}()
}

// Stop begins nothing more. The channel is closed when the calls under way are answered and recorded. When ctx ends first they are
// abandoned, and recorded as unknown at the next start. A nil reactor, and one that was not started, has nothing to stop. Call it once.
func (r *Reactor) Stop(ctx context.Context) <-chan struct{} {
	if r == nil || !r.started.Load() {
		stopped := make(chan struct{})
		close(stopped)
		return stopped
	}
	r.stop()
	close(r.quiet)
	go func() {
		defer r.abandon()
		select {
		case <-r.done:
		case <-ctx.Done():
		}
	}()
	return r.done
}

// run follows the journal while there are reactions.
func (r *Reactor) run(following, actions context.Context) {
	for pause := firstPause; ; {
		if !r.awaitReactions() {
			return
		}
		err := r.follow(following, actions)
		r.tasks.Wait()
		if following.Err() != nil {
			return
		}
		if err == nil {
			err = r.rest(actions)
		}
		if err == nil {
			pause = firstPause
			continue
		}
		r.cfg.Logger.Error("the reactions cannot follow the journal; it is tried again", "error", err)
		if !r.sleep(pause) {
			return
		}
		pause = min(2*pause, longestPause)
	}
}

// awaitReactions returns when there is something to follow, and false when the reactor stops.
func (r *Reactor) awaitReactions() bool {
	for {
		r.mu.Lock()
		idle := r.from == nil
		r.mu.Unlock()
		if !idle {
			return true
		}
		select {
		case <-r.wake:
		case <-r.quiet:
			return false
		}
	}
}

// rest forgets the place, when there are no reactions any more.
func (r *Reactor) rest(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cfg.Rules().Reactions() > 0 {
		return nil
	}
	if err := r.cfg.SetCursor(ctx, nil); err != nil {
		return err
	}
	r.from = nil
	return nil
}

// sleep returns false when the reactor stops.
func (r *Reactor) sleep(d time.Duration) bool {
	timer, stop := r.cfg.After(d)
	defer stop()
	select {
	case <-timer:
		return true
	case <-r.quiet:
		return false
	}
}

func (r *Reactor) stopping() bool {
	select {
	case <-r.quiet:
		return true
	default:
		return false
	}
}
