package pacing

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Late timers cost nothing in the long run, and never a window.
func TestLatenessIsCaughtUp(t *testing.T) {
	for limit, lasts := range map[float64]time.Duration{1: time.Minute, 2.5: time.Minute, 10: time.Minute, 333: time.Minute, 5000: time.Minute, 100_000: 5 * time.Second} {
		w := newWindow(limit)
		var log []grant
		for now, i := int64(0), int64(0); now < int64(lasts); i++ {
			now = max(now, w.next(now)) + (i*7919%13)*int64(time.Millisecond)/4 // up to 3 ms late
			if i%1000 == 999 {
				now += int64(150 * time.Millisecond) // a long pause of the process
			}
			for w.next(now) <= now {
				w.take(now)
				log = append(log, grant{at: time.Duration(now)})
			}
		}
		if n, all := float64(len(log)), limit*lasts.Seconds(); n < 0.98*all || n > all+1 {
			t.Errorf("limit %v: %v granted in %v", limit, n, lasts)
		}
		if n := most(log, time.Second); float64(n) > limit+0.99 {
			t.Errorf("limit %v: %d granted in one second", limit, n)
		}
	}
}

// What is held up between leaving and its vendor does not make the vendor see too many, while that is rare; and a vendor that is
// slow and uneven by itself does not cost more than the promise allows.
func TestHeldUpOnTheWay(t *testing.T) {
	type way struct {
		name   string
		there  func(*rand.Rand) time.Duration // from leaving until it is at the vendor
		vendor func(*rand.Rand) time.Duration // from there until the answer
		seldom bool                           // the promise must hold
	}
	ms := func(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }
	quick := func(r *rand.Rand) time.Duration { return ms(1 + r.ExpFloat64()) }
	stalls := func(r *rand.Rand) time.Duration {
		if r.IntN(300) == 0 {
			return ms(20 + 180*r.Float64())
		}
		return quick(r)
	}
	for _, w := range []way{
		{"quick", quick, quick, true},
		{"stalls, quick vendor", stalls, quick, true},
		{"stalls, slow vendor", stalls, func(r *rand.Rand) time.Duration { return ms(150 + 10*r.Float64()) }, true},
		{"stalls, some calls hang at the vendor", stalls, func(r *rand.Rand) time.Duration {
			if r.IntN(200) == 0 {
				return 30 * time.Second
			}
			return quick(r)
		}, true},
		{"uneven vendor", quick, func(r *rand.Rand) time.Duration { return ms(100 + 200*r.ExpFloat64()) }, true},
	} {
		for _, limit := range []int{1, 10, 100} {
			noise := rand.New(rand.NewPCG(1, uint64(limit)))
			win := newWindow(float64(limit))
			type answer struct {
				call Left
				at   int64
			}
			var out []answer
			var calls []grant
			for now := int64(0); now < int64(time.Minute); {
				now = max(now, win.next(now)) + int64(quick(noise))/4
				slices.SortFunc(out, func(a, b answer) int { return cmp.Compare(a.at, b.at) })
				for len(out) > 0 && out[0].at <= now {
					win.answered(out[0].call, out[0].at)
					out = out[1:]
				}
				if win.next(now) > now {
					continue
				}
				call := win.take(now)
				arrived := now + int64(w.there(noise))
				out = append(out, answer{call, arrived + int64(w.vendor(noise))})
				calls = append(calls, grant{at: time.Duration(arrived)})
			}
			slices.SortFunc(calls, func(a, b grant) int { return cmp.Compare(a.at, b.at) })
			if n := most(calls, time.Second); n > limit && w.seldom {
				t.Errorf("%s, limit %d: the vendor saw %d in one second", w.name, limit, n)
			}
			if n := len(calls); n < 60*limit*98/100 {
				t.Errorf("%s, limit %d: %d calls in a minute", w.name, limit, n)
			}
		}
	}
}

// What a connector would only keep waiting does not leave: it would go to the vendor in one lump when that answers again.
func TestNoLumpAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(AccountConfig{Limits: Limits{PerSecond: 100, Calls: 30}}, 0)
		defer r.stop()
		r.Submit(items(Normal, 0, 0, 10_000))
		time.Sleep(10 * time.Second)
		if log, h := r.grants(), r.Health(); len(log) != 30 || h.InFlight > 100 {
			t.Fatalf("%d have left while none was answered, %+v", len(log), h)
		}
		for last := 0; last < 1000; {
			n := len(r.grants())
			r.finish(last, "")
			last = n
			time.Sleep(50 * time.Millisecond)
		}
		if n := most(r.grants()[30:], time.Second); n > 100 {
			t.Errorf("%d in one second after the first answer", n)
		}
	})
}

// However long an account has been idle, or its records take, only what leaves soon is granted: the rest can be canceled and overtaken,
// and is in no doubt.
func TestGrantsOnlyALittleAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(AccountConfig{Limits: Limits{PerSecond: 100}}, 10*time.Millisecond)
		defer r.stop()
		time.Sleep(time.Hour)
		var slow atomic.Bool
		r.recording = func() time.Duration {
			if slow.Load() {
				return 5 * time.Second
			}
			return 0
		}
		r.Submit(items(Normal, 0, 0, 5000))
		for range 100 {
			synctest.Wait()
			if h := r.Health(); h.InFlight > 25 {
				t.Fatalf("%d granted after idleness: %v of the limit", h.InFlight, time.Duration(h.InFlight)*10*time.Millisecond)
			}
			time.Sleep(10 * time.Millisecond)
		}
		slow.Store(true)
		time.Sleep(4 * time.Second)
		if h := r.Health(); h.InFlight > 65 {
			t.Errorf("%d granted while records take 5 s", h.InFlight)
		}
	})
}

// The first call opens the connection, and is late by that.
func TestFirstCallIsLate(t *testing.T) {
	w := newWindow(10)
	var first, last int64
	for i := range 11 {
		now := w.next(last)
		call := w.take(now)
		arrived := now + int64(time.Millisecond)
		if i == 0 {
			arrived = now + int64(90*time.Millisecond)
			first = arrived
		}
		w.answered(call, arrived+int64(time.Millisecond))
		last = arrived
	}
	if took := time.Duration(last - first); took < time.Second {
		t.Errorf("the vendor saw 11 calls within %v", took)
	}
}
