package traffic

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hermodhq/hermod/internal/wire"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/probe"
	"github.com/hermodhq/hermod/sdk/connectortest/standin"
	"github.com/hermodhq/hermod/sdk/fault"
)

const (
	enoughLarge = 4 // operations that get an oversized answer, or are canceled
	askAgain    = "it changes nothing and may be asked again: return unavailable"
)

// OneCall counts the calls of each operation. What becomes of an operation is what becomes of its call, and a vendor that misbehaves
// is let loose on all calls: an operation that makes several, or none, has to be excused.
func OneCall(ctx context.Context, p *probe.Probe) {
	vendor := p.Setup.Vendor
	if !p.Need(vendor != nil, "Vendor") {
		return
	}
	if vendor.BehaveToAll(standin.Accept) != nil {
		p.Need(false, "Vendor that accepts calls")
		return
	}
	defer p.BehaveWell()
	for _, o := range p.Description.Operations {
		if p.Setup.Inputs[o.Name] == nil {
			continue // the check of the operations says so
		}
		n, ok := callsOf(ctx, p, &o)
		switch {
		case !ok:
		case n == 1:
			p.Part(o.Name, "", "")
		default:
			p.OtherCalls[o.Name] = true
			p.Part(o.Name, fmt.Sprintf("operation %s makes %d calls", o.Name, n), "make one call, so that its fault can say what became of it")
		}
	}
}

// callsOf counts on an account that has called nothing yet.
func callsOf(ctx context.Context, p *probe.Probe, o *wire.Operation) (n int, ok bool) {
	a, closes := p.Open(ctx)
	defer closes()
	if a == nil {
		return 0, false
	}
	before := p.Setup.Vendor.Counts().Calls
	done := invokeAll(ctx, p, a, []wire.Operation{*o}, false)[0]
	return p.Setup.Vendor.Counts().Calls - before, done.fault == nil
}

// Odd says whether the vendor's document alone can tell whether the behavior's answer is a good one.
func (e Expectation) Odd() bool {
	return e.Behavior == standin.Garbage || e.Behavior == standin.Empty
}

// CheckOperations lets the vendor misbehave under every operation that makes one call, or under some of each kind where that takes long
// or is done in this process too.
func (e Expectation) CheckOperations(ctx context.Context, p *probe.Probe) {
	vendor := p.Setup.Vendor
	if !p.Need(vendor != nil, "Vendor") || !p.Need(len(p.Setup.Inputs) > 0, "Inputs") {
		return
	}
	p.BehaveWell() // a stand-in that only misbehaves is fine here
	a, closes := p.Open(ctx)
	defer closes()
	if a == nil {
		return
	}
	err := vendor.BehaveToAll(e.Behavior)
	defer p.BehaveWell()
	if p.Excused(err == nil, fmt.Sprintf("a stand-in that can do %q to all calls", e.Behavior)) {
		return
	}
	list := e.some(p)
	problems := map[string]problem{}
	for range e.rounds() {
		_ = vendor.BehaveToAll(e.Behavior) // as just now
		for batch := range slices.Chunk(list, atOnce(p)) {
			e.underOperations(ctx, p, a, batch, problems)
		}
	}
	for _, o := range list {
		p.Part(o.Name, problems[o.Name].text, problems[o.Name].advice)
	}
}

type problem struct{ text, advice string }

// atOnce is how many operations run at once: a call that waits for its turn is not taken.
func atOnce(p *probe.Probe) int {
	if n := p.Description.Limits.Concurrency; n > 0 {
		return min(n, fewAtOnce)
	}
	return fewAtOnce
}

// some takes the operations to try, with as many that change something as that do not where it does not take all.
func (e Expectation) some(p *probe.Probe) []wire.Operation {
	list := p.Callable()
	switch {
	case e.Behavior == standin.Oversized:
		return mixed(list, enoughLarge)
	case e.hangs(), p.Process != nil && p.Local != nil:
		return mixed(list, max(atOnce(p), 2))
	}
	return list
}

func mixed(list []wire.Operation, n int) []wire.Operation {
	var changes, reads []wire.Operation
	for _, o := range list {
		if o.Mutates {
			changes = append(changes, o)
		} else {
			reads = append(reads, o)
		}
	}
	return append(spread(changes, max(n/2, n-len(reads))), spread(reads, max(n/2, n-len(changes)))...)
}

func (e Expectation) underOperations(ctx context.Context, p *probe.Probe, a probe.Account, batch []wire.Operation, problems map[string]problem) {
	before := p.Setup.Vendor.Counts()
	for i, x := range invokeAll(ctx, p, a, batch, e.hangs()) {
		if found := e.judgeOperation(p, &batch[i], x); found.text != "" {
			problems[batch[i].Name] = found
		}
	}
	after := p.Setup.Vendor.Counts()
	most := len(batch)
	if e.Behavior == standin.DropAfter { // net/http itself repeats what only reads
		most *= 2
	}
	if calls := after.Calls - before.Calls; calls > most {
		p.Bad("call the vendor once for each operation: trying again is the engine's part", "%d operations made %d calls", len(batch), calls)
	}
	if e.Behavior == standin.Oversized && after.Written >= standin.OversizedBytes {
		p.Bad("read at most some MiB of an answer, with io.LimitReader", "an answer of %d MiB was read to its end", standin.OversizedBytes>>20)
	}
	if e.hangs() {
		endsAtVendor(ctx, p, "an operation whose time is over")
	}
}

// want returns the classes that may be told of an operation, and what to do where another is. What changes nothing is never unknown.
func (e Expectation) want(mutates bool) ([]fault.Class, string) {
	if mutates || !slices.Contains(e.classes, fault.OutcomeUnknown) {
		return e.classes, e.advice
	}
	known := slices.DeleteFunc(slices.Clone(e.classes), func(c fault.Class) bool { return c == fault.OutcomeUnknown })
	switch e.Behavior {
	case standin.Echo:
		return known, e.advice
	case standin.Garbage, standin.Empty, standin.Oversized:
		known = append(known, fault.Internal)
	}
	if !slices.Contains(known, fault.Unavailable) {
		known = append(known, fault.Unavailable)
	}
	return known, askAgain
}

func (e Expectation) judgeOperation(p *probe.Probe, o *wire.Operation, x invoked) (found problem) {
	classes, advice := e.want(o.Mutates)
	name := "operation " + o.Name
	switch f := x.fault; {
	case x.unheard:
	case e.documented(p):
		if f != nil && o.Mutates {
			return problem{fmt.Sprintf("%s: %s is answered with %v, want success", name, e.Behavior, f), emptyIsYes}
		}
	case f == nil:
		return problem{fmt.Sprintf("%s: %s is answered with success", name, e.Behavior), advice}
	case !slices.Contains(classes, f.Class):
		return problem{fmt.Sprintf("%s: %s is answered with %v, want class %v", name, e.Behavior, f, classes), advice}
	case e.tooSoon(f):
		return problem{fmt.Sprintf(comeBack, name, standin.RetryAfter, f.RetryAfter), advice}
	}
	return problem{}
}

// invoked is what became of an operation.
type invoked struct {
	fault   *fault.Fault // nil: it succeeded
	unheard bool         // its context ended on this side of the pipe first, and an engine classifies that by itself
}

// invokeAll runs operations at once; briefly, where their time will run out.
func invokeAll(ctx context.Context, p *probe.Probe, a probe.Account, list []wire.Operation, briefly bool) []invoked {
	done := make([]invoked, len(list))
	var wg sync.WaitGroup
	for i := range list {
		wg.Go(func() { done[i] = invokeOne(ctx, p, a, &list[i], briefly) })
	}
	wg.Wait()
	return done
}

func invokeOne(ctx context.Context, p *probe.Probe, a probe.Account, o *wire.Operation, briefly bool) invoked {
	patience := p.Setup.Patience
	if briefly {
		patience = min(probe.Briefly, patience)
	}
	err := p.Within(ctx, patience, func(ctx context.Context) error {
		_, err := a.Invoke(ctx, o.Name, p.Setup.Inputs[o.Name])
		return err
	})
	_, classified := errors.AsType[*fault.Fault](err)
	over := ctx.Err() != nil || briefly && status.Code(err) == codes.DeadlineExceeded
	if p.Process != nil && !classified && err != nil && over {
		return invoked{unheard: true}
	}
	f := p.See("operation "+o.Name, err)
	if f != nil && !classified && f.Class == fault.OutcomeUnknown && !o.Mutates {
		f.Class = fault.Unavailable // as the SDK has it
	}
	return invoked{fault: f}
}

// endsAtVendor holds that no call goes on.
func endsAtVendor(ctx context.Context, p *probe.Probe, what string) {
	ended, cancel := context.WithTimeout(ctx, p.Grace())
	defer cancel()
	if !probe.Eventually(ended, func() bool { return p.Setup.Vendor.Counts().Now == 0 }) {
		p.Bad("hand the context to every request", "the call of %s goes on", what)
	}
}

// CanceledOperations cancels operations whose calls the vendor holds.
func CanceledOperations(ctx context.Context, p *probe.Probe) {
	vendor := p.Setup.Vendor
	if !p.Need(vendor != nil, "Vendor") || !p.Need(len(p.Setup.Inputs) > 0, "Inputs") {
		return
	}
	p.BehaveWell()
	a, closes := p.Open(ctx)
	defer closes()
	if a == nil {
		return
	}
	e := Expectation{Behavior: standin.HangAfter, classes: []fault.Class{fault.OutcomeUnknown}, advice: nobodyKnows}
	if vendor.BehaveToAll(e.Behavior) != nil {
		e.Behavior, e.classes = standin.HangBefore, append(e.classes, fault.Unavailable)
		if vendor.BehaveToAll(e.Behavior) != nil {
			p.Need(false, "Vendor that can hang")
			return
		}
	}
	defer p.BehaveWell()
	list := mixed(p.Callable(), min(enoughLarge, max(atOnce(p), 2)))
	for batch := range slices.Chunk(list, atOnce(p)) {
		for i, x := range cancelInvoked(ctx, p, a, batch) {
			if found := e.judgeOperation(p, &batch[i], x); found.text != "" {
				p.Bad(found.advice, "canceled under way: %s", found.text)
			}
		}
	}
	endsAtVendor(ctx, p, "a canceled operation")
	p.BehaveWell()
	p.Alive(ctx, "an account after a canceled operation", a)
}

// cancelInvoked cancels operations once the vendor has their calls.
func cancelInvoked(ctx context.Context, p *probe.Probe, a probe.Account, batch []wire.Operation) []invoked {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	before := p.Setup.Vendor.Counts().Calls
	seen := make(chan bool, 1)
	go func() {
		defer cancel()
		seen <- probe.Eventually(ctx, func() bool { return p.Setup.Vendor.Counts().Calls-before >= len(batch) })
	}()
	done := invokeAll(ctx, p, a, batch, false)
	cancel()
	if !<-seen {
		p.Bad("let every operation call the vendor, or excuse it from operation_calls", "the stand-in saw no call to cancel")
	}
	return done
}
