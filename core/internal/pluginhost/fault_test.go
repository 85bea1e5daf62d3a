//go:build linux

package pluginhost_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hermodhq/hermod/core/internal/pluginhost"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

var update = flag.Bool("update", false, "write golden files")

// TestMalformedConnectors holds that a connector that cannot be used is refused with a clear error and a stable code, and that
// everything else goes on.
func TestMalformedConnectors(t *testing.T) {
	cases := []struct {
		how  string
		code string
	}{
		{"exit", "plugin_exited"}, {"garbage", "plugin_handshake"}, {"flood", "plugin_handshake"}, {"silent", "plugin_timeout"},
		{"wrong-core", "plugin_protocol"}, {"wrong-version", "plugin_protocol"}, {"net-rpc", "plugin_protocol"},
		{"nobody-listens", "plugin_handshake"}, {"mute", "plugin_timeout"}, {"no-service", "plugin_protocol"},
		{"huge-description", "frame_too_large"}, {"no-description", "plugin_timeout"}, {"other-name", "plugin_name"},
	}
	programs := map[message.ConnectorName]pluginhost.Program{"echo": {SelfExec: true}}
	for _, c := range cases {
		programs[message.ConnectorName(c.how)] = self(t, "misbehave", c.how)
	}
	changed := self(t)
	changed.SHA256 = make([]byte, 32)
	programs["changed"] = changed
	cases = append(cases, struct{ how, code string }{"changed", "plugin_checksum"})
	missing := self(t)
	missing.Path = filepath.Join(t.TempDir(), "hermod-missing")
	programs["missing"] = missing
	cases = append(cases, struct{ how, code string }{"missing", "plugin_missing"})

	f := start(t, pluginhost.Program{}, func(c *pluginhost.Config) { c.Programs, c.StartTimeout = programs, 4*time.Second })
	a, good := f.open(pluginhost.AccountSpec{})
	var golden strings.Builder
	texts := make([]string, len(cases))
	t.Run("each", func(t *testing.T) {
		for i, c := range cases {
			t.Run(c.how, func(t *testing.T) {
				t.Parallel()
				_, err := f.Describe(t.Context(), message.ConnectorName(c.how))
				if got := fault.From(err); got == nil || got.Code != c.code {
					t.Errorf("got %v, want code %s", err, c.code)
				}
				texts[i] = fmt.Sprintf("%s: %v\n", c.how, err)
			})
		}
	})
	for _, text := range texts {
		golden.WriteString(scrub(text))
	}
	checkGolden(t, "malformed.golden", golden.String())
	a.Deliver(batch(100, "hello"))
	for range 100 {
		if got := good.wait(t); got.Err != nil {
			t.Fatal(got.Err)
		}
	}
}

var paths = regexp.MustCompile(`\S*/(hermod-missing|\w+\.test)`)

func scrub(s string) string { return paths.ReplaceAllString(s, "PROGRAM") }

func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	expected, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(expected), got); d != "" {
		t.Errorf("%s (-want +got); run with -update if this is meant:\n%s", name, d)
	}
}

func TestProgramsAreChecked(t *testing.T) {
	for name, p := range map[string]pluginhost.Program{
		"program_invalid": {}, "plugin_unpinned": {Path: "/bin/true"},
	} {
		_, err := pluginhost.New(pluginhost.Config{Programs: map[message.ConnectorName]pluginhost.Program{"x": p}})
		want(t, err, fault.Misconfigured, name)
	}
	_, err := pluginhost.New(pluginhost.Config{Programs: map[message.ConnectorName]pluginhost.Program{"x": {SelfExec: true, Path: "/bin/true"}}})
	want(t, err, fault.Misconfigured, "program_invalid")
}

func TestFramesTooLarge(t *testing.T) {
	f := start(t, self(t, "misbehave", "huge-answer"), nil)
	a, c := f.open(pluginhost.AccountSpec{})
	a.Deliver(batch(3, "x"))
	for range 3 {
		want(t, c.wait(t).Err, fault.OutcomeUnknown, "frame_too_large")
	}
	large := delivery("large", "")
	large.Content = message.Content{Media: &message.Media{Type: "image", Data: make([]byte, 17<<20)}}
	g := start(t, pluginhost.Program{SelfExec: true}, nil)
	b, d := g.open(pluginhost.AccountSpec{})
	b.Deliver([]connector.Delivery{delivery("1", "x"), large, delivery("2", "large")})
	for range 3 {
		got := d.wait(t)
		if got.Message == "large" {
			want(t, got.Err, fault.ContentRejected, "frame_too_large")
		} else if got.Err != nil || len(got.Result.Detail["x"]) > 100 {
			t.Errorf("%+v", got)
		}
	}
}

func TestAnswersThatNobodyAskedForAreDropped(t *testing.T) {
	f := start(t, self(t, "misbehave", "twice"), nil)
	a, c := f.open(pluginhost.AccountSpec{})
	a.Deliver(batch(200, "x"))
	seen := map[message.ID]bool{}
	for range 200 {
		got := c.wait(t)
		if got.Err != nil || seen[got.Message] {
			t.Fatalf("%+v", got)
		}
		seen[got.Message] = true
	}
	if err := a.Close(t.Context()); err != nil || len(c) != 0 {
		t.Errorf("%d answers too many, %v", len(c), err)
	}
}

func TestAPanicCostsOneMessage(t *testing.T) {
	both(t, func(t *testing.T, p pluginhost.Program) {
		f := start(t, p, nil)
		a, c := f.open(pluginhost.AccountSpec{})
		a.Deliver([]connector.Delivery{delivery("1", "panic"), delivery("2", "hello")})
		for range 2 {
			if got := c.wait(t); got.Message == "1" {
				want(t, got.Err, fault.OutcomeUnknown, "connector_panic")
			} else if got.Err != nil {
				t.Error(got.Err)
			}
		}
		if err := f.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if n := strings.Count(f.log.String(), "connector panicked"); n != 1 || !strings.Contains(f.log.String(), "goroutine") {
			t.Errorf("logged %d times, or without its stack:\n%s", n, f.log)
		}
	})
}

func TestCrashIsLoggedOnceWithItsStack(t *testing.T) {
	f := start(t, pluginhost.Program{SelfExec: true}, nil)
	a, c := f.open(pluginhost.AccountSpec{})
	f.up()
	a.Deliver(batch(1, "crash"))
	want(t, c.wait(t).Err, fault.OutcomeUnknown, "connector_died")
	s := f.state(func(s pluginhost.ConnectorState) bool { return s.Phase == "crashed" })
	if s.Fault.Code != "connector_died" || !strings.Contains(s.Fault.Text, "panic: crashed on purpose") {
		t.Errorf("the state's fault is %v", s.Fault)
	}
	f.up()
	log := f.log.String()
	if strings.Count(log, "connector crashed") != 1 || !strings.Contains(log, `"level":"ERROR"`) || !strings.Contains(log, `"version":"1.2.3"`) ||
		!strings.Contains(log, "goroutine") {
		t.Errorf("the log:\n%s", log)
	}
}

func TestNoAnswerInTime(t *testing.T) {
	f := start(t, pluginhost.Program{SelfExec: true}, func(c *pluginhost.Config) { c.CallTimeout = 200 * time.Millisecond })
	a, c := f.open(pluginhost.AccountSpec{})
	a.Deliver([]connector.Delivery{delivery("1", "slow"), delivery("2", "hang")})
	for range 2 {
		want(t, c.wait(t).Err, fault.OutcomeUnknown, "no_answer")
	}
	a.Deliver(batch(1, "hello"))
	if got := c.wait(t); got.Err != nil {
		t.Error(got.Err)
	}
}

// TestHungConnectors holds that a connector that lives but does not work is found, by the pings or by the answers that it owes.
func TestHungConnectors(t *testing.T) {
	t.Run("stopped", func(t *testing.T) {
		f := start(t, pluginhost.Program{SelfExec: true}, func(c *pluginhost.Config) { c.HangTimeout = 300 * time.Millisecond })
		a, c := f.open(pluginhost.AccountSpec{})
		suspend(t, f.up().PID)
		a.Deliver(batch(1, "hello"))
		want(t, c.wait(t).Err, fault.OutcomeUnknown, "connector_hung")
		worksAgain(t, f, a, c)
	})
	t.Run("answers nothing", func(t *testing.T) {
		f := start(t, pluginhost.Program{SelfExec: true}, func(c *pluginhost.Config) {
			c.CallTimeout, c.HangTimeout = 100*time.Millisecond, 300*time.Millisecond
		})
		a, c := f.open(pluginhost.AccountSpec{})
		f.up()
		a.Deliver(batch(10, "hang"))
		for range 10 {
			want(t, c.wait(t).Err, fault.OutcomeUnknown, "no_answer")
		}
		s := f.state(func(s pluginhost.ConnectorState) bool { return s.Phase == "crashed" })
		if s.Fault.Code != "connector_hung" {
			t.Errorf("the state's fault is %v", s.Fault)
		}
		worksAgain(t, f, a, c)
	})
}

// suspend stops a process and waits until it stands still.
func suspend(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), ") T ") {
			return
		}
	}
}

// worksAgain waits for the restart and sends until the account is open again.
func worksAgain(t *testing.T, f *fixture, a *pluginhost.Account, c answers) {
	t.Helper()
	f.up()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		a.Deliver(batch(1, "hello"))
		got := c.wait(t)
		if got.Err == nil {
			return
		}
		want(t, got.Err, fault.Unavailable, "connector_down")
	}
	t.Error("the account did not come back")
}

func TestRestartsSlowDown(t *testing.T) {
	f := start(t, self(t, "misbehave", "exit"), func(c *pluginhost.Config) {
		c.BackoffMin, c.BackoffMax, c.Rand = 20*time.Millisecond, 80*time.Millisecond, func() float64 { return 1 }
	})
	_, err := f.Describe(t.Context(), "echo")
	want(t, err, fault.Unavailable, "plugin_exited")
	// The second question within the rest is answered at once; later ones start it again.
	var delays []time.Duration
	for len(delays) < 4 {
		_, _ = f.Describe(t.Context(), "echo")
		select {
		case s := <-f.states:
			if s.Phase == "crashed" {
				delays = append(delays, s.RetryIn)
			}
		default:
		}
	}
	if d := cmp.Diff([]time.Duration{20e6, 40e6, 80e6, 80e6}, delays); d != "" {
		t.Error(d)
	}
}

func TestTooManyDeliveriesAreRefused(t *testing.T) {
	f := start(t, pluginhost.Program{SelfExec: true}, func(c *pluginhost.Config) { c.Window, c.MaxQueue, c.CallTimeout = 10, 20, 200*time.Millisecond })
	a, c := f.open(pluginhost.AccountSpec{})
	a.Deliver(batch(500, "slow"))
	busy := c.wait(t)
	want(t, busy.Err, fault.Unavailable, "connector_busy")
	if fault.From(busy.Err).RetryAfter <= 0 {
		t.Error("it does not say when to try again")
	}
}
