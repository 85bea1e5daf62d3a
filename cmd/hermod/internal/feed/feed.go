// Package feed sends messages that come as JSON Lines and reports what became of each line.
//
// One feed reads at the speed at which messages are stored: a bounded number is under way at once, lines of one recipient
// stay in their order, and a bad line is reported and skipped.
package feed

import (
	"context"
	"errors"
	"hash/fnv"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/sdk/message"
)

// The bounds of one feed.
const (
	InFlight   = 256              // messages being stored at once
	MaxWaiting = 10_000           // messages waiting for their outcome at once; reading pauses beyond
	grace      = 10 * time.Second // how long sends that are under way may take to end after an interrupt
)

// Host takes messages. Its methods are called from many goroutines at once.
type Host interface {
	// Send stores one message, and returns only then.
	Send(ctx context.Context, m message.Message) (message.ID, error)
	// Wait returns when the message has reached the outcome or a final one.
	Wait(ctx context.Context, id message.ID, until message.Outcome) (State, error)
}

// State is where a message stands.
type State struct {
	Outcome message.Outcome
	Step    string // account/channel of the step that it is in, where known
	Reason  string
}

// Options says how long a feed follows each message. The zero value reports a message as soon as it is stored.
type Options struct {
	Until   message.Outcome // wait for this outcome, or any final one; empty: do not wait
	Timeout time.Duration   // how long one message may take to get there; zero: no bound
	Linger  bool            // waiting is a courtesy: a message that does not get there in time counts as stored, not as failed
}

// Result says what became of one line.
type Result struct {
	Line    int              `json:"line"`
	ID      message.ID       `json:"id,omitempty"`
	Key     message.Key      `json:"key,omitempty"`
	Outcome message.Outcome  `json:"outcome,omitempty"` // empty: stored, and no vendor has answered yet
	Step    string           `json:"step,omitempty"`
	Reason  string           `json:"reason,omitempty"`
	Waiting bool             `json:"waiting,omitempty"` // stored; another result for this line follows
	Error   *problem.Problem `json:"error,omitempty"`
}

// Run reads lines from r until its end and calls emit for each result, one call at a time. It returns nil at the end of r,
// whatever the lines held; the error is the reader's, or ctx's when that ended first. A Read that ctx cannot
// interrupt does not hold Run up, and nothing is emitted after Run has returned.
func Run(ctx context.Context, r io.Reader, host Host, opts Options, emit func(Result)) error {
	f := &feeder{host: host, opts: opts, emit: emit, waiting: make(chan struct{}, MaxWaiting)}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sending, stop := extend(ctx, grace)
	defer stop()
	for i := range f.lanes {
		f.lanes[i] = make(chan job, 1)
		f.working.Go(func() { f.work(ctx, sending, f.lanes[i]) })
	}
	read := make(chan error, 1)
	go func() { read <- f.read(ctx, r) }()
	var err error
	select {
	case err = <-read:
		for i := range f.lanes {
			close(f.lanes[i])
		}
	case <-ctx.Done(): // the reader may be stuck in a Read; the lanes end by their context
		err = ctx.Err()
	}
	f.working.Wait()
	f.close()
	return err
}

// extend returns a context that ends d after ctx does.
func extend(ctx context.Context, d time.Duration) (context.Context, func()) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return longer, func() { stop(); cancel() }
}

type job struct {
	line int
	msg  message.Message
}

type feeder struct {
	host    Host
	opts    Options
	lanes   [InFlight]chan job // lines of one recipient share a lane, which keeps their order
	working sync.WaitGroup
	waiting chan struct{} // one token for each message that waits for its outcome

	mu     sync.Mutex
	emit   func(Result) // nil once Run has returned
	closed bool
}

func (f *feeder) report(r Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.emit(r)
	}
}

func (f *feeder) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
}

// read takes the lines apart and hands each message to its recipient's lane.
func (f *feeder) read(ctx context.Context, r io.Reader) error {
	s := newScanner(r)
	for {
		data, err := s.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errTooLong):
			f.report(Result{Line: s.line, Error: problem.New(problem.ExitUsage, "line_too_long",
				"the line is longer than %d bytes", MaxLine).Advise("give large media by url")})
			continue
		case err != nil:
			return err
		case len(data) == 0:
			continue
		}
		m, err := message.Decode(data)
		if err != nil {
			f.report(Result{Line: s.line, Key: m.Key, Error: problem.From(err)})
			continue
		}
		select {
		case f.lanes[laneOf(&m.To)] <- job{s.line, m}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// laneOf gives the same lane for the same recipient, also when a phone number is written with or without its country code.
func laneOf(to *message.Recipient) int {
	address := strings.ToLower(to.Address())
	if to.Phone != "" {
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, to.Phone)
		address = digits[max(0, len(digits)-9):]
	}
	h := fnv.New32a()
	_, _ = io.WriteString(h, address) // a hash never fails
	return int(h.Sum32() % InFlight)
}

// work stores the messages of one lane, one after the other. sending outlives ctx a little, so that an interrupt leaves
// no message in doubt.
func (f *feeder) work(ctx, sending context.Context, lane <-chan job) {
	for {
		select {
		case j, ok := <-lane:
			if !ok || ctx.Err() != nil {
				return
			}
			f.send(ctx, sending, j)
		case <-ctx.Done():
			return
		}
	}
}

func (f *feeder) send(ctx, sending context.Context, j job) {
	id, err := f.host.Send(sending, j.msg)
	r := Result{Line: j.line, ID: id, Key: j.msg.Key}
	if err != nil {
		r.Error = problem.From(err)
		f.report(r)
		return
	}
	if f.opts.Until == "" || !f.admit(ctx) {
		f.report(r)
		return
	}
	r.Waiting = true
	f.report(r)
	f.working.Go(func() {
		defer func() { <-f.waiting }()
		f.follow(ctx, r)
	})
}

// admit takes a token for waiting. Where waiting is a courtesy, a message beyond the bound is not waited for.
func (f *feeder) admit(ctx context.Context) bool {
	select {
	case f.waiting <- struct{}{}:
		return true
	default:
	}
	if f.opts.Linger {
		return false
	}
	select {
	case f.waiting <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *feeder) follow(ctx context.Context, r Result) {
	if f.opts.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.opts.Timeout)
		defer cancel()
	}
	state, err := f.host.Wait(ctx, r.ID, f.opts.Until)
	r.Waiting, r.Outcome, r.Step, r.Reason = false, state.Outcome, state.Step, state.Reason
	switch {
	case err == nil:
	case ctx.Err() != nil && f.opts.Linger:
	case errors.Is(err, context.DeadlineExceeded):
		r.Error = problem.New(problem.ExitFailed, "wait_timeout", "not %s within %s", f.opts.Until, f.opts.Timeout).
			Advise("the message is stored and goes on; see `hermod trace %s`", r.ID)
	default:
		r.Error = problem.From(err)
	}
	f.report(r)
}
