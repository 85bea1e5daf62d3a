package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

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
type AccountStatus struct {
	Account   message.AccountID     `json:"account"`
	Connector message.ConnectorName `json:"connector"`
	State     string                `json:"state"` // closed (calls pass), open, half_open, paused, or down (not opened)
	Queued    int                   `json:"queued"`
	InFlight  int                   `json:"in_flight"`
	Reason    string                `json:"reason,omitempty"`
}

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
	r.accounts = map[message.AccountID]*pluginhost.Account{}
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

// openAccounts opens every account. A wrong configuration is an error; an account whose vendor cannot be reached now is paused,
// and the rest works.
func (r *running) openAccounts(ctx context.Context) error {
	cfg := &r.engine.cfg
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(cfg.Accounts)) {
		a := cfg.Accounts[id]
		url := ""
		if cfg.PublicURL != "" {
			url = cfg.PublicURL + "/" + string(id)
		}
		open, err := r.plugins.Open(ctx, pluginhost.AccountSpec{
			ID: id, Connector: a.Connector, Config: a.Config, WebhookURL: url, Isolate: a.Isolate,
			Answers: func(answers []connector.Answer) { r.dispatch.Answered(id, answers) },
		})
		switch f := fault.From(err); {
		case err == nil:
			r.accounts[id] = open
			r.dispatch.Connect(id, open)
		case f.Class == fault.Misconfigured:
			errs = append(errs, fmt.Errorf("account %s: %w", id, err))
		default:
			r.dispatch.Pause(id, string(f.Class))
			cfg.Logger.Error("an account could not be opened; the others work", "account", id, "error", err)
		}
	}
	return errors.Join(errs...)
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

func (r *running) account(id message.AccountID) (*pluginhost.Account, error) {
	if a := r.accounts[id]; a != nil {
		return a, nil
	}
	return nil, fault.New(fault.Misconfigured, "account_unknown", "account %s is not configured, or could not be opened", id)
}

func (r *running) query(ctx context.Context, id message.AccountID, q connector.Query) (message.Receipt, error) {
	a, err := r.account(id)
	if err != nil {
		return message.Receipt{}, err
	}
	return a.Query(ctx, q)
}

// Invoke runs an operation of an account's connector. The input must fit the operation's schema; errors are a *[fault.Fault].
func (e *Engine) Invoke(ctx context.Context, account message.AccountID, operation string, input json.RawMessage) (json.RawMessage, error) {
	r, err := e.get()
	if err != nil {
		return nil, err
	}
	a, err := r.account(account)
	if err != nil {
		return nil, err
	}
	return a.Invoke(ctx, operation, input)
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
	var out []AccountStatus
	for _, id := range slices.Sorted(maps.Keys(e.cfg.Accounts)) {
		h := r.dispatch.Pace(id)
		s := AccountStatus{Account: id, Connector: e.cfg.Accounts[id].Connector, State: string(h.State), Queued: h.Queued, InFlight: h.InFlight, Reason: h.Reason}
		if r.accounts[id] == nil {
			s.State = "down"
		}
		out = append(out, s)
	}
	return out
}

// Resume lets a paused account be used again, after what was wrong has been mended.
func (e *Engine) Resume(account message.AccountID) error {
	r, err := e.get()
	if err != nil {
		return err
	}
	if !r.dispatch.Resume(account) {
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
	a, err := r.account(id)
	if err != nil {
		return nil, nil, true, err
	}
	resp, events, err := a.Receive(ctx, req)
	return resp, events, true, err
}
