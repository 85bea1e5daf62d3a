package react

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/hermodhq/hermod/rules"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// result is what became of an action.
type result int

const (
	undone  result = iota // the engine stops: it is taken up again at the next start
	done                  // the next action may follow
	settled               // failed or unknown, and recorded: what comes after it is left undone
)

// carryOut does a task's actions one after the other. It returns false when the engine stops first.
func (r *Reactor) carryOut(ctx context.Context, t *task) bool {
	if f := t.refusal(); f != nil {
		rep := t.report(0)
		if ended(r.known[rep.Action].last) {
			return true
		}
		rep.Undone = len(t.want.Actions)
		return r.fail(ctx, t, message.EventReactionFailed, rep, f) != undone
	}
	for i := range t.want.Actions {
		rep := t.report(i + 1)
		switch before := r.known[rep.Action]; {
		case before.last == message.EventReactionDone || before.last == message.EventReactionTold:
			continue
		case ended(before.last):
			return true
		default:
			rep.Try = before.report.Try
		}
		rep.Undone = len(t.want.Actions) - i - 1
		if !r.turn(ctx, t, rep) {
			return false
		}
		switch r.act(ctx, t, &t.want.Actions[i], rep) {
		case undone:
			return false
		case settled:
			return true
		}
	}
	return true
}

// refusal says why nothing of a reaction is done.
func (t *task) refusal() *fault.Fault {
	if t.depth > MaxDepth {
		return fault.New(fault.Unsupported, "chain_too_deep", "a chain of reactions has at most %d; mend the rules, which go round in a circle", MaxDepth)
	}
	return fault.From(t.want.Err)
}

// turn holds an action back while its reaction is above its rate, and says so once.
func (r *Reactor) turn(ctx context.Context, t *task, rep *Report) bool {
	wait, first := r.rates.turn(t.want.Name, t.want.Rate, r.cfg.Now())
	if wait <= 0 {
		return !r.stopping()
	}
	if first {
		r.cfg.Logger.Warn("a reaction is above its rate; its actions wait", "reaction", t.want.Name, "rate", t.want.Rate, "wait", wait.String())
		if !r.record(ctx, t, message.EventReactionThrottled, rep, nil) {
			return false
		}
	}
	return r.sleep(wait)
}

func (r *Reactor) act(ctx context.Context, t *task, a *rules.Action, rep *Report) result {
	switch {
	case a.Err != nil:
		return r.fail(ctx, t, message.EventReactionFailed, rep, fault.From(a.Err))
	case a.Tell != nil:
		if size := sizeOf(a.Tell.With); size > maxTold {
			return r.fail(ctx, t, message.EventReactionFailed, rep, fault.New(fault.ContentRejected, "signal_too_large",
				"the signal takes %d bytes, at most %d fit: tell the event's id and what is needed of it", size, maxTold))
		}
		rep.Undone, rep.Name, rep.With = 0, a.Tell.Name, a.Tell.With
		if !r.record(ctx, t, message.EventReactionTold, rep, nil) {
			return undone
		}
		return done
	case a.Send != nil:
		return r.send(ctx, t, *a.Send, rep)
	}
	rep.Call = string(a.Call.Account) + "/" + a.Call.Operation
	return r.call(ctx, t, a.Call, rep)
}

func sizeOf(with map[string]any) int {
	text, err := json.Marshal(with)
	if err != nil {
		return 0 // rules give JSON values only
	}
	return len(text)
}

// fail records that an action did not happen, or, as typ says, that this is not known.
func (r *Reactor) fail(ctx context.Context, t *task, typ message.EventType, rep *Report, f *fault.Fault) result {
	rep.Fault = f
	r.cfg.Logger.Warn("a reaction's action is not done", "event", typ, "reaction", rep.Reaction, "index", rep.Index, "call", rep.Call, "error", f)
	if !r.record(ctx, t, typ, rep, nil) {
		return undone
	}
	return settled
}

func (r *Reactor) succeed(ctx context.Context, t *task, rep *Report, about func(*message.Event)) result {
	rep.Undone = 0
	if !r.record(ctx, t, message.EventReactionDone, rep, about) {
		return undone
	}
	return done
}

// send sends a message. The key makes it safe to try again: there is one message for one action.
func (r *Reactor) send(ctx context.Context, t *task, m message.Message, rep *Report) result {
	m.Key = message.Key("hermod.reaction." + rep.Action)
	m.Labels = maps.Clone(m.Labels)
	if m.Labels == nil {
		m.Labels = map[string]string{}
	}
	m.Labels[DepthLabel] = strconv.Itoa(t.depth)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		var id message.ID
		err := r.within(func() (err error) { id, err = r.cfg.Send(ctx, m); return err })
		if err == nil {
			return r.succeed(ctx, t, rep, func(ev *message.Event) { ev.Message = id })
		}
		if r.over(ctx, err) {
			return undone
		}
		if invalid, ok := errors.AsType[*message.Error](err); ok {
			return r.fail(ctx, t, message.EventReactionFailed, rep, fault.New(fault.ContentRejected, invalid.Code, "the message is not accepted: %w", err))
		}
		if f, ok := errors.AsType[*fault.Fault](err); ok && f.Class != fault.Unavailable {
			return r.fail(ctx, t, message.EventReactionFailed, rep, f)
		}
		if !r.sleep(jitter(pause)) { // the journal takes nothing now
			return undone
		}
	}
}

// call calls an operation, again after faults that certainly took no effect.
func (r *Reactor) call(ctx context.Context, t *task, c *rules.Call, rep *Report) result {
	for tries := 1; ; tries++ {
		rep.Try++
		var out json.RawMessage
		recorded := true
		err := r.within(func() (err error) {
			out, err = r.cfg.Invoke(ctx, c.Account, c.Operation, c.Input, func() error {
				// Not earlier: a call that waits for its turn would be in doubt after a crash.
				if recorded = !c.Mutates || r.record(ctx, t, message.EventReactionStarted, rep, nil); !recorded {
					return errQuiet
				}
				return nil
			})
			return err
		})
		if !recorded {
			return undone
		}
		if err == nil {
			if len(out) <= maxOutput && json.Valid(out) {
				rep.Output = out
			}
			return r.succeed(ctx, t, rep, nil)
		}
		stopped := errors.Is(err, r.cfg.Stopped) || errors.Is(err, errQuiet)
		if !stopped && ctx.Err() != nil {
			return undone // abandoned: unknown, and recorded as such at the next start
		}
		f := fault.From(err)
		if !stopped && (tries > t.want.Retries || !again(f, c.Mutates)) {
			typ := message.EventReactionFailed
			if c.Mutates && f.Class.Taken() == fault.MayTaken {
				typ = message.EventReactionUnknown
			}
			return r.fail(ctx, t, typ, rep, f)
		}
		if c.Mutates { // certainly not taken, so a restart may call again
			rep.Fault = f
			if !r.record(ctx, t, message.EventReactionRetrying, rep, nil) {
				return undone
			}
			rep.Fault = nil
		}
		pause := min(firstPause<<min(tries-1, 10), longestPause)
		if stopped || !r.sleep(max(jitter(pause), min(f.RetryAfter, longestAfter))) {
			return undone
		}
	}
}

// again reports whether a call may be made again after a fault. One that changes nothing can be.
func again(f *fault.Fault, mutates bool) bool {
	if f.Class.Taken() == fault.MayTaken {
		return !mutates
	}
	return f.Class.Action() == fault.Retry
}

// over reports whether an error only says that the engine stops.
func (r *Reactor) over(ctx context.Context, err error) bool {
	return errors.Is(err, r.cfg.Stopped) || errors.Is(err, errQuiet) || ctx.Err() != nil
}

// within runs do when few enough others run.
func (r *Reactor) within(do func() error) error {
	select {
	case r.calls <- struct{}{}:
	case <-r.quiet:
		return errQuiet
	}
	defer func() { <-r.calls }()
	if r.stopping() {
		return errQuiet
	}
	return do()
}

// jitter returns half of d up to the whole.
func jitter(d time.Duration) time.Duration { return d/2 + time.Duration(rand.Int64N(int64(d/2)+1)) }
