package pacing

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hermodhq/hermod/sdk/fault"
)

func wantState(t *testing.T, r *rig, want State) Health {
	t.Helper()
	h := r.Health()
	if h.State != want {
		t.Fatalf("state %s, want %s: %+v", h.State, want, h)
	}
	return h
}

func TestBreakerOpensAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(AccountConfig{Breaker: Breaker{Failures: 5, OpenFor: 10 * time.Second, Probes: 2}}, 0)
		defer r.stop()
		r.Submit(items(Normal, 0, 0, 4))
		r.finish(0, fault.Unavailable)
		wantState(t, r, Closed)
		late := Item{Ref: 99, Recipient: 99}
		r.Submit([]Item{late, {Ref: 4}})
		log := r.grants()
		late = log[4].item
		r.finish(5, fault.OutcomeUnknown)
		h := wantState(t, r, Open)
		if h.Reason != "outcome_unknown" || h.Until.IsZero() {
			t.Errorf("health %+v", h)
		}
		r.Submit(items(Normal, 0, 5, 10))
		time.Sleep(9 * time.Second)
		if n := len(r.grants()); n != 6 {
			t.Fatalf("%d granted while open", n-6)
		}
		time.Sleep(2 * time.Second)
		if n := len(r.grants()); n != 8 {
			t.Fatalf("%d probes, want 2", n-6)
		}
		wantState(t, r, HalfOpen)
		r.Done([]Result{{Item: late, Class: fault.Unavailable}}) // from before: tells nothing about now
		wantState(t, r, HalfOpen)
		r.finish(6, fault.Internal)
		wantState(t, r, Open)
		time.Sleep(11 * time.Second)
		wantState(t, r, HalfOpen)
		r.finish(8, fault.InvalidRecipient) // the vendor answered: it is back
		wantState(t, r, Closed)
		if n := len(r.grants()); n != 16 {
			t.Errorf("%d granted, want all 16", n)
		}
	})
}

func TestBreakerRatio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(AccountConfig{Breaker: Breaker{Failures: 100}}, 0)
		defer r.stop()
		for i := range uint64(30) { // two of three fail, never many in a row
			r.Submit(items(Normal, 0, i, 1))
			if i%3 == 0 {
				r.finish(int(i), "")
			} else {
				r.finish(int(i), fault.Unavailable)
			}
			if h := r.Health(); h.State == Open {
				if i < 19 {
					t.Errorf("open after %d calls", i+1)
				}
				return
			}
		}
		t.Error("still closed")
	})
}

// Failures that lie far apart do not add up.
func TestBreakerWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(AccountConfig{Breaker: Breaker{Failures: 100, MinCalls: 5}}, 0)
		defer r.stop()
		for i := range uint64(50) {
			r.Submit(items(Normal, 0, i, 1))
			r.finish(int(i), fault.Unavailable)
			time.Sleep(3 * time.Second)
		}
		wantState(t, r, Closed)
	})
}

func TestBreakerIgnoresWhatIsNoFailureOfTheVendor(t *testing.T) {
	for _, c := range fault.Classes() {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(AccountConfig{}, 0)
			defer r.stop()
			r.Submit(items(Normal, 0, 0, 20))
			r.finish(0, c)
			want := Closed
			if c == fault.Unavailable || c == fault.OutcomeUnknown || c == fault.Internal {
				want = Open
			}
			if h := r.Health(); h.State != want {
				t.Errorf("%s: %s, want %s", c, h.State, want)
			}
		})
	}
}

func TestSkippedProbeFreesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(AccountConfig{Breaker: Breaker{Failures: 1, Probes: 1}}, 0)
		defer r.stop()
		r.Submit(items(Normal, 0, 0, 1))
		r.finish(0, fault.Unavailable)
		r.Submit(items(Normal, 0, 1, 3))
		time.Sleep(16 * time.Second)
		for n := 2; n <= 3; n++ {
			log := r.grants()
			if len(log) != n {
				t.Fatalf("%d granted, want %d", len(log), n)
			}
			r.Done([]Result{{Item: log[n-1].item, Skipped: true}})
			wantState(t, r, HalfOpen)
		}
	})
}

func TestBreakerOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(AccountConfig{Breaker: Breaker{Off: true}}, 0)
		defer r.stop()
		r.Submit(items(Normal, 0, 0, 100))
		r.finish(0, fault.Unavailable)
		wantState(t, r, Closed)
	})
}
