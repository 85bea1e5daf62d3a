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
  webhooks, forged, stale   requests that the vendor would make, and such that must be refused
  excuses     why a check cannot be made with this vendor, by check

Exit codes: 0 nothing is wrong, 1 something is, 2 wrong usage, 3 the program cannot be started.`,
		Example: `  hermod connectors verify plugins/hermod-acme
  hermod connectors verify plugins/hermod-acme --input @verify.json --json`,
		Args: usage.Arguments("the PROGRAM of a connector"),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := t.Input(input)
			if err != nil {
				return err
			}
			return verify(cmd.Context(), t, args[0], raw)
		},
	}
	cmd.Flags().StringVarP(&input, "input", "i", "{}", "what is known of the vendor: `JSON`, @FILE, or - for standard input")
	return cmd
}

func verify(ctx context.Context, t Tools, program string, raw json.RawMessage) error {
	var c conformance.VerifyConfig
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return problem.New(problem.ExitUsage, "input_invalid", "the input is not what is known of a vendor: %s", strings.TrimPrefix(err.Error(), "json: ")).
			Advise("see `hermod connectors verify --help`")
	}
	if c.Program != "" {
		return problem.New(problem.ExitUsage, "input_invalid", "the input names a program").Advise("name the program as the argument only")
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

// document is a report as JSON.
type document struct {
	OK bool `json:"ok"`
	*conformance.Report
}

// show writes a report for a person: a line for each check, with what is wrong and what to do, and with what could not be checked.
func show(w io.Writer, r *conformance.Report) error {
	about := map[string]string{}
	for _, c := range conformance.Checks() {
		about[c.Name] = c.About
	}
	below, wrong, left, ran := map[string][]string{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, l := range r.Left {
		left[l.Check] = true
		below[l.Check] = append(below[l.Check], "not checked: "+l.Reason)
	}
	for _, f := range r.Findings {
		wrong[f.Check] = true
		below[f.Check] = append(below[f.Check], f.Problem, "  to do: "+f.Advice)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s\n", r.Connector, r.Version)
	line := func(state, name string) {
		fmt.Fprintf(&b, "%-8s %-32s %s\n", state, name, about[name])
		for _, text := range below[name] {
			fmt.Fprintf(&b, "%41s %s\n", "", text)
		}
		below[name] = nil
	}
	passed := 0
	for _, name := range r.Ran {
		_, name, _ = strings.Cut(name, "/")
		switch {
		case ran[name]: // for another version of the protocol
			continue
		case wrong[name]:
			line("FAILED", name)
		case left[name]:
			line("left", name)
		default:
			passed++
			line("ok", name)
		}
		ran[name] = true
	}
	for _, l := range r.Left {
		if len(below[l.Check]) > 0 {
			line("left", l.Check)
		}
	}
	fmt.Fprintf(&b, "passed %d, wrong %d, left in whole or in part %d\n", passed, len(wrong), len(left))
	_, err := io.WriteString(w, problem.Plain(b.String()))
	return err
}
