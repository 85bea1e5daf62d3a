package control

import (
	"errors"
	"net/http"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/core"
)

// Explain gives the engine's own errors the form of problems. Other errors, and nil, stay as they are.
func Explain(err error) error {
	if bad := configErrors(err); len(bad) > 0 {
		return bad
	}
	if u, ok := errors.AsType[*core.UnknownMessageError](err); ok {
		return problem.New(problem.ExitFailed, "message_unknown", "there is no message %q here", string(u.ID)).
			Advise("check the id, and whether the message is older than the journal's retention")
	}
	if j, ok := errors.AsType[*core.JournalError](err); ok {
		return problem.New(problem.ExitEnvironment, j.Code, "%s", j.Text).Advise("%s", j.Advice)
	}
	if errors.Is(err, core.ErrStopped) {
		return stopping()
	}
	return err
}

// configErrors finds every mistake that the engine found in its configuration.
func configErrors(err error) problem.List {
	if c, ok := err.(*core.ConfigError); ok { //nolint:errorlint // the tree is walked by hand, to find all of them
		p := problem.New(problem.ExitUsage, c.Code, "%s", c.Text)
		p.Path, p.Advice = c.Field, c.Advice
		return problem.List{p}
	}
	var all problem.List
	switch e := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			all = append(all, configErrors(one)...)
		}
	case interface{ Unwrap() error }:
		all = configErrors(e.Unwrap())
	}
	return all
}

// statusOf is the HTTP status for a problem.
func statusOf(p *problem.Problem) int {
	switch {
	case p.Code == "message_unknown" || p.Code == "account_unknown":
		return http.StatusNotFound
	case p.Exit == problem.ExitUsage:
		return http.StatusBadRequest
	case p.Exit == problem.ExitEnvironment:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
