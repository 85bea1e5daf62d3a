package core_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/message"
)

// TestConnectorKilledAroundTheAnswer kills the connector's process before it calls the vendor, while the vendor has the call, and after
// the vendor's answer but before the engine has it. The attempt is recorded as unknown each time, and the rule decides what follows.
func TestConnectorKilledAroundTheAnswer(t *testing.T) {
	t.Parallel()
	steps := map[string]string{
		"next":   twoSteps("unknown: next"),
		"wait":   twoSteps("until: delivered\n        within: 1s\n        unknown: wait"),
		"resend": oneStep("unknown: resend"),
	}
	tests := []struct {
		moment, policy string
		receipt        bool // the vendor, which has the message, reports it as delivered
		outcome        message.Outcome
		reason         string
		calls          int // that reach the vendor
	}{
		{"before", "next", false, message.Accepted, "", 1},
		{"before", "wait", false, message.Accepted, "", 1},
		{"before", "resend", false, message.Accepted, "", 1},
		{"during", "next", false, message.Accepted, "", 2},
		{"during", "wait", true, message.Delivered, "", 1},
		{"during", "wait", false, message.Accepted, "", 2},
		{"during", "resend", false, message.Accepted, "", 2},
		{"after", "next", false, message.Accepted, "", 2},
		{"after", "wait", true, message.Delivered, "", 1},
		{"after", "resend", false, message.Accepted, "", 2},
	}
	for _, tt := range tests {
		name := tt.moment + " " + tt.policy
		if tt.receipt {
			name += " with a receipt"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var once atomic.Bool
			kill := func(moment string, c vendCall) bool {
				if moment != tt.moment || !once.CompareAndSwap(false, true) {
					return false
				}
				if err := syscall.Kill(c.PID, syscall.SIGKILL); err != nil {
					t.Error(err)
				}
				return true
			}
			v := newVendor(t)
			v.gate = func(moment string, c vendCall) { kill(moment, c) }
			v.answer = func(ctx context.Context, c vendCall, _ int) vendReply {
				if kill("during", c) {
					<-ctx.Done()
				}
				return vendReply{}
			}
			k := newKit(t, v, steps[tt.policy], func(c *core.Config) {
				for id, a := range c.Accounts {
					a.Config = v.settings(true)
					c.Accounts[id] = a
				}
			})
			id := k.send(text(0, "hello"))
			if tt.receipt {
				v.await(t, 1)
				v.report("one", vendEvent{Receipt: &message.Receipt{Message: id, Attempt: 1, Outcome: message.Delivered}})
			}
			k.ends(id, tt.outcome, tt.reason)
			if calls := v.seen(); len(calls) != tt.calls {
				t.Errorf("the vendor was called %d times, want %d: %+v", len(calls), tt.calls, calls)
			}
			a := newAudit(t, k, 1)
			if m := a.messages[id]; !m.attempts[0].unknown() || m.finished != 1 {
				t.Errorf("the first attempt is recorded as %v\n%s", m.attempts[0].fault, lines(m.entries))
			}
		})
	}
}

// TestConnectorKilledUnderLoad kills the connector's process again and again while messages flow, and judges as after kills of the engine.
// There are few messages at once, so that the accounts' breakers stay closed.
func TestConnectorKilledUnderLoad(t *testing.T) {
	t.Parallel()
	messages, kills, seed := 200, 3, rand.Uint64()
	if testing.Short() {
		messages, kills = 50, 1
	}
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	at := map[int]bool{} // kill at these calls
	for len(at) < kills {
		at[rng.IntN(messages)] = true
	}
	v := newVendor(t)
	v.answer = func(_ context.Context, c vendCall, n int) vendReply {
		if at[n] {
			_ = syscall.Kill(c.PID, syscall.SIGKILL) // it may be gone already
		}
		if c.Channel == message.WhatsApp {
			v.report(c.Account, vendEvent{Receipt: &message.Receipt{Message: c.Message, Attempt: c.Attempt, Outcome: message.Delivered}})
		}
		return vendReply{}
	}
	k := newKit(t, v, chaosRules, nil)
	var mu sync.Mutex
	acked := map[int]message.ID{}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(messages); i = next.Add(1) - 1 {
				id, err := k.Send(t.Context(), chaosMessage(int(i)))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked[int(i)] = id
				mu.Unlock()
				if s, err := k.Wait(t.Context(), id, ""); err != nil {
					t.Error(s, err)
				}
			}
		})
	}
	wg.Wait()
	newAudit(t, k, messages).judge(v.seen(), acked)
}
