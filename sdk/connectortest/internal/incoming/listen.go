package incoming

import (
	"context"
	"time"

	"github.com/hermodhq/hermod/sdk/connectortest/internal/probe"
	"github.com/hermodhq/hermod/sdk/message"
)

// listener is a Listen under way.
type listener struct {
	well   bool // whether the vendor behaves
	events chan message.Event
	ended  chan error
}

// Listening runs a listener, lets something happen where the harness can, and ends it.
func Listening(ctx context.Context, p *probe.Probe) {
	l := &listener{well: p.BehaveWell(), events: make(chan message.Event, 64), ended: make(chan error, 1)}
	a, closes := p.Open(ctx)
	defer closes()
	if a == nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		l.ended <- p.Within(ctx, 4*p.Setup.Patience, func(ctx context.Context) error { return a.Listen(ctx, l.emit) })
	}()
	if !l.hear(ctx, p) {
		return
	}
	cancel()
	late := time.NewTimer(p.Grace() + probe.Briefly)
	defer late.Stop()
	select {
	case err := <-l.ended:
		if err != nil && !probe.Ended(err) {
			p.See("Listen", err)
		}
	case <-late.C:
		p.Bad("return when the context ends: hand it to every request and every wait", "Listen did not return within %v of its context's end", p.Grace())
	}
}

func (l *listener) emit(ctx context.Context, e message.Event) error {
	select {
	case l.events <- e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hear reports whether the listener still listens after something happened.
func (l *listener) hear(ctx context.Context, p *probe.Probe) bool {
	happened := make(chan error, 1)
	go func() { happened <- happen(ctx, p) }()
	select {
	case err := <-l.ended:
		l.early(p, err)
		return false
	case err := <-happened:
		if err != nil {
			p.Bad("mend Harness.Happen", "nothing happens: %v", err)
		} else if p.Setup.Happen != nil {
			heard(ctx, p, l.events)
		}
	}
	select {
	case err := <-l.ended:
		l.early(p, err)
		return false
	default:
		return true
	}
}

func (l *listener) early(p *probe.Probe, err error) {
	if f := p.See("Listen", err); f == nil || l.well {
		p.Bad("wait for ctx, and return before only with a fault of the vendor's", "Listen returned before its context ended: %v", f)
	}
}

// happen lets something happen, or gives a listener that nothing happens to the time to begin.
func happen(ctx context.Context, p *probe.Probe) error {
	if p.Setup.Happen != nil {
		return p.Within(ctx, p.Setup.Patience, p.Setup.Happen)
	}
	begin := time.NewTimer(50 * time.Millisecond)
	defer begin.Stop()
	select {
	case <-begin.C:
	case <-ctx.Done():
	}
	return nil
}

// heard waits for an event, and for those that come with it.
func heard(ctx context.Context, p *probe.Probe, events <-chan message.Event) {
	brought := map[message.EventType]bool{}
	for _, w := range p.Setup.Webhooks {
		for _, t := range w.Events {
			brought[t] = true
		}
	}
	wait := time.NewTimer(p.Setup.Patience)
	defer wait.Stop()
	for n := 0; ; n++ {
		select {
		case e := <-events:
			brought[e.Type] = true
			event(p, "listening", &e)
			if all(brought, p.Description.Events) {
				return
			}
			wait.Reset(probe.Briefly)
			continue
		case <-wait.C:
		case <-ctx.Done():
		}
		if n == 0 {
			p.Bad("emit what the vendor reports", "something happened at the vendor, and the listener heard nothing")
		}
		coverage(p, brought)
		return
	}
}

func all(brought map[message.EventType]bool, declared []message.EventType) bool {
	for _, t := range declared {
		if !brought[t] {
			return false
		}
	}
	return true
}
