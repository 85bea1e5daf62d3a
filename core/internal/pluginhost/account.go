package pluginhost

import (
	"context"
	"log/slog"
	"sync"

	"github.com/hermodhq/hermod/core/internal/pluginhost/ledger"
	"github.com/hermodhq/hermod/core/internal/pluginhost/supervisor"
	"github.com/hermodhq/hermod/internal/wire"
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
)

// Account is one open account. It outlives its connector's process: after a restart it is opened again by itself.
type Account struct {
	host    *Host
	unit    *supervisor.Unit
	spec    AccountSpec
	logger  *slog.Logger
	ctx     context.Context // ends everything at once
	cancel  context.CancelFunc
	closing context.Context // ends when Close begins
	close   context.CancelFunc
	settled chan struct{} // closed when every delivery has its answer
	done    chan struct{} // closed when everything has ended
	first   connector.Description
	ledger  *ledger.Ledger

	mu       sync.Mutex
	session  *session // nil while the connector is down
	closeCtx context.Context
}

// session is an account's part in one run of its connector.
type session struct {
	account *Account
	run     *supervisor.Run
	handle  uint64
	window  int
	ctx     context.Context
	fail    context.CancelCauseFunc
}

func newAccount(h *Host, u *supervisor.Unit, spec AccountSpec) *Account {
	logger := h.config.Logger.With("connector", string(spec.Connector), "account", string(spec.ID))
	a := &Account{
		host: h, unit: u, spec: spec, logger: logger, settled: make(chan struct{}), done: make(chan struct{}),
		ledger: ledger.New(h.config.MaxQueue, h.config.CallTimeout+h.config.grace()),
	}
	a.ctx, a.cancel = context.WithCancel(h.ctx)
	a.closing, a.close = context.WithCancel(a.ctx)
	return a
}

// open opens the account in the connector's present run, and starts the connector if need be.
func (a *Account) open(ctx context.Context) (*session, error) {
	r, err := a.unit.Await(ctx)
	if err != nil {
		return nil, err
	}
	return a.openIn(ctx, r)
}

func (a *Account) openIn(ctx context.Context, r *supervisor.Run) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, a.host.config.StartTimeout)
	defer cancel()
	resp, err := r.Client.Open(ctx, &pb.OpenRequest{Account: string(a.spec.ID), Config: a.spec.Config, WebhookUrl: a.spec.WebhookURL})
	if err != nil {
		return nil, a.broken(ctx, r, err, false)
	}
	if resp.Fault != nil {
		return nil, wire.FaultFromProto(resp.Fault)
	}
	s := &session{account: a, run: r, handle: resp.Handle, window: window(a.host.config.Window, r.Description.Limits.Concurrency)}
	s.ctx, s.fail = context.WithCancelCause(r.Context)
	return s, nil
}

// window keeps little more under way than the connector works on at once: what waits inside it is lost to certainty when it dies.
func window(most, concurrency int) int {
	if concurrency <= 0 {
		return most
	}
	return min(most, max(2*concurrency, 64))
}

// close releases the account in the connector. What it answers does not matter any more.
func (s *session) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.account.host.config.StartTimeout)
	defer cancel()
	if _, err := s.run.Client.Close(ctx, &pb.CloseRequest{Handle: s.handle}); err != nil && s.run.Context.Err() == nil {
		s.account.logger.Warn("account did not close", "error", fault.Redact(err.Error()))
	}
	s.fail(nil)
}

// start runs the account in goroutines of its own until Close.
func (a *Account) start(s *session) {
	a.first = s.run.Description
	a.begin(s)
	go func() {
		defer a.host.running.Done()
		defer close(a.done)
		a.live(s)
	}()
}

func (a *Account) live(s *session) {
	var helpers sync.WaitGroup
	helpers.Go(a.handOut)
	helpers.Go(a.sweep)
	for s != nil {
		a.serve(s)
		if s = a.reopen(); s != nil {
			a.begin(s)
			if a.spec.Back != nil {
				a.spec.Back()
			}
		}
	}
	a.cancel()
	close(a.settled)
	helpers.Wait()
}

// reopen opens the account in the next run, and tries again for as long as it takes. It returns nil when the account is closed.
func (a *Account) reopen() *session {
	soon, cancel := context.WithTimeout(a.closing, a.host.config.Patience)
	defer cancel()
	a.lost(nil)
	if s := a.reopenBefore(soon); s != nil || a.closing.Err() != nil {
		return s
	}
	a.lost(a.Trouble())
	return a.reopenBefore(a.closing)
}

func (a *Account) lost(why *fault.Fault) {
	if a.spec.Lost != nil && a.closing.Err() == nil {
		a.spec.Lost(why)
	}
}

// reopenBefore returns nil when ctx, which ends with the account, has ended.
func (a *Account) reopenBefore(ctx context.Context) *session {
	delay := a.host.config.BackoffMin
	for {
		r := a.unit.AwaitUp(ctx)
		if r == nil || ctx.Err() != nil {
			return nil
		}
		s, err := a.openIn(a.closing, r)
		if err == nil {
			return s
		}
		a.logger.Warn("account could not be opened again", "error", fault.From(err).Error())
		if !supervisor.Pause(ctx, supervisor.Jitter(delay, a.host.config.Rand())) {
			return nil
		}
		delay = min(2*delay, a.host.config.BackoffMax)
	}
}

// Trouble returns why the account cannot be used although it was opened: its connector is down, or could not open it again. It
// is nil while all is well.
func (a *Account) Trouble() *fault.Fault {
	if a.current() != nil || a.closing.Err() != nil {
		return nil
	}
	return a.unit.DownFault()
}

func (a *Account) current() *session {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.session
}

// Description is what the connector said of itself when the account was opened first.
func (a *Account) Description() connector.Description { return a.first }

// Close takes no more deliveries, waits until those it took are answered or ctx ends, and closes the account in the connector. Deliveries
// that are open when ctx ends are answered outcome_unknown, or unavailable where they were never written. It may be called again.
func (a *Account) Close(ctx context.Context) error {
	a.mu.Lock()
	again := a.closing.Err() != nil && a.closeCtx != nil
	if !again {
		a.closeCtx = ctx
		a.close()
		a.ledger.Shut()
	}
	a.mu.Unlock()
	if again {
		select {
		case <-a.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		a.cancel()
		<-a.done
	}
	a.host.remove(a)
	a.unit.Use(-1)
	if a.host.drop(a.unit, &a.spec) {
		a.unit.Stop(ctx)
	}
	return ctx.Err()
}
