package main

import (
	"errors"
	"fmt"
	"github.com/hermodhq/hermod/core/catalog"
	"io"
	"log/slog"

	"github.com/spf13/afero"
	"github.com/spf13/cobra"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/cmd/hermod/internal/show"
	"github.com/hermodhq/hermod/cmd/hermod/internal/usage"
	"github.com/hermodhq/hermod/rules"
)

func (a *app) rulesCommand() *cobra.Command {
	cmd := usage.Group(&cobra.Command{Use: "rules", Short: "Check the rules"})
	cmd.AddCommand(&cobra.Command{
		Use:   "check [DIR]",
		Short: "Check rule files before an engine loads them",
		Long: `Checks all rule files of a folder (the configured one, if none is named) against the configured accounts:
types, names, channels, templates, contents that a channel cannot carry, routes that can never be
reached. No account is opened and nothing is sent. The exit code is 2 when a rule is wrong.`,
		Example: "  hermod rules check\n  hermod rules check ./rules.new --json",
		Args:    usage.Arguments("DIR?"),
		RunE:    a.checkRules,
	})
	return cmd
}

// checked is the JSON document of a rule set that is right.
type checked struct {
	OK       bool   `json:"ok"`
	Routes   int    `json:"routes"`
	Revision string `json:"revision"`
}

func (a *app) checkRules(cmd *cobra.Command, args []string) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	dir := cfg.Rules
	if len(args) > 0 {
		dir = args[0]
	}
	set, err := catalog.CheckRules(cmd.Context(), catalogOf(a.engineConfig(cfg, slog.New(slog.DiscardHandler))), afero.NewOsFs(), dir)
	if mistakes, ok := errors.AsType[rules.Errors](err); ok {
		if err := a.showMistakes(mistakes); err != nil {
			return err
		}
		return exit(problem.ExitUsage)
	}
	if err != nil {
		return err
	}
	return a.print(checked{true, set.Routes(), set.Revision()}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "ok: %d routes, revision %s\n", set.Routes(), set.Revision())
		return err
	})
}

// showMistakes prints mistakes as package rules renders them: they are the result of the command, so they go to stdout.
func (a *app) showMistakes(mistakes rules.Errors) error {
	return a.print(map[string]any{"ok": false, "errors": mistakes}, func(w io.Writer) error {
		_, err := io.WriteString(w, show.Plain(mistakes.Error())+"\n")
		return err
	})
}
