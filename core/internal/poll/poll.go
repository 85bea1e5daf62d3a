// Package poll asks vendors that push no receipts what became of an attempt.
//
// Each attempt is asked about after one second, then after ever longer pauses up to a minute, until it is delivered, has
// failed, or its step waits no longer. The list is in memory: the engine fills it again when it starts.
package poll

import (
	"container/heap"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

const (
	firstPause   = time.Second
	longestPause = time.Minute
	workers      = 8 // questions under way at once
)

// Config is what a poller needs.
type Config struct {
	// Query asks the vendor; Receipt takes the answer and returns once it is durable.
	Query   func(ctx context.Context, account message.AccountID, q connector.Query) (message.Receipt, error)
	Receipt func(ctx context.Context, id ids.ID, attempt int, r message.Receipt) error
	Now     func() time.Time
	After   func(d time.Duration) (<-chan time.Time, func())
	Logger  *slog.Logger
}

// Poller asks. Make it with [New] and run it with [Poller.Run].
type Poller struct {
	cfg    Config
	signal chan struct{}

	mu    sync.Mutex
	queue queue
}

// item is one attempt to ask about.
type item struct {
	account message.AccountID
	channel message.Channel
	vendor  message.VendorMessageID
	id      ids.ID
	attempt int
	until   time.Time // the end of asking
	next    time.Time
	pause   time.Duration
}

// New returns a poller with nothing to ask.
func New(cfg Config) *Poller { return &Poller{cfg: cfg, signal: make(chan struct{}, 1)} }

// Add asks about an attempt until due. It never blocks.
func (p *Poller) Add(step *message.Step, vendor message.VendorMessageID, id ids.ID, attempt int, due time.Time) {
	p.push(&item{account: step.Account, channel: step.Channel, vendor: vendor, id: id, attempt: attempt, until: due,
		next: p.cfg.Now().Add(firstPause), pause: firstPause})
}

func (p *Poller) push(i *item) {
	p.mu.Lock()
	heap.Push(&p.queue, i)
	first := p.queue[0] == i
	p.mu.Unlock()
	if first {
		select {
		case p.signal <- struct{}{}:
		default:
		}
	}
}

// Run asks until ctx ends, and returns when the questions under way have been answered.
func (p *Poller) Run(ctx context.Context) {
	slots := make(chan struct{}, workers)
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		i := p.next(ctx)
		if i == nil {
			return
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		wg.Go(func() {
			p.ask(ctx, i)
			<-slots
		})
	}
}

// next waits for the next attempt that is due, and returns nil when ctx ends.
func (p *Poller) next(ctx context.Context) *item {
	for {
		wait := time.Hour
		p.mu.Lock()
		if len(p.queue) > 0 {
			if wait = p.queue[0].next.Sub(p.cfg.Now()); wait <= 0 {
				i := heap.Pop(&p.queue).(*item)
				p.mu.Unlock()
				return i
			}
		}
		p.mu.Unlock()
		timer, stop := p.cfg.After(wait)
		select {
		case <-ctx.Done():
			stop()
			return nil
		case <-p.signal:
		case <-timer:
		}
		stop()
	}
}

// ask asks once, and puts the attempt back unless everything is known.
func (p *Poller) ask(ctx context.Context, i *item) {
	r, err := p.cfg.Query(ctx, i.account, connector.Query{VendorID: i.vendor, Message: i.id.Message(), Attempt: i.attempt, Channel: i.channel})
	if err == nil && r.Outcome != "" {
		err = p.cfg.Receipt(ctx, i.id, i.attempt, r)
	}
	if err != nil && ctx.Err() == nil {
		p.cfg.Logger.Debug("asking for an attempt's state failed; it is asked again", "account", i.account, "error", err)
	}
	if err == nil && (r.Outcome == message.Failed || r.Outcome.Rank() >= message.Delivered.Rank()) {
		return
	}
	i.pause = min(2*i.pause, longestPause)
	i.next = p.cfg.Now().Add(i.pause)
	if !i.until.IsZero() && i.next.After(i.until) {
		return
	}
	p.push(i)
}

// queue is a heap of attempts by the time when they are next asked about.
type queue []*item

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].next.Before(q[j].next) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(*item)) }
func (q *queue) Pop() any {
	old := *q
	i := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return i
}
