package basics

import (
	"context"
	"errors"
	"maps"

	"github.com/hermodhq/hermod/sdk/connectortest/internal/link"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/probe"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/watch"
	"github.com/hermodhq/hermod/sdk/connectortest/standin"
	"github.com/hermodhq/hermod/sdk/message"
)

// Goroutines uses an account in every way, closes it, and looks at what still runs.
func Goroutines(ctx context.Context, p *probe.Probe) {
	before := watch.Running()
	useAll(ctx, p)
	ctx, cancel := context.WithTimeout(ctx, p.Grace())
	defer cancel()
	for _, stack := range before.New(ctx) {
		p.Bad("end it in Close and wait for it; close idle connections with http.Client.CloseIdleConnections",
			"a goroutine goes on after Close: %s", watch.Where(stack))
	}
}

func useAll(ctx context.Context, p *probe.Probe) {
	d, vendor := &p.Description, p.Setup.Vendor
	if vendor != nil {
		p.BehaveWell()
	}
	a, closes := p.Open(ctx)
	defer closes()
	if a == nil {
		return
	}
	if d.Capabilities.Send && vendor != nil {
		p.Deliver(ctx, "sending", a, p.Samples(), p.Setup.Patience)
		if vendor.Behave(standin.HangBefore) == nil {
			p.Deliver(ctx, "sending to a vendor that hangs", a, p.Samples()[:1], probe.Briefly/4)
			p.BehaveWell()
		}
	}
	if d.Capabilities.Listen {
		err := p.Within(ctx, probe.Briefly/4, func(ctx context.Context) error {
			return a.Listen(ctx, func(context.Context, message.Event) error { return nil })
		})
		if err != nil && !probe.Ended(err) {
			p.See("Listen", err)
		}
	}
	if d.Capabilities.Receive && len(p.Setup.Webhooks) > 0 {
		p.Receive(ctx, "a webhook", a, p.Setup.Webhooks[0].Request)
	}
	for name, input := range p.Setup.Inputs {
		invoke(ctx, p, a, name, input)
	}
	if d.Capabilities.Send && vendor != nil {
		p.Deliver(ctx, "sending once more", a, p.Samples(), p.Setup.Patience) // leaves idle connections
	}
}

// End asks the process to end while an account is open and something is under way.
func End(ctx context.Context, p *probe.Probe) {
	if p.Setup.Config != nil {
		if _, err := p.OpenWith(ctx, p.Setup.Config); err != nil {
			p.See("Open", err)
		}
	}
	switch err := p.Process.Stop(ctx); {
	case errors.Is(err, link.ErrLeft):
		p.Bad("end what the program started before it ends", "%v", err)
	case err != nil:
		p.Bad("end Close promptly, and end the program when the engine closes the connection", "%v", err)
	}
}

// Secrets looks for what must not be said, in all that was said so far. It ends the process first, so that all of its log is there.
func Secrets(ctx context.Context, p *probe.Probe) {
	if p.Process != nil {
		_ = p.Process.Stop(ctx)
	}
	if p.Setup.Config != nil {
		secrets(p)
		numbers(p)
	}
	for _, found := range p.Text.Find(maps.Clone(p.Personal)) {
		p.Bad("leave it out: fault.New redacts numbers, and vendors' texts need the request's values cut out; configuration secrets are of type connector.Secret",
			"%s", found)
	}
	if n := p.Text.Dropped(); n > 0 {
		p.Bad("log less: what happens to each message is on its timeline", "it logged more than can be looked through: %d bytes too many", n)
	}
}
