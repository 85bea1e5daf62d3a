package core

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"

	"github.com/hermodhq/hermod/core/internal/accounts"
	"github.com/hermodhq/hermod/core/internal/dispatch"
	"github.com/hermodhq/hermod/core/internal/intake"
	"github.com/hermodhq/hermod/core/internal/pluginhost"
	"github.com/hermodhq/hermod/core/internal/poll"
	"github.com/hermodhq/hermod/core/internal/programs"
	"github.com/hermodhq/hermod/core/internal/wasmhost"
	"github.com/hermodhq/hermod/rules"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// AccountStatus is the state of one account.
type AccountStatus = accounts.Status

// The states of an account.
const (
	AccountClosed   = accounts.Closed   // the usual, named after its circuit breaker: calls pass
	AccountHeld     = accounts.Held     // the vendor asked to wait
	AccountOpen     = accounts.Open     // its last calls failed: its breaker lets none pass for a while
	AccountHalfOpen = accounts.HalfOpen // a few calls try whether the vendor is back
	AccountPaused   = accounts.Paused   // until a person has mended it and calls [Engine.Resume]
	AccountDown     = accounts.Down     // it could not be opened, and is tried again
)

// loadTransforms compiles the transforms, where there is a folder of them.
func (r *running) loadTransforms(ctx context.Context) (err error) {
	cfg := &r.engine.cfg
	if cfg.TransformsDir != "" {
		r.transforms, err = wasmhost.Load(ctx, wasmhost.Config{Logger: cfg.Logger}, cfg.Transforms, cfg.TransformsDir)
	}
	return err
}

// programs returns how each connector is run, and insists that every account has one.
func (c *Config) programs() (map[message.ConnectorName]pluginhost.Program, error) {
	found, err := programs.Find(c.Connectors, c.InProcess, c.Plugins)
	if err != nil {
		return nil, err
	}
	for id, a := range c.Accounts {
		if _, ok := found[a.Connector]; !ok {
			return nil, &ConfigError{Code: "config_connector_unknown", Field: "Accounts",
				Text:   fmt.Sprintf("account %q uses connector %q, which is neither linked nor in the plugins folder", id, a.Connector),
				Advice: "link it in Config.Connectors, or put hermod-" + string(a.Connector) + " into the plugins folder and pin it"}
		}
	}
	return found, nil
}

// startConnectors starts the connectors that accounts use, and readies pacing for their accounts.
func (r *running) startConnectors(ctx context.Context) error {
	cfg := &r.engine.cfg
	found, err := cfg.programs()
	if err != nil {
		return err
	}
	r.plugins, err = pluginhost.New(pluginhost.Config{Programs: found, Logger: cfg.Logger, Events: r.store})
	if err != nil {
		return err
	}
	d := dispatch.Config{Partitions: len(r.owners), Owner: func(i int) dispatch.Owner { return r.owners[i] }, Logger: cfg.Logger}
	if r.transforms != nil {
		d.Transforms = r.transforms
	}
	if cfg.Tracer != nil {
		d.Tracer = cfg.Tracer.Tracer("github.com/hermodhq/hermod/core")
	}
	r.dispatch = dispatch.New(ctx, d)
	r.poller = poll.New(poll.Config{Query: r.query, Receipt: r.intake.Polled, Now: cfg.Clock.Now, After: cfg.Clock.After, Logger: cfg.Logger})
	if err := r.plugins.Start(ctx); err != nil {
		return err
	}
	r.catalog = rules.Catalog{Accounts: map[message.AccountID]rules.AccountInfo{}}
	if r.transforms != nil {
		r.catalog.Transforms = r.transforms.Names()
	}
	for id, a := range cfg.Accounts {
		desc, err := r.plugins.Describe(ctx, a.Connector)
		if err != nil {
			return fmt.Errorf("connector %s: %w", a.Connector, err)
		}
		limits := desc.Limits
		if a.Limits != nil {
			limits = *a.Limits
		}
		r.dispatch.Add(id, desc, limits)
		r.catalog.Accounts[id] = programs.Account(desc)
	}
	return nil
}

// openAccounts opens every account. A wrong configuration is an error; an account that its vendor refuses or cannot take now is
// tried again while the rest works.
func (r *running) openAccounts(ctx context.Context) error {
	cfg := &r.engine.cfg
	r.accounts = accounts.New(accounts.Config[*pluginhost.Account]{
		Names: slices.Sorted(maps.Keys(cfg.Accounts)), Open: r.openAccount, Shut: r.dispatch.Shut, Pace: r.dispatch.Pace, PauseCode: r.dispatch.PauseCode,
		Opened:    func(id message.AccountID, a *pluginhost.Account) { r.dispatch.Connect(id, a) },
		Connector: func(id message.AccountID) message.ConnectorName { return cfg.Accounts[id].Connector }, Trouble: (*pluginhost.Account).Trouble,
		Now: cfg.Clock.Now, After: cfg.Clock.After, Rand: rand.Float64, Logger: cfg.Logger,
	})
	return r.accounts.Open(ctx)
}

func (r *running) openAccount(ctx context.Context, id message.AccountID) (*pluginhost.Account, error) {
	a, url := r.engine.cfg.Accounts[id], r.engine.cfg.PublicURL
	if url != "" {
		url += "/" + string(id)
	}
	return r.plugins.Open(ctx, pluginhost.AccountSpec{
		ID: id, Connector: a.Connector, Config: a.Config, WebhookURL: url, Isolate: a.Isolate,
		Answers: func(answers []connector.Answer) { r.dispatch.Answered(id, answers) },
		Lost:    func(why *fault.Fault) { r.dispatch.Lost(id, why) },
		Back:    func() { r.dispatch.Back(id) },
	})
}

// loadRules reads the rule set, which must be right at the start, and readies the watching of its files and its reactions.
func (r *running) loadRules(ctx context.Context) (err error) {
	cfg := &r.engine.cfg
	r.rules = rules.NewWatcher(cfg.Rules, cfg.RulesDir, func() rules.Catalog { return r.catalog },
		func(s *rules.Set) {
			cfg.Logger.Info("rules are live", "revision", s.Revision(), "routes", s.Routes(), "reactions", s.Reactions())
			r.react.Loaded(s)
		},
		func(err error) {
			cfg.Logger.Error("the rules were refused; the last good ones stay in use", "error", err)
		}, rules.WatchOptions{})
	if _, err = r.rules.Reload(); err == nil {
		err = r.openReactions(ctx)
	}
	return err
}

func (r *running) query(ctx context.Context, id message.AccountID, q connector.Query) (message.Receipt, error) {
	a, err := r.accounts.Get(id)
	if err != nil {
		return message.Receipt{}, err
	}
	return a.Query(ctx, q)
}

// Invoke runs an operation of an account's connector. The input must fit the operation's schema; errors are a *[fault.Fault]. One that
// changes something counts against the account's limit per second, and waits for that as long as ctx lets it.
func (e *Engine) Invoke(ctx context.Context, account message.AccountID, operation string, input json.RawMessage) (json.RawMessage, error) {
	return e.invoke(ctx, account, operation, input, func() error { return nil })
}

func (e *Engine) invoke(ctx context.Context, account message.AccountID, operation string, input json.RawMessage, before func() error) (json.RawMessage, error) {
	r, err := e.get()
	if err != nil {
		return nil, err
	}
	a, err := r.accounts.Get(account)
	if err != nil {
		return nil, err
	}
	return r.dispatch.Operate(ctx, account, operation, before, func() (json.RawMessage, error) { return a.Invoke(ctx, operation, input) })
}

// Connectors describes every connector that an account uses, by name.
func (e *Engine) Connectors(ctx context.Context) ([]connector.Description, error) {
	r, err := e.get()
	if err != nil {
		return nil, err
	}
	names := map[message.ConnectorName]bool{}
	for _, a := range e.cfg.Accounts {
		names[a.Connector] = true
	}
	var out []connector.Description
	for _, name := range slices.Sorted(maps.Keys(names)) {
		d, err := r.plugins.Describe(ctx, name)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// Accounts returns the state of every account, by name. It is empty before Start.
func (e *Engine) Accounts() []AccountStatus {
	r, err := e.get()
	if err != nil {
		return nil
	}
	return r.accounts.Statuses()
}

// Resume lets a paused account be used again, after what was wrong has been mended. One that could not be opened is tried again at
// once; [Engine.Accounts] says what came of it.
func (e *Engine) Resume(account message.AccountID) error {
	r, err := e.get()
	if err != nil {
		return err
	}
	if !r.accounts.TryNow(account) && !r.dispatch.Resume(account) {
		return fault.New(fault.Misconfigured, "account_unknown", "account %s is not configured", account)
	}
	return nil
}

// Webhooks serves vendors' requests to /ACCOUNT/... : mount it where [Config.PublicURL] leads, with http.StripPrefix. Requests are
// bounded (1 MiB), verified by the account's connector, and answered only after their events are durable.
func (e *Engine) Webhooks() http.Handler {
	return intake.Handler(intake.Config{
		Receive: e.receive,
		Store: func(ctx context.Context, id message.AccountID, events []message.Event) error {
			r, err := e.get()
			if err != nil {
				return err
			}
			return r.store(ctx, id, events)
		},
		Ready: e.Ready, Logger: e.cfg.Logger,
	})
}

func (e *Engine) receive(ctx context.Context, id message.AccountID, req *connector.Request) (*connector.Response, []message.Event, bool, error) {
	if _, ok := e.cfg.Accounts[id]; !ok {
		return nil, nil, false, nil
	}
	r, err := e.get()
	if err != nil {
		return nil, nil, true, err
	}
	a, err := r.accounts.Get(id)
	if err != nil {
		return nil, nil, true, err
	}
	resp, events, err := a.Receive(ctx, req)
	return resp, events, true, err
}
