package fault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hermodhq/hermod/sdk/fault"
)

// The table is the contract: what the engine does for each class, and whether a second call may duplicate.
func TestClasses(t *testing.T) {
	want := map[fault.Class]struct {
		action fault.Action
		taken  fault.Certainty
	}{
		"invalid_recipient":    {fault.Next, fault.NotTaken},
		"unsubscribed":         {fault.Stop, fault.NotTaken},
		"content_rejected":     {fault.Next, fault.NotTaken},
		"template_unavailable": {fault.Next, fault.NotTaken},
		"session_closed":       {fault.Next, fault.NotTaken},
		"recipient_busy":       {fault.Retry, fault.NotTaken},
		"rate_limited":         {fault.Retry, fault.NotTaken},
		"quota_exhausted":      {fault.Pause, fault.NotTaken},
		"unauthorized":         {fault.Pause, fault.NotTaken},
		"misconfigured":        {fault.Pause, fault.NotTaken},
		"unsupported":          {fault.Next, fault.NotTaken},
		"unavailable":          {fault.Retry, fault.NotTaken},
		"outcome_unknown":      {fault.Ask, fault.MayTaken},
		"internal":             {fault.Next, fault.NotTaken},
	}
	advice := map[string]fault.Class{}
	for _, c := range fault.Classes() {
		w, ok := want[c]
		if !ok {
			t.Errorf("%s is not in the table", c)
		}
		delete(want, c)
		if c.Action() != w.action || c.Taken() != w.taken || !c.Known() {
			t.Errorf("%s: %s, %s, known %t; want %s, %s", c, c.Action(), c.Taken(), c.Known(), w.action, w.taken)
		}
		if twin, twice := advice[c.Advice()]; c.Advice() == "" || twice {
			t.Errorf("%s has no advice of its own (%s)", c, twin)
		}
		advice[c.Advice()] = c
	}
	for c := range want {
		t.Errorf("%s is not listed by Classes", c)
	}
	odd := fault.Class("odd")
	if odd.Known() || odd.Action() != fault.Internal.Action() || odd.Taken() != fault.Internal.Taken() || odd.Advice() != fault.Internal.Advice() {
		t.Error("an unknown class does not count as internal")
	}
}

func TestAdviceGoesByOurCodesFirst(t *testing.T) {
	for _, tt := range []struct {
		class      fault.Class
		code, want string
	}{
		{fault.Misconfigured, "plugin_unpinned", "if the program is the one that you want, run `hermod connectors pin`, and start again"},
		{fault.Misconfigured, "plugin_missing", "put a program that fits into the plugins folder, run `hermod connectors pin`, and start again"},
		{fault.Unavailable, "plugin_exited", "run the connector's program by hand, and look at its lines in the log; the vendor has no part in this"},
		{fault.Unavailable, "connector_down", "look at the connector's lines in the log; it is started again by itself"},
		{fault.OutcomeUnknown, "connector_died", "look at the connector's lines in the log; it is started again by itself; " + fault.OutcomeUnknown.Advice()},
		{fault.Misconfigured, "config_invalid", "correct the configuration, and start again"},
		{fault.Unauthorized, "bad_token", fault.Unauthorized.Advice()},
		{fault.Unavailable, "", fault.Unavailable.Advice()},
	} {
		if got := fault.New(tt.class, tt.code, "x").Advice(); got != tt.want {
			t.Errorf("%s [%s]: %q, want %q", tt.class, tt.code, got, tt.want)
		}
	}
}

func TestNewKeepsTheCauseAndRedacts(t *testing.T) {
	f := fault.New(fault.Unavailable, "connect", "calling +447700900123: %w", io.ErrUnexpectedEOF)
	if !errors.Is(f, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	if f.Text != "calling [number]: unexpected EOF" {
		t.Errorf("text %q", f.Text)
	}
	if plain := fault.New(fault.Internal, "x", "no cause"); plain.Unwrap() != nil {
		t.Errorf("a cause from nowhere: %v", plain.Unwrap())
	}
	two := fault.New(fault.Internal, "x", "%w and %w", io.EOF, io.ErrClosedPipe)
	if !errors.Is(two, io.EOF) || !errors.Is(two, io.ErrClosedPipe) {
		t.Error("one of two causes is lost")
	}
}

func TestErrorText(t *testing.T) {
	tests := []struct {
		f    *fault.Fault
		want string
	}{
		{fault.New(fault.Internal, "", "broken"), "internal: broken"},
		{&fault.Fault{Class: fault.Unsupported}, "unsupported"},
		{fault.New(fault.SessionClosed, "window", "window closed").WithVendor("131047", "Re-engagement message to 447700900123"),
			"session_closed [window]: window closed (vendor said 131047 Re-engagement message to [number])"},
		{(&fault.Fault{Class: fault.RateLimited}).WithVendor("", "slow down"), "rate_limited (vendor said slow down)"},
	}
	for _, tt := range tests {
		if got := tt.f.Error(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func TestCopies(t *testing.T) {
	f := fault.New(fault.RateLimited, "slow", "slow: %w", io.EOF)
	g := f.After(time.Second).WithVendor("429", "wait")
	if f.RetryAfter != 0 || f.VendorCode != "" {
		t.Error("the original changed")
	}
	if g.RetryAfter != time.Second || g.VendorCode != "429" || g.VendorText != "wait" || !errors.Is(g, io.EOF) {
		t.Errorf("the copy lacks something: %+v", g)
	}
}

func TestIs(t *testing.T) {
	err := fmt.Errorf("sending: %w", fault.New(fault.Unavailable, "connect", "no route"))
	if !errors.Is(err, &fault.Fault{Class: fault.Unavailable}) || !errors.Is(err, &fault.Fault{Class: fault.Unavailable, Code: "connect"}) {
		t.Error("the same class and code do not match")
	}
	if errors.Is(err, &fault.Fault{Class: fault.Internal}) || errors.Is(err, &fault.Fault{Class: fault.Unavailable, Code: "dns"}) || errors.Is(err, io.EOF) {
		t.Error("another class, code or error matches")
	}
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok || f.Code != "connect" {
		t.Errorf("got %v", f)
	}
}

func TestFrom(t *testing.T) {
	if fault.From(nil) != nil {
		t.Error("nil did not stay nil")
	}
	f := fault.New(fault.Unsubscribed, "stop", "opted out")
	if got := fault.From(fmt.Errorf("a: %w", f)); got != f {
		t.Errorf("got %v", got)
	}
	got := fault.From(fmt.Errorf("dialing +447700900123: %w", io.EOF))
	if got.Class != fault.Internal || got.Code != "unclassified" || got.Text != "dialing [number]: EOF" || !errors.Is(got, io.EOF) {
		t.Errorf("got %+v", got)
	}
}

// Every class crosses a process border as JSON and comes back the same, its cause apart.
func TestJSON(t *testing.T) {
	for _, c := range fault.Classes() {
		f := fault.New(c, "code", "text: %w", io.EOF).WithVendor("v1", "vendor text").After(1500 * time.Millisecond)
		data, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		var g *fault.Fault
		if err := json.Unmarshal(data, &g); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f, g, cmpopts.IgnoreUnexported(fault.Fault{})); diff != "" {
			t.Error(diff)
		}
		if g.Unwrap() != nil || !errors.Is(g, f) {
			t.Errorf("%s: cause %v, same %t", c, g.Unwrap(), errors.Is(g, f))
		}
	}
	data, _ := json.Marshal(&fault.Fault{Class: fault.RateLimited, RetryAfter: 2 * time.Second})
	if want := `{"class":"rate_limited","retry_after":2000000000}`; string(data) != want {
		t.Errorf("got %s, want %s", data, want)
	}
}

func TestWithVendorBounds(t *testing.T) {
	f := (&fault.Fault{}).WithVendor("1", strings.Repeat("word ", 1000))
	if len(f.VendorText) > 512 {
		t.Errorf("%d bytes of vendor text", len(f.VendorText))
	}
}
