package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/hermodhq/hermod/cmd/hermod/internal/accounts"
	"github.com/hermodhq/hermod/cmd/hermod/internal/config"
	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/cmd/hermod/internal/serve"
	"github.com/hermodhq/hermod/cmd/hermod/internal/usage"
	"github.com/hermodhq/hermod/core"
)

func (a *app) runCommand() *cobra.Command {
	var level string
	var drain time.Duration
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run an engine: webhooks, health and metrics over HTTP",
		Long: `Runs an engine with the configured accounts and rules until SIGTERM or SIGINT.

It serves, at http.listen (127.0.0.1:8080 if none is set):
  /webhooks/ACCOUNT/...   the vendors' webhooks
  /healthz                200 while the process lives
  /readyz                 200 while the engine can accept messages; names accounts that are paused or not open
  /metrics                figures for Prometheus

Other commands on the same data folder reach this engine through a socket in it. On SIGTERM it takes
nothing new, lets the calls under way end (at most for --drain), and ends; messages that wait are stored
and go on at the next start. A second signal ends it at once, which loses nothing that was accepted.

The log goes to standard error: text on a terminal, else JSON.`,
		Example: `  hermod run
  hermod run -c /etc/hermod/hermod.yaml --log-level debug

  # hermod.yaml
  data: var/hermod
  rules: rules
  http: {listen: "127.0.0.1:8080", public_url: "https://messages.example.com"}
  accounts:
    convrs-uk:
      connector: convrs
      config: {token: "${env:CONVRS_TOKEN}", whatsapp_bot: 3941, webhook_secret: "${env:CONVRS_WEBHOOK_SECRET}"}`,
		Args: usage.Arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			logger, err := a.logger(level)
			if err != nil {
				return err
			}
			cfg, err := a.load()
			if err != nil {
				return err
			}
			return a.host(cmd.Context(), cfg, logger, drain)
		},
	}
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	cmd.Flags().DurationVar(&drain, "drain", 30*time.Second, "how long calls under way may take to end")
	return cmd
}

func (a *app) logger(level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, problem.New(problem.ExitUsage, "value_invalid", "--log-level must be one of: debug, info, warn, error")
	}
	if terminal(a.err) {
		return slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: l})), nil
	}
	return slog.New(slog.NewJSONHandler(a.err, &slog.HandlerOptions{Level: l, ReplaceAttr: withUnit})), nil
}

// withUnit writes durations as text: JSON would have them as bare nanoseconds.
func withUnit(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// host runs an engine and its servers until ctx ends, and drains them.
func (a *app) host(ctx context.Context, cfg *config.Config, logger *slog.Logger, drain time.Duration) error {
	meters, metrics, err := serve.Metrics()
	if err != nil {
		return err
	}
	c := a.engineConfig(cfg, logger)
	c.Meter = meters
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.HTTP.Listen) // before the engine: a port in use is found at once
	if err != nil {
		return problem.New(problem.ExitEnvironment, "listen_failed", "cannot listen on %s: %s", cfg.HTTP.Listen, err.Error()).
			Advise("choose another address in http.listen, or end what uses it")
	}
	engine, door, err := a.start(ctx, cfg, c)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	var draining atomic.Bool
	public := serve.Start(context.WithoutCancel(ctx), l, serve.Public(engine, metrics, &draining), serve.Limits{Read: time.Minute, Write: time.Minute}, logger)
	err = a.announce(cfg, engine, l.Addr())
	if err == nil {
		select {
		case <-ctx.Done():
		case <-public.Done():
		case <-door.Done():
		}
	}
	draining.Store(true)
	logger.Info("draining", "at_most", drain.String())
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err = errors.Join(err, public.Stop(bye), door.Stop(bye), engine.Stop(bye))
	logger.Info("stopped")
	if errors.Is(err, context.DeadlineExceeded) {
		return problem.New(problem.ExitFailed, "drain_timeout", "not everything ended within %s", drain).
			Advise("nothing that was accepted is lost; calls cut off are settled at the next start; give more with --drain")
	}
	return err
}

// started is the JSON document that `hermod run` prints when it is ready.
type started struct {
	PID      int                  `json:"pid"`
	Listen   string               `json:"listen"`
	Webhooks string               `json:"webhooks,omitempty"`
	Revision string               `json:"revision"`
	Accounts []core.AccountStatus `json:"accounts"`
}

func (a *app) announce(cfg *config.Config, engine *core.Engine, addr net.Addr) error {
	s := started{PID: os.Getpid(), Listen: "http://" + addr.String(), Revision: engine.Revision(), Accounts: engine.Accounts()}
	if cfg.HTTP.PublicURL != "" {
		s.Webhooks = cfg.HTTP.PublicURL + "/webhooks"
	}
	return a.print(s, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "listening on %s (pid %d)\nrules      revision %s from %s\n", s.Listen, s.PID, s.Revision, cfg.Rules)
		for _, acc := range s.Accounts {
			if err == nil {
				_, err = fmt.Fprintf(w, "account    %s (%s): %s %s\n", acc.Account, acc.Connector, accounts.State(acc), accounts.Reason(acc))
			}
		}
		if err == nil && s.Webhooks != "" {
			_, err = fmt.Fprintf(w, "webhooks   %s/ACCOUNT\n", s.Webhooks)
		}
		return err
	})
}
