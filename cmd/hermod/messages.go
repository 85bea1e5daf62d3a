package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/cmd/hermod/internal/show"
	"github.com/hermodhq/hermod/cmd/hermod/internal/usage"
	"github.com/hermodhq/hermod/core/report"
	"github.com/hermodhq/hermod/sdk/message"
)

func (a *app) traceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "trace ID",
		Short: "Show everything that happened to one message, and why",
		Long: `Shows the timeline of one message: the route that took it (with the rule file's line and revision), each
call to a vendor, each answer and receipt, and why it went on to the next step.

The recipient is shortened and the text left out. With --json nothing is left out.

Without a running engine this starts one for as long as it takes; messages that wait go on meanwhile.`,
		Example: "  hermod trace 0198f2c4-7b1e-7c3a-9d52-0f6a1b2c3d4e",
		Args:    usage.Arguments("the ID of a message"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *access) error {
				t, err := s.Trace(cmd.Context(), message.ID(args[0]))
				if err != nil {
					return err
				}
				return a.print(t, func(w io.Writer) error { return report.RenderTimeline(w, t) })
			})
		},
	}
}

func (a *app) cancelCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cancel ID",
		Short: "Take a message back, if no vendor has it yet",
		Long: `Takes a message back. A call to a vendor that is under way is not stopped: when the vendor has taken the
message, that stays its outcome. The exit code is 0 when the message ends as canceled, else 1.

Without a running engine this starts one for as long as it takes; messages that wait go on meanwhile.`,
		Example: "  hermod cancel 0198f2c4-7b1e-7c3a-9d52-0f6a1b2c3d4e",
		Args:    usage.Arguments("the ID of a message"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *access) error {
				st, err := s.Cancel(cmd.Context(), message.ID(args[0]))
				if err != nil {
					return err
				}
				err = a.print(st, func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "%s %s\n", st.ID, show.Standing(st.Outcome, st.Final, st.Reason))
					return err
				})
				if err == nil && st.Outcome != message.Canceled {
					return exit(problem.ExitFailed)
				}
				return err
			})
		},
	}
}

func (a *app) invokeCommand() *cobra.Command {
	var input string
	cmd := &cobra.Command{
		Use:   "invoke ACCOUNT OPERATION",
		Short: "Call another operation of a vendor's API",
		Long: `Calls an operation of an account's connector and prints its result as JSON. The input is JSON that fits the
operation's schema: as an argument, from a file (@FILE), or from standard input (-).

hermod connectors describe NAME lists a connector's operations.`,
		Example: `  hermod invoke convrs-uk user.get --input '{"uid": "73-tel-615940546"}'
  hermod invoke convrs-uk user.get --input @user.json`,
		Args: usage.Arguments("an ACCOUNT", "an OPERATION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := a.input(input)
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(s *access) error {
				out, err := s.Invoke(cmd.Context(), message.AccountID(args[0]), args[1], in)
				if err != nil {
					return err
				}
				return show.JSON(a.out, out)
			})
		},
	}
	cmd.Flags().StringVarP(&input, "input", "i", "{}", "the input: `JSON`, @FILE, or - for standard input")
	return cmd
}

// maxInput is the size of the largest operation input that is read, in bytes.
const maxInput = 16 << 20

func (a *app) input(text string) (json.RawMessage, error) {
	raw := []byte(text)
	var err error
	switch name, file := strings.CutPrefix(text, "@"); {
	case text == "-":
		raw, err = io.ReadAll(io.LimitReader(a.in, maxInput))
	case file:
		raw, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, problem.New(problem.ExitUsage, "input_unreadable", "the input cannot be read: %s", err.Error())
	}
	if !json.Valid(raw) {
		return nil, problem.New(problem.ExitUsage, "input_invalid", "the input is not valid JSON").
			Advise(`quote it for the shell, such as --input '{"id": 1}', or put it in a file and use --input @FILE`)
	}
	return raw, nil
}
