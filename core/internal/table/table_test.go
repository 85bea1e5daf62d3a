package table_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/table"
	"github.com/hermodhq/hermod/internal/flow"
	"github.com/hermodhq/hermod/sdk/message"
)

// TestTimers sets and removes timers at random, and compares with a list that is sorted anew each time.
func TestTimers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := make([]table.Entry, rapid.IntRange(1, 20).Draw(t, "entries"))
		at := map[*table.Entry]int64{}
		var timers table.Timers
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			e := &entries[rapid.IntRange(0, len(entries)-1).Draw(t, "entry")]
			when := rapid.Int64Range(0, 9).Draw(t, "at") // 0 removes it
			timers.Set(e, when)
			delete(at, e)
			if when != 0 {
				at[e] = when
			}
			first := timers.First()
			if (first == nil) != (len(at) == 0) {
				t.Fatalf("the first is %v, and %d are set", first, len(at))
			}
			least := int64(100)
			for _, when := range at {
				least = min(least, when)
			}
			if first != nil && (at[first] != least || first.Due().UnixNano() != least) {
				t.Fatalf("the first is due at %d, another at %d", at[first], least)
			}
		}
		last := int64(0)
		for e := timers.First(); e != nil; e = timers.First() {
			if at[e] < last {
				t.Fatal("out of order")
			}
			last = at[e]
			timers.Set(e, 0)
			delete(at, e)
		}
		if len(at) != 0 {
			t.Fatalf("%d timers are lost", len(at))
		}
	})
}

// life drives messages of one order through random lives, and checks who may call.
type life struct {
	t      *rapid.T
	order  table.Order
	all    []*table.Entry
	line   []*table.Entry // in the order in which they wanted to call
	asking map[*table.Entry]bool
}

// enter lets a message want its turn.
func (l *life) enter(e *table.Entry) {
	if len(e.State.Attempts) == 0 {
		l.line = append(l.line, e)
	}
	e.State.Phase = flow.Queued
	if l.order.Enter(e) {
		l.asking[e] = true
	} else if len(e.State.Attempts) > 0 {
		l.t.Fatal("a later call had to wait for the order")
	}
}

// called fails when a message makes its first call while an earlier one of its recipient holds it up.
func (l *life) called(e *table.Entry) {
	for _, other := range l.line[:slices.Index(l.line, e)] {
		answered := len(other.State.Attempts) > 0 && other.State.Attempts[0].Outcome != ""
		if other.Recipient != e.Recipient || other.State.Phase == flow.Done || (answered && !other.Shape.Plan.Strict) {
			continue
		}
		l.t.Fatal("an earlier message of the recipient holds it up, and it calls")
	}
}

func (l *life) step() {
	e := l.all[rapid.IntRange(0, len(l.all)-1).Draw(l.t, "entry")]
	first := len(e.State.Attempts) == 0
	switch e.State.Phase {
	case flow.Planning:
		l.enter(e)
		return
	case flow.Queued:
		switch what := rapid.IntRange(0, 3).Draw(l.t, "queued"); {
		case what == 0: // canceled, expired
			e.State.Phase = flow.Done
		case l.asking[e]:
			if first {
				l.called(e)
			}
			e.State.Phase = flow.Calling
			e.State.Attempts = append(e.State.Attempts, flow.Attempt{})
		default:
			return
		}
		delete(l.asking, e)
	case flow.Calling:
		e.State.Attempts[len(e.State.Attempts)-1].Outcome = message.Accepted
		e.State.Phase = rapid.SampledFrom([]flow.Phase{flow.Done, flow.Waiting, flow.Backoff}).Draw(l.t, "answered")
	case flow.Waiting, flow.Backoff:
		if e.State.Phase = flow.Done; rapid.Bool().Draw(l.t, "again") {
			l.enter(e)
		}
	}
	if next := l.order.Pass(e); next != nil {
		if l.asking[next] || next.State.Phase != flow.Queued {
			l.t.Fatalf("the next asks already, or is in phase %d", next.State.Phase)
		}
		l.asking[next] = true
	}
}

// end ends every message that waits for nobody, and reports whether there were any left.
func (l *life) end() (left bool) {
	for _, e := range l.all {
		switch {
		case e.State.Phase == flow.Done:
			continue
		case e.State.Phase == flow.Planning:
			l.enter(e)
		case e.State.Phase != flow.Queued || l.asking[e]:
			e.State.Phase = flow.Done
			delete(l.asking, e)
			if next := l.order.Pass(e); next != nil {
				l.asking[next] = true
			}
		}
		left = true
	}
	return left
}

// TestOrder plays random lives: first calls keep their order, everybody gets their turn, and nothing is left behind.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &life{t: t, order: table.Order{}, asking: map[*table.Entry]bool{}}
		shapes := []*table.Shape{{Plan: &message.Plan{}}, {Plan: &message.Plan{Strict: true}}}
		for range rapid.IntRange(1, 8).Draw(t, "messages") {
			e := &table.Entry{Recipient: rapid.Uint64Range(1, 2).Draw(t, "recipient"), Shape: rapid.SampledFrom(shapes).Draw(t, "shape")}
			l.all = append(l.all, e)
			if rapid.IntRange(0, 3).Draw(t, "scheduled") > 0 {
				l.enter(e)
			}
		}
		for range rapid.IntRange(0, 100).Draw(t, "steps") {
			l.step()
		}
		for i := 0; l.end(); i++ {
			if i > 100 {
				t.Fatal("messages wait for ever")
			}
		}
		if len(l.order) != 0 {
			t.Fatalf("the order still holds %d recipients", len(l.order))
		}
	})
}

func TestWaits(t *testing.T) {
	w := table.Waits{}
	id := ids.ID{1}
	final, sent, gone := make(chan table.Status, 1), make(chan table.Status, 1), make(chan table.Status, 1)
	w.Add(id, "", final)
	w.Add(id, message.Sent, sent)
	w.Add(id, "", gone)
	w.Remove(id, gone)
	for _, s := range []table.Status{{Outcome: message.Accepted}, {Outcome: message.Delivered}, {Outcome: message.Delivered, Final: true}} {
		w.Tell(id, s)
	}
	if s := <-sent; s.Outcome != message.Delivered || s.Final {
		t.Errorf("who waited for sent was told %+v", s)
	}
	if s := <-final; !s.Final {
		t.Errorf("who waited for the end was told %+v", s)
	}
	if len(gone) != 0 || len(w) != 0 {
		t.Errorf("who went was told, or is remembered: %d", len(w))
	}
}

func TestShapes(t *testing.T) {
	var s table.Shapes
	plan := func(text string, until message.Outcome) *message.Plan {
		return &message.Plan{Revision: "r", Route: "a", Steps: []message.Step{{Account: "one", Channel: message.SMS, Until: until, Content: message.Content{Text: text}}}}
	}
	a, err := s.Of(plan("hello", message.Accepted))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := s.Of(plan("another", message.Accepted))
	if a != b || a.Plan.Steps[0].Content.Text != "" {
		t.Error("two messages of one route do not share a shape without contents")
	}
	if c, _ := s.Of(plan("hello", message.Sent)); c == a {
		t.Error("two different plans share a shape")
	}
	if d, err := s.Parse(a.JSON); err != nil || d != a {
		t.Errorf("read back it is another shape: %v", err)
	}
	if _, err := s.Parse([]byte("{")); err == nil {
		t.Error("half a shape was read")
	}
}
