// Package accounts holds the commands about a running engine's accounts: `hermod accounts` and `hermod accounts resume`.
package accounts

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/hermodhq/hermod/cmd/hermod/internal/control"
	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/cmd/hermod/internal/usage"
	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/message"
)

// Tools are what the commands need of the command line that they belong to.
type Tools struct {
	Print func(v any, text func(io.Writer) error) error      // a result, as JSON or as text
	Dial  func(ctx context.Context) (*control.Client, error) // the running engine; [control.ErrNoEngine] when there is none
}

// Command returns `hermod accounts`.
func Command(t Tools) *cobra.Command {
	group := usage.Group(&cobra.Command{
		Use:   "accounts",
		Short: "Show the running engine's accounts, and resume one",
		Long: `Shows how each account of the running engine is, and what to do about it:

  ok                   calls pass
  held by the vendor   the vendor asked to wait, as with 429 and Retry-After
  breaker open         its last calls failed: none are made for a while
  breaker half-open    a few calls try whether the vendor is back
  paused               a person has to mend something, then resume it
  not open             it could not be opened when the engine started, and is tried again by itself

WAITING are messages that wait for their turn, CALLS are those under way.

Messages for an account that is paused, not open, or whose breaker is open, go on to their next step. On their
last step they wait for what comes back by itself, and fail where a person has to act.`,
		Example: "  hermod accounts\n  hermod accounts resume convrs-uk",
	})
	unknown := group.RunE
	group.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknown(cmd, args)
		}
		return list(cmd.Context(), t)
	}
	group.AddCommand(&cobra.Command{
		Use:   "resume NAME",
		Short: "End an account's pause, after its cause was mended",
		Long: `Lets a paused account be used again. Mend the cause first, as ` + "`hermod accounts`" + ` advises: else the next
call pauses it again. An account that is not open is tried at once, instead of in up to a minute.

Where the configuration has to be mended, restart the engine instead: it reads that when it starts.`,
		Example: "  hermod accounts resume convrs-uk",
		Args:    usage.Arguments("the NAME of an account"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return resume(cmd.Context(), t, message.AccountID(args[0]))
		},
	})
	return group
}

// running asks the running engine. None is started instead: its accounts would be opened anew, and none of them would be paused.
func running(ctx context.Context, t Tools, advice string, ask func(c *control.Client) error) error {
	c, err := t.Dial(ctx)
	if errors.Is(err, control.ErrNoEngine) {
		return problem.New(problem.ExitEnvironment, "engine_not_running", "no engine is running on this data folder").Advise("%s", advice)
	}
	if err != nil {
		return err
	}
	defer c.Close()
	return ask(c)
}

func list(ctx context.Context, t Tools) error {
	return running(ctx, t, "start one with `hermod run`; `hermod doctor` tries the accounts without it", func(c *control.Client) error {
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		if s.Accounts == nil { // it is stopping
			return problem.New(problem.ExitEnvironment, "engine_stopping", "the engine is stopping").Advise("ask again when it runs")
		}
		return t.Print(s.Accounts, func(w io.Writer) error { return Table(w, s.Accounts) })
	})
}

func resume(ctx context.Context, t Tools, name message.AccountID) error {
	const advice = "there is no pause to end: a pause lasts as long as its engine; mend the cause, then start one with `hermod run`"
	return running(ctx, t, advice, func(c *control.Client) error {
		s, err := c.Resume(ctx, name)
		if err != nil {
			return err
		}
		return t.Print(s, func(w io.Writer) error {
			text := "account %s is resumed: calls pass again\n"
			if s.State == core.AccountDown {
				text = "account %s is being opened: `hermod accounts` shows what came of it\n"
			}
			_, err := fmt.Fprintf(w, text, s.Account)
			return err
		})
	})
}
