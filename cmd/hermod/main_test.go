package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/plugins/convrs/convrssim"
	"github.com/hermodhq/hermod/sdk/connector"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMain lets this binary be the command, and the command's connectors.
func TestMain(m *testing.M) {
	connector.ServeIfAsked(vendors()...)
	if os.Getenv("HERMOD_TEST_AS_COMMAND") != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// site is a folder with a configuration, rules, and a vendor to talk to.
type site struct {
	dir, config string
	sim         *convrssim.Sim
}

const goodRules = `routes:
  - name: everything
    fallback:
      - via: convrs-uk/sms
        until: accepted
`

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), sim: convrssim.New(convrssim.Options{PerNumber: -1, PerToken: -1, Pace: 0.001})}
	url, err := s.sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.sim.Close)
	t.Setenv("HERMOD_TEST_TOKEN", convrssim.Token)
	s.config = s.write(t, "hermod.yaml", fmt.Sprintf(`data: data
rules: rules
http: {listen: "127.0.0.1:0", public_url: "https://messages.example.com"}
accounts:
  convrs-uk:
    connector: convrs
    config: {base_url: %q, token: "${env:HERMOD_TEST_TOKEN}", sms_bot: 3942, whatsapp_bot: 3941}
    limits: {per_second: 10000, per_recipient_per_second: 10000}
`, url))
	s.write(t, "rules/routes.yaml", goodRules)
	return s
}

func (s *site) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// output is what a command wrote, and its exit code.
type output struct {
	code     int
	out, err string
}

// call runs the command line in this process.
func call(ctx context.Context, stdin string, args ...string) output {
	var out, errs bytes.Buffer
	code := run(ctx, args, strings.NewReader(stdin), &out, &errs)
	return output{code, out.String(), errs.String()}
}

// do runs a command with the site's configuration and demands an exit code.
func (s *site) do(t *testing.T, code int, stdin string, args ...string) output {
	t.Helper()
	o := call(t.Context(), stdin, append(args, "-c", s.config)...)
	if o.code != code {
		t.Fatalf("hermod %s: exit %d, want %d\n%s%s", strings.Join(args, " "), o.code, code, o.out, o.err)
	}
	return o
}

func (o output) decode(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(o.out), v); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, o.out)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// TestUsage holds what wrong usage is answered with.
func TestUsage(t *testing.T) {
	home := must(os.Getwd())
	t.Chdir(t.TempDir())
	var b strings.Builder
	for _, line := range []string{
		"snd --wait delivered", "rules chek", "connectors lst --json", "send --wiat delivered", "send --timeout soon", "send --wait deliverd",
		"send a b", "send none.jsonl", "trace", "trace m1", "trace m1 --json", "cancel", "invoke convrs-uk", "invoke a b --input {", "invoke a b -i @none.json",
		"run now", "run --log-level loud", "doctor -c none.yaml", "doctor --json", "connectors describe convr", "connectors pin", "rules check",
		"new connecter", "new connector", "new connector Acme", "new connector acme --json", "new connector acme --replace none",
		"connectors verify", "connectors verify none", "connectors verify none --input {\"x\":1} --json",
		"accounts", "accounts resume", "accounts rseume x", "accounts resume a b", "snd --version", "--verson", "send --version",
	} {
		o := call(t.Context(), "", strings.Fields(line)...)
		fmt.Fprintf(&b, "$ hermod %s\n%s%sexit %d\n\n", line, o.out, o.err, o.code)
	}
	t.Chdir(home)
	golden(t, "usage.txt", b.String())
}

func TestEveryCommandExplainsItself(t *testing.T) {
	var walk func(cmd *cobra.Command)
	seen := 0
	walk = func(cmd *cobra.Command) {
		for _, c := range cmd.Commands() {
			if walk(c); c.HasSubCommands() {
				continue
			}
			seen++
			if c.Short == "" || len(c.Long) < 40 || !strings.Contains(c.Example, "hermod "+strings.Fields(c.CommandPath())[1]) {
				t.Errorf("%s: give it a short and a long text and an example", c.CommandPath())
			}
			o := call(t.Context(), "", append(strings.Fields(c.CommandPath())[1:], "--help")...)
			if o.code != problem.ExitOK || !strings.Contains(o.out, "Examples:") || o.err != "" {
				t.Errorf("%s --help: exit %d, %s", c.CommandPath(), o.code, o.err)
			}
		}
	}
	walk((&app{}).root())
	if seen < 9 {
		t.Errorf("only %d commands were seen", seen)
	}
}

func TestVersion(t *testing.T) {
	t.Chdir(t.TempDir()) // it needs no configuration
	if o := call(t.Context(), "", "--version"); o.code != 0 || !regexp.MustCompile(`^hermod \S+, .*go1\.\d+.*, \w+/\w+\n$`).MatchString(o.out) {
		t.Errorf("%+v", o)
	}
	var doc struct{ Version, Go, Platform string }
	call(t.Context(), "", "--version", "--json").decode(t, &doc)
	if doc.Version == "" || !strings.HasPrefix(doc.Go, "go1.") || !strings.Contains(doc.Platform, "/") {
		t.Errorf("%+v", doc)
	}
}

func TestConnectors(t *testing.T) {
	t.Chdir(t.TempDir()) // no configuration: what is linked in
	o := call(t.Context(), "", "connectors", "list")
	if o.code != 0 || !strings.Contains(o.out, "convrs") || !strings.HasPrefix(o.out, "NAME") {
		t.Errorf("%+v", o)
	}
	o = call(t.Context(), "", "connectors", "describe", "convrs")
	for _, want := range []string{"whatsapp", "required, secret", "GetUser", "receipts polled"} {
		if !strings.Contains(o.out, want) {
			t.Errorf("describe does not show %q:\n%s", want, o.out)
		}
	}
	var d connector.Description
	call(t.Context(), "", "connectors", "describe", "convrs", "--json").decode(t, &d)
	if d.Name != "convrs" || len(d.Operations) == 0 || len(d.Config) == 0 {
		t.Errorf("%+v", d)
	}
	s := newSite(t)
	var all []connector.Description
	s.do(t, 0, "", "connectors", "list", "--json").decode(t, &all)
	if !slices.ContainsFunc(all, func(d connector.Description) bool { return d.Name == "convrs" }) {
		t.Errorf("%d connectors, and convrs is not among them", len(all))
	}
}

func TestPin(t *testing.T) {
	s := newSite(t)
	s.write(t, "plugins/hermod-acme", "#!/bin/sh\n")
	dir := filepath.Join(s.dir, "plugins")
	if err := os.Chmod(filepath.Join(dir, "hermod-acme"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.do(t, 0, "", "connectors", "pin", dir)
	if _, err := os.Stat(filepath.Join(dir, "plugins.lock")); err != nil {
		t.Error(err)
	}
	s.do(t, problem.ExitEnvironment, "", "connectors", "pin", filepath.Join(s.dir, "none"))
}

func TestRulesCheck(t *testing.T) {
	s := newSite(t)
	o := s.do(t, 0, "", "rules", "check")
	if !regexp.MustCompile(`^ok: 1 routes, revision \S+\n$`).MatchString(o.out) {
		t.Error(o.out)
	}
	s.write(t, "bad/routes.yaml", strings.Replace(goodRules, "convrs-uk/sms", "convrs-uk/fax", 1))
	bad := filepath.Join(s.dir, "bad")
	o = s.do(t, problem.ExitUsage, "", "rules", "check", bad)
	golden(t, "rules-check.txt", strings.ReplaceAll(o.out+o.err, s.dir, "DIR"))
	var doc struct {
		OK     bool
		Errors []struct {
			Code string
			Line int
		}
	}
	s.do(t, problem.ExitUsage, "", "rules", "check", bad, "--json").decode(t, &doc)
	if doc.OK || len(doc.Errors) == 0 || doc.Errors[0].Line == 0 || doc.Errors[0].Code == "" {
		t.Errorf("%+v", doc)
	}
}
