// Package supervisor keeps one connector running: it starts it, watches it for death and hanging, and starts it again after a
// growing delay, for as long as somebody needs it.
package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// VerdictWithin is how long a broken stream waits to hear whether the whole process is gone.
const VerdictWithin = 2 * time.Second

// Link is a connector that was started, however it runs: a process, in this process, or under a debugger.
type Link interface {
	Conn() *grpc.ClientConn
	PID() int
	UseLogger(*slog.Logger)
	Done() <-chan struct{}    // closed when it has ended; nil where that cannot be seen
	Reason() string           // how it ended
	Kill()                    // ends it at once, and waits
	Stop(ctx context.Context) // asks it to end, and waits
}

// Options say what to supervise. All fields but Account are needed.
type Options struct {
	Connector    message.ConnectorName
	Account      message.AccountID // for a process of one account
	Start        func(ctx context.Context) (Link, error)
	Logger       *slog.Logger
	Report       func(State)
	StartTimeout time.Duration
	HangTimeout  time.Duration
	BackoffMin   time.Duration
	BackoffMax   time.Duration
	Rand         func() float64
}

// Unit supervises one connector's process.
type Unit struct {
	o      Options
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{} // closed when Supervise has returned

	mu       sync.Mutex
	run      *Run         // nil while it is not up
	why      *fault.Fault // why it is not up; nil before the first failure
	failures int
	retryAt  time.Time     // while resting
	resting  bool          // between two starts
	users    int           // accounts and waiters
	changed  chan struct{} // closed and replaced when one of the above changes
	stopCtx  context.Context

	restarts int // touched by supervise only
}

// Run is one life of a connector.
type Run struct {
	Client      pb.ConnectorServiceClient
	Description connector.Description
	Context     context.Context // ends with the run
	link        Link
	end         context.CancelCauseFunc // with a *fault.Fault
}

// Verdict says why the run ended, as a fault of class outcome_unknown. Call it once Context has ended.
func (r *Run) Verdict() *fault.Fault {
	if f, ok := errors.AsType[*fault.Fault](context.Cause(r.Context)); ok {
		return f
	}
	return fault.New(fault.OutcomeUnknown, "host_stopped", "the connector was stopped")
}

// Hangs ends the run, because the connector has stopped answering.
func (r *Run) Hangs(format string, args ...any) {
	r.end(fault.New(fault.OutcomeUnknown, "connector_hung", "connector %s hangs and is restarted: "+format,
		append([]any{r.Description.Name}, args...)...))
}

// New makes a unit that starts nothing yet. The caller runs [Unit.Supervise]; it ends with ctx.
func New(ctx context.Context, o Options) *Unit {
	u := &Unit{o: o, ended: make(chan struct{}), changed: make(chan struct{})}
	u.ctx, u.cancel = context.WithCancel(ctx)
	return u
}

// change applies fn and wakes those who wait for a change.
func (u *Unit) change(fn func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	fn()
	close(u.changed)
	u.changed = make(chan struct{})
}

// Use counts who needs the process.
func (u *Unit) Use(n int) { u.change(func() { u.users += n }) }

// Unused reports whether nobody needs the process.
func (u *Unit) Unused() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.users == 0
}

// Await starts the process if need be. It returns the failure of the start it waited for, and at once while the
// process rests after one.
func (u *Unit) Await(ctx context.Context) (*Run, error) {
	u.mu.Lock()
	seen := u.failures
	u.mu.Unlock()
	for {
		u.mu.Lock()
		r, why, failed, changed := u.run, u.why, u.resting || u.failures > seen, u.changed
		u.mu.Unlock()
		switch {
		case r != nil:
			return r, nil
		case failed:
			return nil, u.notUp(why)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fault.New(fault.Unavailable, "connector_down", "connector %s did not come up in time: %w", u.o.Connector, ctx.Err())
		case <-u.ctx.Done():
			return nil, NotRunning()
		}
	}
}

// notUp is a failure as an answer to who wanted to use the process: nothing was asked of it.
func (u *Unit) notUp(why *fault.Fault) *fault.Fault {
	f := *why
	if f.Class == fault.OutcomeUnknown {
		f.Class = fault.Unavailable
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if wait := time.Until(u.retryAt); u.resting && wait > 0 {
		return f.After(wait)
	}
	return &f
}

// AwaitUp waits until the process is up, however often it fails. It returns nil when ctx or the unit ends.
func (u *Unit) AwaitUp(ctx context.Context) *Run {
	for {
		u.mu.Lock()
		r, changed := u.run, u.changed
		u.mu.Unlock()
		if r != nil {
			return r
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		case <-u.ctx.Done():
			return nil
		}
	}
}

// DownFault is the answer for deliveries that certainly never reached the process.
func (u *Unit) DownFault() *fault.Fault {
	u.mu.Lock()
	defer u.mu.Unlock()
	f := fault.New(fault.Unavailable, "connector_down", "connector %s runs again, and its account has not been opened yet", u.o.Connector)
	if u.run == nil && u.why != nil {
		f = fault.New(fault.Unavailable, "connector_down", "connector %s is not running, and is started again by itself: %s", u.o.Connector, u.why.Text)
	} else if u.run == nil {
		f = fault.New(fault.Unavailable, "connector_down", "connector %s is not running, and is started again by itself", u.o.Connector)
	}
	if wait := time.Until(u.retryAt); u.resting && wait > 0 {
		f = f.After(wait)
	}
	return f
}

// Supervise keeps the process running as long as anybody needs it.
func (u *Unit) Supervise() {
	defer close(u.ended)
	delay := u.o.BackoffMin
	for u.needed() {
		r, err := u.bringUp()
		if err == nil {
			began := time.Now()
			if err = u.live(r); time.Since(began) > u.o.BackoffMax {
				delay = u.o.BackoffMin
			}
		}
		if u.ctx.Err() != nil {
			break
		}
		wait := Jitter(delay, u.o.Rand())
		delay = min(2*delay, u.o.BackoffMax)
		if !u.rest(fault.From(err), wait) {
			break
		}
	}
	u.report(State{Phase: Down})
}

// Jitter spreads a delay over half of it to all of it.
func Jitter(d time.Duration, random float64) time.Duration {
	return d/2 + time.Duration(random*float64(d)/2)
}

// needed waits until somebody needs the process, and reports false when the unit ends.
func (u *Unit) needed() bool {
	for {
		u.mu.Lock()
		users, changed := u.users, u.changed
		u.mu.Unlock()
		if u.ctx.Err() != nil || users > 0 {
			return u.ctx.Err() == nil
		}
		select {
		case <-changed:
		case <-u.ctx.Done():
		}
	}
}

// rest publishes a failure and waits until the next start is due.
func (u *Unit) rest(why *fault.Fault, wait time.Duration) bool {
	u.change(func() {
		u.why, u.resting, u.retryAt = why, true, time.Now().Add(wait)
		u.failures++
	})
	u.o.Logger.Warn("connector is down", "code", why.Code, "reason", why.Text, "retry_in", wait.String())
	u.report(State{Phase: Crashed, Fault: why, RetryIn: wait})
	if !Pause(u.ctx, wait) {
		return false
	}
	u.restarts++
	u.change(func() { u.resting = false })
	u.report(State{Phase: Restarting})
	return true
}

func (u *Unit) report(s State) {
	s.Connector, s.Account, s.Restarts, s.At = u.o.Connector, u.o.Account, u.restarts, time.Now()
	u.o.Report(s)
}

// bringUp starts the process and asks what it is.
func (u *Unit) bringUp() (*Run, error) {
	ctx, cancel := context.WithTimeout(u.ctx, u.o.StartTimeout)
	defer cancel()
	l, err := u.o.Start(ctx)
	if err != nil {
		return nil, err
	}
	r := &Run{link: l, Client: pb.NewConnectorServiceClient(l.Conn())}
	resp, err := r.Client.Describe(ctx, &pb.DescribeRequest{})
	if err != nil {
		err = u.notDescribed(err)
	} else if r.Description = describe(resp); r.Description.Name != u.o.Connector {
		err = fault.New(fault.Misconfigured, "plugin_name", "the program of connector %s says that it is %q", u.o.Connector, r.Description.Name)
	}
	if err != nil {
		l.Kill()
		return nil, err
	}
	r.Context, r.end = context.WithCancelCause(u.ctx)
	return r, nil
}

func (u *Unit) notDescribed(err error) *fault.Fault {
	name := u.o.Connector
	switch status.Code(err) {
	case codes.DeadlineExceeded:
		return fault.New(fault.Unavailable, "plugin_timeout", "connector %s did not describe itself within %s", name, u.o.StartTimeout)
	case codes.Unimplemented:
		return fault.New(fault.Misconfigured, "plugin_protocol", "connector %s does not serve this engine's protocol: rebuild it with a matching SDK", name)
	case codes.ResourceExhausted:
		return fault.New(fault.Misconfigured, "frame_too_large", "connector %s: its description is too large", name)
	}
	return fault.New(fault.Unavailable, "plugin_handshake", "connector %s could not be asked what it is: %w", name, err)
}

// live publishes a run, watches it until it ends, and returns why.
func (u *Unit) live(r *Run) error {
	logger := u.o.Logger.With("version", r.Description.Version)
	r.link.UseLogger(logger)
	logger.Info("connector is up", "pid", r.link.PID())
	u.change(func() { u.run = r })
	u.report(State{Phase: Up, Version: r.Description.Version, PID: r.link.PID()})

	var beating sync.WaitGroup
	beating.Go(func() { u.heartbeat(r) })
	select {
	case <-r.link.Done():
		r.end(fault.New(fault.OutcomeUnknown, "connector_died", "connector %s died: it %s", u.o.Connector, r.link.Reason()))
	case <-r.Context.Done():
	}
	r.end(nil)
	u.change(func() { u.run = nil })
	beating.Wait()
	u.mu.Lock()
	stopCtx := u.stopCtx
	u.mu.Unlock()
	if stopCtx != nil {
		r.link.Stop(stopCtx)
	} else {
		r.link.Kill()
	}
	return r.Verdict()
}

// heartbeat ends a run that gives no sign of life.
func (u *Unit) heartbeat(r *Run) {
	timeout := u.o.HangTimeout
	ticker := time.NewTicker(timeout / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-r.Context.Done():
			return
		}
		ctx, cancel := context.WithTimeout(r.Context, timeout)
		_, err := r.Client.Ping(ctx, &pb.PingRequest{})
		cancel()
		switch {
		case err == nil:
		case status.Code(err) == codes.DeadlineExceeded:
			r.Hangs("it did not answer a ping within %s", timeout)
		default: // a process that died says more
			select {
			case <-r.link.Done():
			case <-r.Context.Done():
			case <-time.After(VerdictWithin):
				r.end(fault.New(fault.OutcomeUnknown, "connector_died", "the connection to connector %s broke: %w", u.o.Connector, err))
			}
			return
		}
	}
}

// Stop ends the process, gently until ctx ends, and waits.
func (u *Unit) Stop(ctx context.Context) {
	u.change(func() { u.stopCtx = ctx })
	u.cancel()
	<-u.ended
}

// Pause waits for d, and reports false when ctx ended first.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
