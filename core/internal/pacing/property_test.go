package pacing

import (
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/hermodhq/hermod/sdk/fault"
)

// step is one thing that happens to an account in a random history.
type step struct {
	wait   time.Duration
	submit []Item
	cancel []int // indexes of earlier items
	pause  bool
	resume bool
	hold   time.Duration
}

// history is a random account and what happens to it.
type history struct {
	limits Limits
	call   time.Duration
	record []int // how many milliseconds the records of granted items take, over and over
	late   time.Duration
	steps  []step
}

func histories(rt *rapid.T) history {
	h := history{
		limits: Limits{
			PerSecond:             rapid.SampledFrom([]float64{0, 1, 3, 10, 50}).Draw(rt, "per second"),
			PerRecipientPerSecond: rapid.SampledFrom([]float64{0, 0.5, 1, 4}).Draw(rt, "per recipient"),
			Concurrency:           rapid.SampledFrom([]int{0, 1, 5}).Draw(rt, "concurrency"),
		},
		call:   time.Duration(rapid.IntRange(1, 900).Draw(rt, "call ms")) * time.Millisecond,
		record: rapid.SliceOfN(rapid.IntRange(0, 400), 1, 5).Draw(rt, "record ms"),
		late:   time.Duration(rapid.IntRange(0, 3).Draw(rt, "late ms")) * time.Millisecond,
	}
	ref := uint64(0)
	for range rapid.IntRange(1, 15).Draw(rt, "steps") {
		s := step{wait: time.Duration(rapid.IntRange(0, 1500).Draw(rt, "wait ms")) * time.Millisecond}
		for range rapid.IntRange(0, 12).Draw(rt, "items") {
			s.submit = append(s.submit, Item{
				Ref: ref, Partition: int32(ref % 3),
				Recipient: rapid.Uint64Range(0, 6).Draw(rt, "recipient"),
				Tenant:    rapid.Uint64Range(0, 2).Draw(rt, "tenant"),
				Lane:      Lane(rapid.IntRange(0, 2).Draw(rt, "lane")),
			})
			ref++
		}
		if ref > 0 {
			s.cancel = rapid.SliceOfN(rapid.IntRange(0, int(ref)-1), 0, 3).Draw(rt, "cancel")
		}
		switch rapid.IntRange(0, 9).Draw(rt, "more") {
		case 0:
			s.pause = true
		case 1:
			s.resume = true
		case 2:
			s.hold = time.Duration(rapid.IntRange(1, 3000).Draw(rt, "hold ms")) * time.Millisecond
		}
		h.steps = append(h.steps, s)
	}
	return h
}

// play runs a history to its end and returns what was granted, and which items were canceled.
func (h history) play() (all []Item, log []grant, canceled map[uint64]bool, end Health, idle *Account) {
	canceled = map[uint64]bool{}
	r, records := newRig(AccountConfig{Limits: h.limits}, h.call), 0
	r.late = h.late
	r.recording = func() time.Duration {
		records++
		return time.Duration(h.record[records%len(h.record)]) * time.Millisecond
	}
	for _, s := range h.steps {
		time.Sleep(s.wait)
		all = append(all, s.submit...)
		r.Submit(s.submit)
		for _, i := range s.cancel {
			if r.Cancel(all[i]) {
				canceled[all[i].Ref] = true
			}
		}
		if s.pause {
			r.Pause("test")
		}
		if s.resume {
			r.Resume()
		}
		r.RetryAfter(s.hold)
	}
	r.Resume()
	time.Sleep(time.Hour)
	log = r.grants()
	end = r.Health()
	r.stop()
	return all, log, canceled, end, r.Account
}

// In every history: the limits hold, nothing is lost, nothing is granted twice, and each recipient's order is kept.
func TestEveryHistory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := histories(rt)
		var all []Item
		var log []grant
		var canceled map[uint64]bool
		var end Health
		var a *Account
		synctest.Test(t, func(*testing.T) { all, log, canceled, end, a = h.play() })
		if end.Queued != 0 || end.InFlight != 0 || end.State != Closed {
			rt.Errorf("not at rest: %+v", end)
		}
		q := a.queue
		if q.nodes.used+q.recipients.used+len(q.byHash)+len(q.byKey)+q.cooling.n > 0 || a.staged != 0 {
			rt.Errorf("not freed: %d items, %d recipients, %d to leave", q.nodes.used, q.recipients.used, a.staged)
		}
		checkOnce(rt, all, log, canceled)
		checkLimits(rt, h, log)
	})
}

func checkOnce(rt *rapid.T, all []Item, log []grant, canceled map[uint64]bool) {
	seen := map[uint64]bool{}
	type way struct {
		recipient uint64
		lane      Lane
	}
	last := map[way]uint64{}
	for _, g := range log {
		if seen[g.item.Ref] || canceled[g.item.Ref] {
			rt.Errorf("item %d granted twice or after its cancellation", g.item.Ref)
		}
		seen[g.item.Ref] = true
		w := way{g.item.Recipient, g.item.Lane}
		if before, ok := last[w]; ok && g.item.Ref < before {
			rt.Errorf("recipient %d: item %d after %d", w.recipient, g.item.Ref, before)
		}
		last[w] = g.item.Ref
	}
	if len(seen)+len(canceled) != len(all) {
		rt.Errorf("%d of %d items lost", len(all)-len(seen)-len(canceled), len(all))
	}
}

func checkLimits(rt *rapid.T, h history, log []grant) {
	if n := most(log, time.Second); h.limits.PerSecond > 0 && n > int(h.limits.PerSecond) {
		rt.Errorf("%d in one second, limit %v", n, h.limits.PerSecond)
	}
	if n := h.limits.Concurrency; n > 0 && most(log, h.call) > n {
		rt.Errorf("%d calls at once, limit %d", most(log, h.call), n)
	}
	before := map[uint64]time.Duration{}
	for _, g := range log {
		if at, ok := before[g.item.Recipient]; ok && float64(g.at-at)*h.limits.PerRecipientPerSecond < float64(time.Second) && h.limits.PerRecipientPerSecond > 0 {
			rt.Errorf("recipient %d: %v between two grants", g.item.Recipient, g.at-at)
		}
		before[g.item.Recipient] = g.at
	}
}

func TestFIFO(t *testing.T) {
	var f fifo[int]
	next := 0
	for i := range 5000 {
		f.push(i)
		if i%3 != 0 {
			if f.front() != next || f.back() != i {
				t.Fatalf("front %d, back %d; want %d, %d", f.front(), f.back(), next, i)
			}
			f.pop()
			next++
		}
	}
	for ; f.n > 0; next++ {
		if f.front() != next {
			t.Fatalf("front %d, want %d", f.front(), next)
		}
		f.pop()
	}
	if next != 5000 || f.ring != nil {
		t.Errorf("%d came out, ring of %d kept", next, len(f.ring))
	}
}

func BenchmarkUnlimited(b *testing.B) {
	var a *Account
	results := make([]Result, 0, 64)
	a = NewAccount(AccountConfig{Grant: func(items []Item) {
		for _, item := range items {
			results = append(results, Result{Item: item})
		}
	}})
	for _, size := range []uint64{1, 64} {
		batch := items(Normal, 0, 0, size)
		b.Run(map[uint64]string{1: "one", 64: "batch of 64"}[size], func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				a.Submit(batch)
				a.Done(results)
				results = results[:0]
				n += len(batch)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/item")
		})
	}
}

// One item in, one item out, with a hundred thousand waiting in three lanes of ten tenants.
func BenchmarkLimited(b *testing.B) {
	for name, spacing := range map[string]float64{"account": 0, "recipients": 1} {
		b.Run(name, func(b *testing.B) {
			var out []Result
			a := NewAccount(AccountConfig{
				Limits: Limits{PerRecipientPerSecond: spacing, Concurrency: 1},
				Grant: func(items []Item) {
					for _, item := range items {
						out = append(out, Result{Item: item, Class: fault.Class("")})
					}
				},
			})
			ref := uint64(0)
			next := func() []Item {
				ref++
				return []Item{{Ref: ref, Recipient: ref * 0x9E3779B97F4A7C15, Tenant: ref % 10, Lane: Lane(ref % 3)}}
			}
			for range 100_001 {
				a.Submit(next())
			}
			done := make([]Result, 1)
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				a.Submit(next())
				done[0] = out[0]
				out = out[:0]
				a.Done(done)
			}
			if h := a.Health(); h.Queued < 100_000 {
				b.Fatalf("%d waiting", h.Queued)
			}
		})
	}
}

// What a waiting item costs when every recipient is another one.
func BenchmarkWaitingMemory(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		batch := items(Bulk, 0, 0, 100_000)
		a := NewAccount(AccountConfig{Grant: func([]Item) {}})
		a.Pause("test")
		b.StartTimer()
		a.Submit(batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/item")
	b.ReportAllocs()
}
