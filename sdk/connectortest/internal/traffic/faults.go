package traffic

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hermodhq/hermod/internal/wire"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/link"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/probe"
	"github.com/hermodhq/hermod/sdk/connectortest/standin"
	"github.com/hermodhq/hermod/sdk/fault"
)

const (
	mostRetryAfter = time.Minute
	enough         = 32 // samples that meet each behavior, where a connector has more channels and kinds
	fewAtOnce      = 16 // fewer than a connector's connections: a message that waits for one is not taken
)

// Expectation is how a vendor's behavior must be told.
type Expectation struct {
	Behavior standin.Behavior
	classes  []fault.Class
	advice   string
}

const (
	nobodyKnows = "the vendor may have taken it: return outcome_unknown, so that the rule decides"
	emptyIsYes  = "take an empty answer for success, or do not set EmptyIsSuccess"
	comeBack    = "%s: the vendor says to come back after %d s, the fault says %v"
)

// Expectations returns one for each behavior but accepting.
func Expectations() []Expectation {
	unknown := []fault.Class{fault.OutcomeUnknown}
	either := []fault.Class{fault.Unavailable, fault.OutcomeUnknown}
	refused := []fault.Class{fault.Internal, fault.ContentRejected, fault.Misconfigured, fault.InvalidRecipient, fault.Unsupported, fault.TemplateUnavailable,
		fault.OutcomeUnknown}
	return []Expectation{
		{standin.RateLimited, []fault.Class{fault.RateLimited}, "return rate_limited: the engine slows down and tries again"},
		{standin.RateLimitFor, []fault.Class{fault.RateLimited}, "return rate_limited with the vendor's time in Fault.After"},
		{standin.Unreachable, []fault.Class{fault.Unavailable}, "no connection was made, so the vendor took nothing: return unavailable"},
		{standin.Down, either, "return unavailable where the vendor certainly took nothing, else outcome_unknown"},
		{standin.Unauthorized, []fault.Class{fault.Unauthorized}, "return unauthorized: the engine pauses the account"},
		{standin.Echo, refused, "return a class that is not tried again: the same request would be refused again"},
		{standin.HangBefore, either, "return outcome_unknown where the request was written, else unavailable"},
		{standin.HangAfter, unknown, nobodyKnows},
		{standin.DropAfter, unknown, nobodyKnows},
		{standin.FailAfter, unknown, nobodyKnows},
		{standin.Garbage, unknown, nobodyKnows},
		{standin.Empty, unknown, nobodyKnows + "; or set EmptyIsSuccess, where the vendor documents it as success"},
		{standin.Oversized, unknown, nobodyKnows},
	}
}

// Check lets the vendor misbehave under a message of every channel and kind, or of enough of them.
func (e Expectation) Check(ctx context.Context, p *probe.Probe) {
	vendor := p.Setup.Vendor
	if !p.Need(vendor != nil, "Vendor") {
		return
	}
	p.BehaveWell() // a stand-in that only misbehaves is fine here
	a, closes := p.Open(ctx)
	defer closes()
	if a == nil {
		return
	}
	err := vendor.Behave(e.Behavior)
	defer func() { p.BehaveWell() }()
	if p.Excused(err == nil, fmt.Sprintf("a stand-in that can do %q", e.Behavior)) {
		return
	}
	for range e.rounds() {
		_ = vendor.Behave(e.Behavior) // as just now
		for batch := range slices.Chunk(spread(p.Samples(), enough), fewAtOnce) {
			e.under(ctx, p, a, batch)
		}
	}
}

// rounds is how often the behavior is met: each answer that is none has a round.
func (e Expectation) rounds() int {
	if e.Behavior == standin.Garbage {
		return standin.GarbageAnswers
	}
	return 1
}

// hangs says whether calls end with their context only.
func (e Expectation) hangs() bool {
	return e.Behavior == standin.HangBefore || e.Behavior == standin.HangAfter
}

// documented says whether the behavior is how the vendor says yes.
func (e Expectation) documented(p *probe.Probe) bool {
	return e.Behavior == standin.Empty && p.Setup.EmptyIsSuccess
}

// spread takes n of a list, evenly.
func spread[T any](list []T, n int) []T {
	if len(list) <= n {
		return list
	}
	some := make([]T, n)
	for i := range some {
		some[i] = list[i*len(list)/n]
	}
	return some
}

// under delivers a batch to the misbehaving vendor.
func (e Expectation) under(ctx context.Context, p *probe.Probe, a probe.Account, batch []wire.Delivery) {
	patience := p.Setup.Patience
	if e.hangs() {
		patience = min(probe.Briefly, patience)
	}
	before := p.Setup.Vendor.Counts()
	r := p.Deliver(ctx, string(e.Behavior), a, batch, patience)
	after := p.Setup.Vendor.Counts()
	// A connector may know better when it asks the vendor what became of a message whose answer was lost.
	asked := after.Other > before.Other && after.Taken-before.Taken >= len(batch)
	for i, f := range r.Errs {
		if f != nil || !asked {
			e.judge(p, &batch[i], f)
		}
	}
	e.tally(p, len(batch), after.Calls-before.Calls, after.Written)
}

// tally judges what the stand-in saw.
func (e Expectation) tally(p *probe.Probe, deliveries, calls int, written int64) {
	if calls == 0 && e.Behavior != standin.Unreachable {
		p.Bad("let the stand-in's Options.Sends recognize the requests that send", "the stand-in saw no call that sends a message")
	}
	if calls > deliveries {
		p.Bad("call the vendor once for each delivery: trying again is the engine's part", "%d deliveries made %d calls", deliveries, calls)
	}
	if e.Behavior == standin.Oversized && written >= standin.OversizedBytes {
		p.Bad("read at most some MiB of an answer, with io.LimitReader", "an answer of %d MiB was read to its end", standin.OversizedBytes>>20)
	}
}

func (e Expectation) judge(p *probe.Probe, d *wire.Delivery, f *fault.Fault) {
	switch {
	case e.documented(p):
		if f != nil {
			p.Bad(emptyIsYes, "%s: %s is answered with %v, want success", probe.NameOf(d), e.Behavior, f)
		}
	case f == nil:
		p.Bad(e.advice, "%s: %s is answered with success", probe.NameOf(d), e.Behavior)
	case !slices.Contains(e.classes, f.Class):
		p.Bad(e.advice, "%s: %s is answered with %v, want class %v", probe.NameOf(d), e.Behavior, f, e.classes)
	case e.tooSoon(f):
		p.Bad(e.advice, comeBack, probe.NameOf(d), standin.RetryAfter, f.RetryAfter)
	}
}

// tooSoon says whether a fault does not tell when the vendor wants to be called again.
func (e Expectation) tooSoon(f *fault.Fault) bool {
	return e.Behavior == standin.RateLimitFor && (f.RetryAfter < standin.RetryAfter*time.Second || f.RetryAfter > mostRetryAfter)
}

// Canceled cancels a delivery that the vendor holds.
func Canceled(ctx context.Context, p *probe.Probe) {
	vendor := p.Setup.Vendor
	if !p.Need(vendor != nil, "Vendor") {
		return
	}
	p.BehaveWell()
	a, closes := p.Open(ctx)
	defer closes()
	if a == nil {
		return
	}
	want := []fault.Class{fault.OutcomeUnknown}
	if vendor.Behave(standin.HangAfter) != nil {
		want = append(want, fault.Unavailable)
		if vendor.Behave(standin.HangBefore) != nil {
			p.Need(false, "Vendor that can hang")
			return
		}
	}
	defer func() { p.BehaveWell() }()
	if f := cancelUnderWay(ctx, p, a); p.Process == nil && (f == nil || !slices.Contains(want, f.Class)) {
		p.Bad(nobodyKnows, "a delivery that was canceled under way is answered with %v, want class %v", probe.OrAccepted(f), want)
	}
	ended, cancel := context.WithTimeout(ctx, p.Grace())
	defer cancel()
	if !probe.Eventually(ended, func() bool { return vendor.Counts().Now == 0 }) {
		p.Bad("hand the context to every request", "the call of a canceled delivery goes on")
	}
	p.BehaveWell()
	p.Alive(ctx, "an account after a canceled delivery", a)
}

// cancelUnderWay cancels a delivery once the vendor has it, and returns its answer. From a subprocess none can come: canceling takes the
// stream, and what counts is that the account lives on.
func cancelUnderWay(ctx context.Context, p *probe.Probe, a probe.Account) (f *fault.Fault) {
	batch := p.Samples()[:1]
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	calls := p.Setup.Vendor.Counts().Calls
	seen := make(chan bool, 1)
	go func() {
		defer cancel()
		seen <- probe.Eventually(ctx, func() bool { return p.Setup.Vendor.Counts().Calls > calls })
	}()
	if p.Process == nil {
		f = p.Deliver(ctx, "a canceled delivery", a, batch, p.Setup.Patience).Errs[0]
	} else {
		_ = p.Within(ctx, p.Setup.Patience, func(ctx context.Context) error { return a.Deliver(ctx, batch, func(link.Answer) {}) })
	}
	cancel()
	if !<-seen {
		p.Bad("let the stand-in's Options.Sends recognize the requests that send", "the stand-in saw no call to cancel")
	}
	return f
}
