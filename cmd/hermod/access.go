package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/hermodhq/hermod/cmd/hermod/internal/config"
	"github.com/hermodhq/hermod/cmd/hermod/internal/control"
	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/cmd/hermod/internal/serve"
	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/core/catalog"
	"github.com/hermodhq/hermod/rules"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// farewell is how long an engine that a command started for itself may take to stop.
const farewell = 10 * time.Second

// access is an engine to ask: one that runs elsewhere, or one that was started for this command.
type access struct {
	control.Host
	own   bool // started here
	close func() error
}

// load reads the configuration.
func (a *app) load() (*config.Config, error) { return config.Load(a.configFile, config.System()) }

// open finds the engine that has the configured data folder open, or starts one.
func (a *app) open(ctx context.Context, cfg *config.Config) (*access, error) {
	client, err := control.Dial(ctx, control.Folder(cfg.Data, cfg.File))
	if err == nil {
		return &access{Host: client, close: func() error { client.Close(); return nil }}, nil
	}
	if !errors.Is(err, control.ErrNoEngine) {
		return nil, err
	}
	logger := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelError}))
	engine, door, err := a.start(ctx, cfg, a.engineConfig(cfg, logger))
	if err != nil {
		return nil, err
	}
	local := control.Local{Engine: engine, PID: os.Getpid()}
	return &access{Host: local, own: true, close: func() error {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		return errors.Join(door.Stop(bye), engine.Stop(bye))
	}}, nil
}

// dial finds the engine that has the configured data folder open. The error is [control.ErrNoEngine] when none has.
func (a *app) dial(ctx context.Context) (*control.Client, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, err
	}
	return control.Dial(ctx, control.Folder(cfg.Data, cfg.File))
}

// engineConfig completes the configuration with what the command itself brings.
func (a *app) engineConfig(cfg *config.Config, logger *slog.Logger) core.Config {
	c := cfg.Core()
	c.Connectors, c.Logger = a.linked, logger
	return c
}

// start starts an engine and opens its control socket, so that other commands find it.
func (a *app) start(ctx context.Context, cfg *config.Config, c core.Config) (*core.Engine, *serve.Server, error) {
	engine, err := core.New(c)
	if err != nil {
		return nil, nil, err
	}
	if err := engine.Start(ctx); err != nil {
		return nil, nil, startError(err)
	}
	l, err := control.Listen(ctx, control.Folder(cfg.Data, cfg.File))
	if err != nil {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		return nil, nil, errors.Join(err, engine.Stop(bye))
	}
	local := control.Local{Engine: engine, PID: os.Getpid()}
	return engine, serve.Start(ctx, l, control.Handler(local), serve.Limits{}, c.Logger), nil
}

// startError says that the surroundings did not let the engine start, unless the error already has its own form.
func startError(err error) error {
	if _, ok := errors.AsType[rules.Errors](err); ok {
		return err
	}
	explained := explain(err)
	for _, p := range problem.All(explained) {
		if p.Fault != nil && p.Fault.Class.Action() == fault.Pause && p.Advice == p.Fault.Class.Advice() {
			return p.Advise("correct the account's configuration, and start again") // there is nothing to resume
		}
		if p.Code != "failed" {
			return explained
		}
	}
	return problem.New(problem.ExitEnvironment, "engine_start", "the engine cannot start: %s", err.Error()).
		Advise("`hermod doctor` looks for the cause")
}

// with runs do with an engine, and stops the engine if it was started for this.
func (a *app) with(ctx context.Context, do func(s *access) error) (err error) {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	s, err := a.open(ctx, cfg)
	if err != nil {
		return err
	}
	err = do(s)
	if closeErr := s.close(); err == nil {
		err = closeErr
	}
	return err
}

// catalogOf is what of a configuration can be asked about without an engine.
func catalogOf(c core.Config) catalog.Config {
	out := catalog.Config{Connectors: c.Connectors, InProcess: c.InProcess, Plugins: c.Plugins, Transforms: c.Transforms, TransformsDir: c.TransformsDir,
		Logger: c.Logger, Accounts: map[message.AccountID]message.ConnectorName{}}
	for id, a := range c.Accounts {
		out.Accounts[id] = a.Connector
	}
	return out
}
