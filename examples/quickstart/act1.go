package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/core/report"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// patience bounds the wait for the final outcome of everything that an act sends.
const patience = time.Minute

// sending is what act 1 brought about.
type sending struct {
	timelines []core.Timeline // in the order of the file; a repeated key counts once
	repeated  message.ID      // the message whose key came twice
	shown     []string        // the titles of the timelines that were printed
}

// scripted returns the messages of the file.
func scripted() []message.Message {
	var all []message.Message
	for line := range strings.Lines(messages) {
		m, err := message.Decode([]byte(strings.TrimSpace(line)))
		if err != nil {
			panic(fmt.Sprintf("messages.jsonl: %s", err)) // the file is part of the program
		}
		all = append(all, m)
	}
	return all
}

// sendAll is act 1.
func (d *demo) sendAll(ctx context.Context) (*sending, error) {
	all := scripted()
	d.screen.act("Act 1: %d messages go out over HTTP; what does not arrive takes the next step of its route.", len(all))
	d.screen.say("Every `within` in the demo's rules is a few seconds; minutes are usual.")
	began, s := time.Now(), &sending{}
	var ids []message.ID
	for _, m := range all {
		id, err := d.front.Send(ctx, m)
		switch {
		case err != nil:
			return nil, err
		case slices.Contains(ids, id):
			s.repeated = id
			d.screen.say("Key %s came twice: Send returned the first message's id and sent nothing.", m.Key)
		default:
			ids = append(ids, id)
		}
	}
	d.screen.say("%d messages accepted in %s, each fsynced before its Send returned.", len(ids), time.Since(began).Round(time.Millisecond))
	var err error
	if s.timelines, err = d.finish(ctx, ids); err != nil {
		return nil, err
	}
	d.screen.say("%d of %d have their final outcome after %s.", finals(s.timelines), len(ids), time.Since(began).Round(100*time.Millisecond))
	return s, d.present(s)
}

// finish waits until every message is final, within reason, and returns their timelines.
func (d *demo) finish(ctx context.Context, ids []message.ID) ([]core.Timeline, error) {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done := make(chan struct{}, len(ids))
	var group errgroup.Group
	for _, id := range ids {
		group.Go(func() error {
			_, err := d.front.Final(waiting, id)
			done <- struct{}{}
			return err
		})
	}
	for i := range ids {
		<-done
		d.screen.progress("%d of %d final", i+1, len(ids))
	}
	if err := group.Wait(); err != nil && waiting.Err() == nil {
		return nil, err
	}
	timelines := make([]core.Timeline, len(ids))
	for i, id := range ids {
		var err error
		if timelines[i], err = d.front.Trace(ctx, id); err != nil {
			return nil, err
		}
	}
	return timelines, nil
}

func finals(timelines []core.Timeline) int {
	n := 0
	for i := range timelines {
		if timelines[i].Final {
			n++
		}
	}
	return n
}

// present prints the interesting timelines and the table.
func (d *demo) present(s *sending) error {
	taken := map[message.ID]bool{}
	for _, k := range interesting(s.repeated) {
		for i := range s.timelines {
			if t := &s.timelines[i]; !taken[t.ID] && k.fits(t) {
				taken[t.ID] = true
				s.shown = append(s.shown, k.title)
				d.screen.say("\n-- %s", k.title)
				if err := d.timeline(t); err != nil {
					return err
				}
				break
			}
		}
	}
	d.screen.say("\nOutcomes by step:")
	var b strings.Builder
	if err := report.Table(&b, tally(s.timelines)); err != nil {
		return err
	}
	d.screen.say("%s", strings.TrimSpace(b.String()))
	d.screen.say("Why steps were left: %s.", counts(left(s.timelines)))
	d.screen.say("How the messages ended: %s.", counts(outcomes(s.timelines)))
	return nil
}

func (d *demo) timeline(t *core.Timeline) error {
	var b strings.Builder
	if err := report.RenderTimeline(&b, *t); err != nil {
		return err
	}
	d.screen.say("%s", strings.TrimSpace(b.String()))
	return nil
}

// kind is a kind of message whose timeline is worth printing.
type kind struct {
	title string
	fits  func(*core.Timeline) bool
}

func interesting(repeated message.ID) []kind {
	delivered := func(t *core.Timeline, by message.Channel) bool {
		return t.Outcome == message.Delivered && t.Channel == by
	}
	return []kind{
		{"No delivery receipt in time: on to SMS", func(t *core.Timeline) bool {
			return delivered(t, message.SMS) && slices.ContainsFunc(t.Entries, func(e core.Entry) bool {
				return e.Type == message.EventStepLeft && e.Text == "no_receipt" && e.Channel == message.WhatsApp
			})
		}},
		{"Not on WhatsApp: on to SMS", func(t *core.Timeline) bool {
			return delivered(t, message.SMS) && failedBy(t, fault.InvalidRecipient)
		}},
		{"Outside the 24-hour window: on to the approved template", func(t *core.Timeline) bool {
			return delivered(t, message.WhatsApp) && failedBy(t, fault.SessionClosed)
		}},
		{"Too fast, said the vendor: called again when it asked for it", func(t *core.Timeline) bool {
			return delivered(t, message.WhatsApp) && failedBy(t, fault.RateLimited)
		}},
		{"The vendor was down for a moment: called again", func(t *core.Timeline) bool {
			return delivered(t, message.WhatsApp) && failedBy(t, fault.Unavailable)
		}},
		{"The connection broke during the call: not sent again, since a receipt told that it had arrived", func(t *core.Timeline) bool {
			return delivered(t, message.WhatsApp) && failedBy(t, fault.OutcomeUnknown)
		}},
		{"The key that came twice: one message", func(t *core.Timeline) bool { return t.ID == repeated }},
	}
}

// failedBy reports whether a call ended with a fault of a class.
func failedBy(t *core.Timeline, class fault.Class) bool {
	return slices.ContainsFunc(t.Entries, func(e core.Entry) bool { return e.Step > 0 && e.Fault != nil && e.Fault.Class == class })
}

// tally counts, for each step that was called, the most that came of it.
func tally(timelines []core.Timeline) *report.Tally {
	all := &report.Tally{}
	for i := range timelines {
		t := &timelines[i]
		for step, o := range best(t.Entries) {
			via := t.Plan.Steps[step-1]
			all.Add(fmt.Sprintf("%s, step %d: %s/%s", t.Plan.Route, step, via.Account, via.Channel), o)
		}
	}
	return all
}

// best returns the most that came of the last call of each step.
func best(entries []core.Entry) map[int]message.Outcome {
	steps := map[int]message.Outcome{}
	for i := range entries {
		e := &entries[i]
		switch o := outcomeOf(e); {
		case e.Type == message.EventAttempted, o == message.Unknown, o.Rank() > steps[e.Step].Rank(),
			o == message.Failed && steps[e.Step].Rank() < message.Delivered.Rank():
			steps[e.Step] = o
		}
	}
	return steps
}

// outcomeOf is what an entry says about a call; empty when it says nothing.
func outcomeOf(e *core.Entry) message.Outcome {
	switch {
	case e.Type != message.EventAnswered && e.Type != message.EventReceipted:
		return ""
	case e.Fault == nil:
		return e.Outcome
	case e.Fault.Class == fault.OutcomeUnknown:
		return message.Unknown
	}
	return message.Failed
}

// left counts why steps were left.
func left(timelines []core.Timeline) map[string]int {
	reasons := map[string]int{}
	for i := range timelines {
		for _, e := range timelines[i].Entries {
			if e.Type == message.EventStepLeft {
				reasons[e.Text]++
			}
		}
	}
	return reasons
}

// outcomes counts final outcomes.
func outcomes(timelines []core.Timeline) map[string]int {
	all := map[string]int{}
	for i := range timelines {
		all[string(timelines[i].Outcome)]++
	}
	return all
}

// counts writes counts, the largest first.
func counts(m map[string]int) string {
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if m[a] != m[b] {
			return m[b] - m[a]
		}
		return strings.Compare(a, b)
	})
	for i, n := range names {
		names[i] = fmt.Sprintf("%s %d", n, m[n])
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
