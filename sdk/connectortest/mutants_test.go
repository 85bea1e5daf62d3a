package connectortest_test

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest"
	"github.com/hermodhq/hermod/sdk/connectortest/conformance"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/toy"
)

// mistakes are toys with one mistake each, and the check that must find it. after is a check that must have run before.
var mistakes = []struct {
	mistake, check, says, after string
	process                     bool
}{
	{mistake: "version", check: "description", says: "semantic version"},
	{mistake: "undeclared receipts", check: "description", says: "receipts are pushed"},
	{mistake: "unmarked secret", check: "description", says: "setting token looks like a secret"},
	{mistake: "refuses to open", check: "harness", says: "does not open"},
	{mistake: "map config", check: "settings", says: "Open accepts an unknown setting"},
	{mistake: "hangs in close", check: "open_close", says: "did not return"},
	{mistake: "fails in close", check: "open_close", says: "a second Close fails"},
	{mistake: "closes others", check: "open_close", says: "an account that is still open, after another was closed cannot deliver"},
	{mistake: "opens once", check: "open_close", says: "does not open"},
	{mistake: "declares media", check: "channels", says: "channel sms, media is declared, but fails"},
	{mistake: "lies", check: "channels", says: "the stand-in saw no call"},
	{mistake: "plain errors", check: "vendor_down", says: "without a class"},
	{mistake: "panics", check: "channels", says: "panicked"},
	{mistake: "any channel", check: "undeclared", says: "hermod-kit-channel"},
	{mistake: "counts bytes", check: "limits", says: "refuses a text of MaxText characters"},
	{mistake: "no limit", check: "limits", says: "longer than MaxText"},
	{mistake: "crowded", check: "limits", says: "deliveries at once fail"},
	{mistake: "sends emoji twice", check: "odd_messages", says: "the vendor took"},
	{mistake: "429 is internal", check: "vendor_rate_limited", says: "want class [rate_limited]"},
	{mistake: "no retry-after", check: "vendor_rate_limited_retry_after", says: "the fault says 0s"},
	{mistake: "unreachable is unknown", check: "vendor_unreachable", says: "want class [unavailable]"},
	{mistake: "503 is internal", check: "vendor_down", says: "internal"},
	{mistake: "401 is internal", check: "vendor_unauthorized", says: "want class [unauthorized]"},
	{mistake: "400 is unavailable", check: "vendor_echo", says: "unavailable"},
	{mistake: "timeout is internal", check: "vendor_timeout_before", says: "internal"},
	{mistake: "timeout is unavailable", check: "vendor_timeout_after", says: "want class [outcome_unknown]"},
	{mistake: "drop is unavailable", check: "vendor_dropped_after", says: "want class [outcome_unknown]"},
	{mistake: "hopes", check: "vendor_dropped_after", says: "is answered with success"},
	{mistake: "hopes", check: "vendor_timeout_after", says: "is answered with success"},
	{mistake: "hopes", check: "vendor_garbage", says: "is answered with success"},
	{mistake: "believes JSON", check: "vendor_garbage", says: "is answered with success"},
	{mistake: "believes nothing", check: "vendor_empty", says: "is answered with success"},
	{mistake: "500 is unavailable", check: "vendor_failed_after", says: "want class [outcome_unknown]"},
	{mistake: "tries again", check: "vendor_failed_after", says: "3 deliveries made 6 calls"},
	{mistake: "garbage is internal", check: "vendor_garbage", says: "want class [outcome_unknown]"},
	{mistake: "reads it all", check: "vendor_oversized", says: "was read to its end"},
	{mistake: "ignores the context", check: "canceled", says: "did not return"},
	{mistake: "wedges", check: "canceled", says: "an account after a canceled delivery cannot deliver"},
	{mistake: "ignores the context", check: "vendor_timeout_after", says: "no answer"},
	{mistake: "operation fails", check: "operations", says: "operation contact.greet fails"},
	{mistake: "operation panics", check: "operations", says: "panicked"},
	{mistake: "looks up first", check: "operation_calls", says: "operation note.create makes 2 calls"},
	{mistake: "greets from memory", check: "operation_calls", says: "operation contact.greet makes 0 calls"},
	{mistake: "greets from memory", check: "operation_down", says: "operation contact.greet: down is answered with success"},
	{mistake: "429 is internal", check: "operation_rate_limited", says: "operation note.create: rate_limited is answered with"},
	{mistake: "no retry-after", check: "operation_rate_limited_retry_after", says: "operation contact.greet: the vendor says to come back after 2 s, the fault says 0s"},
	{mistake: "unreachable is unknown", check: "operation_unreachable", says: "operation note.create"},
	{mistake: "503 is internal", check: "operation_down", says: "operation contact.greet"},
	{mistake: "401 is internal", check: "operation_unauthorized", says: "operation contact.greet"},
	{mistake: "400 is unavailable", check: "operation_echo", says: "operation note.create"},
	{mistake: "timeout is internal", check: "operation_timeout_before", says: "operation note.create"},
	{mistake: "timeout is unavailable", check: "operation_timeout_after", says: "operation note.create: timeout_after is answered with"},
	{mistake: "does not know what it read", check: "operation_timeout_after", says: "operation contact.greet: timeout_after is answered with"},
	{mistake: "does not know what it read", check: "operation_garbage", says: "want class [internal unavailable]"},
	{mistake: "drop is unavailable", check: "operation_dropped_after", says: "want class [outcome_unknown]"},
	{mistake: "500 is unavailable", check: "operation_failed_after", says: "want class [outcome_unknown]"},
	{mistake: "operates again", check: "operation_failed_after", says: "2 operations made 4 calls"},
	{mistake: "believes any answer", check: "operation_garbage", says: "operation note.create: garbage is answered with success"},
	{mistake: "garbage is internal", check: "operation_garbage", says: "operation note.create"},
	{mistake: "panics on garbage", check: "operation_garbage", says: "panicked"},
	{mistake: "believes nothing", check: "operation_empty", says: "operation note.create: empty is answered with success"},
	{mistake: "reads it all", check: "operation_oversized", says: "was read to its end"},
	{mistake: "ignores the context", check: "operation_canceled", says: "did not return"},
	{mistake: "drop is unavailable", check: "operation_canceled", says: "canceled under way: operation note.create"},
	{mistake: "repeats the input", check: "secrets", says: "holds the input text of operation note.create", after: "operation_echo"},
	{mistake: "repeats the vendor", check: "secrets", says: "holds the input text of operation note.create", after: "operation_echo"},
	{mistake: "knows everything", check: "queries", says: "does not exist"},
	{mistake: "empty receipts", check: "queries", says: "the receipt's outcome is"},
	{mistake: "wrong event", check: "webhooks", says: "want [receipt]"},
	{mistake: "wrong event", check: "webhooks", says: "contact.created is not declared"},
	{mistake: "knows better", check: "webhooks", says: "which no channel declares"},
	{mistake: "declares event", check: "listening", says: "contact.created is declared, and nothing brought it"},
	{mistake: "receipt of nothing", check: "webhooks", says: "belongs to no attempt"},
	{mistake: "odd status", check: "webhooks", says: "HTTP status 42"},
	{mistake: "random ids", check: "webhook_repeats", says: "other event ids"},
	{mistake: "counts events", check: "webhook_repeats", says: "other event ids"},
	{mistake: "same ids", check: "webhook_repeats", says: "bring different events with the same id"},
	{mistake: "trusts everyone", check: "webhook_forged", says: "brings events"},
	{mistake: "forged is content", check: "webhook_forged", says: "is answered with content_rejected"},
	{mistake: "any signature", check: "webhook_changed", says: "brings events"},
	{mistake: "forged is content", check: "webhook_changed", says: "is answered with content_rejected"},
	{mistake: "never stale", check: "webhook_stale", says: "brings events"},
	{mistake: "indexes the body", check: "webhook_noise", says: "panicked"},
	{mistake: "trusts everyone", check: "webhook_noise", says: "brings an event"},
	{mistake: "is deaf", check: "listening", says: "heard nothing"},
	{mistake: "listens on", check: "listening", says: "did not return"},
	{mistake: "stops listening", check: "listening", says: "before its context ended"},
	{mistake: "goes on to the next", check: "listening_refused", says: "does not come again"},
	{mistake: "is deaf", check: "listening_refused", says: "heard nothing"},
	{mistake: "leaks", check: "goroutines", says: "toy.newAccount"},
	{mistake: "keeps connections", check: "goroutines", says: "net/http.(*Transport).dialConn"},
	{mistake: "logs the configuration", check: "secrets", says: "its log holds the secret setting token", after: "channels"},
	{mistake: "logs the number", check: "secrets", says: "its log holds the phone number", after: "channels"},
	{mistake: "logs the national number", check: "secrets", says: "its log holds the phone number", after: "channels"},
	{mistake: "logs the header", check: "secrets", says: "its log holds the secret setting token", after: "channels"},
	{mistake: "logs webhooks", check: "secrets", says: "its log holds a phone number in a webhook", after: "webhooks"},
	{mistake: "logs webhooks", check: "secrets", says: "its log holds the text of an inbound message", after: "webhooks"},
	{mistake: "tells the text", check: "secrets", says: "holds the text of a message", after: "vendor_down"},
	{mistake: "repeats the vendor", check: "secrets", says: "holds the secret setting token", after: "vendor_echo"},

	{mistake: "other in a process", check: "description", says: "describes itself differently", process: true},
	{mistake: "hangs in close", check: "open_close", says: "Close got no answer in time", process: true},
	{mistake: "ignores the context", check: "canceled", says: "goes on", process: true},
	{mistake: "ignores the context", check: "vendor_timeout_before", says: "got no answer", process: true},
	{mistake: "wedges", check: "canceled", says: "cannot deliver", process: true},
	{mistake: "leaves a process", check: "process_end", says: "outlived it", process: true},
	{mistake: "logs webhooks", check: "secrets", says: "the text of an inbound message", after: "webhooks", process: true},
	{mistake: "panics", check: "channels", says: "panicked", process: true},
	{mistake: "logs the number", check: "secrets", says: "its log holds the phone number", after: "channels", process: true},
	{mistake: "prints", check: "secrets", says: "its log holds the phone number", after: "channels", process: true},
	{mistake: "logs the configuration", check: "secrets", says: "its log holds the secret setting token", after: "channels", process: true},
	{mistake: "dies", check: "channels", says: "the process died", process: true},
	{mistake: "hangs in close", check: "process_end", says: "was killed", process: true},
	{mistake: "random ids", check: "webhook_repeats", says: "other event ids", process: true},
	{mistake: "timeout is unavailable", check: "vendor_timeout_after", says: "want class [outcome_unknown]", process: true},
	{mistake: "drop is unavailable", check: "operation_dropped_after", says: "want class [outcome_unknown]", process: true},
	{mistake: "does not know what it read", check: "operation_failed_after", says: "operation contact.greet", process: true},
	{mistake: "panics on garbage", check: "operation_garbage", says: "panicked", process: true},
	{mistake: "ignores the context", check: "operation_timeout_before", says: "the call of an operation whose time is over goes on", process: true},
	{mistake: "ignores the context", check: "operation_canceled", says: "the call of a canceled operation goes on", process: true},
	{mistake: "goes on to the next", check: "listening_refused", says: "does not come again", process: true},
	{mistake: "listens on", check: "listening", says: "did not return", process: true},
	{mistake: "stops listening", check: "listening", says: "before its context ended", process: true},
}

func self(t *testing.T) conformance.Target {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return conformance.Target{Program: program, Args: []string{"-test.run=^$"}, Version: conformance.Versions()[0]}
}

// findings runs some checks on a harness.
func findings(t *testing.T, h connectortest.Harness, at conformance.Target, names ...string) (list []conformance.Finding) {
	t.Helper()
	s, err := conformance.Start(t.Context(), h, at)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(context.WithoutCancel(t.Context()))
	for _, c := range conformance.Plan(h.Connector.Describe(), at) {
		if slices.Contains(names, c.Name) {
			list = append(list, s.Run(t.Context(), c)...)
		}
	}
	return list
}

func wantFinding(t *testing.T, list []conformance.Finding, check, says string) {
	t.Helper()
	for _, f := range list {
		if f.Check == check && strings.Contains(f.Problem, says) {
			if f.Advice == "" {
				t.Errorf("the finding %q gives no advice", f.Problem)
			}
			return
		}
	}
	t.Errorf("check %s did not find %q, but: %v", check, says, list)
}

// TestMistakesAreFound holds that every mistake is found by its check, in this process.
func TestMistakesAreFound(t *testing.T) {
	covered := map[string]bool{}
	for _, m := range mistakes {
		covered[m.check] = true
		if !m.process { // they share slog's default logger, and run one after the other
			t.Run(m.mistake+"/"+m.check, func(t *testing.T) {
				wantFinding(t, findings(t, harness(t, m.mistake), conformance.Target{}, m.check, m.after), m.check, m.says)
			})
		}
	}
	for _, c := range conformance.Checks() {
		if !covered[c.Name] && c.Name != "operation_inputs" && c.Name != "wire" { // see TestVerifyRogue
			t.Errorf("no mistake shows that check %s finds any", c.Name)
		}
	}
}

// TestMistakesOfProgramsAreFound does the same over the real subprocess.
func TestMistakesOfProgramsAreFound(t *testing.T) {
	t.Parallel()
	for _, m := range mistakes {
		if m.process {
			t.Run(m.mistake+"/"+m.check, func(t *testing.T) {
				t.Parallel()
				wantFinding(t, findings(t, harness(t, m.mistake), self(t), m.check, m.after), m.check, m.says)
			})
		}
	}
}

// TestLongAnswers holds that the kit does not take what the system keeps for a connector, tens of MiB, for what it read: 48 MiB are
// what a connector that reads 16 lets through where the system keeps 32.
func TestLongAnswers(t *testing.T) {
	if list := findings(t, harness(t, "reads 48 MiB"), conformance.Target{}, "vendor_oversized", "operation_oversized"); len(list) > 0 {
		t.Error(list)
	}
}

// TestHarnessMistakes holds what an author may get wrong in the harness.
func TestHarnessMistakes(t *testing.T) {
	for name, x := range map[string]struct {
		change      func(h *connectortest.Harness)
		check, says string
	}{
		"no config":         {func(h *connectortest.Harness) { h.Config = nil }, "harness", "Harness.Config is not set"},
		"no vendor":         {func(h *connectortest.Harness) { h.Vendor = nil }, "channels", "Harness.Vendor is not set"},
		"no webhooks":       {func(h *connectortest.Harness) { h.Webhooks = nil }, "webhooks", "Harness.Webhooks is not set"},
		"no forged":         {func(h *connectortest.Harness) { h.Forged = nil }, "webhook_forged", "was not made"},
		"no input":          {func(h *connectortest.Harness) { h.Inputs = nil }, "operations", `Inputs["contact.greet"] is not set`},
		"an input too many": {func(h *connectortest.Harness) { h.Inputs["x"] = json.RawMessage(`{}`) }, "operations", "operation x, which is not declared"},
		"nothing happens": {func(h *connectortest.Harness) {
			h.Happen, h.Patience = func(context.Context) error { return nil }, 100*time.Millisecond
		}, "listening", "heard nothing"},
		"short secret": {func(h *connectortest.Harness) {
			h.Config = json.RawMessage(strings.Replace(string(h.Config), token, "abc", 1))
		}, "harness", "too short"},
		"needless part":       {excuse("operation_calls/note.create", "none"), "operation_calls", "note.create is excused, and passes"},
		"part without text":   {excuse("operation_calls/toy.name", ""), "operation_calls", "gives no reason"},
		"part not excused":    {func(h *connectortest.Harness) { h.Excuses = nil }, "operation_calls", "operation toy.name makes 0 calls"},
		"part of a must":      {excuse("operation_down/note.create", "none"), "harness", `no check "operation_down" of which`},
		"part of nothing":     {excuse("operation_calls/note.burn", "none"), "harness", `"note.burn", which is excused, is not declared`},
		"empty is no success": {func(h *connectortest.Harness) { h.EmptyIsSuccess = true }, "vendor_empty", "want success"},
		"nor for operations":  {func(h *connectortest.Harness) { h.EmptyIsSuccess = true }, "operation_empty", "operation note.create: empty is answered with"},
		"needless excuse":     {excuse("webhook_stale", "none"), "webhook_stale", "excused, but it can be made"},
		"excuse for nothing":  {excuse("no_such_check", "none"), "harness", "does not exist"},
		"excuse for a must":   {excuse("channels", "none"), "harness", "cannot be excused"},
		"needless whole":      {excuse("webhook_changed", "none"), "webhook_changed", "the check is excused, and passes"},
		"whole without text":  {trusting(""), "webhook_changed", "gives no reason"},
		"no body to change": {func(h *connectortest.Harness) {
			h.Webhooks = []connectortest.Webhook{{Name: "empty", Request: connector.Request{Path: "/"}}}
		}, "webhook_changed", "no webhook has a body"},
		"excuse without text": {func(h *connectortest.Harness) { excuse("webhook_stale", "")(h); h.Stale = nil }, "webhook_stale", "gives no reason"},
		"blind stand-in":      {func(h *connectortest.Harness) { h.Vendor = blind{} }, "vendor_down", "was not made"},
	} {
		t.Run(name, func(t *testing.T) {
			h := harness(t, "")
			x.change(&h)
			wantFinding(t, findings(t, h, conformance.Target{}, x.check), x.check, x.says)
		})
	}
}

// TestEmptyIsSuccess holds that a vendor may say yes without a word, where the harness says so.
func TestEmptyIsSuccess(t *testing.T) {
	h := harness(t, "believes nothing")
	h.EmptyIsSuccess = true
	if list := findings(t, h, conformance.Target{}, "vendor_empty", "operation_empty"); len(list) > 0 {
		t.Error(list)
	}
}

// trusting excuses a connector that believes whatever comes.
func trusting(reason string) func(*connectortest.Harness) {
	return func(h *connectortest.Harness) {
		h.Connector = toy.New("trusts everyone", nil)
		excuse("webhook_changed", reason)(h)
	}
}

// TestForgedForAnotherReason holds that a connector whose signature check does nothing is found, where the forged requests of its author are
// refused for their time.
func TestForgedForAnotherReason(t *testing.T) {
	h := harness(t, "any signature")
	h.Forged = h.Stale
	if list := findings(t, h, conformance.Target{}, "webhook_forged"); len(list) > 0 {
		t.Fatal("the forged request is no example:", list)
	}
	wantFinding(t, findings(t, h, conformance.Target{}, "webhook_changed"), "webhook_changed", "webhook text with one other byte in its body brings events")
	trusting("the vendor signs nothing")(&h)
	if list := findings(t, h, conformance.Target{}, "webhook_changed"); len(list) > 0 {
		t.Error("excused:", list)
	}
}

func excuse(check, reason string) func(*connectortest.Harness) {
	return func(h *connectortest.Harness) { h.Excuses = map[string]string{check: reason} }
}

// TestExcuse holds that a good excuse stands, and is reported.
func TestExcuse(t *testing.T) {
	h := harness(t, "")
	excuse("webhook_stale", "the vendor gives no time")(&h)
	h.Stale = nil
	s, err := conformance.Start(t.Context(), h, conformance.Target{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(t.Context())
	for _, c := range conformance.Plan(h.Connector.Describe(), conformance.Target{}) {
		if c.Name == "webhook_stale" || c.Name == "harness" {
			if list := s.Run(t.Context(), c); len(list) > 0 {
				t.Error(list)
			}
		}
	}
	if left := s.Left(); len(left) != 1 || left[0].Reason != "the vendor gives no time" {
		t.Errorf("left out %v", left)
	}
}
