package partition_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/index"
	"github.com/hermodhq/hermod/core/internal/journal"
	"github.com/hermodhq/hermod/core/internal/pacing"
	"github.com/hermodhq/hermod/core/internal/partition"
	"github.com/hermodhq/hermod/core/internal/table"
	"github.com/hermodhq/hermod/internal/flow"
	"github.com/hermodhq/hermod/sdk/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memoryLog is a log in memory. It outlives its owner.
type memoryLog struct {
	mu       sync.Mutex
	frames   []journal.Frame // the first has sequence first
	first    uint64
	limit    int
	refuse   error // what Append answers
	unsure   bool
	appended chan struct{} // gets one for each frame, where there is room
	tried    chan struct{} // gets one for each refused frame
	now      func() time.Time
}

func newLog(now func() time.Time) *memoryLog {
	return &memoryLog{first: 1, limit: 1 << 20, appended: make(chan struct{}, 100_000), tried: make(chan struct{}, 100_000), now: now}
}

func (l *memoryLog) Append(_ context.Context, data []byte) (journal.Frame, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse != nil {
		l.tried <- struct{}{}
		return journal.Frame{}, l.refuse
	}
	if n := len(l.frames); n > 0 && l.unsure && bytes.Equal(l.frames[n-1].Data, data) {
		l.unsure = false
		return l.frames[n-1], nil
	}
	if len(data) > l.limit {
		return journal.Frame{}, fmt.Errorf("a frame of %d bytes is over the limit of %d", len(data), l.limit)
	}
	f := journal.Frame{Seq: l.first + uint64(len(l.frames)), Time: l.now(), Data: append([]byte(nil), data...)}
	l.frames = append(l.frames, f)
	l.appended <- struct{}{}
	if l.unsure {
		return journal.Frame{}, journal.ErrUncertain
	}
	return f, nil
}

// uncertain makes the next append say that it does not know, although it has stored the frame. The same bytes are not stored twice.
func (l *memoryLog) uncertain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unsure = true
}

func (l *memoryLog) refusing(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = err
}

func (l *memoryLog) Read(_ context.Context, seq uint64) (journal.Frame, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq < l.first || seq >= l.first+uint64(len(l.frames)) {
		return journal.Frame{}, journal.ErrTrimmed
	}
	return l.frames[seq-l.first], nil
}

func (l *memoryLog) Scan(_ context.Context, from uint64, fn func(journal.Frame) error) error {
	l.mu.Lock()
	frames := append([]journal.Frame(nil), l.frames...)
	l.mu.Unlock()
	for _, f := range frames {
		if f.Seq < from {
			continue
		}
		if err := fn(f); err != nil {
			return err
		}
	}
	return nil
}

func (l *memoryLog) Bounds() (first, last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first, l.first + uint64(len(l.frames)) - 1
}

func (l *memoryLog) SeekTime(_ context.Context, t time.Time) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.frames {
		if !f.Time.Before(t) {
			return f.Seq, nil
		}
	}
	return l.first + uint64(len(l.frames)), nil
}

func (l *memoryLog) TrimBefore(_ context.Context, seq uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frames, l.first = l.frames[seq-l.first:], seq
	return nil
}

func (l *memoryLog) Stats() journal.Stats { return journal.Stats{} }
func (l *memoryLog) Limit() int           { return l.limit }

// host is an engine of one partition: it grants every turn at once, and leaves calls to the test.
type host struct {
	owner   *partition.Owner
	plan    message.Plan
	hold    bool // grant nothing
	deaf    bool // pass no orphan on
	calls   chan table.Call
	keys    *index.Keys
	vendors *index.Vendors

	mu      sync.Mutex
	queued  []pacing.Item
	stalled error
	ended   int
	frames  int
}

func (h *host) Plan(*message.Message) (*message.Plan, error) { p := h.plan; return &p, nil }

func (h *host) Allowed(string, *message.Message, *message.Plan, []flow.Attempt) bool { return true }

func (h *host) Submit(account message.AccountID, turns []pacing.Item) {
	if h.hold {
		h.mu.Lock()
		h.queued = append(h.queued, turns...)
		h.mu.Unlock()
		return
	}
	h.owner.Granted(account, append([]pacing.Item(nil), turns...))
}

func (h *host) Withdraw(message.AccountID, pacing.Item)             {}
func (h *host) Skip(message.AccountID, pacing.Item)                 {}
func (h *host) Pause(message.AccountID, string, string)             {}
func (h *host) Hold(message.AccountID, time.Duration)               {}
func (h *host) Inbound(*message.Event)                              {}
func (h *host) Key(d [16]byte, id ids.ID, at time.Time, seq uint64) { h.keys.Add(d, id, at, seq) }
func (h *host) KeysBefore(i int, seq uint64) []ids.Key              { return h.keys.Before(i, seq) }
func (h *host) Unkey(d [16]byte, id ids.ID)                         { h.keys.Release(d, id) }

func (h *host) Call(calls []table.Call) {
	for _, c := range calls {
		h.calls <- c
	}
}

func (h *host) Sent(account message.AccountID, vendor message.VendorMessageID, id ids.ID, attempt int) []message.Receipt {
	return h.vendors.Put(account, vendor, index.Attempt{ID: id, Attempt: uint8(attempt)})
}

func (h *host) Forget(account message.AccountID, vendor message.VendorMessageID) {
	h.vendors.Forget(account, vendor)
}

func (h *host) Await(*message.Step, message.VendorMessageID, ids.ID, int, time.Time, bool) {
}

func (h *host) Orphan(r message.Receipt, account message.AccountID, at time.Time) {
	if h.deaf {
		return
	}
	if a, known := h.vendors.Orphan(account, r, at); known {
		h.owner.Answered(a.ID, flow.ReceiptEvent(r, int(a.Attempt)), nil)
	}
}

func (h *host) Counted(_ flow.Kind, _ *flow.State, ended bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ended {
		h.ended++
	}
}

func (h *host) Committed(int, uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.frames++
}

func (h *host) Stalled(_ int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stalled = err
}

// rig is an owner at work over a log.
type rig struct {
	*partition.Owner
	t     *testing.T
	log   *memoryLog
	host  *host
	found partition.Recovered
	end   func()
}

func oneStepPlan() message.Plan {
	return message.Plan{Revision: "r", Route: "all", Steps: []message.Step{
		{Account: "one", Channel: message.SMS, Until: message.Delivered, Within: time.Hour, Unknown: message.Next, Retries: 1, Content: message.Content{Text: "rendered"}},
	}}
}

// newRig starts an owner. The clock is the system's unless change says otherwise.
func newRig(t *testing.T, log *memoryLog, change func(*partition.Config, *host)) *rig {
	t.Helper()
	cfg := partition.Config{
		Log: log, Now: log.now, Logger: slog.New(slog.DiscardHandler), Retention: time.Hour, Finished: 100_000,
		After: func(d time.Duration) (<-chan time.Time, func()) {
			timer := time.NewTimer(min(d, 20*time.Millisecond)) // looks again soon, whatever clock it is
			return timer.C, func() { timer.Stop() }
		},
	}
	h := &host{plan: oneStepPlan(), calls: make(chan table.Call, 100_000), keys: index.NewKeys(24*time.Hour, log.now), vendors: index.NewVendors(log.now)}
	cfg.Host = h
	if change != nil {
		change(&cfg, h)
	}
	r := &rig{Owner: partition.New(cfg), t: t, log: log, host: h}
	h.owner = r.Owner
	var err error
	if r.found, err = r.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	r.end = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(r.end)
	return r
}

// message makes a message to be accepted.
func (r *rig) message(recipient, key string) *table.NewMessage {
	r.t.Helper()
	id, err := ids.NewID(0)
	if err != nil {
		r.t.Fatal(err)
	}
	m := message.Message{ID: id.Message(), To: message.Recipient{Phone: recipient}, Content: message.Content{Text: "the message's own"}}
	text, err := json.Marshal(m)
	if err != nil {
		r.t.Fatal(err)
	}
	plan := r.host.plan
	n := &table.NewMessage{ID: id, JSON: text, Body: &table.Body{Message: m, Plan: &plan}, Recipient: ids.Hash(recipient), Lane: pacing.Normal}
	if key != "" {
		n.Key, n.Keyed = index.Digest(message.Key(key)), true
	}
	return n
}

func (r *rig) accept(recipient string) ids.ID {
	r.t.Helper()
	n := r.message(recipient, "")
	if err := r.Accept(r.t.Context(), n); err != nil {
		r.t.Fatal(err)
	}
	return n.ID
}

func (r *rig) call() table.Call {
	r.t.Helper()
	select {
	case c := <-r.host.calls:
		return c
	case <-time.After(10 * time.Second):
		r.t.Fatal("no call was made")
		panic("unreachable")
	}
}

func (r *rig) answer(c table.Call, o message.Outcome) {
	r.Answered(c.ID, flow.Event{Kind: flow.Answered, Attempt: c.Attempt, Outcome: o, VendorID: message.VendorMessageID("v-" + c.ID.Message())}, nil)
}

// stands waits until a message has come so far.
func (r *rig) stands(id ids.ID, until message.Outcome) table.Status {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer cancel()
	s, known, err := r.Wait(ctx, id, until)
	if err != nil || !known {
		r.t.Fatalf("%+v, known %t, %v", s, known, err)
	}
	return s
}
