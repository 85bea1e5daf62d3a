package dispatch_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/hermodhq/hermod/core/internal/dispatch"
	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/pacing"
	"github.com/hermodhq/hermod/core/internal/table"
	"github.com/hermodhq/hermod/internal/flow"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// owner is a partition that only counts. It is also the transforms, which take until the engine stops.
type owner struct {
	mu       sync.Mutex
	granted  []pacing.Item
	barred   []string // the codes with which all that wait were barred
	answered int
	longest  int // bytes of the longest vendor id
}

func (o *owner) Granted(_ message.AccountID, turns []pacing.Item) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.granted = append(o.granted, turns...)
}

func (o *owner) Barred(_ message.AccountID, turns []pacing.Item, f *fault.Fault) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if turns == nil {
		o.barred = append(o.barred, f.Code)
	}
}

func (o *owner) Answered(_ ids.ID, ev flow.Event, _ map[string]string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answered++
	o.longest = max(o.longest, len(ev.VendorID))
}

func (o *owner) Apply(ctx context.Context, _ []string, _ *message.Message) error {
	<-ctx.Done()
	return ctx.Err()
}

// start runs a dispatcher with one account that cannot be opened: each of its calls fails as unavailable.
func start(t *testing.T) (d *dispatch.Dispatcher, o *owner, end func()) {
	return startLimited(t, connector.Limits{})
}

func startLimited(t *testing.T, limits connector.Limits) (d *dispatch.Dispatcher, o *owner, end func()) {
	o = &owner{}
	d = dispatch.New(t.Context(), dispatch.Config{
		Partitions: 1, Owner: func(int) dispatch.Owner { return o }, Transforms: o, Logger: slog.New(slog.DiscardHandler),
	})
	d.Add("one", connector.Description{}, limits)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { d.Run(ctx) })
	return d, o, func() { cancel(); wg.Wait() }
}

func calls(t *testing.T, turns []pacing.Item, transforms ...string) []table.Call {
	t.Helper()
	plan := &message.Plan{Steps: []message.Step{{Account: "one", Channel: message.SMS, Content: message.Content{Text: "x"}, Transforms: transforms}}}
	out := make([]table.Call, len(turns))
	for i, turn := range turns {
		id, err := ids.NewID(0)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = table.Call{ID: id, Attempt: 1, Turn: turn, Body: &table.Body{Message: message.Message{ID: id.Message()}, Plan: plan}}
	}
	return out
}

// fail lets ten messages ask for turns and fails the calls of those that get one.
func fail(t *testing.T, d *dispatch.Dispatcher, o *owner) {
	t.Helper()
	turns := make([]pacing.Item, 10)
	for i := range turns {
		turns[i].Ref = uint64(i + 1)
	}
	d.Submit("one", turns)
	synctest.Wait()
	o.mu.Lock()
	got := o.granted
	o.granted = nil
	o.mu.Unlock()
	if len(got) == 0 {
		t.Fatal("no turn was granted")
	}
	d.Call(calls(t, got))
	synctest.Wait()
}

func (o *owner) want(t *testing.T, codes ...string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.barred) != len(codes) {
		t.Fatalf("barred with %q, want %q", o.barred, codes)
	}
	for i, code := range codes {
		if o.barred[i] != code {
			t.Fatalf("barred with %q, want %q", o.barred, codes)
		}
	}
}

// Those who began to wait while the breaker tried again are barred when it opens again.
func TestReopenedBreakerBarsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, o, end := start(t)
		defer end()
		fail(t, d, o)
		o.want(t, "account_unavailable")
		<-time.After(16 * time.Second) // the bubble's clock: the breaker tries again
		fail(t, d, o)
		o.want(t, "account_unavailable", "account_unavailable")
	})
}

// An account that is paused while its breaker is open bars for a second, lasting reason.
func TestPausedWhileOpenBarsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, o, end := start(t)
		defer end()
		fail(t, d, o)
		d.Pause("one", "unauthorized", "401")
		d.Pause("one", "unauthorized", "401") // nothing new
		o.want(t, "account_unavailable", "account_paused")
		if !d.Resume("one") {
			t.Fatal("there is no such account")
		}
		d.Pause("one", "unauthorized", "401")
		o.want(t, "account_unavailable", "account_paused", "account_paused")
	})
}

// Who waits for room among the calls that need transforms is let go when the engine stops.
func TestTransformsEndWithRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _, end := start(t)
		all := calls(t, make([]pacing.Item, 10_000), "slow")
		var wg sync.WaitGroup
		wg.Go(func() { d.Call(all[:5000]) })
		synctest.Wait() // there is no more room
		end()
		wg.Wait()
		d.Call(all[5000:])
	})
}

// What a connector says does not reach the journal in any size it likes.
func TestAnswersAreBounded(t *testing.T) {
	d, o, end := start(t)
	defer end()
	id, err := ids.NewID(0)
	if err != nil {
		t.Fatal(err)
	}
	d.Answered("one", []connector.Answer{{Message: id.Message(), Attempt: 1, Result: connector.Result{VendorID: message.VendorMessageID(strings.Repeat("v", 3<<20))}}})
	if o.answered != 1 || o.longest > 1024 {
		t.Errorf("%d answers, with a vendor id of %d bytes", o.answered, o.longest)
	}
}

// vendor notes when each call came, and answers at once.
type vendor struct {
	d     *dispatch.Dispatcher
	calls []time.Time
}

func (v *vendor) Deliver(batch []connector.Delivery) {
	for _, one := range batch {
		v.calls = append(v.calls, time.Now())
		v.d.Answered("one", []connector.Answer{{Message: one.Message, Attempt: one.Attempt}})
	}
}

// However late and in whatever lumps attempts are recorded, they leave as the account's limit allows; Settle waits for the last.
func TestAttemptsLeaveByTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, o, end := startLimited(t, connector.Limits{PerSecond: 50})
		defer end()
		v := &vendor{d: d}
		d.Connect("one", v)
		turns := make([]pacing.Item, 100)
		for i := range turns {
			turns[i] = pacing.Item{Ref: uint64(i + 1), Recipient: uint64(i)}
		}
		d.Submit("one", turns)
		for range 20 { // a slow disk
			<-time.After(150 * time.Millisecond)
			o.mu.Lock()
			got := o.granted
			o.granted = nil
			o.mu.Unlock()
			d.Call(calls(t, got))
		}
		if err := d.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(v.calls) != 100 || o.answered != 100 {
			t.Fatalf("%d calls and %d answers after 3 s, want 100", len(v.calls), o.answered)
		}
		for i, at := range v.calls[50:] {
			if took := at.Sub(v.calls[i]); took < time.Second {
				t.Errorf("51 calls within %v", took)
			}
		}
		if h := d.Pace("one"); h.InFlight != 0 || h.Queued != 0 {
			t.Errorf("not at rest: %+v", h)
		}
	})
}

// A turn that leads to no call leaves its place in the limit to the next.
func TestTurnsWithoutCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, o, end := startLimited(t, connector.Limits{PerSecond: 1, PerRecipientPerSecond: 0.01})
		defer end()
		v := &vendor{d: d}
		d.Connect("one", v)
		d.Submit("one", []pacing.Item{{Ref: 1}, {Ref: 2}})
		synctest.Wait()
		d.Skip("one", o.granted[0])
		synctest.Wait()
		if len(o.granted) != 2 {
			t.Fatal("the second was not granted at once")
		}
		d.Call(calls(t, o.granted[1:]))
		synctest.Wait()
		if len(v.calls) != 1 {
			t.Errorf("%d calls", len(v.calls))
		}
	})
}

// An engine that is abandoned does not wait for its limits.
func TestAbandonedWithAttemptsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _, end := startLimited(t, connector.Limits{PerSecond: 0.001})
		d.Call(calls(t, make([]pacing.Item, 3)))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := d.Settle(ctx); err == nil {
			t.Error("settled while attempts waited")
		}
		end()
	})
}

// silent is a vendor that answers nothing.
type silent struct{ calls int }

func (s *silent) Deliver(batch []connector.Delivery) { s.calls += len(batch) }

// No more leave than the connector works on at once.
func TestSilentVendor(t *testing.T) {
	for states, works := range map[int]int{0: 256, 7: 7} {
		synctest.Test(t, func(t *testing.T) {
			o, v := &owner{}, &silent{}
			d := dispatch.New(t.Context(), dispatch.Config{Partitions: 1, Owner: func(int) dispatch.Owner { return o }, Logger: slog.New(slog.DiscardHandler)})
			d.Add("one", connector.Description{Limits: connector.Limits{Concurrency: states}}, connector.Limits{PerSecond: 500})
			d.Connect("one", v)
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() { d.Run(ctx) })
			d.Call(calls(t, make([]pacing.Item, 1000)))
			<-time.After(time.Minute)
			if synctest.Wait(); v.calls != works {
				t.Errorf("%d calls, the connector works on %d", v.calls, works)
			}
			cancel()
			wg.Wait()
		})
	}
}

// An operation that waits for its account's limit when the engine stops is let go, and was not called.
func TestStopEndsWaitingOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &owner{}
		d := dispatch.New(t.Context(), dispatch.Config{Partitions: 1, Owner: func(int) dispatch.Owner { return o }, Logger: slog.New(slog.DiscardHandler)})
		d.Add("one", connector.Description{Operations: []connector.OperationInfo{{Name: "write", Mutates: true}}}, connector.Limits{PerSecond: 0.001})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { d.Run(ctx) })
		var begun, made int
		errs := make(chan error, 2)
		for range 2 {
			wg.Go(func() {
				_, err := d.Operate(t.Context(), "one", "write", func() error { begun++; return nil }, func() (json.RawMessage, error) { made++; return nil, nil })
				errs <- err
			})
			synctest.Wait()
		}
		d.Quiet()
		if err := <-errs; err != nil {
			t.Error(err)
		}
		if f := fault.From(<-errs); f == nil || f.Class != fault.RateLimited || f.Code != "limit_wait" || begun != 1 || made != 1 {
			t.Errorf("%v, %d begun, %d made", f, begun, made)
		}
		cancel()
		wg.Wait()
	})
}
