// Package connectortest is the kit for authors of connectors: one suite that every connector passes, in the process and over the real
// subprocess, for each version of the protocol.
//
// A connector's test needs a TestMain and one test:
//
//	func TestMain(m *testing.M) { connectortest.Main(m, acme.New()) }
//
//	func TestConformance(t *testing.T) {
//		vendor := connectortest.NewVendor(t, acmesim.New(), connectortest.VendorOptions{})
//		connectortest.Run(t, connectortest.Harness{
//			Connector: acme.New(),
//			Vendor:    vendor,
//			Config:    json.RawMessage(`{"base_url": "` + vendor.URL() + `", "token": "a-test-token"}`),
//		})
//	}
//
// The vendor misbehaves under messages and under operations, which rules call and call again by the class of their fault: it is too
// fast for it, it hangs, cuts connections, answers with nonsense, with nothing or without end, before and after it took the call. Operations
// that change something must then be unknown where they may have been taken, and others never are. [Checks] lists every check.
//
// Each finding says what to do. What a vendor makes impossible is excused in [Harness], with the reason; nothing is skipped
// otherwise: a suite that was not run whole fails.
package connectortest

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hermodhq/hermod/internal/wire"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest/conformance"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/watch"
	"github.com/hermodhq/hermod/sdk/connectortest/standin"
)

// What a test hands in; see the packages conformance and standin.
type (
	Harness       = conformance.Harness      // a connector and what the checks need to know about it
	Webhook       = conformance.Webhook      // one request that the vendor would make
	VendorOptions = standin.Options          // which requests send, and the vendor's own ways
	VerifyConfig  = conformance.VerifyConfig // a program and what is known about its vendor
	Report        = conformance.Report       // what verifying a program found
)

// Account is the name of the accounts that the checks open.
const Account = conformance.Account

// NewVendor starts a stand-in in front of a handler that behaves well, such as a simulator. It ends with the test.
func NewVendor(t testing.TB, accept http.Handler, o VendorOptions) *standin.HTTP {
	t.Helper()
	v, err := standin.NewHTTP(accept, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// Checks returns every check, with what it holds.
func Checks() []conformance.Check { return conformance.Checks() }

// Verify runs every check that can be made on any program; see [conformance.Verify].
func Verify(ctx context.Context, c VerifyConfig) (*Report, error) { return conformance.Verify(ctx, c) }

// passed remembers which connectors' suites were run whole. [testing.M] knows nothing of what its tests did, so that Main
// has no other way to learn it.
var passed struct {
	sync.Mutex
	names map[string]bool
}

// Main is the whole TestMain of a connector: it serves the connectors when the suite starts this binary as a subprocess, and otherwise runs the
// tests. It fails when a connector's suite was not run, unless a -run flag asks for other tests, and when goroutines outlive the tests.
func Main(m interface{ Run() int }, connectors ...connector.Connector) {
	connector.ServeIfAsked(connectors...)
	code := m.Run()
	if code == 0 {
		code = judge(os.Stderr, connectors, leakGrace)
	}
	os.Exit(code)
}

const leakGrace = 2 * time.Second // for goroutines that are about to end

func judge(w io.Writer, connectors []connector.Connector, grace time.Duration) (code int) {
	passed.Lock()
	defer passed.Unlock()
	for _, c := range connectors {
		name := string(c.Describe().Name)
		if !passed.names[name] && !asked("test.run") && !asked("test.list") {
			_, _ = fmt.Fprintf(w, "connectortest: the suite of connector %q was not run: call connectortest.Run in a test, and do not skip it\n", name)
			code = 1
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	for _, stack := range (watch.Goroutines{}).New(ctx) {
		if !strings.HasPrefix(stack, "goroutine 1 ") {
			_, _ = fmt.Fprintf(w, "connectortest: a goroutine outlives the tests:\n%s\n", stack)
			code = 1
		}
	}
	return code
}

func asked(name string) bool {
	f := flag.Lookup(name)
	return f != nil && f.Value.String() != ""
}

// Run runs the suite: every check that applies, in the process and over a subprocess for each version of the protocol. The subprocess is this
// test binary, see [Main]. Run fails when a part of the suite was not run, whatever the reason.
func Run(t *testing.T, h Harness) {
	t.Helper()
	if os.Getenv(wire.CookieKey) == wire.CookieValue {
		t.Fatal("this test binary was started as a connector and ran its tests instead; " + addMain)
	}
	if h.Connector == nil {
		t.Fatal("connectortest.Run needs Harness.Connector")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	targets := []conformance.Target{{}}
	for _, v := range conformance.Versions() {
		targets = append(targets, conformance.Target{Program: program, Args: []string{"-test.run=^$"}, Env: childEnv(), Version: v})
	}
	g := &guard{}
	for _, at := range targets {
		for _, check := range conformance.Plan(h.Connector.Describe(), at) {
			g.expect(at.String() + "/" + check.Name)
		}
	}
	t.Cleanup(func() { g.settle(t, string(h.Connector.Describe().Name)) })
	for _, at := range targets {
		t.Run(at.String(), func(t *testing.T) { runAt(t, h, at, g) })
	}
}

const addMain = "add: func TestMain(m *testing.M) { connectortest.Main(m, yourconnector.New()) }"

// childEnv lets a binary built for coverage write where this one does, and say nothing where it cannot.
func childEnv() []string {
	if dir := os.Getenv("GOCOVERDIR"); dir != "" {
		return []string{"GOCOVERDIR=" + dir}
	}
	return nil
}

func runAt(t *testing.T, h Harness, at conformance.Target, g *guard) {
	s, err := conformance.Start(t.Context(), h, at)
	if err != nil {
		t.Fatalf("%v\n\tto do: %s", err, addMain)
	}
	defer s.Stop(context.WithoutCancel(t.Context()))
	for _, check := range conformance.Plan(h.Connector.Describe(), at) {
		t.Run(check.Name, func(t *testing.T) {
			for _, f := range s.Run(t.Context(), check) {
				t.Errorf("%s\n\tto do: %s", f.Problem, f.Advice)
			}
			g.ran(at.String() + "/" + check.Name)
		})
	}
	for _, line := range leftOut(s.Left()) {
		t.Log(line)
	}
}

// leftOut says what was left out and why: a line for each reason where more than a few checks share it, else for each check.
func leftOut(all []conformance.Left) (lines []string) {
	alike := map[string]int{}
	for _, l := range all {
		alike[l.Reason]++
	}
	for _, l := range all {
		switch n := alike[l.Reason]; {
		case n == 0: // told already
		case n < 5:
			lines = append(lines, fmt.Sprintf("%s is left out: %s", l.Check, l.Reason))
		default:
			lines = append(lines, fmt.Sprintf("%d checks are left out: %s", n, l.Reason))
			alike[l.Reason] = 0
		}
	}
	return lines
}

// guard knows which checks have to run and which did.
type guard struct {
	mu       sync.Mutex
	expected map[string]bool // and whether it ran
}

func (g *guard) expect(check string) {
	if g.expected == nil {
		g.expected = map[string]bool{}
	}
	g.expected[check] = false
}

func (g *guard) ran(check string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expected[check] = true
}

// settle fails the test unless every check ran.
func (g *guard) settle(t interface {
	Errorf(format string, args ...any)
	Skipped() bool
}, name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var missing []string
	for _, check := range slices.Sorted(maps.Keys(g.expected)) {
		if !g.expected[check] {
			missing = append(missing, check)
		}
	}
	if len(missing) > 0 || t.Skipped() {
		t.Errorf("%d of %d checks of connector %q did not run, and the suite proves nothing unless it runs whole: %s",
			len(missing), len(g.expected), name, strings.Join(missing[:min(len(missing), 5)], ", "))
		return
	}
	passed.Lock()
	defer passed.Unlock()
	if passed.names == nil {
		passed.names = map[string]bool{}
	}
	passed.names[name] = true
}
