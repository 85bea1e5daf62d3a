package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hermodhq/hermod/cmd/hermod/internal/accounts"
	"github.com/hermodhq/hermod/cmd/hermod/internal/author"
	"github.com/hermodhq/hermod/cmd/hermod/internal/config"
	"github.com/hermodhq/hermod/cmd/hermod/internal/control"
	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/cmd/hermod/internal/show"
	"github.com/hermodhq/hermod/cmd/hermod/internal/usage"
	"github.com/hermodhq/hermod/cmd/hermod/internal/version"
	"github.com/hermodhq/hermod/rules"
	"github.com/hermodhq/hermod/sdk/connector"
)

// app is one run of the command.
type app struct {
	in     io.Reader
	out    io.Writer
	err    io.Writer
	linked []connector.Connector

	json       bool   // --json
	configFile string // --config
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "hermod",
		Short: "Deliver messages through the vendors a company already pays for",
		Long: `hermod runs a messaging engine and is the tool of those who operate one.

Commands read hermod.yaml in the current folder, or the file named with -c. Where an engine
runs on the same data folder (hermod run), they ask it; else they start one for as long as
they need it.

Exit codes: 0 ok, 1 failed, 2 wrong usage or invalid input, 3 the environment does not allow it.
With --json the result is one JSON document, or JSON Lines, on standard output; so are errors.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().StringVarP(&a.configFile, "config", "c", config.DefaultFile, "the configuration `file`")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "results and errors as JSON on standard output")
	root.SetFlagErrorFunc(usage.FlagError)
	root.AddCommand(a.runCommand(), a.sendCommand(), a.traceCommand(), a.cancelCommand(), a.invokeCommand(),
		accounts.Command(accounts.Tools{Print: a.print, Dial: a.dial}), a.connectorsCommand(), a.rulesCommand(), a.doctorCommand(), author.New(a.tools()))
	root.CompletionOptions.HiddenDefaultCmd = true
	usage.Group(root)
	version.Flag(root, a.print)
	return root
}

// explain gives any error the form of problems.
func explain(err error) error {
	if all, ok := errors.AsType[rules.Errors](err); ok {
		var list problem.List
		for _, e := range all {
			p := problem.New(problem.ExitUsage, e.Code, "%s", e.Text)
			p.File, p.Line, p.Column, p.Advice = e.File, e.Line, e.Column, e.Suggestion
			list = append(list, p)
		}
		return list
	}
	return control.Explain(err)
}

// failures is the JSON document of a command that failed.
type failures struct {
	OK     bool         `json:"ok"`
	Errors problem.List `json:"errors"`
}

func (a *app) complain(err error) {
	if a.json {
		_ = show.Line(a.out, failures{Errors: problem.All(err)}) // there is nowhere left to report to
		return
	}
	_ = problem.Print(a.err, err) // as above
}

// print writes a result: v as JSON with --json, else what text writes.
func (a *app) print(v any, text func(w io.Writer) error) error {
	if a.json {
		return show.JSON(a.out, v)
	}
	return text(a.out)
}

// tools are what the commands in packages of their own need.
func (a *app) tools() author.Tools {
	return author.Tools{Print: a.print, Input: a.input, Failed: exit(problem.ExitFailed)}
}

func (a *app) note(format string, args ...any) {
	_, _ = fmt.Fprintf(a.err, format+"\n", args...) // notes are a courtesy
}

// terminal reports whether a reader or writer is a person's terminal.
func terminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
