// Package control is the door to a running engine: a small JSON-over-HTTP API on a unix socket in the engine's data folder.
//
// An embedded journal is open in one process at a time, so commands ask the process that has it. [Host] is what they ask,
// and does not tell whether the engine runs here ([Local]) or elsewhere ([Client]).
package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/hermodhq/hermod/cmd/hermod/internal/feed"
	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

// Engine is what this package needs of a started engine. [core.Engine] has it.
type Engine interface {
	Send(ctx context.Context, m message.Message) (message.ID, error)
	Wait(ctx context.Context, id message.ID, until message.Outcome) (core.Status, error)
	Cancel(ctx context.Context, id message.ID) (core.Status, error)
	Trace(ctx context.Context, id message.ID) (core.Timeline, error)
	Events(ctx context.Context, subscriber string, handle func(context.Context, message.Event) error) error
	Invoke(ctx context.Context, account message.AccountID, operation string, input json.RawMessage) (json.RawMessage, error)
	Connectors(ctx context.Context) ([]connector.Description, error)
	Accounts() []core.AccountStatus
	Resume(account message.AccountID) error
	Ready() error
	Revision() string
}

// Host is what commands ask of an engine. Methods may be called at the same time; each returns when its context ends.
type Host interface {
	// Feed sends the messages in r; see [feed.Run].
	Feed(ctx context.Context, r io.Reader, opts feed.Options, emit func(feed.Result)) error
	// Wait returns when a message has reached an outcome or a final one.
	Wait(ctx context.Context, id message.ID, until message.Outcome) (core.Status, error)
	Cancel(ctx context.Context, id message.ID) (core.Status, error)
	Trace(ctx context.Context, id message.ID) (core.Timeline, error)
	Invoke(ctx context.Context, account message.AccountID, operation string, input json.RawMessage) (json.RawMessage, error)
	Connectors(ctx context.Context) ([]connector.Description, error)
	// Resume lets a paused account be used again, or an account that is not open be tried at once. It returns the account's state then.
	Resume(ctx context.Context, account message.AccountID) (core.AccountStatus, error)
	// Status says how the engine and its accounts are.
	Status(ctx context.Context) (Status, error)
}

// Status says how an engine is.
type Status struct {
	PID      int                  `json:"pid"`
	Revision string               `json:"revision"`         // of the rules in use
	Ready    bool                 `json:"ready"`            // can accept and call
	Reason   string               `json:"reason,omitempty"` // why it is not ready
	Accounts []core.AccountStatus `json:"accounts"`
}

// Local is an engine in this process, as a [Host].
type Local struct {
	Engine
	PID int
}

// Feed sends the messages in r.
func (l Local) Feed(ctx context.Context, r io.Reader, opts feed.Options, emit func(feed.Result)) error {
	return feed.Run(ctx, r, feedHost{l.Engine}, opts, emit)
}

// Resume lets a paused account be used again. One that is in use already is an error, for whoever asks means another.
func (l Local) Resume(_ context.Context, account message.AccountID) (core.AccountStatus, error) {
	s, err := l.account(account)
	switch {
	case err != nil:
		return s, err
	case s.State == core.AccountPaused || s.State == core.AccountDown:
		if err := l.Engine.Resume(account); err != nil {
			return s, err
		}
		return l.account(account)
	}
	return s, problem.New(problem.ExitFailed, "account_not_paused", "account %s is not paused", account).
		Advise("`hermod accounts` shows how it is; what a breaker or a vendor holds up goes on by itself")
}

func (l Local) account(name message.AccountID) (core.AccountStatus, error) {
	if err := l.Ready(); errors.Is(err, core.ErrStopped) {
		return core.AccountStatus{}, err
	}
	var known []string
	for _, s := range l.Accounts() {
		if s.Account == name {
			return s, nil
		}
		known = append(known, string(s.Account))
	}
	return core.AccountStatus{}, problem.New(problem.ExitUsage, "account_unknown", "there is no account %q", string(name)).
		Advise("%s", problem.DidYouMean(string(name), known))
}

// Status says how the engine is.
func (l Local) Status(context.Context) (Status, error) {
	s := Status{PID: l.PID, Revision: l.Revision(), Ready: true, Accounts: l.Accounts()}
	if err := l.Ready(); err != nil {
		s.Ready, s.Reason = false, err.Error()
	}
	return s, nil
}

// feedHost gives a feed the engine in the feed's words.
type feedHost struct{ engine Engine }

func (h feedHost) Send(ctx context.Context, m message.Message) (message.ID, error) {
	id, err := h.engine.Send(ctx, m)
	return id, Explain(err)
}

func (h feedHost) Wait(ctx context.Context, id message.ID, until message.Outcome) (feed.State, error) {
	s, err := h.engine.Wait(ctx, id, until)
	return feed.State{Outcome: s.Outcome, Step: step(s.Account, s.Channel), Reason: s.Reason}, Explain(err)
}

func step(a message.AccountID, c message.Channel) string {
	if a == "" {
		return ""
	}
	return string(a) + "/" + string(c)
}
