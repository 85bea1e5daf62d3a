// Package author holds the commands for those who write connectors: `hermod new connector` and `hermod connectors verify`.
package author

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/cmd/hermod/internal/scaffold"
	"github.com/hermodhq/hermod/cmd/hermod/internal/usage"
)

// Tools are what the commands need of the command line that they belong to.
type Tools struct {
	Print  func(v any, text func(io.Writer) error) error // a result, as JSON or as text
	Input  func(text string) (json.RawMessage, error)    // JSON, @FILE, or - for standard input
	Failed error                                         // what a command returns that has reported its failure itself
}

// New returns `hermod new`.
func New(t Tools) *cobra.Command {
	group := usage.Group(&cobra.Command{Use: "new", Short: "Begin a connector of your own"})
	var o scaffold.Options
	cmd := &cobra.Command{
		Use:   "connector NAME",
		Short: "Write a connector's repository that builds, tests and passes the kit at once",
		Long: `Writes a repository for a new connector: a small connector for a made-up vendor, its simulator, its tests with
the kit, a README, a Makefile and a CI workflow. It works before you change a line; change it into yours from there.

It builds against the published version of Hermod that this command is. Inside a checkout of Hermod, or with --replace,
it builds against that checkout. Nothing is written over.`,
		Example: `  hermod new connector acme
  hermod new connector acme --dir connectors/acme --module github.com/acme/hermod-acme`,
		Args: usage.Arguments("a NAME for the connector"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Name = args[0]
			return begin(cmd.Context(), t, o)
		},
	}
	cmd.Flags().StringVar(&o.Dir, "dir", "", "the `folder` to write to (default hermod-NAME)")
	cmd.Flags().StringVar(&o.Module, "module", "", "the Go module's `path` (default example.com/hermod-NAME)")
	cmd.Flags().StringVar(&o.Replace, "replace", "", "build against this checkout of Hermod instead of the published version")
	group.AddCommand(cmd)
	return group
}

// begun is the JSON document of a repository that was written.
type begun struct {
	OK bool `json:"ok"`
	*scaffold.Result
}

func begin(ctx context.Context, t Tools, o scaffold.Options) error {
	if info, ok := debug.ReadBuildInfo(); ok {
		o.Version = info.Main.Version
	}
	if o.Replace == "" {
		o.Replace = scaffold.Checkout(".")
	}
	r, err := scaffold.Write(o)
	if err != nil {
		return err
	}
	if o.Replace == "" {
		if err := tidy(ctx, r.Dir); err != nil {
			return err
		}
	}
	return t.Print(begun{true, r}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "wrote %d files to %s (module %s)\nnext:\n  cd %s\n  make test\n", len(r.Files), r.Dir, r.Module, r.Dir)
		return err
	})
}

// tidy resolves the module's dependencies, which a published Hermod does not bring along.
func tidy(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, "go", "mod", "tidy")
	cmd.Dir, cmd.Env = dir, os.Environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		last := strings.TrimSpace(string(out))
		if last == "" {
			last = err.Error()
		}
		return problem.New(problem.ExitEnvironment, "tidy_failed", "the repository is written, but its dependencies cannot be resolved: %s", last[strings.LastIndexByte(last, '\n')+1:]).
			Advise("mend that, then run: cd %s && go mod tidy; for a Hermod that is not published, begin again with --replace PATH/TO/hermod", dir)
	}
	return nil
}
