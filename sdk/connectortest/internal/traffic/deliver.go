// Package traffic holds the checks of messages and operations while the vendor behaves well or badly.
package traffic

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hermodhq/hermod/internal/wire"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/probe"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

const (
	unknownChannel = "hermod-kit-channel"
	manyAtOnce     = 300 // more than a frame holds
)

// Channels holds that every declared channel carries every kind it declares.
func Channels(ctx context.Context, p *probe.Probe) {
	a, closes := p.Ready(ctx)
	defer closes()
	if a == nil {
		return
	}
	batch := p.Samples()
	before := p.Setup.Vendor.Counts()
	r := p.Deliver(ctx, "sending", a, batch, p.Setup.Patience)
	for i, f := range r.Errs {
		if f != nil {
			p.Bad("make it work, adapt the sample in Harness.Adapt, or do not declare the kind", "%s is declared, but fails: %v", probe.NameOf(&batch[i]), f)
		}
	}
	p.Tally(before, len(batch)-r.Faults)
}

// Undeclared sends what the description does not offer.
func Undeclared(ctx context.Context, p *probe.Probe) {
	a, closes := p.Open(ctx)
	defer closes()
	if a == nil {
		return
	}
	p.Alive(ctx, "an account", a)
	batch := impossible(p)
	calls := func() int {
		if p.Setup.Vendor == nil {
			return 0
		}
		return p.Setup.Vendor.Counts().Calls
	}
	before := calls()
	for i, f := range p.Deliver(ctx, "sending what is not declared", a, batch, p.Setup.Patience).Errs {
		what := probe.NameOf(&batch[i])
		if batch[i].To.Address() == "" {
			what += " to nobody"
		}
		if f == nil || f.Class.Taken() != fault.NotTaken || f.Class.Action() == fault.Retry {
			p.Bad("refuse it with class unsupported, content_rejected or invalid_recipient", "a delivery that cannot be made (%s) is answered with %v", what, probe.OrAccepted(f))
		}
	}
	if n := calls() - before; n > 0 {
		p.Bad("check channel, kind and recipient before the call", "%d deliveries that cannot be made were sent to the vendor", n)
	}
}

// impossible returns deliveries that the description rules out.
func impossible(p *probe.Probe) []wire.Delivery {
	list := []wire.Delivery{p.Sample(unknownChannel, message.KindText, 0)}
	for _, c := range p.Description.Channels {
		for _, k := range probe.Kinds() {
			if !slices.Contains(c.Kinds, k) {
				list = append(list, p.Sample(c.Channel, k, len(list)))
			}
		}
		empty, nobody := p.Sample(c.Channel, c.Kinds[0], len(list)), p.Sample(c.Channel, c.Kinds[0], len(list)+1)
		empty.Content, nobody.To = message.Content{}, message.Recipient{}
		list = append(list, empty, nobody)
	}
	return list
}

// Limits sends texts at and above a channel's bound, and more messages at once than a frame holds.
func Limits(ctx context.Context, p *probe.Probe) {
	a, closes := p.Ready(ctx)
	defer closes()
	if a == nil {
		return
	}
	for i := range p.Description.Channels {
		if c := &p.Description.Channels[i]; c.MaxText > 0 && slices.Contains(c.Kinds, message.KindText) {
			atLimit(ctx, p, a, c)
		}
	}
	batch := slices.Repeat(p.Samples()[:1], manyAtOnce)
	for i := range batch {
		batch[i].Message = message.ID(fmt.Sprintf("01KITMANY%04d", i))
	}
	before := p.Setup.Vendor.Counts()
	r := p.Deliver(ctx, "many at once", a, batch, 3*p.Setup.Patience)
	if r.Faults > 0 {
		p.Bad("let calls wait for a connection instead of failing", "%d of %d deliveries at once fail, the first with: %v", r.Faults, len(batch), r.First)
	}
	p.Tally(before, len(batch)-r.Faults)
	if n, limit := p.Setup.Vendor.Counts().AtOnce, p.Description.Limits.Concurrency; p.Process != nil && limit > 0 && n > limit {
		p.Bad("have no more calls under way than Limits.Concurrency", "%d calls were under way at once, the declared limit is %d", n, limit)
	}
}

// atLimit sends the longest text that a channel takes, and one that is a character longer.
func atLimit(ctx context.Context, p *probe.Probe, a probe.Account, c *wire.Channel) {
	fits, tooLong := p.Sample(c.Channel, message.KindText, 0), p.Sample(c.Channel, message.KindText, 1)
	fits.Content.Text, tooLong.Content.Text = strings.Repeat("é", c.MaxText), strings.Repeat("é", c.MaxText+1)
	before := p.Setup.Vendor.Counts()
	r := p.Deliver(ctx, "a text at the limit", a, []wire.Delivery{fits, tooLong}, p.Setup.Patience)
	if r.Errs[0] != nil {
		p.Bad("count characters, not bytes, or correct MaxText", "channel %s refuses a text of MaxText characters: %v", c.Channel, r.Errs[0])
	}
	if f := r.Errs[1]; f == nil || f.Class != fault.ContentRejected {
		p.Bad("refuse it with class content_rejected", "channel %s answers a text longer than MaxText with %v", c.Channel, probe.OrAccepted(f))
	}
	if after := p.Setup.Vendor.Counts(); after.Calls-before.Calls > 1 {
		p.Bad("check the length before the call", "channel %s sends a text longer than MaxText to the vendor", c.Channel)
	}
}

// Odd sends messages that are allowed and unusual. Any answer will do, as long as it is true.
func Odd(ctx context.Context, p *probe.Probe) {
	a, closes := p.Ready(ctx)
	defer closes()
	if a == nil {
		return
	}
	texts := []string{" ", "\u202e\u0645\u0631\u062d\u0628\u0627 \U0001F469\u200D\U0001F680", "line\r\nline\ttab\x00", `"]}'><&%00{{.}}$(x)`, strings.Repeat("\U0001F600", 4000)}
	var batch []wire.Delivery
	for _, s := range spread(p.Samples(), enough) {
		for _, text := range texts {
			d := s
			d.Message = message.ID(fmt.Sprintf("01KITODD%05d", len(batch)))
			d.Content.Text = text
			if t := s.Content.Template; t != nil {
				odd := *t
				odd.Language, odd.Params = text, append([]string{text}, t.Params...)
				d.Content.Text, d.Content.Template = "", &odd
			}
			d.Labels, d.To.Name = map[string]string{text: text}, text
			batch = append(batch, d)
		}
	}
	before := p.Setup.Vendor.Counts()
	r := p.Deliver(ctx, "odd messages", a, batch, p.Setup.Patience)
	p.Tally(before, len(batch)-r.Faults)
}
