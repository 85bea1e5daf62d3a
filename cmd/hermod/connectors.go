package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/hermodhq/hermod/cmd/hermod/internal/author"
	"github.com/hermodhq/hermod/cmd/hermod/internal/config"
	"github.com/hermodhq/hermod/cmd/hermod/internal/control"
	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/cmd/hermod/internal/show"
	"github.com/hermodhq/hermod/cmd/hermod/internal/usage"
	"github.com/hermodhq/hermod/core/catalog"
	"github.com/hermodhq/hermod/sdk/connector"
)

func (a *app) connectorsCommand() *cobra.Command {
	cmd := usage.Group(&cobra.Command{Use: "connectors", Short: "List, describe, verify and pin connectors"})
	cmd.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "List the connectors that are linked in or in the plugins folder",
		Long: `Lists the connectors that can be used: those linked into this command, and with a configuration those of its
plugins folder. No account is opened.`,
		Example: "  hermod connectors list",
		Args:    usage.Arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := a.describe(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(all, func(w io.Writer) error { return show.Connectors(w, all) })
		},
	}, &cobra.Command{
		Use:   "describe NAME",
		Short: "Show what a connector can do and how an account of it is configured",
		Long: `Shows a connector's channels with what each can carry and report, its limits, the fields of an account's
config (secrets are marked), and its operations. --json gives the JSON Schemas too.`,
		Example: "  hermod connectors describe convrs",
		Args:    usage.Arguments("the NAME of a connector"),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.describeOne(cmd.Context(), args[0]) },
	}, &cobra.Command{
		Use:   "pin [DIR]",
		Short: "Write the checksums of the plugins folder to its plugins.lock",
		Long: `Writes the checksums of the connector programs in a folder (the configured plugins folder, if none is named)
to plugins.lock. An engine starts only programs that match it: pin again after you have replaced one.`,
		Example: "  hermod connectors pin bin/plugins",
		Args:    usage.Arguments("DIR?"),
		RunE:    a.pin,
	}, author.Verify(a.tools()))
	return cmd
}

// describe asks a running engine, or the programs themselves. With no configuration at hand, it tells what is linked in.
func (a *app) describe(ctx context.Context) ([]connector.Description, error) {
	if _, err := os.Stat(a.configFile); errors.Is(err, fs.ErrNotExist) && a.configFile == config.DefaultFile {
		var all []connector.Description
		for _, c := range a.linked {
			all = append(all, c.Describe())
		}
		return all, nil
	}
	cfg, err := a.load()
	if err != nil {
		return nil, err
	}
	client, err := control.Dial(ctx, control.Folder(cfg.Data, cfg.File))
	if errors.Is(err, control.ErrNoEngine) {
		return catalog.Describe(ctx, catalogOf(a.engineConfig(cfg, slog.New(slog.DiscardHandler))))
	}
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return client.Connectors(ctx)
}

func (a *app) describeOne(ctx context.Context, name string) error {
	all, err := a.describe(ctx)
	if err != nil {
		return err
	}
	var known []string
	for _, d := range all {
		if string(d.Name) == name {
			return a.print(d, func(w io.Writer) error { return show.Connector(w, &d) })
		}
		known = append(known, string(d.Name))
	}
	return problem.New(problem.ExitUsage, "connector_unknown", "there is no connector %q", name).
		Advise("%s", problem.DidYouMean(name, known))
}

func (a *app) pin(_ *cobra.Command, args []string) error {
	var dir string
	if len(args) > 0 {
		dir = args[0]
	} else {
		cfg, err := a.load()
		if err != nil {
			return err
		}
		if dir = cfg.Plugins; dir == "" {
			return problem.New(problem.ExitUsage, "plugins_missing", "the configuration names no plugins folder").
				Advise("name one: hermod connectors pin DIR")
		}
	}
	if err := catalog.Pin(dir); err != nil {
		return problem.New(problem.ExitEnvironment, "pin_failed", "the folder cannot be pinned: %s", err.Error()).
			Advise("check that it holds connector programs called hermod-NAME, and that it can be written")
	}
	return a.print(map[string]any{"ok": true, "folder": dir}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "pinned %s\n", dir)
		return err
	})
}
