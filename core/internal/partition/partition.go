// Package partition is the owner of one partition of the journal: the only goroutine that writes its log.
//
// The owner gathers what waits (new messages, turns granted by pacing, answers, receipts, timers), runs the state
// machine over it, commits all of it as one frame with one fsync, and only then acts: answers Send, calls connectors, tells
// waiters. State and timers live in memory and are rebuilt from the log, which holds each event with the state after it.
package partition

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/mailbox"
	"github.com/hermodhq/hermod/core/internal/table"
	"github.com/hermodhq/hermod/internal/flow"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Config is what an owner needs.
type Config struct {
	Index     int
	Log       Log
	Host      Host
	Now       func() time.Time
	After     func(d time.Duration) (<-chan time.Time, func())
	Logger    *slog.Logger
	Retention time.Duration // how long finished messages stay in the log
	MaxBytes  int64         // of this partition's log; 0: no ceiling
	Finished  int           // finished messages kept in memory for late receipts
}

// Limits of one frame, and of what may wait to be committed.
const (
	trimEvery    = time.Minute
	frameEntries = 1024
	frameBytes   = 512 << 10
	waiting      = 4096
)

// Owner owns one partition. Make it with [New], fill it with [Owner.Recover], run it with [Owner.Run].
type Owner struct {
	cfg   Config
	slots chan struct{} // bounds the messages that wait to be accepted
	in    *mailbox.Mailbox[input]
	table *table.Table
	due   table.Timers
	order table.Order
	queue map[uint64]*table.Entry // that wait for pacing, by the turn's Ref
	ref   uint64
	waits table.Waits

	shapes  table.Shapes
	frame   frame
	rand    *rand.Rand
	scratch []flow.Command
	rest    []input     // taken, and left for the next frame
	limit   int         // bytes of a frame
	quiet   atomic.Bool // no further attempts
	drain   chan struct{}
	stopped chan struct{}   // closed when Run returns
	ctx     context.Context // of Run: what the owner does on its own account ends with it
	trimmed time.Time
}

// New returns an owner that has read nothing yet.
func New(cfg Config) *Owner {
	return &Owner{
		cfg:   cfg,
		slots: make(chan struct{}, waiting),
		limit: cfg.Log.Limit(),
		in:    mailbox.New[input](),
		table: table.New(cfg.Finished),
		order: table.Order{},
		queue: map[uint64]*table.Entry{},
		waits: table.Waits{},
		drain: make(chan struct{}), stopped: make(chan struct{}),
		rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	}
}

// Quiet lets the owner record no further attempts. It returns when those it has recorded are handed out, or when ctx ends.
func (o *Owner) Quiet(ctx context.Context) error {
	o.quiet.Store(true)
	done := make(chan error, 1)
	err := o.await(ctx, input{ask: func() { o.frame.dones = append(o.frame.dones, done) }}, done) // the frame is durable
	if err != nil {
		return err
	}
	return o.Do(ctx, func() {}) // and has been acted upon
}

// Drain lets Run return once nothing waits any more. Call it once.
func (o *Owner) Drain() { close(o.drain) }

// Run works until [Owner.Drain], or until ctx ends, which leaves what is not committed yet undone.
func (o *Owner) Run(ctx context.Context) error {
	o.ctx, o.trimmed = ctx, o.cfg.Now()
	defer o.close()
	for {
		more, err := o.wait(ctx)
		if err != nil || !more {
			return err
		}
		o.begin(o.cfg.Now())
		rest := o.rest
		o.rest = nil
		o.handle(rest)
		o.fire(ctx)
		o.flush()
		for o.in.Ready() && !o.full() { // what pacing granted meanwhile belongs into the same frame
			o.handle(o.in.Take(frameEntries))
			o.flush()
		}
		if err := o.commit(ctx); err != nil {
			return err
		}
		o.act()
		if o.frame.Now.Sub(o.trimmed) > trimEvery {
			o.trimmed = o.frame.Now
			o.trim(ctx)
		}
	}
}

// wait returns when there is something to do, and false when the owner is drained.
func (o *Owner) wait(ctx context.Context) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if len(o.rest) > 0 || o.in.Ready() {
		return true, nil
	}
	next := trimEvery
	if e := o.due.First(); e != nil {
		next = min(next, e.Due().Sub(o.cfg.Now()))
	}
	if next <= 0 {
		return true, nil
	}
	timer, stop := o.cfg.After(next)
	defer stop()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-o.drain:
		return o.in.Ready(), nil
	case <-o.in.Signal():
	case <-timer:
	}
	return true, nil
}

// fire hands every due timer to the state machine, as many as a frame holds.
func (o *Owner) fire(ctx context.Context) {
	now := o.frame.Now
	for e := o.due.First(); e != nil && !e.Due().After(now) && !o.full(); e = o.due.First() {
		o.due.Set(e, 0)
		if e.State.Phase == flow.Planning && (e.State.Expires.IsZero() || e.State.Expires.After(now)) {
			o.plan(ctx, e)
			continue
		}
		o.step(e, flow.Event{Kind: flow.Due})
	}
}

// plan decides for a message that waited for its time.
func (o *Owner) plan(ctx context.Context, e *table.Entry) {
	body, err := o.body(ctx, e)
	if err == nil {
		var plan *message.Plan
		if plan, err = o.cfg.Host.Plan(&body.Message); err == nil {
			o.planned(e, body, plan)
			return
		}
	}
	if unreadable(err) {
		o.due.Set(e, ids.Nanos(o.frame.Now.Add(readAgain)))
		return
	}
	o.step(e, flow.Event{Kind: flow.Unroutable, Fault: fault.From(err)})
}

// close refuses what comes, and answers what waited.
func (o *Owner) close() {
	close(o.stopped)
	for _, i := range append(o.rest, o.in.Close()...) {
		i.fail(ErrStopped)
	}
}
