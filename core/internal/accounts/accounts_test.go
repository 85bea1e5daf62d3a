package accounts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/hermodhq/hermod/core/internal/pacing"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// vendor says how each account's tries end: the last one counts for all that follow. It notes when each try was made.
type vendor struct {
	mu      sync.Mutex
	began   time.Time
	health  pacing.Health // of every account
	trouble *fault.Fault  // of every open account
	says    map[message.AccountID][]error
	tries   map[message.AccountID][]time.Duration
	heard   []string // opened, or the class with which it is shut
	log     bytes.Buffer
}

func after(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

func (v *vendor) open(_ context.Context, id message.AccountID) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tries[id] = append(v.tries[id], time.Since(v.began))
	says := v.says[id]
	if len(says) == 0 {
		return "open", nil
	}
	if len(says) > 1 {
		v.says[id] = says[1:]
	}
	return "open", says[0]
}

func (v *vendor) hears(what string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.heard = append(v.heard, what)
}

func newBook(says map[message.AccountID][]error, names ...message.AccountID) (*Book[string], *vendor) {
	v := &vendor{began: time.Now(), says: says, tries: map[message.AccountID][]time.Duration{}}
	return New(Config[string]{
		Names: names, Open: v.open, Opened: func(message.AccountID, string) { v.hears("opened") },
		Shut:      func(_ message.AccountID, f *fault.Fault) { v.hears(f.Code + " " + string(f.Class)) },
		Pace:      func(message.AccountID) pacing.Health { return v.health },
		Connector: func(id message.AccountID) message.ConnectorName { return message.ConnectorName(id + "'s") },
		PauseCode: func(message.AccountID) string { return "4003" },
		Trouble:   func(string) *fault.Fault { return v.trouble },
		Now:       time.Now, After: after, Rand: func() float64 { return 1 }, Logger: slog.New(slog.NewTextHandler(&v.log, nil)),
	}), v
}

func run(ctx context.Context, b *Book[string]) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { b.Run(ctx) })
	return func() { cancel(); wg.Wait() }
}

var (
	away    = fault.New(fault.Unavailable, "connect", "no answer")
	refused = fault.New(fault.Unauthorized, "bad_token", "the token is refused").WithVendor("401", "no")
)

func seconds(all ...int) (out []time.Duration) {
	for _, n := range all {
		out = append(out, time.Duration(n)*time.Second)
	}
	return out
}

func TestTriesAgain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		says  []error
		tries []time.Duration
		heard []string
	}{
		{"at once", []error{nil}, seconds(0), []string{"opened"}},
		{"the vendor is away for long", []error{away, away, away, away, away, away, away, away, away, nil}, seconds(0, 1, 3, 7, 15, 31, 63, 123, 183, 243),
			[]string{"account_not_open unavailable", "opened"}},
		{"a person has to mend it", []error{refused, refused, nil}, seconds(0, 60, 120), []string{"account_not_open misconfigured", "opened"}},
		{"what the vendor calls misconfigured", []error{fault.New(fault.Misconfigured, "bot", "no bot").WithVendor("1015", ""), nil}, seconds(0, 60),
			[]string{"account_not_open misconfigured", "opened"}},
		{"the vendor comes back, and refuses", []error{away, refused, refused, away, nil}, seconds(0, 1, 61, 121, 181),
			[]string{"account_not_open unavailable", "account_not_open misconfigured", "account_not_open unavailable", "opened"}},
		{"the vendor asks to wait", []error{fault.New(fault.RateLimited, "slow", "slow down").After(5 * time.Minute), nil}, seconds(0, 300),
			[]string{"account_not_open unavailable", "opened"}},
		{"the vendor asks for a day", []error{fault.New(fault.RateLimited, "slow", "slow down").After(24 * time.Hour), nil}, seconds(0, 3600),
			[]string{"account_not_open unavailable", "opened"}},
		{"no fault", []error{errors.New("odd"), nil}, seconds(0, 1), []string{"account_not_open unavailable", "opened"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, v := newBook(map[message.AccountID][]error{"one": tt.says}, "one", "two")
				if err := b.Open(t.Context()); err != nil {
					t.Fatal(err)
				}
				defer run(t.Context(), b)()
				time.Sleep(3 * time.Hour)
				synctest.Wait()
				if diff := cmp.Diff(tt.tries, v.tries["one"]); diff != "" {
					t.Errorf("tries: %s", diff)
				}
				heard := v.heard
				for i, h := range heard { // account two opens at once
					if h == "opened" {
						heard = append(heard[:i:i], heard[i+1:]...)
						break
					}
				}
				if diff := cmp.Diff(tt.heard, heard); diff != "" {
					t.Errorf("heard: %s", diff)
				}
				if a, err := b.Get("one"); err != nil || a != "open" || len(v.tries["two"]) != 1 {
					t.Errorf("one is %q, %v; two was opened %d times", a, err, len(v.tries["two"]))
				}
				failures, mended := strings.Count(v.log.String(), "level=ERROR"), strings.Count(v.log.String(), "level=INFO")
				if want := min(1, len(tt.tries)-1); failures != want || mended != want || strings.Count(v.log.String(), "\n") != 2*want {
					t.Errorf("the log:\n%s", &v.log)
				}
			})
		})
	}
}

// Tries of many accounts do not fall together.
func TestJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, v := newBook(map[message.AccountID][]error{"one": {away, away, nil}}, "one")
		b.cfg.Rand = func() float64 { return 0 }
		if err := b.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer run(t.Context(), b)()
		time.Sleep(time.Hour)
		synctest.Wait()
		if diff := cmp.Diff([]time.Duration{0, 500 * time.Millisecond, 1500 * time.Millisecond}, v.tries["one"]); diff != "" {
			t.Error(diff)
		}
	})
}

func TestConfiguredWrongly(t *testing.T) {
	wrong := fault.New(fault.Misconfigured, "config_invalid", "url is missing")
	b, v := newBook(map[message.AccountID][]error{"one": {wrong}, "two": {away}, "three": {wrong}}, "one", "two", "three", "four")
	err := b.Open(t.Context())
	if !errors.Is(err, wrong) || strings.Count(err.Error(), "config_invalid") != 2 || !strings.Contains(err.Error(), "account three: ") {
		t.Errorf("Open = %v", err)
	}
	if len(v.tries) != 4 {
		t.Errorf("only %v were tried", v.tries)
	}
}

// Vendors that do not answer do not add up.
func TestOpenWaitsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, v := newBook(map[message.AccountID][]error{"one": {away}, "two": {away}, "three": {away}}, "one", "two", "three", "four")
		b.cfg.Open = func(ctx context.Context, id message.AccountID) (string, error) {
			a, err := v.open(ctx, id)
			if err != nil {
				time.Sleep(10 * time.Second)
			}
			return a, err
		}
		if err := b.Open(t.Context()); err != nil || time.Since(v.began) > 10*time.Second || len(v.heard) != 4 {
			t.Errorf("%v after %v: %q", err, time.Since(v.began), v.heard)
		}
	})
}

func TestTryNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, v := newBook(map[message.AccountID][]error{"one": {refused, refused, nil}}, "one")
		if err := b.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		end := run(t.Context(), b)
		for _, at := range []time.Duration{time.Second, 2 * time.Second} {
			time.Sleep(at - time.Since(v.began))
			if !b.TryNow("one") {
				t.Error("an account that is not open can be tried")
			}
			synctest.Wait()
		}
		if diff := cmp.Diff(seconds(0, 1, 2), v.tries["one"]); diff != "" {
			t.Error(diff)
		}
		if b.TryNow("one") || b.TryNow("two") {
			t.Error("there is nothing to try")
		}
		end()
	})
}

func TestRunEndsInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, v := newBook(map[message.AccountID][]error{"one": {away, nil}, "two": {away, nil}}, "one", "two")
		b.cfg.Open = func(ctx context.Context, id message.AccountID) (string, error) {
			if _, err := v.open(ctx, id); err != nil {
				return "", err
			}
			<-ctx.Done() // a vendor that does not answer
			return "", ctx.Err()
		}
		if err := b.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		end := run(t.Context(), b)
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := b.Statuses()[0]; !s.Until.IsZero() {
			t.Errorf("it is being tried, not at %s", s.Until)
		}
		end()
		if n := len(v.tries["one"]) + len(v.tries["two"]); n != 4 {
			t.Errorf("%d tries", n)
		}
	})
}

func TestGet(t *testing.T) {
	b, _ := newBook(map[message.AccountID][]error{"away": {away}, "refused": {refused}}, "away", "refused", "open")
	codes := func() map[message.AccountID]string {
		out := map[message.AccountID]string{}
		for _, id := range []message.AccountID{"away", "refused", "open", "none"} {
			if _, err := b.Get(id); err != nil {
				out[id] = fault.From(err).Code + " " + string(fault.From(err).Class)
			}
		}
		return out
	}
	before := map[message.AccountID]string{"none": "account_unknown misconfigured"}
	for _, id := range b.cfg.Names {
		before[id] = "account_not_open unavailable"
	}
	if got := codes(); !maps.Equal(got, before) {
		t.Errorf("before Open: %v", got)
	}
	if err := b.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := map[message.AccountID]string{"away": "account_not_open unavailable", "refused": "account_not_open misconfigured", "none": "account_unknown misconfigured"}
	if got := codes(); !maps.Equal(got, want) {
		t.Errorf("after Open: %v", got)
	}
}

func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, v := newBook(map[message.AccountID][]error{"away": {away}, "refused": {refused}}, "away", "refused", "open")
		if s := b.Statuses()[2]; s.State != Down {
			t.Errorf("before Open it is %s", s.State)
		}
		if err := b.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		began, later := time.Now(), time.Now().Add(time.Hour)
		for _, tt := range []struct {
			id     message.AccountID
			health pacing.Health
			want   Status
		}{
			{"open", pacing.Health{State: pacing.Closed, Since: began, Queued: 3, InFlight: 2}, Status{State: Closed, Queued: 3, InFlight: 2}},
			{"open", pacing.Health{State: pacing.Closed, Reason: "retry_after", Since: began, Until: later},
				Status{State: Held, Reason: "retry_after", Until: later, Advice: "lower the account's limits if this lasts"}},
			{"open", pacing.Health{State: pacing.Open, Reason: "unavailable", Since: began, Until: later},
				Status{State: Open, Reason: "unavailable", Since: began, Until: later, Advice: "look at the vendor's status page; it is tried again by itself"}},
			{"open", pacing.Health{State: pacing.HalfOpen, Reason: "internal", Since: began},
				Status{State: HalfOpen, Reason: "internal", Since: began, Advice: "look at the vendor's status page; it is tried again by itself"}},
			{"open", pacing.Health{State: pacing.Paused, Reason: "quota_exhausted", Since: began},
				Status{State: Paused, Reason: "quota_exhausted", Text: "quota_exhausted [4003]", Since: began, Advice: "top up the vendor account, then run `hermod accounts resume open`"}},
			{"open", pacing.Health{State: pacing.Paused, Reason: "odd", Since: began}, Status{State: Paused, Reason: "odd", Text: "odd [4003]", Since: began}},
			{"away", pacing.Health{State: pacing.Paused, Reason: "unavailable", Since: later, Queued: 7},
				Status{State: Down, Queued: 7, Reason: "unavailable", Text: "unavailable [connect]: no answer", Since: began, Until: began.Add(time.Second),
					Advice: "wait for the vendor, or look at its status page"}},
			{"refused", pacing.Health{State: pacing.Paused, Reason: "misconfigured"},
				Status{State: Down, Reason: "unauthorized", Text: "unauthorized [bad_token]: the token is refused (vendor said 401 no)", Since: began,
					Until: began.Add(time.Minute), Advice: "put the right credentials into the configuration and restart; or mend it at the vendor, then run `hermod accounts resume refused`"}},
		} {
			v.health, tt.want.Account, tt.want.Connector = tt.health, tt.id, message.ConnectorName(tt.id+"'s")
			if diff := cmp.Diff(tt.want, b.Statuses()[slices.Index(b.cfg.Names, tt.id)]); diff != "" {
				t.Errorf("%s, %s: %s", tt.id, tt.health.State, diff)
			}
			told := map[string]string{}
			b.Each(func(name, state string, waiting, underWay int) { told[name] = fmt.Sprint(state, waiting, underWay) })
			if want := fmt.Sprint(tt.want.State, tt.want.Queued, tt.want.InFlight); len(told) != 3 || told[string(tt.id)] != want {
				t.Errorf("told %v, want %s", told, want)
			}
		}
		v.health = pacing.Health{State: pacing.Closed, Queued: 2}
		v.trouble = fault.New(fault.Unavailable, "connector_down", "connector x is not running: it was killed").After(time.Second)
		want := Status{Account: "open", Connector: "open's", State: Down, Queued: 2, Reason: "connector_down", Text: v.trouble.Text,
			Until: began.Add(time.Second), Advice: "the log says how its program ended; its messages wait"}
		if diff := cmp.Diff(want, b.Statuses()[2]); diff != "" {
			t.Error(diff)
		}
	})
}
