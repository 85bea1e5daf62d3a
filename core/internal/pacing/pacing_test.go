package pacing

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/hermodhq/hermod/sdk/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// grant is one item and when it could be called: when it was granted or, with a limit, when it left.
type grant struct {
	item Item
	at   time.Duration
	left Left
}

// rig is an account under test, with a log of its calls.
type rig struct {
	*Account
	mu    sync.Mutex
	log   []grant
	start time.Time
	stop  func()

	recording func() time.Duration // how long the record of a granted item takes
	late      time.Duration        // by which the gate's timers are
}

// newRig starts an account, inside a synctest bubble. With call set, each granted item is done after that time.
func newRig(cfg AccountConfig, call time.Duration) *rig {
	r := &rig{start: time.Now(), recording: func() time.Duration { return 0 }}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	calls := func(items []Item, left Left) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, item := range items {
			r.log = append(r.log, grant{item, time.Since(r.start), left})
			if call > 0 {
				wg.Go(func() {
					select {
					case <-time.After(call):
						r.Done([]Result{{Item: item, Left: left}})
					case <-ctx.Done():
					}
				})
			}
		}
	}
	type record struct {
		item Item
		at   time.Time // when it stands
	}
	staged := make(chan record, 4096)
	cfg.Grant = func(items []Item) {
		if !r.Limited() {
			calls(items, Left{})
			return
		}
		for _, item := range items {
			staged <- record{item, time.Now().Add(r.recording())}
		}
	}
	r.Account = NewAccount(cfg)
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case s := <-staged:
				time.Sleep(time.Until(s.at))
				left, wait := r.leave(&s.item) // as Leave does, with timers that are late
				for ; wait > 0 && ctx.Err() == nil; left, wait = r.leave(&s.item) {
					select {
					case <-ctx.Done():
					case <-r.room:
					case <-time.After(wait):
						time.Sleep(r.late)
					}
				}
				if wait <= 0 {
					calls([]Item{s.item}, left)
				}
			}
		}
	})
	wg.Go(func() {
		if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
			panic(err)
		}
	})
	r.stop = func() { cancel(); wg.Wait() }
	return r
}

// grants returns the log so far, after everything that can happen now has happened.
func (r *rig) grants() []grant {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.log)
}

// refs returns what was granted, in order, by Ref.
func (r *rig) refs() []uint64 {
	refs := []uint64{}
	for _, g := range r.grants() {
		refs = append(refs, g.item.Ref)
	}
	return refs
}

// finish says Done for all of the log from index first on.
func (r *rig) finish(first int, class fault.Class) {
	var results []Result
	for _, g := range r.grants()[first:] {
		results = append(results, Result{Item: g.item, Class: class, Left: g.left})
	}
	r.Done(results)
}

func items(lane Lane, tenant, first, n uint64) []Item {
	list := make([]Item, n)
	for i := range list {
		ref := first + uint64(i)
		list[i] = Item{Ref: ref, Recipient: ref, Tenant: tenant, Lane: lane}
	}
	return list
}

// most returns the largest number of grants in any window of that length.
func most(log []grant, window time.Duration) int {
	best, first := 0, 0
	for i := range log {
		for log[i].at-log[first].at >= window {
			first++
		}
		best = max(best, i-first+1)
	}
	return best
}

func TestUnlimitedIsGrantedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(AccountConfig{}, 0)
		defer r.stop()
		r.Submit(items(Normal, 0, 0, 1000))
		if n := len(r.log); n != 1000 { // no waiting: inside Submit
			t.Errorf("%d granted, want 1000", n)
		}
		r.Submit(items(Normal, 0, 1000, 100))
		if n := len(r.grants()); n != DefaultConcurrency {
			t.Errorf("%d granted, want the %d places", n, DefaultConcurrency)
		}
		r.finish(0, "")
		if h := r.Health(); len(r.grants()) != 1100 || h.InFlight != 76 || h.Queued != 0 || h.State != Closed {
			t.Errorf("%d granted, health %+v", len(r.grants()), h)
		}
		if !slices.IsSorted(r.refs()) {
			t.Error("out of order")
		}
	})
}

// Two senders overload one account for a minute: within 2 per cent of the limit, and no second with more than it, however
// long the attempts take to be recorded, and also where the concurrency stops the grants.
func TestLimitUnderOverload(t *testing.T) {
	for limit, concurrency := range map[int]int{1: 0, 10: 0, 20: 5, 80: 0, 100: 24, 200: 0, 1000: 0, 1500: 370} {
		synctest.Test(t, func(t *testing.T) {
			r, noise := newRig(AccountConfig{Limits: Limits{PerSecond: float64(limit), Concurrency: concurrency}}, 70*time.Millisecond), rand.New(rand.NewPCG(1, 2))
			r.late = 700 * time.Microsecond
			r.recording = func() time.Duration { return time.Duration(noise.Int64N(int64(150 * time.Millisecond))) }
			var senders sync.WaitGroup
			for s := range uint64(2) {
				senders.Go(func() {
					for i := range uint64(60) {
						r.Submit(items(Normal, s, (s*60+i)*uint64(limit), uint64(limit)))
						time.Sleep(time.Second)
					}
				})
			}
			senders.Wait()
			log := r.grants()
			r.stop()
			want := 60 * limit
			if n := len(log); n < want*98/100 || n > want {
				t.Errorf("limit %d: %d granted in a minute, want %d", limit, n, want)
			}
			if n := most(log, time.Second); n > limit {
				t.Errorf("limit %d: %d granted in one second", limit, n)
			}
		})
	}
}

func TestNoBurstAfterIdleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(AccountConfig{Limits: Limits{PerSecond: 10}}, 0)
		defer r.stop()
		r.Submit(items(Normal, 0, 0, 1))
		time.Sleep(time.Hour)
		r.Submit(items(Normal, 0, 1, 10))
		if n := len(r.grants()); n != 2 {
			t.Errorf("%d granted at once, want 1", n-1)
		}
		time.Sleep(time.Second)
		if n := len(r.grants()); n != 11 {
			t.Errorf("%d granted in a second, want 10", n-1)
		}
	})
}

func TestSpacingOfARecipient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(AccountConfig{Limits: Limits{PerRecipientPerSecond: 1}}, 0)
		r.Submit([]Item{{Ref: 1, Recipient: 7}, {Ref: 2, Recipient: 7}, {Ref: 3, Recipient: 8, Tenant: 1}, {Ref: 4, Recipient: 7, Tenant: 2}})
		if got := r.refs(); !slices.Equal(got, []uint64{1, 3}) {
			t.Errorf("granted %v at once, want 1 and 3: nobody waits for recipient 7", got)
		}
		time.Sleep(3 * time.Second)
		log := r.grants()
		if got := r.refs(); !slices.Equal(got, []uint64{1, 3, 2, 4}) {
			t.Fatalf("granted %v", got)
		}
		for _, pair := range [][2]int{{0, 2}, {2, 3}} {
			if d := log[pair[1]].at - log[pair[0]].at; d < time.Second || d > 1020*time.Millisecond {
				t.Errorf("%v between two grants", d)
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		r.stop()
		if q := r.queue; q.recipients.used != 0 || q.nodes.used != 0 || len(q.byHash) != 0 || len(q.byKey) != 0 {
			t.Errorf("not freed: %d recipients, %d items", q.recipients.used, q.nodes.used)
		}
	})
}

func TestLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(AccountConfig{Limits: Limits{PerSecond: 100}}, time.Millisecond)
		defer r.stop()
		r.Pause("test")
		r.Submit(items(Bulk, 0, 3000, 100))
		r.Submit(items(Normal, 0, 2000, 100))
		r.Submit(items(Urgent, 0, 1000, 20))
		r.Resume()
		time.Sleep(10 * time.Second)
		log := r.grants()
		if len(log) != 220 {
			t.Fatalf("%d granted", len(log))
		}
		bulk := 0
		for i, g := range log[:120] {
			if (g.item.Lane == Urgent) != (i < 20) {
				t.Fatalf("grant %d is %d", i, g.item.Lane)
			}
			if g.item.Lane == Bulk {
				bulk++
			}
		}
		if bulk != 10 {
			t.Errorf("%d of 100 were bulk while normal ones waited, want 10", bulk)
		}
	})
}

func TestUrgentOvertakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(AccountConfig{Limits: Limits{PerSecond: 10}}, 0)
		defer r.stop()
		r.Submit(items(Bulk, 0, 1, 500))
		time.Sleep(time.Second)
		before := len(r.grants())
		r.Submit(items(Urgent, 0, 1000, 1))
		time.Sleep(lead + 110*time.Millisecond)
		if log := r.grants(); log[len(log)-1].item.Ref != 1000 {
			t.Errorf("the urgent item is not next after those that had been granted: %v", log[before:])
		}
	})
}

func TestTenantsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(AccountConfig{Limits: Limits{PerSecond: 100}}, time.Millisecond)
		defer r.stop()
		r.Submit(items(Bulk, 1, 0, 10_000))
		r.Submit(items(Bulk, 2, 20_000, 20))
		r.Submit(items(Bulk, 3, 30_000, 20))
		time.Sleep(900 * time.Millisecond)
		count := map[uint64]int{}
		for _, g := range r.grants() {
			count[g.item.Tenant]++
		}
		if count[2] != 20 || count[3] != 20 {
			t.Errorf("after 90 calls the tenants have had %v", count)
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(AccountConfig{Limits: Limits{PerRecipientPerSecond: 1}}, 0)
		defer r.stop()
		a := Item{Ref: 1, Recipient: 7}
		b := Item{Ref: 2, Recipient: 7, Tenant: 1}
		c := Item{Ref: 3, Recipient: 7}
		r.Pause("test")
		r.Submit([]Item{a, b, c, {Ref: 3, Partition: 1, Recipient: 7}})
		for _, item := range []Item{a, c} {
			if !r.Cancel(item) || r.Cancel(item) {
				t.Errorf("item %d: canceled not once", item.Ref)
			}
		}
		r.Resume()
		time.Sleep(5 * time.Second)
		if got := r.refs(); !slices.Equal(got, []uint64{2, 3}) {
			t.Errorf("granted %v", got)
		}
		if r.Cancel(b) {
			t.Error("canceled after the grant")
		}
	})
}

func TestPauseAndRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(AccountConfig{}, 0)
		defer r.stop()
		r.Pause("unauthorized")
		r.Submit(items(Normal, 0, 0, 3))
		time.Sleep(time.Hour)
		h := r.Health()
		if h.State != Paused || h.Reason != "unauthorized" || h.Queued != 3 || time.Since(h.Since) != time.Hour || len(r.grants()) != 0 {
			t.Errorf("%d granted, health %+v", len(r.grants()), h)
		}
		r.RetryAfter(10 * time.Second)
		r.RetryAfter(-1)
		r.RetryAfter(2 * time.Second)
		r.Resume()
		h = r.Health()
		if h.State != Closed || h.Reason != "retry_after" || time.Until(h.Until) != 10*time.Second || len(r.grants()) != 0 {
			t.Errorf("%d granted, health %+v", len(r.grants()), h)
		}
		time.Sleep(10*time.Second - time.Nanosecond)
		if n := len(r.grants()); n != 0 {
			t.Errorf("%d granted too early", n)
		}
		time.Sleep(time.Nanosecond)
		if n := len(r.grants()); n != 3 {
			t.Errorf("%d granted after the time, want 3", n)
		}
		if h = r.Health(); h.Reason != "" || !h.Until.IsZero() {
			t.Errorf("health %+v", h)
		}
		r.RetryAfter(1000 * time.Hour)
		if h := r.Health(); time.Until(h.Until) != time.Hour {
			t.Errorf("held until %v", h.Until)
		}
	})
}

// Grant may call back, and order holds while several goroutines submit.
func TestGrantMayCallBack(t *testing.T) {
	var a *Account
	var got []uint64
	a = NewAccount(AccountConfig{Limits: Limits{Concurrency: 3}, Grant: func(items []Item) {
		for _, item := range items {
			got = append(got, item.Ref)
			a.Done([]Result{{Item: item}})
			if item.Ref < 1000 {
				a.Submit([]Item{{Ref: item.Ref + 1000}})
			}
		}
	}})
	var senders sync.WaitGroup
	for s := range uint64(4) {
		senders.Go(func() {
			for i := range uint64(200) {
				a.Submit([]Item{{Ref: s*200 + i, Recipient: s}})
			}
		})
	}
	senders.Wait()
	last := map[uint64]uint64{}
	for _, ref := range got {
		if ref < 1000 {
			if ref < last[ref/200] {
				t.Fatalf("item %d came after %d", ref, last[ref/200])
			}
			last[ref/200] = ref
		}
	}
	if h := a.Health(); len(got) != 1600 || h.InFlight != 0 || h.Queued != 0 {
		t.Errorf("%d granted, health %+v", len(got), h)
	}
}
