package core_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

const (
	pacingSenders = 2
	minute        = time.Minute + 2*time.Second // with the time until the first call
)

// BenchmarkPacingMinute is a minute of overload at an account with a limit, as the vendor sees it: the time of each call is taken
// when it has come in over HTTP, from the connector's subprocess. It lasts a minute whatever b.N is; -benchtime 1x is enough.
//
// Two senders send messages, and a third calls an operation that counts against the limit as well.
//
// used-percent is what was used of the limit, most-in-1s the most calls in any one second, wherever it begins, and slack-ms
// what was left between one call too many and the second: below zero, the limit was exceeded by so much.
func BenchmarkPacingMinute(b *testing.B) {
	for _, load := range []struct{ limit, messages int }{{10, 1500}, {100, 9000}} {
		b.Run(fmt.Sprintf("per-second-%d", load.limit), func(b *testing.B) {
			v, times := newVendor(b), &arrivals{}
			v.answer = func(_ context.Context, c vendCall, _ int) vendReply {
				times.add(arrival{at: time.Now(), id: c.Message})
				return vendReply{}
			}
			v.behaves()
			engine := startEngine(b, oneStep(""), func(c *core.Config) {
				c.Connectors = []connector.Connector{vend()}
				c.Accounts = map[message.AccountID]core.Account{"one": {Connector: "vend", Config: v.settings(false),
					Limits: &connector.Limits{PerSecond: float64(load.limit)}}}
			})
			overload(b, engine, load.messages, time.Now().Add(minute))
			times.judge(b, engine, load.limit, load.messages)
			stopSoon(b, engine)
		})
	}
}

// overload sends n messages at once, each to a recipient of its own, and returns at the end of the minute.
func overload(b *testing.B, engine *core.Engine, n int, end time.Time) {
	ctx, cancel := context.WithDeadline(b.Context(), end)
	defer cancel()
	began := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range pacingSenders {
		wg.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				if _, err := engine.Send(ctx, message.Message{To: message.Recipient{Phone: manyPhones(i)}, Content: message.Content{Text: "Hi Ada"}}); err != nil {
					b.Logf("message %d of %d was not taken: %v", i, n, err)
					return
				}
			}
		})
	}
	wg.Wait()
	wg.Go(func() {
		for ctx.Err() == nil {
			_, _ = engine.Invoke(ctx, "one", "note", json.RawMessage(`{}`)) // its end is the end of the minute
		}
	})
	b.ReportMetric(time.Since(began).Seconds(), "submit-s")
	b.Logf("%d messages were taken in %v", n, time.Since(began))
	<-ctx.Done()
	wg.Wait()
}

// manyPhones returns the i-th of 79,900 numbers that are reserved for fiction.
func manyPhones(i int) string { return fmt.Sprintf("+1%d5550%d", 201+i/100%799, 100+i%100) }

// stopSoon stops an engine whose queue is full: what waits stays in the journal.
func stopSoon(b *testing.B, engine *core.Engine) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.Context()), 5*time.Second)
	defer cancel()
	if err := engine.Stop(ctx); err != nil {
		b.Error(err)
	}
}

// arrival is a call that came in at the vendor.
type arrival struct {
	at time.Time
	id message.ID
}

// arrivals are a vendor's calls.
type arrivals struct {
	mu   sync.Mutex
	list []arrival
}

func (a *arrivals) add(one arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, one)
}

// sorted returns the calls so far, first to last.
func (a *arrivals) sorted() []arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := slices.Clone(a.list)
	slices.SortFunc(list, func(x, y arrival) int { return x.at.Compare(y.at) })
	return list
}

// judge reports how the limit was kept and used.
func (a *arrivals) judge(b *testing.B, engine *core.Engine, limit, messages int) {
	list := a.sorted()
	most, inMinute, first, over, worst, tightest := 0, 0, 0, 0, 0, time.Hour
	for i, c := range list {
		for c.at.Sub(list[first].at) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
		if c.at.Sub(list[0].at) < time.Minute {
			inMinute++
		}
		if i < limit {
			continue
		}
		took := c.at.Sub(list[i-limit].at)
		if took < time.Second {
			over++
		}
		if took < tightest {
			worst, tightest = i, took
		}
	}
	used := float64(inMinute) / float64(limit*60) * 100
	slack := float64((tightest - time.Second).Microseconds()) / 1000
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(used, "used-percent")
	b.ReportMetric(float64(most), "most-in-1s")
	b.ReportMetric(slack, "slack-ms")
	b.Logf("used %.2f per cent, at most %d calls in 1 s, slack %.1f ms", used, most, slack)
	if most > limit {
		b.Errorf("the vendor saw %d calls within one second, %d are allowed: %d of %d calls came too early, the worst %v into the minute, %d calls within %v\n%s%s",
			most, limit, over, len(list), list[worst].at.Sub(list[0].at), limit+1, tightest,
			lag(b, engine, list[worst-limit]), lag(b, engine, list[worst]))
	}
	if used < 98 {
		b.Errorf("%.2f per cent of the limit was used, at least 98 are promised: %d calls in a minute of %d messages", used, inMinute, messages)
	}
	if len(list) >= messages {
		b.Errorf("all %d messages were called: that was no overload", messages)
	}
}

// lag says how long a call took from the attempt's record to the vendor.
func lag(b *testing.B, engine *core.Engine, c arrival) string {
	trace, err := engine.Trace(context.WithoutCancel(b.Context()), c.id)
	if err != nil {
		return err.Error()
	}
	for _, e := range trace.Entries {
		if e.Type == message.EventAttempted {
			return fmt.Sprintf("a call came in %v after its attempt was put on record\n", c.at.Sub(e.At))
		}
	}
	return "a call has no attempt on record\n"
}
