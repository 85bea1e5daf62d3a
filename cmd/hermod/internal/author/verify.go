package author

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/cmd/hermod/internal/usage"
	"github.com/hermodhq/hermod/sdk/connectortest/conformance"
)

// Verify returns `hermod connectors verify`.
func Verify(t Tools) *cobra.Command {
	var input string
	cmd := &cobra.Command{
		Use:   "verify PROGRAM",
		Short: "Run the kit's checks on a connector program, in any language",
		Long: `Starts a connector program as an engine would, with a clean environment, and runs the checks of the kit on it. What
cannot be checked, for want of an account's configuration or of a vendor that misbehaves, is listed with the reason.

No message goes to a vendor: where the configuration says "${vendor}", the checks put a stand-in, which behaves well or
badly on command. --input says what is known of the vendor, as JSON; all of it may be left out:
  config      an account's configuration, with "${vendor}" as the vendor's base URL
  simulator   base URL of a simulator that takes messages; without one the stand-in can only misbehave
  inputs      a good input by operation
  templates   a template that the simulator knows, by channel
  users       a user id that it knows, by channel
  webhooks    requests that the vendor would make, and the events that each must bring, none where it brings nothing:
   ` + webhookExample + `
   the path is what follows /webhooks/ACCOUNT; each header has a list of values; the body is base64
  forged      requests with a wrong signature or none, each like "request" above
  stale       requests with a good signature that is too old, likewise
  empty_is_success   true where the vendor documents success without a body
  excuses     why a check cannot be made with this vendor, by check, or by check/operation

Exit codes: 0 nothing is wrong, 1 something is, 2 wrong usage, 3 the program cannot be started.`,
		Example: `  hermod connectors verify plugins/hermod-acme
  hermod connectors verify plugins/hermod-acme --input @verify.json --json`,
		Args: usage.Arguments("the PROGRAM of a connector"),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := t.Input(input)
			if err != nil {
				return err
			}
			return verify(cmd.Context(), t, args[0], input, raw)
		},
	}
	cmd.Flags().StringVarP(&input, "input", "i", "{}", "what is known of the vendor: `JSON`, @FILE, or - for standard input")
	return cmd
}

func verify(ctx context.Context, t Tools, program, input string, raw json.RawMessage) error {
	c, err := decode(input, raw)
	if err != nil {
		return err
	}
	path, err := executable(program)
	if err != nil {
		return err
	}
	c.Program = path
	if dir := os.Getenv("TMPDIR"); dir != "" { // as an engine passes it
		c.Env = append(c.Env, "TMPDIR="+dir)
	}
	report, err := conformance.Verify(ctx, c)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return problem.New(problem.ExitEnvironment, "verify_failed", "%s", err.Error()).
			Advise("run the program by hand to see what it says; it must write the handshake as its first line when HERMOD_CONNECTOR is set")
	}
	if err := t.Print(document{report.OK(), report}, func(w io.Writer) error { return show(w, report) }); err != nil {
		return err
	}
	if !report.OK() {
		return t.Failed
	}
	return nil
}

// executable finds the program's file: never one on the PATH.
func executable(program string) (string, error) {
	path, err := filepath.Abs(program)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", problem.New(problem.ExitUsage, "program_missing", "there is no program %s", program).Advise("name the connector's executable, such as plugins/hermod-acme")
	case err != nil:
		return "", problem.New(problem.ExitUsage, "program_missing", "the program %s cannot be read: %s", program, err.Error())
	case info.IsDir():
		return "", problem.New(problem.ExitUsage, "program_invalid", "%s is a folder", program).Advise("name the connector's executable in it")
	case info.Mode()&0o111 == 0 && filepath.Ext(path) != ".exe":
		return "", problem.New(problem.ExitUsage, "program_invalid", "%s is no program", program).Advise("build the connector, or make its file executable: chmod +x %s", program)
	}
	return path, nil
}

// leftFor gives the checks that were left out for each reason.
func leftFor(all []conformance.Left) map[string]map[string]bool {
	alike := map[string]map[string]bool{}
	for _, l := range all {
		if alike[l.Reason] == nil {
			alike[l.Reason] = map[string]bool{}
		}
		alike[l.Reason][l.Check] = true
	}
	return alike
}

// document is a report as JSON.
type document struct {
	OK bool `json:"ok"`
	*conformance.Report
}

// several is how many checks that were left out for one reason get one line.
const several = 5

// sheet is a report for a person: a line for each check, with what is wrong and what to do, and with what could not be checked.
type sheet struct {
	bytes.Buffer
	about map[string]string          // what each check holds
	below map[string][]string        // what is yet to be said of each check
	wrong map[string]bool            // the checks that found something
	left  map[string]bool            // the checks that were not made, or not whole
	alike map[string]map[string]bool // the checks that were left out for each reason
}

func show(w io.Writer, r *conformance.Report) error {
	s := &sheet{about: map[string]string{}, below: map[string][]string{}, wrong: map[string]bool{}, left: map[string]bool{}, alike: leftFor(r.Left)}
	for _, c := range conformance.Checks() {
		s.about[c.Name] = c.About
	}
	for _, l := range r.Left {
		s.left[l.Check] = true
		if len(s.alike[l.Reason]) < several {
			s.below[l.Check] = append(s.below[l.Check], "not checked: "+l.Reason)
		}
	}
	for _, f := range r.Findings {
		s.wrong[f.Check] = true
		s.below[f.Check] = append(s.below[f.Check], f.Problem, "  to do: "+f.Advice)
	}
	fmt.Fprintf(s, "%s %s\n", r.Connector, r.Version)
	passed := s.ran(r.Ran)
	s.rest(r.Left)
	fmt.Fprintf(s, "passed %d, wrong %d, left in whole or in part %d\n", passed, len(s.wrong), len(s.left))
	_, err := io.WriteString(w, problem.Plain(s.String()))
	return err
}

func (s *sheet) line(state, name string) {
	fmt.Fprintf(s, "%-8s %-32s %s\n", state, name, s.about[name])
	for _, text := range s.below[name] {
		fmt.Fprintf(s, "%41s %s\n", "", text)
	}
	delete(s.below, name)
}

// ran tells the checks that were made, and returns how many passed.
func (s *sheet) ran(names []string) (passed int) {
	told := map[string]bool{}
	for _, name := range names {
		_, name, _ = strings.Cut(name, "/")
		switch {
		case told[name]: // for another version of the protocol
			continue
		case s.wrong[name]:
			s.line("FAILED", name)
		case len(s.below[name]) > 0:
			s.line("left", name)
		case s.left[name]: // with others
		default:
			passed++
			s.line("ok", name)
		}
		told[name] = true
	}
	return passed
}

// rest tells what was left out and has no line yet.
func (s *sheet) rest(all []conformance.Left) {
	for _, l := range all {
		if len(s.below[l.Check]) > 0 {
			s.line("left", l.Check)
		}
		if n := len(s.alike[l.Reason]); n >= several {
			fmt.Fprintf(s, "%-8s %-32s %s\n", "left", fmt.Sprintf("%d checks", n), "not checked: "+l.Reason)
			delete(s.alike, l.Reason)
		}
	}
}
