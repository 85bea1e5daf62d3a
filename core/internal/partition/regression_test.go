package partition_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/partition"
	"github.com/hermodhq/hermod/core/internal/record"
	"github.com/hermodhq/hermod/core/internal/table"
	"github.com/hermodhq/hermod/internal/flow"
	journalv1 "github.com/hermodhq/hermod/proto/hermod/journal/v1"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// watched is a context that tells each time somebody begins to wait for its end.
type watched struct {
	context.Context
	begun chan struct{}
}

func watch(ctx context.Context) watched { return watched{ctx, make(chan struct{}, 100)} }

func (w watched) Done() <-chan struct{} {
	w.begun <- struct{}{}
	return w.Context.Done()
}

// block keeps the owner from its next frame until the function it returns is called.
func (r *rig) block() func() {
	r.t.Helper()
	blocked, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { _ = r.Do(r.t.Context(), func() { close(blocked); <-release }) })
	<-blocked
	return func() { close(release); wg.Wait() }
}

// A message's plan may be made in the frame that takes the message in. Both are found again.
func TestMessageAndPlanInOneFrame(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	log := newLog(func() time.Time { mu.Lock(); defer mu.Unlock(); return now })
	log.limit = 64 << 10
	r := newRig(t, log, nil)
	n := r.message("+447700900000", "")
	n.Body.Plan, n.Due = nil, now.Add(-time.Second)
	fill := r.message("+447700900001", "")
	fill.JSON = append(fill.JSON, strings.Repeat(" ", 30<<10)...) // leaves no room in the first frame
	unblock := r.block()
	var wg sync.WaitGroup
	for _, m := range []*table.NewMessage{fill, n} {
		ctx := watch(t.Context())
		wg.Go(func() {
			if err := r.Accept(ctx, m); err != nil {
				t.Error(err)
			}
		})
		<-ctx.begun // for a slot
		<-ctx.begun // it is with the owner
	}
	unblock()
	wg.Wait()
	c := r.call()
	for c.ID != n.ID {
		c = r.call()
	}
	_, last := log.Bounds()
	together := false
	for seq := uint64(1); seq <= last; seq++ {
		stored, err := log.Read(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		f, err := record.About(stored.Data, n.ID)
		if err != nil {
			t.Fatal(err)
		}
		kinds := map[journalv1.Kind]bool{}
		for _, entry := range f.GetEntries() {
			kinds[entry.GetKind()] = true
		}
		together = together || kinds[journalv1.Kind_KIND_ACCEPTED] && kinds[journalv1.Kind_KIND_PLANNED]
	}
	if !together {
		t.Error("the message and its plan stand in two frames: the test tests nothing")
	}
	down := flow.Event{Kind: flow.Answered, Attempt: c.Attempt, Fault: fault.New(fault.Unavailable, "down", "down")}
	if err := r.Event(t.Context(), n.ID, down); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	now = now.Add(time.Minute)
	mu.Unlock()
	c = r.call()
	if c.ID != n.ID || c.Body.Message.Content.Text != "the message's own" || c.Body.Plan == nil || c.Body.Plan.Steps[0].Content.Text != "rendered" {
		t.Errorf("read back: %+v", c.Body)
	}
}

// The journal's times end in the year 2262. A message that expires later has not expired.
func TestFarExpiry(t *testing.T) {
	log := newLog(time.Now)
	r := newRig(t, log, func(_ *partition.Config, h *host) { h.hold = true })
	n := r.message("+447700900000", "")
	n.Expires = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	if err := r.Accept(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	r.end()
	r = newRig(t, log, nil)
	if r.found.Live != 1 {
		t.Fatalf("found %+v, want one message that lives", r.found)
	}
	r.answer(r.call(), message.Delivered)
	if s := r.stands(n.ID, ""); s.Outcome != message.Delivered {
		t.Errorf("it ended as %+v", s)
	}
}

// Who asks while an outcome is on its way into the log does not hear of it before the log has it.
func TestWaitTellsWhatIsStored(t *testing.T) {
	for _, ends := range []bool{true, false} {
		t.Run(fmt.Sprintf("the owner ends %t", ends), func(t *testing.T) {
			log := newLog(time.Now)
			r := newRig(t, log, nil)
			id := r.accept("+447700900000")
			c := r.call()
			unblock := r.block()
			log.refusing(errors.New("disk full"))
			r.answer(c, message.Delivered)
			type heard struct {
				table.Status
				err error
			}
			told, ctx := make(chan heard, 1), watch(t.Context())
			go func() {
				s, _, err := r.Wait(ctx, id, "")
				told <- heard{s, err}
			}()
			<-ctx.begun // the question is in the frame of the answer
			unblock()
			for range 3 {
				<-log.tried
			}
			if len(told) > 0 {
				t.Errorf("an outcome that is not stored was told: %+v", <-told)
				return
			}
			if ends {
				r.end()
				if got := <-told; !errors.Is(got.err, partition.ErrStopped) {
					t.Errorf("who waited was told %+v", got)
				}
				return
			}
			log.refusing(nil)
			if got := <-told; got.err != nil || got.Outcome != message.Delivered {
				t.Errorf("once it is stored: %+v", got)
			}
		})
	}
}

// Nobody waits for an owner that has ended, whether it had taken the question or not.
func TestEndedOwnerLetsGo(t *testing.T) {
	log := newLog(time.Now)
	r := newRig(t, log, nil)
	id := r.accept("+447700900000")
	c := r.call()
	told := make(chan error, 5)
	ask := func() {
		for _, what := range []func(ctx context.Context) error{
			func(ctx context.Context) error { _, _, err := r.Wait(ctx, id, ""); return err },
			func(ctx context.Context) error { return r.Do(ctx, func() {}) },
		} {
			ctx := watch(t.Context())
			go func() { told <- what(ctx) }()
			<-ctx.begun
		}
	}
	early := watch(t.Context())
	go func() { _, _, err := r.Wait(early, id, ""); told <- err }()
	<-early.begun // to be heard
	<-early.begun // for the outcome
	unblock := r.block()
	log.refusing(errors.New("disk full"))
	r.answer(c, message.Delivered)
	ask() // they are in the frame that is never stored
	unblock()
	<-log.tried
	ask() // they wait for the next frame
	r.end()
	for range cap(told) {
		if err := <-told; !errors.Is(err, partition.ErrStopped) {
			t.Errorf("who waited was told %v", err)
		}
	}
	if err := r.Do(t.Context(), func() {}); !errors.Is(err, partition.ErrStopped) {
		t.Errorf("afterwards: %v", err)
	}
	if _, _, err := r.Wait(t.Context(), ids.ID{}, ""); !errors.Is(err, partition.ErrStopped) {
		t.Errorf("afterwards: %v", err)
	}
}

// A vendor's id that is larger than a frame is cut, and does not keep the log from growing.
func TestHugeVendorID(t *testing.T) {
	log := newLog(time.Now)
	r := newRig(t, log, nil)
	id := r.accept("+447700900000")
	c := r.call()
	huge := flow.Event{Kind: flow.Answered, Attempt: c.Attempt, Outcome: message.Delivered, VendorID: message.VendorMessageID(strings.Repeat("v", 2*log.limit))}
	r.Answered(id, huge.Bound(), nil)
	if s := r.stands(id, ""); s.Outcome != message.Delivered {
		t.Errorf("it ended as %+v", s)
	}
	if _, ok := r.host.vendors.Find("one", huge.Bound().VendorID); !ok || len(huge.Bound().VendorID) > 512 {
		t.Error("the vendor's id was not cut")
	}
	r.accept("+447700900001")
}
