// Package problem is how the command reports what went wrong: a stable code, the place, what to do next, and the exit code.
//
// It stands below every other package of the command, so that configuration, control socket and commands speak of errors
// in one way.
package problem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// The exit codes of the command.
const (
	ExitOK          = 0
	ExitFailed      = 1 // the command ran, and what it was asked for did not succeed
	ExitUsage       = 2 // wrong usage, or invalid input: configuration, rules, messages
	ExitEnvironment = 3 // the surroundings do not allow it: a missing variable, a locked folder, a dead connector
)

// Problem is one error as the command shows it. It carries no secret, phone number or message text. It is immutable.
type Problem struct {
	Code   string       `json:"code"`             // stable, snake_case
	Text   string       `json:"text"`             // what is wrong
	Advice string       `json:"advice,omitempty"` // what to do next
	File   string       `json:"file,omitempty"`
	Line   int          `json:"line,omitempty"`   // 1-based; zero when there is none
	Column int          `json:"column,omitempty"` // 1-based; zero when there is none
	Path   string       `json:"path,omitempty"`   // the field, such as "accounts.convrs-uk.config.token"
	Fault  *fault.Fault `json:"fault,omitempty"`  // what a vendor or connector said
	Exit   int          `json:"exit"`             // the exit code that it leads to
}

// New returns a problem whose text is formatted like [fmt.Sprintf].
func New(exit int, code, format string, args ...any) *Problem {
	return &Problem{Code: code, Text: fmt.Sprintf(format, args...), Exit: exit}
}

// Advise returns a copy with advice.
func (p *Problem) Advise(format string, args ...any) *Problem {
	q := *p
	q.Advice = fmt.Sprintf(format, args...)
	return &q
}

// Error gives place, text, code and advice on one line.
func (p *Problem) Error() string {
	text := p.Place() + p.Text + " [" + p.Code + "]"
	if p.Advice != "" {
		text += "; " + p.Advice
	}
	return text
}

// Place gives file, line and column followed by ": ", as far as they are known.
func (p *Problem) Place() string {
	switch {
	case p.File == "":
		return ""
	case p.Line == 0:
		return p.File + ": "
	case p.Column == 0:
		return fmt.Sprintf("%s:%d: ", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d: ", p.File, p.Line, p.Column)
}

// List is several problems, reported together so that one edit can mend them all.
type List []*Problem

// Error gives one problem a line.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, p := range l {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets [errors.As] find each problem.
func (l List) Unwrap() []error {
	all := make([]error, len(l))
	for i, p := range l {
		all[i] = p
	}
	return all
}

// All returns the problems in err; nil for nil. An error that carries no problem becomes one by [From].
func All(err error) List {
	if err == nil {
		return nil
	}
	if l, ok := errors.AsType[List](err); ok {
		return l
	}
	return List{From(err)}
}

// From returns err as a problem. Faults, errors of messages and ends of contexts get their own codes; anything else is
// "failed". nil stays nil.
func From(err error) *Problem {
	if err == nil {
		return nil
	}
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if f, ok := errors.AsType[*fault.Fault](err); ok {
		return fromFault(f)
	}
	if m, ok := errors.AsType[*message.Error](err); ok {
		return &Problem{Code: m.Code, Text: m.Error(), Path: m.Path, Exit: ExitUsage}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return New(ExitFailed, "timeout", "the time ran out").Advise("give more with --timeout")
	case errors.Is(err, context.Canceled):
		return New(ExitFailed, "interrupted", "interrupted before it was done")
	}
	return New(ExitFailed, "failed", "%s", err.Error())
}

func fromFault(f *fault.Fault) *Problem {
	bare := *f
	bare.Code = "" // it stands beside the text
	p := &Problem{Code: f.Code, Text: bare.Error(), Advice: f.Advice(), Fault: f, Exit: ExitFailed}
	if p.Code == "" {
		p.Code = string(f.Class)
	}
	switch {
	case f.Code == "account_unknown":
		p.Exit, p.Advice = ExitUsage, "check the account's name in the configuration; `hermod accounts` shows all"
	case f.Code == "operation_unknown" || f.Code == "input_invalid":
		p.Exit, p.Advice = ExitUsage, "see `hermod connectors describe` for the operations and their input"
	case f.Class == fault.Unauthorized || f.Class == fault.Misconfigured:
		p.Exit = ExitEnvironment
	}
	return p
}

// Exit returns the exit code for err: the highest of its problems, and ExitOK for nil.
func Exit(err error) int {
	code := ExitOK
	for _, p := range All(err) {
		code = max(code, p.Exit)
	}
	return code
}

// Print writes the problems of err for a person: place, text and code on one line, the advice on the next.
func Print(w io.Writer, err error) error {
	var b strings.Builder
	for _, p := range All(err) {
		fmt.Fprintf(&b, "%s%s [%s]\n", p.Place(), p.Text, p.Code)
		if p.Advice != "" {
			fmt.Fprintf(&b, "  %s\n", p.Advice)
		}
	}
	_, werr := io.WriteString(w, Plain(b.String()))
	return werr
}
