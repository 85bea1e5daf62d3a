package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hermodhq/hermod/sdk/fault"
)

// Briefly is how long a vendor that does not answer is waited for.
const Briefly = 400 * time.Millisecond

const grace = 2 * time.Second

// ErrNotReturned says that a call did not return though its context had ended.
var ErrNotReturned = errors.New("it did not return")

// Probe is one check under way.
type Probe struct {
	*Session
	Check string
	Shut  bool // the account did not open

	mu       sync.Mutex
	findings []Finding
}

// Findings returns what was found.
func (p *Probe) Findings() []Finding {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.findings)
}

// Bad notes a finding. advice says what the author should do.
func (p *Probe) Bad(advice, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := Finding{Check: p.Check, Problem: fault.Redact(fmt.Sprintf(format, args...)), Advice: advice}
	if !slices.Contains(p.findings, f) {
		p.findings = append(p.findings, f)
	}
}

// Rule is one thing that must hold; [Want] makes it.
type Rule struct {
	holds           bool
	problem, advice string
}

// Want makes a rule. problem says what is wrong when it does not hold, advice what the author should do.
func Want(holds bool, problem, advice string) Rule { return Rule{holds, problem, advice} }

// Rules notes a finding for each rule that does not hold.
func (p *Probe) Rules(list ...Rule) {
	for _, r := range list {
		if !r.holds {
			p.Bad(r.advice, "%s", r.problem)
		}
	}
}

// Need reports whether something was given that the check cannot do without.
func (p *Probe) Need(given bool, what string) bool {
	switch {
	case given:
	case p.Setup.Partial:
		p.Left = append(p.Left, Left{p.Check, what + " is not given"})
	default:
		p.Bad("set Harness."+what, "the check cannot be made: Harness.%s is not set", what)
	}
	return given
}

// Excused settles a check that some vendors make impossible: it must be possible or excused, and not both. It reports whether to leave it out.
func (p *Probe) Excused(possible bool, what string) bool {
	reason, excuse := p.Setup.Excuses[p.Check]
	switch {
	case excuse && possible:
		p.Bad(fmt.Sprintf("remove %q from Harness.Excuses", p.Check), "the check is excused, but it can be made")
	case excuse && reason == "":
		p.Bad(fmt.Sprintf("say in Harness.Excuses[%q] why", p.Check), "the excuse gives no reason")
	case excuse:
		p.Left = append(p.Left, Left{p.Check, reason})
	case !possible && p.Setup.Partial:
		p.Left = append(p.Left, Left{p.Check, "it needs " + what})
	case !possible:
		p.Bad(fmt.Sprintf("give %s, or say in Harness.Excuses[%q] why this vendor makes it impossible", what, p.Check), "the check was not made")
	}
	return !possible
}

// See keeps what an error says, and judges what holds for every error. It returns the fault that an engine would see; nil stays nil.
func (p *Probe) See(what string, err error) *fault.Fault {
	if err == nil {
		return nil
	}
	p.Text.Add(InError, err.Error())
	f, classified := errors.AsType[*fault.Fault](err)
	switch {
	case errors.Is(err, ErrNotReturned):
		p.Bad("return when the context ends: hand it to every request and every wait", "%s did not return within %v of its context's end", what, p.Grace())
	case !classified && ended(err):
		return fault.New(fault.OutcomeUnknown, "no_answer", "the context ended")
	case !classified && p.Process != nil && status.Code(err) == codes.DeadlineExceeded:
		p.Bad("answer every call, with a fault where nothing else can be said", "%s got no answer in time", what)
	case !classified && p.Process != nil:
		p.Bad("answer with a fault in the response, and keep the process alive", "%s: %v", what, err)
	case !classified || f.Code == "unclassified":
		p.Bad("return a *fault.Fault, so that the engine knows what to do next", "%s failed with an error without a class", what)
	case f.Code == "connector_panic":
		p.Bad("handle the input instead of panicking; the log has the stack", "%s panicked", what)
	case !f.Class.Known():
		p.Bad("use one of the classes of sdk/fault", "%s failed with the unknown class %q", what, f.Class)
	}
	f = fault.From(err)
	if raw, err := json.Marshal(f); err == nil {
		p.Text.Add(InError, string(raw))
	}
	return f
}

// Ended reports whether an error says no more than that a context ended.
func Ended(err error) bool {
	f, isFault := errors.AsType[*fault.Fault](err)
	return ended(err) || isFault && f.Class == fault.OutcomeUnknown
}

func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// Grace is how long after its context's end a call may still run.
func (p *Probe) Grace() time.Duration { return min(grace, p.Setup.Patience) }

// Within makes a call that must return soon after its time d has run out, and turns a panic into the fault that an engine sees.
// What the call has written may be used only when the error is not ErrNotReturned.
func (p *Probe) Within(ctx context.Context, d time.Duration, call func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- fault.New(fault.Internal, "connector_panic", "the connector panicked: %T", r)
			}
		}()
		done <- call(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	late := time.NewTimer(p.Grace())
	defer late.Stop()
	select {
	case err := <-done:
		return err
	case <-late.C:
		return ErrNotReturned
	}
}

// Eventually waits until ok is true, and reports false when ctx ends first.
func Eventually(ctx context.Context, ok func() bool) bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}
