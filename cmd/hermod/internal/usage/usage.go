// Package usage explains wrong usage of the command line: unknown commands and flags, with what was probably meant, and
// missing arguments.
package usage

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
)

// Group makes a command that only holds others refuse what none of them is called.
func Group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(cmd, args[0])
		}
		return cmd.Help()
	}
	return cmd
}

func unknownCommand(cmd *cobra.Command, name string) error {
	var known []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			known = append(known, c.Name())
		}
	}
	return problem.New(problem.ExitUsage, "command_unknown", "%s has no command %q", cmd.CommandPath(), name).
		Advise("%s", problem.DidYouMean(name, known))
}

// FlagError explains a flag that could not be read. Behind an unknown command every flag is unknown, so that comes first.
func FlagError(cmd *cobra.Command, err error) error {
	if cmd.HasSubCommands() && cmd.Flags().NArg() > 0 {
		return unknownCommand(cmd, cmd.Flags().Arg(0))
	}
	if missing, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		p := problem.New(problem.ExitUsage, "flag_unknown", "%s has no flag %q", cmd.CommandPath(), missing.GetSpecifiedName())
		if near := problem.Nearest(missing.GetSpecifiedName(), known); near != "" {
			return p.Advise("did you mean --%s?", near)
		}
		return p.Advise("see `%s --help`", cmd.CommandPath())
	}
	return problem.New(problem.ExitUsage, "flag_invalid", "%s", err.Error()).Advise("see `%s --help`", cmd.CommandPath())
}

// Arguments checks how many arguments there are, and names the missing ones. names that end in "?" may be left out.
func Arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return problem.New(problem.ExitUsage, "argument_unexpected", "%s takes %d arguments, %d were given", cmd.CommandPath(), len(names), len(args)).
				Advise("see `%s --help`", cmd.CommandPath())
		}
		for _, name := range names[len(args):] {
			if !strings.HasSuffix(name, "?") {
				return problem.New(problem.ExitUsage, "argument_missing", "%s needs %s", cmd.CommandPath(), name).
					Advise("see `%s --help`", cmd.CommandPath())
			}
		}
		return nil
	}
}
