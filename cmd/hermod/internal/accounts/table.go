package accounts

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/hermodhq/hermod/cmd/hermod/internal/doctor"
	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/core"
)

// words are the states as people say them. The engine speaks of its circuit breaker, which is closed when all is well.
var words = map[string]string{
	core.AccountClosed: "ok", core.AccountHeld: "held by the vendor", core.AccountOpen: "breaker open", core.AccountHalfOpen: "breaker half-open",
	core.AccountPaused: "paused", core.AccountDown: "not open",
}

// State says how an account is: in words, with until when or since when where that is known.
func State(s core.AccountStatus) string {
	text, known := words[s.State]
	if !known {
		return s.State
	}
	switch {
	case s.State == core.AccountDown && !s.Until.IsZero():
		text += ", next try " + clock(s.Until)
	case s.State == core.AccountDown && s.Reason != "":
		text += ", tried now"
	case !s.Until.IsZero():
		text += " until " + clock(s.Until)
	case !s.Since.IsZero():
		text += " since " + s.Since.UTC().Format("Jan 2 15:04")
	}
	return text
}

func clock(at time.Time) string { return at.UTC().Format("15:04:05") }

// Reason says why an account is as it is, and what to do; nothing where all is well.
func Reason(s core.AccountStatus) string {
	text := s.Text
	if text == "" {
		text = s.Reason
	}
	if text != "" && s.Advice != "" {
		text += "; "
	}
	return text + s.Advice
}

// Table writes a line for each account.
func Table(w io.Writer, all []core.AccountStatus) error {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ACCOUNT\tCONNECTOR\tSTATE (UTC)\tWAITING\tCALLS\tREASON")
	for _, s := range all {
		reason := problem.Plain(Reason(s))
		if reason == "" {
			reason = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%s\n", s.Account, s.Connector, State(s), s.Queued, s.InFlight, reason)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := b.WriteTo(w)
	return err
}

// Finding says how an account is in the doctor's form.
func Finding(s core.AccountStatus) doctor.Finding {
	f := doctor.Good("account", "%s (%s): %s, %d messages wait, %d calls under way", s.Account, s.Connector, State(s), s.Queued, s.InFlight)
	if why := cmp.Or(s.Text, s.Reason); why != "" {
		f.Text += ": " + why
	}
	switch f.Advice = s.Advice; s.State {
	case core.AccountDown, core.AccountPaused:
		f.State = doctor.Fail
	case core.AccountOpen, core.AccountHalfOpen, core.AccountHeld:
		f.State = doctor.Warn
	}
	return f
}
