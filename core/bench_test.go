package core_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

// tenRoutes are ten rules of which the eighth takes the benchmark's messages.
func tenRoutes(step string) string {
	var b strings.Builder
	b.WriteString("routes:\n")
	for i := 1; i <= 10; i++ {
		fmt.Fprintf(&b, "  - name: route-%d\n    when: msg.category == \"c%d\" and msg.to.country == \"GB\"\n    fallback:\n%s", i, i, step)
	}
	b.WriteString("unrouted: fail\n")
	return b.String()
}

const acceptedStep = "      - via: echo-1/sms\n        text: \"Hi {{ data.name }}, your order {{ data.order }} has shipped.\"\n"

func startEngine(tb testing.TB, routes string, change func(*core.Config)) *core.Engine {
	tb.Helper()
	fs := afero.NewMemMapFs()
	if err := afero.WriteFile(fs, "rules/routes.yaml", []byte(routes), 0o600); err != nil {
		tb.Fatal(err)
	}
	cfg := core.Config{
		Data: tb.TempDir(), Rules: fs, Connectors: []connector.Connector{echo()},
		Accounts: map[message.AccountID]core.Account{"echo-1": {Connector: "echo", Limits: &connector.Limits{Concurrency: 16384}}},
	}
	if change != nil {
		change(&cfg)
	}
	engine, err := core.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	if err := engine.Start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := engine.Stop(ctx); err != nil {
			tb.Error(err)
		}
	})
	return engine
}

func orderMessage(i int) message.Message {
	return message.Message{
		To: message.Recipient{Phone: fmt.Sprintf("+4477009%05d", i%100000)}, Category: "c8",
		Data:   map[string]any{"name": "Ada", "order": fmt.Sprint(i)},
		Labels: map[string]string{"tenant": "acme"},
	}
}

// BenchmarkEndToEnd is a message's whole life: accepted durably, decided by ten rules, called through a connector's subprocess, its
// outcome recorded. 2,000 senders wait for durability; the time ends when every message is final. sync-A and sync-B are the same
// thing twice: what lies between them is noise.
func BenchmarkEndToEnd(b *testing.B) {
	for name, durability := range map[string]core.Durability{"sync-A": core.Sync, "sync-B": core.Sync, "process": core.Process} {
		b.Run(name, func(b *testing.B) {
			engine := startEngine(b, tenRoutes(acceptedStep), func(c *core.Config) { c.Durability = durability })
			benchmarkSends(b, engine, 2000)
		})
	}
}

func benchmarkSends(b *testing.B, engine *core.Engine, senders int) {
	ctx := b.Context()
	var next, ended atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	began, cpu := time.Now(), cpuSeconds()
	var wg sync.WaitGroup
	ids := make([]message.ID, senders)
	for s := range senders {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				id, err := engine.Send(ctx, orderMessage(int(i)))
				if err != nil {
					b.Error(err)
					return
				}
				ids[s] = id
				ended.Add(1)
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != "" {
			if s, err := engine.Wait(ctx, id, ""); err != nil || s.Outcome != message.Accepted {
				b.Fatal(s, err)
			}
		}
	}
	took := time.Since(began).Seconds()
	b.StopTimer()
	b.ReportMetric(float64(ended.Load())/took, "msg/s")
	b.ReportMetric((cpuSeconds()-cpu)/float64(b.N)*1e6, "cpu-us/msg")
	b.ReportMetric(peakMiB(), "peak-MiB")
}

// BenchmarkLatency is the time from Send to the vendor's answer recorded, one message at a time, with fsync.
func BenchmarkLatency(b *testing.B) {
	engine := startEngine(b, tenRoutes(acceptedStep), nil)
	ctx := b.Context()
	var accepted, final []time.Duration
	for i := 0; b.Loop(); i++ {
		began := time.Now()
		id, err := engine.Send(ctx, orderMessage(i))
		if err != nil {
			b.Fatal(err)
		}
		accepted = append(accepted, time.Since(began))
		if _, err := engine.Wait(ctx, id, ""); err != nil {
			b.Fatal(err)
		}
		final = append(final, time.Since(began))
	}
	report := func(name string, d []time.Duration) {
		slices.Sort(d)
		b.ReportMetric(float64(d[len(d)/2].Microseconds()), name+"-p50-us")
		b.ReportMetric(float64(d[len(d)*99/100].Microseconds()), name+"-p99-us")
	}
	report("accept", accepted)
	report("final", final)
}

// BenchmarkWebhook is how long a vendor waits for the answer to a webhook: verified and parsed by the connector's subprocess, its event
// durable with an fsync. One at a time, each a new event.
func BenchmarkWebhook(b *testing.B) {
	v := newVendor(b)
	k := newKit(b, v, oneStep(""), nil)
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		body := fmt.Appendf(nil, `[{"EventID":"e%d","Phone":"+447700900001","Text":"Hi"}]`, i)
		began := time.Now()
		if resp := k.webhook("one", vendToken, body); resp.Code != http.StatusAccepted {
			b.Fatalf("answered %d", resp.Code)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}
