package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"

	"github.com/hermodhq/hermod/core/internal/pluginhost/process"
	"github.com/hermodhq/hermod/core/internal/pluginhost/supervisor"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Host runs connectors. Its methods may be called from several goroutines at once.
type Host struct {
	config  Config
	env     []string
	ctx     context.Context // of everything that runs
	cancel  context.CancelFunc
	forker  *process.Forker
	sockets *process.Sockets
	running sync.WaitGroup

	mu       sync.Mutex
	phase    phase
	units    map[unitKey]*supervisor.Unit
	accounts map[*Account]struct{}
	stopped  chan struct{} // closed when Stop has finished
}

type phase int

const (
	fresh phase = iota
	started
	stopping
)

type unitKey struct {
	connector message.ConnectorName
	account   message.AccountID // empty but for isolated accounts
}

// New checks the configuration. It opens nothing and starts nothing.
func New(c Config) (*Host, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return &Host{
		config: c.withDefaults(), units: map[unitKey]*supervisor.Unit{}, accounts: map[*Account]struct{}{}, stopped: make(chan struct{}),
	}, nil
}

// Start readies the host. Connectors are started when they are first described or opened.
func (h *Host) Start(context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase != fresh {
		return errors.New("pluginhost: a host starts once")
	}
	sockets, err := process.OpenSockets()
	if err != nil {
		return err
	}
	h.env, h.sockets, h.forker = h.config.environment(), sockets, process.NewForker()
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.phase = started
	return nil
}

// Stop drains and ends everything: no new deliveries; those under way are waited for until ctx ends, and are answered either way;
// accounts are closed; processes are ended, with force if they do not go. It may be called again, and
// returns ctx's error when ctx ended first: everything is stopped nonetheless.
func (h *Host) Stop(ctx context.Context) error {
	h.mu.Lock()
	before := h.phase
	h.phase = stopping
	accounts := make([]*Account, 0, len(h.accounts))
	for a := range h.accounts {
		accounts = append(accounts, a)
	}
	h.mu.Unlock()
	switch before {
	case fresh:
		close(h.stopped)
		return nil
	case stopping:
		select {
		case <-h.stopped:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer close(h.stopped)
	var closing sync.WaitGroup
	for _, a := range accounts {
		closing.Go(func() { _ = a.Close(ctx) })
	}
	closing.Wait()
	late := ctx.Err()
	h.mu.Lock()
	units := maps.Clone(h.units)
	h.mu.Unlock()
	for _, u := range units {
		closing.Go(func() { u.Stop(ctx) })
	}
	closing.Wait()
	h.cancel()
	h.running.Wait()
	h.forker.Close()
	return errors.Join(late, h.sockets.Close())
}

// unit finds or makes what supervises a connector's process, and counts the caller as one who needs it.
func (h *Host) unit(key unitKey) (*supervisor.Unit, error) {
	program, ok := h.config.Programs[key.connector]
	if !ok {
		return nil, fault.New(fault.Misconfigured, "connector_unknown",
			"connector %q is not known; put its program into the plugins directory, or link it in", key.connector)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase != started {
		return nil, supervisor.NotRunning()
	}
	u := h.units[key]
	if u == nil {
		u = supervisor.New(h.ctx, h.options(key, program))
		h.units[key] = u
		h.running.Go(u.Supervise)
	}
	u.Use(1)
	return u, nil
}

// Describe starts the connector if need be and returns what it says of itself.
func (h *Host) Describe(ctx context.Context, name message.ConnectorName) (connector.Description, error) {
	u, err := h.unit(unitKey{connector: name})
	if err != nil {
		return connector.Description{}, err
	}
	defer u.Use(-1)
	r, err := u.Await(ctx)
	if err != nil {
		return connector.Description{}, err
	}
	return r.Description, nil
}

// Open opens an account. It starts the connector if need be. Two accounts may have the same ID for a while, so
// that one with a changed configuration can take over before the other is closed.
func (h *Host) Open(ctx context.Context, spec AccountSpec) (*Account, error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	u, err := h.unit(spec.key())
	if err != nil {
		return nil, err
	}
	a := newAccount(h, u, spec)
	s, err := a.open(ctx)
	if err != nil {
		u.Use(-1)
		return nil, fmt.Errorf("pluginhost: account %s: %w", spec.ID, err)
	}
	if !h.add(a) {
		s.close(ctx)
		u.Use(-1)
		return nil, supervisor.NotRunning()
	}
	a.start(s)
	return a, nil
}

func (h *Host) add(a *Account) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase != started {
		return false
	}
	h.accounts[a] = struct{}{}
	h.running.Add(1) // for the account's own goroutine; see Account.start
	return true
}

func (h *Host) remove(a *Account) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.accounts, a)
}

// drop forgets the process of an isolated account that serves nobody any more, and reports whether it did.
func (h *Host) drop(u *supervisor.Unit, spec *AccountSpec) bool {
	key := spec.key()
	h.mu.Lock()
	defer h.mu.Unlock()
	if key.account == "" || h.units[key] != u || !u.Unused() {
		return false
	}
	delete(h.units, key)
	return true
}

func (h *Host) options(key unitKey, program Program) supervisor.Options {
	c := &h.config
	logger := c.Logger.With("connector", string(key.connector))
	if key.account != "" {
		logger = logger.With("account", string(key.account))
	}
	return supervisor.Options{
		Connector: key.connector, Account: key.account, Logger: logger, Report: c.StateChanged,
		StartTimeout: c.StartTimeout, HangTimeout: c.HangTimeout, BackoffMin: c.BackoffMin, BackoffMax: c.BackoffMax, Rand: c.Rand,
		Start: func(ctx context.Context) (supervisor.Link, error) { return h.start(ctx, key, program, logger) },
	}
}

func (h *Host) start(ctx context.Context, key unitKey, program Program, logger *slog.Logger) (supervisor.Link, error) {
	switch {
	case program.InProcess != nil:
		return process.StartLocal(program.InProcess, logger)
	case program.Reattach != "":
		return process.Attach(program.Reattach)
	}
	return process.Start(ctx, process.Spec{
		Name: string(key.connector), Path: program.Path, Args: program.Args, SHA256: program.SHA256, Env: h.env,
		SocketDir: h.sockets.Dir(), Timeout: h.config.StartTimeout, LogLevel: h.config.logLevel(), Logger: logger, Forker: h.forker,
	})
}
