package core_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// logged is a log that a test can wait on.
type logged struct {
	slog.Handler
	lines chan string
}

func (l logged) Enabled(context.Context, slog.Level) bool { return true }

func (l logged) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	select {
	case l.lines <- line:
	default: // nobody reads that much
	}
	return nil
}

// awaits returns the lines up to one that contains what.
func (l logged) awaits(t *testing.T, what string) (all []string) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case line := <-l.lines:
			if all = append(all, line); strings.Contains(line, what) {
				return all
			}
		case <-timeout:
			t.Fatalf("nothing was logged of %q: %q", what, all)
		}
	}
}

// about keeps the lines about accounts' opening.
func about(lines []string) (all []string) {
	for _, line := range lines {
		if strings.Contains(line, "opened") {
			all = append(all, line)
		}
	}
	return all
}

// refusing starts an engine whose account one the vendor refuses to open until it says otherwise. Tries come at once.
func refusing(t *testing.T, rules string, class fault.Class) (k *kit, c *clock, mend func(), log logged) {
	v := newVendor(t)
	var mended atomic.Bool
	v.opens = func(id message.AccountID) vendReply {
		if id == "one" && !mended.Load() {
			return vendReply{Class: class, Code: "no"}
		}
		return vendReply{}
	}
	c, log = newClock(), logged{slog.DiscardHandler, make(chan string, 1000)}
	k = newKit(t, v, rules, func(cfg *core.Config) {
		cfg.Clock, cfg.Logger = c, slog.New(log)
		a := cfg.Accounts["one"]
		a.Config = json.RawMessage(strings.Replace(string(a.Config), "{", `{"asks":true,`, 1))
		cfg.Accounts["one"] = a
	})
	return k, c, func() { mended.Store(true) }, log
}

func (k *kit) account(id message.AccountID) core.AccountStatus {
	k.t.Helper()
	for _, s := range k.Accounts() {
		if s.Account == id {
			return s
		}
	}
	k.t.Fatalf("there is no account %s", id)
	return core.AccountStatus{}
}

// A message whose only account cannot be reached yet waits for it; the account is opened when its vendor is back.
func TestAccountOpensLater(t *testing.T) {
	t.Parallel()
	k, c, mend, log := refusing(t, oneStep(""), fault.Unavailable)
	s := k.account("one")
	if s.State != "down" || s.Reason != "unavailable" || !strings.Contains(s.Text, "vendor said 401") || s.Advice == "" || s.Since.IsZero() || s.Until.Before(s.Since) {
		t.Errorf("%+v", s)
	}
	if s := k.account("two"); s.State != "closed" {
		t.Errorf("the other account is %s", s.State)
	}
	id := k.send(text(0, "hello"))
	k.waitsFor(id, "message.planned")
	_, err := k.Invoke(t.Context(), "one", "pid", json.RawMessage(`{}`))
	if f := fault.From(err); f == nil || f.Code != "account_not_open" || f.Class != fault.Unavailable {
		t.Errorf("an operation: %v", err)
	}
	mend()
	stop := passing(c)
	defer stop()
	k.ends(id, message.Accepted, "")
	if s := k.account("one"); s.State != "closed" || s.Reason != "" || !s.Until.IsZero() {
		t.Errorf("%+v", s)
	}
	if got := k.timeline(id); strings.Contains(got, "account_not_open") || strings.Count(got, "attempted") != 1 {
		t.Errorf("its time in the queue shows\n%s", got)
	}
	lines := about(log.awaits(t, "after all"))
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "ERROR an account could not be opened") || !strings.HasPrefix(lines[1], "INFO an account has been opened") {
		t.Errorf("the log: %q", lines)
	}
}

// passing lets time pass until stop.
func passing(c *clock) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for tick := time.NewTicker(time.Millisecond); ctx.Err() == nil; <-tick.C {
			c.pass(100 * time.Millisecond)
		}
	})
	return func() { cancel(); wg.Wait() }
}

// A message whose last account is refused by its vendor does not wait for a person; Resume tries the account at once.
func TestRefusedAccountIsTriedAgain(t *testing.T) {
	t.Parallel()
	k, _, mend, log := refusing(t, oneStep(""), fault.Unauthorized)
	k.ends(k.send(text(0, "hello")), message.Failed, "account_not_open")
	s := k.account("one")
	if pause := s.Until.Sub(s.Since); s.Reason != "unauthorized" || pause < 30*time.Second || pause > time.Minute {
		t.Errorf("%+v", s)
	}
	mend()
	if err := k.Resume("one"); err != nil {
		t.Fatal(err)
	}
	log.awaits(t, "opened after all")
	k.ends(k.send(text(1, "hello")), message.Accepted, "")
}

// An engine stops while an account is still tried, and fails to open in its next life too.
func TestStopsWhileAnAccountIsTried(t *testing.T) {
	t.Parallel()
	k, _, _, _ := refusing(t, twoSteps(waitForDelivery), fault.Unavailable)
	id := k.send(text(0, "hello"))
	if s := k.ends(id, message.Accepted, ""); s.Account != "two" || !strings.Contains(k.timeline(id), "step_left one whatsapp account_not_open") {
		t.Errorf("it went to %s\n%s", s.Account, k.timeline(id))
	}
	k.restart()
	if s := k.account("one"); s.State != "down" {
		t.Errorf("%+v", s)
	}
}

// TestAccountMetrics reads the gauges: one account's state, and how many messages wait for it.
func TestAccountMetrics(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	v := newVendor(t)
	letGo := holding(v)
	k := newKit(t, v, oneStep(""), func(c *core.Config) {
		c.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
		limited(connector.Limits{Concurrency: 1})(c)
	})
	first := k.send(text(0, "hello"))
	v.await(t, 1)
	for i := range 3 {
		k.send(text(1+i, "hello"))
	}
	want := map[string]int64{"waiting one": 3, "waiting two": 0, "calls one": 1, "calls two": 0}
	for _, account := range []string{"one", "two"} {
		for _, state := range []string{"closed", "held", "open", "half_open", "paused", "down"} {
			want["state "+account+" "+state] = 0
		}
		want["state "+account+" closed"] = 1
	}
	got := gauges(t, reader)
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s is %d, want %d", key, got[key], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d series: %v", len(got), got)
	}
	letGo()
	k.ends(first, message.Accepted, "")
	k.stop()
	if got := gauges(t, reader); len(got) != 0 {
		t.Errorf("an engine that has stopped shows %v", got)
	}
}

// gauges reads the accounts' gauges, keyed by name, account and state.
func gauges(t *testing.T, reader *sdkmetric.ManualReader) map[string]int64 {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	all := map[string]int64{}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			name, ours := strings.CutPrefix(m.Name, "hermod.account.")
			if !ours {
				continue
			}
			for _, p := range m.Data.(metricdata.Gauge[int64]).DataPoints {
				key := name
				for _, label := range []attribute.Key{"account", "state"} {
					if value, ok := p.Attributes.Value(label); ok {
						key += " " + value.AsString()
					}
				}
				all[key] = p.Value
			}
		}
	}
	return all
}
