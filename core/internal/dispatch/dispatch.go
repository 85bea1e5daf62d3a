// Package dispatch stands between the partitions and the accounts: it asks pacing for turns, applies transforms, hands attempts
// to the connectors, and brings the answers back to the partitions that own the messages.
package dispatch

import (
	"cmp"
	"context"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/semaphore"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/pacing"
	"github.com/hermodhq/hermod/core/internal/table"
	"github.com/hermodhq/hermod/internal/flow"
	"github.com/hermodhq/hermod/internal/wire"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Connection is an open account of a connector.
type Connection interface {
	// Deliver takes attempts without waiting for their answers; each is answered once through the function given when
	// the account was opened.
	Deliver(batch []connector.Delivery)
}

// Transformer applies transforms, by name and in order, to a message of the caller's own.
type Transformer interface {
	Apply(ctx context.Context, names []string, m *message.Message) error
}

// Owner is the partition that owns a message. Its methods never block.
type Owner interface {
	Granted(account message.AccountID, turns []pacing.Item)
	Barred(account message.AccountID, turns []pacing.Item, f *fault.Fault)
	Answered(id ids.ID, ev flow.Event, detail map[string]string)
}

// Config is what a dispatcher needs.
type Config struct {
	Partitions int
	Owner      func(i int) Owner
	Transforms Transformer  // nil: there are none
	Tracer     trace.Tracer // a span for each call of a vendor; nil: none
	Logger     *slog.Logger
}

// Dispatcher serves all accounts of an engine. Add every account before [Dispatcher.Run].
type Dispatcher struct {
	cfg      Config
	ctx      context.Context // of calls, which come from no caller; ends with Run
	end      context.CancelFunc
	accounts map[message.AccountID]*account
	work     chan transformed
	slots    *semaphore.Weighted // one for each call that needs its transforms
	quieted  context.Context     // ends when no more turns are granted
	quiet    context.CancelFunc
}

// account is one account at work.
type account struct {
	id       message.AccountID
	channels map[message.Channel]connector.ChannelInfo
	changes  map[string]bool // the operations that change something
	queries  bool            // its connector can be asked for an attempt's state
	pace     *pacing.Account
	conn     atomic.Pointer[Connection]
	shut     atomic.Pointer[fault.Fault] // why it is not open; nil: nobody said that
	code     atomic.Pointer[string]      // what it was last paused for
	told     atomic.Value                // string: which being unusable those who wait have been told of; "": none
	out      out
	gate     gate // nil: the account has no limit
}

// transformed is a call that needs its transforms first.
type transformed struct {
	account *account
	call    table.Call
}

const mostWork = 4096

// New returns a dispatcher without accounts. Spans get ctx's values.
func New(ctx context.Context, cfg Config) *Dispatcher {
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	quieted, quiet := context.WithCancel(ctx)
	return &Dispatcher{cfg: cfg, ctx: ctx, end: end, quieted: quieted, quiet: quiet, accounts: map[message.AccountID]*account{}, work: make(chan transformed, mostWork),
		slots: semaphore.NewWeighted(mostWork)}
}

// Add adds an account with its pacing. Its messages wait until [Dispatcher.Connect].
func (d *Dispatcher) Add(id message.AccountID, desc connector.Description, limits connector.Limits) {
	a := &account{id: id, queries: desc.Capabilities.Query, channels: map[message.Channel]connector.ChannelInfo{}, changes: map[string]bool{}, out: out{calls: map[ids.ID]underWay{}}}
	for _, c := range desc.Channels {
		a.channels[c.Channel] = c
	}
	for _, o := range desc.Operations {
		a.changes[o.Name] = o.Mutates
	}
	a.pace = pacing.NewAccount(pacing.AccountConfig{
		Limits: pacing.Limits{PerSecond: limits.PerSecond, PerRecipientPerSecond: limits.PerRecipientPerSecond, Concurrency: limits.Concurrency,
			Calls: cmp.Or(desc.Limits.Concurrency, wire.Concurrency)},
		Grant: func(turns []pacing.Item) { d.grant(a, turns) },
	})
	if a.pace.Limited() {
		a.gate = make(gate, max(limits.Concurrency, pacing.DefaultConcurrency)) // room for all that are granted
	}
	d.accounts[id] = a
}

// Connect gives an account its connection, and lets what waited for that go on.
func (d *Dispatcher) Connect(id message.AccountID, conn Connection) {
	d.accounts[id].conn.Store(&conn)
	d.Back(id)
}

// Lost says that an account's connection is gone: for the moment, then its messages wait until [Dispatcher.Back]; or, with why, for longer.
func (d *Dispatcher) Lost(id message.AccountID, why *fault.Fault) {
	if why != nil {
		d.Shut(id, why)
		return
	}
	d.detach(d.accounts[id])
}

func (d *Dispatcher) detach(a *account) {
	if a.pace.Detach(); d.quieted.Err() != nil {
		a.pace.Attach()
	}
}

// Back says that a lost or shut account has a connection again.
func (d *Dispatcher) Back(id message.AccountID) {
	a := d.accounts[id]
	if a.shut.Swap(nil) != nil {
		a.told.Store("")
	}
	a.pace.Attach()
}

// Shut says that an account cannot be opened, or is lost for longer. Until it is back it grants nothing, and f bars its messages: where
// f may pass, those on their last step wait.
func (d *Dispatcher) Shut(id message.AccountID, f *fault.Fault) {
	a := d.accounts[id]
	a.shut.Store(f)
	d.detach(a)
	d.barWaiting(a)
}

// Run paces and transforms until ctx ends.
func (d *Dispatcher) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer d.end()
	defer wg.Wait()
	for _, a := range d.accounts {
		wg.Go(func() { _ = a.pace.Run(ctx) })
		if a.gate != nil {
			wg.Go(func() { d.leave(ctx, a) })
		}
	}
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() { d.transform(ctx) })
	}
}

// Quiet stops granting turns, for good, and lets no operation wait for its limit. What is recorded leaves, even if its connection is lost: then it is answered at once.
func (d *Dispatcher) Quiet() {
	d.quiet()
	for _, a := range d.accounts {
		a.pace.Attach()
	}
}

// Settle waits until no call waits for its transforms or for its account's limit, or until ctx ends. Nothing may be called meanwhile.
func (d *Dispatcher) Settle(ctx context.Context) error {
	if err := d.slots.Acquire(ctx, mostWork); err != nil {
		return err
	}
	d.slots.Release(mostWork)
	for _, a := range d.accounts {
		if err := a.gate.empty(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Lane returns the lane of a message's priority.
func Lane(p message.Priority) pacing.Lane {
	switch p {
	case message.Urgent:
		return pacing.Urgent
	case message.Bulk:
		return pacing.Bulk
	}
	return pacing.Normal
}
