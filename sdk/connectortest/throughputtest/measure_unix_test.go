//go:build unix

package throughputtest

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

func BenchmarkMeasure(b *testing.B) { Measure(b, toyCase(nil)) }

// burner returns what makes its process use that much CPU time, whoever else runs.
func burner(tb testing.TB, d time.Duration) func() {
	var mu sync.Mutex
	return func() {
		mu.Lock() // so that no two burn the same
		defer mu.Unlock()
		for start := cpuTime(tb); cpuTime(tb)-start < d; {
		}
	}
}

// TestRun measures over real HTTP and a second process. CPU time that is burnt is counted, not timed: the bounds hold on a busy machine.
func TestRun(t *testing.T) {
	const burnt = 5 * time.Millisecond
	micros := float64(burnt.Microseconds())
	for _, c := range []struct {
		name     string
		messages int
		toy      func(testing.TB) Case
		right    func(*figures) bool
	}{
		{"keeps connections", 400, func(testing.TB) Case { return toyCase(nil) },
			func(f *figures) bool { return f.connections > 0 && f.connections < 100 }},
		{"a connection each", 60, func(testing.TB) Case { return toyCase(oneEach) },
			func(f *figures) bool { return f.connections == 60+Senders }},
		{"burns", 20, func(tb testing.TB) Case { return toyCase(func(a *toy) { a.before = burner(tb, burnt) }) },
			func(f *figures) bool { return quantile(f.with, 0) >= micros && quantile(f.extra, 0.5) > micros/2 }},
		{"its vendor burns", 20, func(tb testing.TB) Case {
			c := toyCase(nil)
			c.Simulator = func() http.Handler { return vendor(burner(tb, burnt)) }
			return c
		}, func(f *figures) bool { return quantile(f.with, 0.5) < micros && quantile(f.without, 0.5) < micros }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("GORACE", "atexit_sleep_ms=0") // the other process would end a second later under the race detector
			r := prepare(t, c.toy(t))
			if r == nil {
				return // the simulator's process
			}
			f := r.run(c.messages, c.messages/4)
			if !c.right(f) || len(f.with) != 4 || len(f.without) != 4 || len(f.extra) != 4 || f.messages != c.messages || f.wall <= 0 {
				t.Errorf("got %+v", *f)
			}
			t.Log(f.verdict())
		})
	}
}

func TestAgain(t *testing.T) {
	t.Run("a (b)/c", func(t *testing.T) {
		if got := again(t); len(got) != 1 || got[0] != `-test.run=^TestAgain$/^a_\(b\)$/^c$` {
			t.Errorf("got %q", got)
		}
	})
}
