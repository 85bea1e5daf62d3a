package pacing

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Account paces one account. Its methods may be called by several goroutines. It holds what was submitted and not yet granted;
// the caller bounds that.
type Account struct {
	grant       func([]Item)
	concurrency int
	calls       int   // that may have left and not be done; zero: any number
	spacing     int64 // of one recipient's grants
	base        time.Time
	wake        chan struct{} // for Run: wakeAt came nearer
	room        chan struct{} // for Leave: calls are done
	passing     chan struct{} // held by the one Pass that waits for the window

	mu       sync.Mutex
	rate     *window
	circuit  *circuit
	queue    *queue
	inFlight int
	paused   bool
	detached bool // its connection is gone for a while
	reason   string
	changed  int64 // when it was paused or resumed
	held     int64 // the vendor asked to wait until then
	wakeAt   int64
	ready    []Item // granted, not yet handed out
	spare    []Item
	granting bool // some goroutine is handing out; it will take what is added to ready
	staged   int  // granted and not yet gone, of an account with a limit
}

// NewAccount returns an account that grants. It starts nothing: limits need [Account.Run].
func NewAccount(cfg AccountConfig) *Account {
	a := &Account{
		grant:       cfg.Grant,
		concurrency: cfg.Limits.Concurrency,
		calls:       cfg.Limits.Calls,
		spacing:     interval(cfg.Limits.PerRecipientPerSecond, spacingPart),
		base:        time.Now(),
		wake:        make(chan struct{}, 1),
		room:        make(chan struct{}, 1),
		passing:     make(chan struct{}, 1),
		rate:        newWindow(cfg.Limits.PerSecond),
		queue:       newQueue(),
		wakeAt:      never,
	}
	if a.concurrency <= 0 {
		a.concurrency = DefaultConcurrency
	}
	a.circuit = newCircuit(cfg.Breaker, a.now)
	return a
}

// now is the account's clock: nanoseconds since it was made, never backwards.
func (a *Account) now() int64 { return int64(time.Since(a.base)) }

// Submit hands in items. Those that nothing holds back are granted before it returns, or by the goroutine that is granting
// just now. The slice is not kept.
func (a *Account) Submit(items []Item) {
	a.change(func(int64) {
		if a.free(len(items)) {
			for i := range items {
				a.give(items[i])
			}
			return
		}
		for i := range items {
			a.queue.add(items[i])
		}
	})
}

// free reports whether n items need not be queued at all.
func (a *Account) free(n int) bool {
	return !a.Limited() && a.queue.len() == 0 && a.inFlight+n <= a.concurrency &&
		a.circuit.state == gobreaker.StateClosed && !a.paused && !a.detached && a.held == 0
}

// Limited reports whether each granted call has to wait for [Account.Leave].
func (a *Account) Limited() bool { return a.rate != nil || a.spacing > 0 }

// Leave waits until a granted call may leave for its vendor, and counts it from then on. It returns ctx.Err() when ctx ends
// first. One Leave at a time: calls leave in the order in which they come.
func (a *Account) Leave(ctx context.Context, item Item) (left Left, err error) {
	err = await(ctx, a.room, func() (wait time.Duration) { left, wait = a.leave(&item); return wait })
	return left, err
}

// leave lets a call go, or returns how long it has to wait.
func (a *Account) leave(item *Item) (left Left, wait time.Duration) {
	a.change(func(now int64) {
		if wait = time.Duration(a.rate.next(now) - now); a.detached || a.calls > 0 && a.inFlight-a.staged >= a.calls {
			wait = never
		}
		if wait > 0 {
			return
		}
		left = a.rate.take(now)
		a.staged--
		if a.spacing > 0 {
			a.queue.left(item.Recipient, now+a.spacing)
		}
	})
	return left, wait
}

// Pass is Leave for a call that was not granted: it waits for its part of PerSecond, and heeds nothing else. It may be called by several
// goroutines; one of them at a time contends with Leave, so that granted calls get about every second place.
func (a *Account) Pass(ctx context.Context) (left Left, err error) {
	if a.rate == nil {
		return Left{}, nil
	}
	select {
	case a.passing <- struct{}{}:
	case <-ctx.Done():
		return Left{}, ctx.Err()
	}
	defer func() { <-a.passing }()
	err = await(ctx, nil, func() (wait time.Duration) {
		a.change(func(now int64) {
			if wait = time.Duration(a.rate.next(now) - now); wait <= 0 {
				left = a.rate.take(now)
			}
		})
		return wait
	})
	return left, err
}

// await tries until there is nothing to wait for, or ctx ends; also when there may be room.
func await(ctx context.Context, room <-chan struct{}, try func() (wait time.Duration)) error {
	for {
		wait := try()
		if wait <= 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-room:
		case <-time.After(wait):
		}
	}
}

// Passed says that a call which has passed is over.
func (a *Account) Passed(left Left) {
	if left.slot > 0 {
		a.change(func(now int64) { a.rate.answered(left, now) })
	}
}

// Done says how granted calls ended, each once. It frees their places and feeds the breaker. The slice is not kept.
func (a *Account) Done(results []Result) {
	a.change(func(now int64) {
		a.inFlight = max(0, a.inFlight-len(results))
		signal(a.room)
		for i := range results {
			a.circuit.done(&results[i], now)
			a.returned(&results[i], now)
		}
	})
}

func (a *Account) returned(r *Result, now int64) {
	switch {
	case !a.Limited():
	case r.Left.slot > 0:
		a.rate.answered(r.Left, now)
	default: // it never left
		a.staged--
		if a.spacing > 0 {
			a.queue.skipped(r.Item.Recipient)
		}
	}
}

// Cancel takes back an item that still waits, found by its Ref and Partition. It returns false when the item is not
// waiting: then it has been granted, and the caller must say Done.
func (a *Account) Cancel(item Item) (canceled bool) {
	a.change(func(int64) { canceled = a.queue.cancel(item.Ref, item.Partition) })
	return canceled
}

// Pause stops granting until Resume. The reason is shown by Health; the last one counts.
func (a *Account) Pause(reason string) {
	a.change(func(now int64) {
		if !a.paused {
			a.changed = now
		}
		a.paused, a.reason = true, reason
	})
}

// Resume ends a pause. It may be called at any time.
func (a *Account) Resume() {
	a.change(func(now int64) {
		if a.paused {
			a.paused, a.reason, a.changed = false, "", now
		}
	})
}

// Detach stops granting, and lets nothing leave, until Attach: the account's connection is gone for a while. It is apart from Pause.
func (a *Account) Detach() { a.change(func(int64) { a.detached = true }) }

// Attach ends what Detach began. It may be called at any time.
func (a *Account) Attach() {
	a.change(func(int64) {
		a.detached = false
		signal(a.room)
	})
}

// RetryAfter holds the account for d, as a vendor asks with 429 and Retry-After; of several, the latest end counts.
// At most an hour is accepted; zero and less is ignored.
func (a *Account) RetryAfter(d time.Duration) {
	if d > 0 {
		a.change(func(now int64) { a.held = max(a.held, now+int64(min(d, maxRetryAfter))) })
	}
}

// Health returns where the account stands.
func (a *Account) Health() Health {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	a.circuit.refresh(now)
	h := Health{State: Closed, Queued: a.queue.len(), InFlight: a.inFlight, Since: a.at(max(a.changed, a.circuit.changed))}
	switch {
	case a.paused:
		h.State, h.Reason, h.Since = Paused, a.reason, a.at(a.changed)
		return h
	case a.circuit.state == gobreaker.StateOpen:
		h.State, h.Reason, h.Until = Open, string(a.circuit.reason), a.at(max(a.circuit.until, a.held))
		return h
	case a.circuit.state == gobreaker.StateHalfOpen:
		h.State, h.Reason = HalfOpen, string(a.circuit.reason)
	}
	if a.held > now {
		h.Reason, h.Until = "retry_after", a.at(a.held)
	}
	return h
}

func (a *Account) at(t int64) time.Time { return a.base.Add(time.Duration(t)) }

// Run grants as time passes. It returns ctx.Err() when ctx ends; the owner waits for it. One Run at a time.
func (a *Account) Run(ctx context.Context) error {
	timer := time.NewTimer(math.MaxInt64)
	defer timer.Stop()
	for {
		wake := a.tick()
		timer.Reset(time.Duration(max(0, wake-a.now())))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.wake:
		case <-timer.C:
		}
	}
}

// tick grants what is due, and returns when to come back.
func (a *Account) tick() int64 {
	a.change(func(int64) { a.wakeAt = 0 }) // no need to be woken while looking
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wakeAt = a.due(a.now())
	return a.wakeAt
}

// change changes the account, grants what can be granted then, and hands it out. Grants are handed out by one goroutine at a time and
// without the lock, so that they keep their order and Grant may call back.
func (a *Account) change(what func(now int64)) {
	for batch := a.begin(what); len(batch) > 0; batch = a.more(batch) {
		a.grant(batch)
	}
}

func (a *Account) begin(what func(now int64)) []Item {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	what(now)
	if next := a.pump(now); next < a.wakeAt {
		a.wakeAt = next
		signal(a.wake)
	}
	if a.granting || len(a.ready) == 0 {
		return nil
	}
	a.granting = true
	return a.swap()
}

// signal wakes who waits on c, or will.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it has been told already
	}
}

// more takes back a batch that was handed out, and returns the next.
func (a *Account) more(batch []Item) []Item {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spare = batch[:0]
	if len(a.ready) == 0 {
		a.granting = false
		return nil
	}
	return a.swap()
}

func (a *Account) swap() []Item {
	batch := a.ready
	a.ready, a.spare = a.spare, nil
	return batch
}

// pump grants all that can be granted now, and returns when there may be more; never when only another call can bring it.
func (a *Account) pump(now int64) int64 {
	a.circuit.refresh(now)
	if a.held <= now {
		a.held = 0
	}
	a.queue.warm(now)
	for a.due(now) <= now {
		a.give(a.queue.take(a.spacing > 0))
	}
	return a.due(now)
}

// due returns when the next item may be granted, as far as is known now.
func (a *Account) due(now int64) int64 {
	switch {
	case a.queue.len() == 0 || a.paused || a.detached || a.inFlight >= a.concurrency:
		return a.idle(a.queue.lastWarm())
	case a.held > now:
		return a.idle(a.held)
	case a.circuit.room() == 0:
		return a.idle(a.circuit.nextTry())
	case !a.queue.ready():
		return a.idle(a.queue.nextWarm())
	}
	ahead := a.ahead()
	if ahead > int64(lead)+a.rate.lag() {
		return never // one has to leave first
	}
	return max(now, a.rate.next(now)+ahead-int64(lead))
}

// idle returns until, before which nothing is granted. Unless granted calls have yet to leave, nothing waits for the window then.
func (a *Account) idle(until int64) int64 {
	if a.staged == 0 {
		a.rate.idle()
	}
	return until
}

// ahead returns how long the calls take that leave before the next grant's.
func (a *Account) ahead() int64 {
	if a.rate == nil {
		return 0
	}
	return int64(a.staged) * a.rate.interval
}

// give grants one item.
func (a *Account) give(item Item) {
	a.circuit.granted(&item)
	a.inFlight++
	if a.Limited() {
		a.staged++
	}
	a.ready = append(a.ready, item)
}
