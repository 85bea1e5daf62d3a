package core_test

import (
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/message"
)

// ownHeap returns the bytes of live heap that the engine's own code allocated: what the journal and its NATS server hold is told apart
// by the stacks of the allocations.
func ownHeap() (bytes int64) {
	runtime.GC()
	runtime.GC() // the profile is that of the collection before the last
	records := make([]runtime.MemProfileRecord, 100_000)
	n, _ := runtime.MemProfile(records, false)
	for _, r := range records[:n] {
		own := false
		for frames := runtime.CallersFrames(r.Stack()); ; {
			f, more := frames.Next()
			if strings.Contains(f.Function, "nats-io") || strings.Contains(f.Function, "internal/journal") {
				own = false
				break
			}
			own = own || strings.Contains(f.Function, "hermodhq/hermod/core.") || strings.Contains(f.Function, "hermodhq/hermod/core/")
			if !more {
				break
			}
		}
		if count := float64(r.InUseObjects()); own && count > 0 {
			size := float64(r.InUseBytes()) / count // of what the profile's sampling caught: the rest is inferred, as pprof does
			bytes += int64(float64(r.InUseBytes()) / (1 - math.Exp(-size/float64(runtime.MemProfileRate))))
		}
	}
	return bytes
}

// sendWaiting sends messages, and returns when they all wait for a receipt.
func sendWaiting(t *testing.T, engine *core.Engine, from, to int) {
	t.Helper()
	var next atomic.Int64
	next.Store(int64(from))
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(to); i = next.Add(1) - 1 {
				m := text(int(i%1000), "")
				m.Category, m.Data, m.Labels = "c8", map[string]any{"name": "Ada", "order": "1042"}, map[string]string{"tenant": "acme"}
				id, err := engine.Send(t.Context(), m)
				if err == nil {
					_, err = engine.Wait(t.Context(), id, message.Accepted)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestMemoryOfWaiting holds the ceiling for 100,000 messages that wait for a receipt: 500 bytes of heap each, besides the journal's own.
func TestMemoryOfWaiting(t *testing.T) {
	if testing.Short() {
		t.Skip("sends 100,000 messages")
	}
	rate := runtime.MemProfileRate
	runtime.MemProfileRate = 2048
	defer func() { runtime.MemProfileRate = rate }()
	engine := startEngine(t, tenRoutes(acceptedStep+"        until: delivered\n        within: 24h\n"), nil)
	sendWaiting(t, engine, 0, 1000)
	before := ownHeap()
	sendWaiting(t, engine, 1000, 101_000)
	each := float64(ownHeap()-before) / 100_000
	t.Logf("%.0f bytes each", each)
	if each > 500 {
		t.Errorf("a message that waits takes %.0f bytes, the ceiling is 500", each)
	}
	if each < 200 {
		t.Errorf("%.0f bytes each cannot be: the measurement is broken", each)
	}
}
