package pacing

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Calls that were not granted share the limit with those that were: neither is starved, and together they keep it.
func TestPassSharesTheLimit(t *testing.T) {
	for _, limit := range []int{1, 10, 100} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(AccountConfig{Limits: Limits{PerSecond: float64(limit)}}, time.Millisecond)
			var mu sync.Mutex
			var passed []grant
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for {
						left, err := r.Pass(ctx)
						if err != nil {
							return
						}
						mu.Lock()
						passed = append(passed, grant{at: time.Since(r.start)})
						mu.Unlock()
						time.Sleep(5 * time.Millisecond)
						r.Passed(left)
					}
				})
			}
			r.Submit(items(Normal, 0, 0, uint64(100*limit)))
			wg.Wait()
			granted := r.grants()
			r.stop()
			all := slices.SortedFunc(slices.Values(slices.Concat(granted, passed)), func(a, b grant) int { return int(a.at - b.at) })
			if n := most(all, time.Second); n > limit {
				t.Errorf("limit %d: %d calls in one second", limit, n)
			}
			if n := len(all); n < 60*limit*98/100 {
				t.Errorf("limit %d: %d calls in a minute", limit, n)
			}
			if share := len(granted) * 100 / len(all); share < 25 || share > 75 {
				t.Errorf("limit %d: %d per cent of the calls were granted ones", limit, share)
			}
		})
	}
}

func TestPassWithoutALimit(t *testing.T) {
	r := NewAccount(AccountConfig{Limits: Limits{PerRecipientPerSecond: 0.001}, Grant: func([]Item) {}})
	for range 3 {
		left, err := r.Pass(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r.Passed(left)
	}
}
