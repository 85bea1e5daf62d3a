package incoming

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/hermodhq/hermod/sdk/connectortest/internal/probe"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

const backoff = 5 * time.Millisecond // before Listen is called again

// refusal is an engine that cannot make the first event durable when it first comes.
type refusal struct {
	came  chan struct{} // closed when the first event has come
	again chan struct{} // closed when it comes once more

	mu    sync.Mutex
	first *message.Event
}

func (r *refusal) emit(_ context.Context, e message.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == nil {
		r.first = &e
		close(r.came)
		return fault.New(fault.Unavailable, "journal_full", "the event is not durable")
	}
	if e.ID == r.first.ID || e.Type == r.first.Type && len(e.Vendor) > 0 && bytes.Equal(e.Vendor, r.first.Vendor) {
		select {
		case <-r.again:
		default:
			close(r.again)
		}
	}
	return nil
}

// Refused lets something happen to a listener whose first emit fails. The event must come again: from the same Listen, or from the
// next one on the account, which the engine calls after a backoff.
func Refused(ctx context.Context, p *probe.Probe) {
	if p.Setup.Happen == nil {
		p.Left = append(p.Left, probe.Left{Check: p.Check, Reason: "nothing happens that a listener hears: Happen is not given"})
		return
	}
	p.BehaveWell()
	a, closes := p.Open(ctx)
	defer closes()
	if a == nil {
		return
	}
	r := &refusal{came: make(chan struct{}), again: make(chan struct{})}
	ctx, cancel := context.WithTimeout(ctx, p.Setup.Patience)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.listen(ctx, p, a)
	}()
	err := r.happen(ctx, p)
	select {
	case <-r.again:
	case <-ctx.Done():
	}
	cancel()
	<-ended
	r.judge(p, err)
}

// happen lets something happen until an event comes: a vendor that has not noticed the end of a listener before may lose what it reports.
func (r *refusal) happen(ctx context.Context, p *probe.Probe) error {
	for first := true; ; first = false {
		if err := happen(ctx, p); err != nil && first {
			return err
		}
		wait := time.NewTimer(probe.Briefly)
		select {
		case <-r.came:
		case <-ctx.Done():
		case <-wait.C:
			continue
		}
		wait.Stop()
		return nil
	}
}

func (r *refusal) listen(ctx context.Context, p *probe.Probe, a probe.Account) {
	for ctx.Err() == nil {
		err := p.Within(ctx, p.Setup.Patience, func(ctx context.Context) error { return a.Listen(ctx, r.emit) })
		if ctx.Err() == nil || err != nil && !probe.Ended(err) {
			p.See("Listen after a refused event", err)
		}
		wait := time.NewTimer(backoff)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
		}
	}
}

func (r *refusal) judge(p *probe.Probe, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.again:
		return
	default:
	}
	switch {
	case err != nil && r.first == nil:
		p.Bad("mend Harness.Happen", "nothing happens: %v", err)
	case r.first == nil:
		p.Bad("emit what the vendor reports", "something happened at the vendor, and the listener heard nothing")
	default:
		p.Bad("acknowledge an event to the vendor only after emit has returned nil, and return emit's error: the next Listen begins with that event",
			"an event whose emit failed does not come again: it is lost")
	}
}
