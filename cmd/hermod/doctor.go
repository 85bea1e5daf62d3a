package main

import (
	"context"
	"errors"
	"github.com/hermodhq/hermod/core/catalog"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/afero"
	"github.com/spf13/cobra"

	"github.com/hermodhq/hermod/cmd/hermod/internal/accounts"
	"github.com/hermodhq/hermod/cmd/hermod/internal/config"
	"github.com/hermodhq/hermod/cmd/hermod/internal/control"
	"github.com/hermodhq/hermod/cmd/hermod/internal/doctor"
	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/cmd/hermod/internal/show"
	"github.com/hermodhq/hermod/cmd/hermod/internal/usage"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Look for what is wrong with a set-up",
		Long: `Checks, one after the other: the configuration, the data folder (can it be written, does an engine have it,
is there room), the clock, whether the connectors start and answer, whether the rules are right,
whether the accounts open, and the address for webhooks. Each line is ok, warn or fail, with advice.

Where no engine runs, one is started for the check: accounts are opened, and messages that wait in the
journal go on. The exit code is 3 when a check fails.`,
		Example: "  hermod doctor",
		Args:    usage.Arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &examination{app: a}
			d.run(cmd.Context())
			failed := doctor.Failed(d.found)
			err := a.print(map[string]any{"ok": !failed, "checks": d.found}, func(w io.Writer) error {
				var b strings.Builder
				if err := doctor.Write(&b, d.found); err != nil {
					return err
				}
				_, err := io.WriteString(w, show.Plain(b.String()))
				return err
			})
			if err == nil && failed {
				return exit(problem.ExitEnvironment)
			}
			return err
		},
	}
}

// examination is one run of the doctor.
type examination struct {
	app   *app
	found []doctor.Finding
}

func (d *examination) add(all ...doctor.Finding) { d.found = append(d.found, all...) }

func (d *examination) fail(check string, err error) {
	for _, p := range problem.All(explain(err)) {
		d.add(doctor.Finding{Check: check, State: doctor.Fail, Text: p.Place() + p.Text + " [" + p.Code + "]", Advice: p.Advice})
	}
}

func (d *examination) run(ctx context.Context) {
	cfg, err := d.app.load()
	if err != nil {
		d.fail("config", err)
		return
	}
	d.add(doctor.Good("config", "%s is right", cfg.File))
	if cfg.Data != "" {
		d.add(doctor.Folder(cfg.Data, doctor.Free)...)
	}
	d.add(doctor.Clock(time.Now(), cfg.Data))
	c := d.app.engineConfig(cfg, slog.New(slog.DiscardHandler))
	descriptions, err := catalog.Describe(ctx, catalogOf(c))
	if err != nil {
		d.fail("connectors", err)
		return
	}
	for _, desc := range descriptions {
		d.add(doctor.Good("connector", "%s %s answers", desc.Name, desc.Version))
	}
	set, err := catalog.CheckRules(ctx, catalogOf(c), afero.NewOsFs(), cfg.Rules)
	if err != nil {
		d.fail("rules", err)
	} else {
		d.add(doctor.Good("rules", "%d routes, revision %s", set.Routes(), set.Revision()))
	}
	d.engine(ctx, cfg, err == nil)
	d.add(doctor.PublicURL(cfg.HTTP.PublicURL, called(cfg, descriptions)))
}

// engine asks the running engine, or starts one if that can succeed.
func (d *examination) engine(ctx context.Context, cfg *config.Config, rulesOK bool) {
	client, err := control.Dial(ctx, control.Folder(cfg.Data, cfg.File))
	if err == nil {
		client.Close()
	} else if errors.Is(err, control.ErrNoEngine) && !rulesOK {
		d.add(doctor.Finding{Check: "accounts", State: doctor.Warn, Text: "not looked at: an engine does not start with these rules"})
		return
	}
	s, err := d.app.open(ctx, cfg)
	if err != nil {
		d.fail("engine", err)
		return
	}
	st, err := s.Status(ctx)
	switch {
	case err != nil:
		d.fail("engine", err)
	case !st.Ready:
		d.add(doctor.Finding{Check: "engine", State: doctor.Fail, Text: "not ready: " + st.Reason, Advice: "look at the log of `hermod run`"})
	case s.own:
		d.add(doctor.Good("engine", "starts and is ready; none is running"))
	default:
		d.add(doctor.Good("engine", "is running and ready (pid %d, rules %s)", st.PID, st.Revision))
	}
	for _, acc := range st.Accounts {
		d.add(accounts.Finding(acc))
	}
	if err := s.close(); err != nil {
		d.fail("engine", err)
	}
}

// called lists the accounts whose vendors call webhooks.
func called(cfg *config.Config, all []connector.Description) []string {
	receives := map[message.ConnectorName]bool{}
	for _, desc := range all {
		receives[desc.Name] = desc.Capabilities.Receive
	}
	var names []string
	for id, acc := range cfg.Accounts {
		if receives[acc.Connector] {
			names = append(names, string(id))
		}
	}
	slices.Sort(names)
	return names
}
