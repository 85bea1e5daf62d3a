package author

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/internal/wire"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest/conformance"
	"github.com/hermodhq/hermod/sdk/message"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMain lets this binary be the connector program that is verified.
func TestMain(m *testing.M) {
	if os.Getenv(wire.CookieKey) != "" {
		connector.Serve(flawed())
		return
	}
	os.Exit(m.Run())
}

type nothing struct{}

// Send says that everything was sent, and sends nothing.
func (nothing) Send(context.Context, connector.Delivery) (connector.Result, error) {
	return connector.Result{}, nil
}

// flawed is a connector with a fault in its description and one in what it does.
func flawed() connector.Connector {
	return connector.Define(connector.Spec{
		Name: "flawed", Version: "0.1.0", Summary: "Claims to send.", Vendor: "",
		Channels: []connector.ChannelInfo{{Channel: message.SMS, Kinds: []message.ContentKind{message.KindText}, Receipts: connector.NoReceipts,
			Outcomes: []message.Outcome{message.Accepted}}},
	}, func(context.Context, struct {
		URL string `json:"url" jsonschema:"the vendor's base URL"`
	}, connector.Env) (nothing, error) {
		return nothing{}, nil
	})
}

var errFailed = errors.New("reported")

// do runs a command and returns its result as text, or as JSON.
func do(t *testing.T, build func(Tools) *cobra.Command, asJSON bool, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := build(Tools{
		Print: func(v any, text func(io.Writer) error) error {
			if asJSON {
				return json.NewEncoder(&out).Encode(v)
			}
			return text(&out)
		},
		Input:  func(text string) (json.RawMessage, error) { return json.RawMessage(text), nil },
		Failed: errFailed,
	})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestVerifyFindsFaults(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := do(t, Verify, false, program)
	if !errors.Is(err, errFailed) {
		t.Errorf("the error is %v", err)
	}
	for _, want := range []string{"\nFAILED   description ", "the vendor has no name", "to do: set Spec.Vendor", "\nok       wire ", " checks                        not checked: Config is not given\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if n := strings.Count(out, "not checked: Config is not given"); n != 1 {
		t.Errorf("one reason is told %d times:\n%s", n, out)
	}
	var doc struct {
		OK        bool
		Connector string
		Findings  []struct{ Check, Problem, Advice string }
		Left      []struct{ Check, Reason string }
	}
	out, err = do(t, Verify, true, program, "--input", `{"config": {"url": "${vendor}"}}`)
	if !errors.Is(err, errFailed) {
		t.Errorf("the error is %v", err)
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	lies := false
	for _, f := range doc.Findings {
		lies = lies || strings.HasPrefix(f.Check, "vendor_") && f.Advice != ""
	}
	if doc.OK || doc.Connector != "flawed" || !lies || len(doc.Left) == 0 {
		t.Errorf("a connector that sends nothing passes: %s", out)
	}
}

// TestShow holds how a report looks, two versions of the protocol and a check that was not begun among it.
func TestShow(t *testing.T) {
	var out bytes.Buffer
	err := show(&out, &conformance.Report{
		Connector: "acme", Version: "1.2.3", Ran: []string{"process_v1/description", "process_v1/settings", "process_v1/webhooks", "process_v2/description"},
		Left: []conformance.Left{{Check: "webhooks", Reason: "Webhooks is not given"}, {Check: "channels", Reason: "Vendor is not given"}},
		Findings: []conformance.Finding{
			{Check: "settings", Problem: "an unknown setting is accepted", Advice: "refuse it\x1b[31m"},
			{Check: "settings", Problem: "a list is accepted", Advice: "check the types"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", out.String())
}

func TestVerifyRefuses(t *testing.T) {
	dir := t.TempDir()
	text, mute := filepath.Join(dir, "text"), filepath.Join(dir, "mute")
	if err := errors.Join(os.WriteFile(text, nil, 0o600), os.WriteFile(mute, []byte("#!/bin/sh\necho hello\n"), 0o700)); err != nil { //nolint:gosec // it is to be run
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code string
		exit int
	}{
		"no program":     {[]string{filepath.Join(dir, "none")}, "program_missing", problem.ExitUsage},
		"a folder":       {[]string{dir}, "program_invalid", problem.ExitUsage},
		"a text":         {[]string{text}, "program_invalid", problem.ExitUsage},
		"no connector":   {[]string{mute}, "verify_failed", problem.ExitEnvironment},
		"a program too":  {[]string{mute, "--input", `{"program":"x"}`}, "input_invalid", problem.ExitUsage},
		"unknown member": {[]string{mute, "--input", `{"cfg":{}}`}, "input_invalid", problem.ExitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := do(t, Verify, false, c.args...)
			p, ok := errors.AsType[*problem.Problem](err)
			if !ok || p.Code != c.code || p.Exit != c.exit || p.Advice == "" {
				t.Errorf("the error is %v, want %s with advice and exit %d", err, c.code, c.exit)
			}
		})
	}
}

// TestTheInputsShape holds the help's example to what is read, and the place of a mistake.
func TestTheInputsShape(t *testing.T) {
	c, err := decode("-", json.RawMessage(`{"webhooks": [`+webhookExample+`]}`))
	if err != nil || len(c.Webhooks) != 1 {
		t.Fatalf("the help's example: %+v, %v", c, err)
	}
	w := c.Webhooks[0]
	want := connector.Request{Method: "POST", Path: "/receipts", Header: map[string][]string{"X-Signature": {"..."}}, Body: []byte("{}")}
	if diff := cmp.Diff(want, w.Request); diff != "" || w.Name != "delivered" || len(w.Events) != 1 {
		t.Errorf("%+v: %s", w, diff)
	}
	var got strings.Builder
	for _, in := range []string{
		`{"webhooks": [{"request": {"body": "e30="}}, {"request": {"body": "{}"}}]}`,
		`{"forged": [{"body": "{\"a\":1}"}]}`,
		`{"stale": [{"body": ""}, {"body": "e30"}]}`,
		`{"webhooks": [{"request": {"header": "X-Signature: 1"}}]}`,
		`{"webhooks": [{"requests": {}}]}`,
		`{"program": "x"}`,
	} {
		_, err := decode("@verify.json", json.RawMessage(in))
		if err := problem.Print(&got, err); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "input.txt", got.String())
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

func TestNewSaysWhatIsNext(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "acme")
	out, err := do(t, New, false, "connector", "acme", "--dir", dir, "--replace", "../../../..")
	if err != nil || !strings.HasPrefix(out, "wrote ") || !strings.Contains(out, "cd "+dir+"\n  make test\n") {
		t.Errorf("%q, %v", out, err)
	}
	out, err = do(t, New, true, "connector", "acme", "--dir", dir)
	if p, ok := errors.AsType[*problem.Problem](err); !ok || p.Code != "folder_not_empty" || out != "" {
		t.Errorf("%q, %v", out, err)
	}
}
