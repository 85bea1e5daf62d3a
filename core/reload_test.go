package core_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// usage is what a process holds.
type usage struct {
	heap, files, goroutines int
}

func measure(t *testing.T) usage {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("descriptors cannot be counted here: %v", err)
	}
	return usage{heap: int(ownHeap()), files: len(files), goroutines: runtime.NumGoroutine()}
}

// revisionRules give a message whose steps both say which revision planned them.
func revisionRules(n int) string {
	return fmt.Sprintf("routes:\n  - name: r%d\n    fallback:\n      - {via: one/sms, text: \"revision %d {{ data.n }}\"}\n      - {via: two/sms, when: msg.category == \"c\", text: \"revision %d {{ data.n }}\"}\nunrouted: fail\n", n%7, n, n)
}

// TestThousandReloads loads a thousand rule sets while messages flow: no message is lost, or planned by a mixture of two.
func TestThousandReloads(t *testing.T) {
	reloads := 1000
	if testing.Short() {
		reloads = 100
	}
	rate := runtime.MemProfileRate
	runtime.MemProfileRate = 4096
	defer func() { runtime.MemProfileRate = rate }()
	v := newVendor(t)
	v.answer = func(_ context.Context, c vendCall, _ int) vendReply {
		if c.Account == "one" {
			return vendReply{Class: fault.InvalidRecipient, Code: "no_such_number"}
		}
		return vendReply{}
	}
	k := newKit(t, v, revisionRules(0), func(c *core.Config) {
		for id, a := range c.Accounts { // few connections, that all are open before the first measurement
			a.Limits = &connector.Limits{Concurrency: 8}
			c.Accounts[id] = a
		}
	})
	pulse := make(chan struct{}, 1024)
	var last atomic.Int64
	var mu sync.Mutex
	all := map[message.ID]int64{} // the least revision that may have planned it
	load := func(until *atomic.Bool) (wait func()) {
		var wg sync.WaitGroup
		for s := range 4 {
			wg.Go(func() {
				for i := 0; !until.Load(); i++ {
					m := text(s*100+i%100, "")
					m.Category, m.Data = "c", map[string]any{"n": i}
					least := last.Load()
					id, err := k.Send(t.Context(), m)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					all[id] = least
					mu.Unlock()
					select {
					case pulse <- struct{}{}:
					default:
					}
					if i%10 == 0 {
						_, _ = k.Wait(t.Context(), id, "")
					}
				}
			})
		}
		return wg.Wait
	}
	reload := func(from, to int) {
		for n := from; n < to; n++ {
			k.write(revisionRules(n))
			if err := k.Reload(); err != nil {
				t.Fatal(err)
			}
			last.Store(int64(n))
			for range 3 {
				<-pulse
			}
		}
	}
	settle := func() usage {
		mu.Lock()
		defer mu.Unlock()
		for id := range all {
			k.ends(id, message.Accepted, "")
		}
		return measure(t)
	}
	var stop atomic.Bool
	wait := load(&stop)
	reload(1, reloads/4)
	stop.Store(true)
	wait()
	before, sent := settle(), len(all)
	stop.Store(false)
	wait = load(&stop)
	reload(reloads/4, reloads)
	stop.Store(true)
	wait()
	after, more := settle(), len(all)-sent
	t.Logf("%d messages; before %+v, after %d reloads and %d messages more %+v", len(all), before, reloads-reloads/4, more, after)
	if after.files > before.files+8 || after.goroutines > before.goroutines+8 {
		t.Errorf("descriptors or goroutines grew: %+v, then %+v", before, after)
	}
	// Finished messages stay for a while, and each partition remembers the newest plans' shapes; a rule set that stayed would be more.
	if grown := after.heap - before.heap - more*600 - (reloads-reloads/4)*4<<10; grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes more than the messages explain", grown)
	}
	texts := map[message.ID]string{}
	for _, c := range v.seen() {
		had, again := texts[c.Message]
		if again && had != c.Text {
			t.Fatalf("%s was planned by a mixture: %q and %q", c.Message, had, c.Text)
		}
		texts[c.Message] = c.Text
		revision := int64(-1)
		if _, err := fmt.Sscanf(c.Text, "revision %d", &revision); err != nil || revision < all[c.Message] {
			t.Fatalf("%s says %q, and revision %d was loaded when it was sent", c.Message, c.Text, all[c.Message])
		}
	}
	if v.count() != 2*len(all) {
		t.Errorf("%d calls for %d messages of two steps", v.count(), len(all))
	}
	for id := range all {
		tl, err := k.Trace(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if tl.Plan == nil || len(tl.Plan.Steps) != 2 || tl.Plan.Steps[0].Content.Text != tl.Plan.Steps[1].Content.Text || !strings.HasPrefix(texts[id], "revision ") {
			t.Fatalf("the plan in the journal is a mixture: %+v", tl.Plan)
		}
		break
	}
}
