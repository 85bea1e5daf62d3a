package connectortest_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/sdk/connectortest"
	"github.com/hermodhq/hermod/sdk/connectortest/conformance"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/toy"
)

func verifyConfig(t *testing.T) connectortest.VerifyConfig {
	t.Helper()
	at := self(t)
	return connectortest.VerifyConfig{Program: at.Program, Args: at.Args, Env: []string{"HERMOD_CONNECTOR_NAME=toy"}}
}

func verify(t *testing.T, c connectortest.VerifyConfig) *connectortest.Report {
	t.Helper()
	r, err := connectortest.Verify(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestVerifyWhatIsGiven holds that less knowledge makes fewer checks, and that the report says so.
func TestVerifyWhatIsGiven(t *testing.T) {
	t.Parallel()
	c := verifyConfig(t)
	bare := verify(t, c)
	if !bare.OK() || bare.Connector != "toy" || len(bare.Left) < 20 {
		t.Errorf("without a configuration: %+v", bare)
	}
	c.Config = json.RawMessage(`{"base_url": "${vendor}", "token": "` + token + `", "webhook_secret": "` + secret + `"}`)
	misbehaving := verify(t, c)
	if !misbehaving.OK() || len(misbehaving.Left) >= len(bare.Left) {
		t.Errorf("with a configuration: %+v", misbehaving)
	}
	sim := httptest.NewServer(toy.NewVendor())
	defer sim.Close()
	c.Simulator = sim.URL
	c.Inputs, c.Excuses = harness(t, "").Inputs, harness(t, "").Excuses
	whole := verify(t, c)
	if !whole.OK() || len(whole.Left) >= len(misbehaving.Left) || slices.ContainsFunc(whole.Left, func(l conformance.Left) bool { return l.Check == "channels" }) {
		t.Errorf("with a simulator: %+v", whole)
	}
}

// TestVerifyRogue holds that what the SDK gives authors for nothing is checked for those who do without.
func TestVerifyRogue(t *testing.T) {
	t.Parallel()
	sim := httptest.NewServer(toy.NewVendor())
	defer sim.Close()
	c := verifyConfig(t)
	c.Env = []string{"TEST_ROGUE=1"}
	c.Config, c.Simulator = json.RawMessage(`{"url": "${vendor}"}`), sim.URL
	c.Inputs = map[string]json.RawMessage{"any.thing": json.RawMessage(`{}`)}
	r := verify(t, c)
	for check, says := range map[string]string{
		"description": "a second Describe says something else", "wire": "an operation of an unknown handle succeeds",
		"settings": "Open accepts a configuration without the required setting url", "open_close": "does not answer an unknown operation",
		"operations": "does not fit its schema", "operation_inputs": `wrong input "[]"`, "channels": "got 2 answers", "limits": "got no answer",
		"vendor_down": "belong to no delivery", "vendor_garbage": "a_class_of_its_own",
	} {
		wantFinding(t, r.Findings, check, says)
	}
}

// TestVerifyEndsEarly holds that a program which dies or hangs in the middle is told of once, and that the rest is left out.
func TestVerifyEndsEarly(t *testing.T) {
	t.Parallel()
	sim := httptest.NewServer(toy.NewVendor())
	t.Cleanup(sim.Close)
	config := json.RawMessage(`{"base_url": "${vendor}", "token": "` + token + `", "webhook_secret": "` + secret + `"}`)
	for name, x := range map[string]struct{ env, check, says, left string }{
		"dies":           {"HERMOD_CONNECTOR_NAME=" + toy.Name("dies"), "open_close", "the process died; it last said", "the process died in check open_close"},
		"hangs":          {"TEST_ROGUE=hangs", "harness", "does not answer Ping any more", "the process hangs since check harness"},
		"does not open":  {"HERMOD_CONNECTOR_NAME=" + toy.Name("refuses to open"), "harness", "does not open", "the account does not open"},
		"leaves another": {"HERMOD_CONNECTOR_NAME=" + toy.Name("leaves a process"), "process_end", "outlived it", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := verifyConfig(t)
			c.Env, c.Config, c.Simulator, c.Inputs, c.Excuses = []string{x.env}, config, sim.URL, harness(t, "").Inputs, harness(t, "").Excuses
			r := verify(t, c)
			wantFinding(t, r.Findings, x.check, x.says)
			if x.left != "" && !slices.ContainsFunc(r.Left, func(l conformance.Left) bool { return l.Check == "channels" && l.Reason == x.left }) {
				t.Errorf("left out: %v", r.Left)
			}
			if len(r.Findings) > 3 && name != "hangs" {
				t.Errorf("%d findings for one mistake: %v", len(r.Findings), r.Findings)
			}
		})
	}
}

func TestVerifyCannotStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]connectortest.VerifyConfig{
		"no such program":  {Program: filepath.Join(t.TempDir(), "none")},
		"not a connector":  {Program: self(t).Program, Args: []string{"-test.run=^$"}, Env: []string{"HERMOD_CONNECTOR_NAME=nobody"}},
		"no simulator URL": {Program: self(t).Program, Config: json.RawMessage(`{"url":"${vendor}"}`), Simulator: "::"},
	} {
		if r, err := connectortest.Verify(t.Context(), c); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestPartialRunsFail runs this binary's suite in ways that leave something out. It must fail each time, and say why.
func TestPartialRunsFail(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		args []string
		says string
	}{
		"one check":    {[]string{"-test.run=^TestRightToyPasses$/^in_process$/^description$"}, "100 of 101 checks"},
		"whole test":   {[]string{"-test.skip=."}, `the suite of connector "toy" was not run`},
		"skipped part": {[]string{"-test.run=^TestRightToyPasses$", "-test.skip=/process_v1|/in_process/[d-z]"}, "checks of connector"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], x.args...)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), x.says) {
				t.Errorf("it ended with %v and said:\n%s", err, out)
			}
		})
	}
}
