package table

import "github.com/hermodhq/hermod/internal/flow"

// gate says where an entry stands in its recipient's order.
type gate uint8

const (
	free    gate = iota // not in the order
	held                // behind another message
	leading             // may call
)

// Order is each recipient's order of first calls. A message's first call waits for the recipient's earlier messages: until their
// first call has been answered, or until they are final where their rule says `order: strict`. Later calls do not wait.
type Order map[uint64]line

// line is one recipient's messages that have not made their first call: the one that may, and those behind it.
type line struct {
	lead *Entry
	rest []*Entry
}

// Enter reports whether a queued entry may ask for its turn now. Otherwise [Order.Pass] names it when it may.
func (o Order) Enter(e *Entry) bool {
	if len(e.State.Attempts) == 0 && e.gate == free {
		l, busy := o[e.Recipient]
		if busy {
			e.gate = held
			l.rest = append(l.rest, e)
			o[e.Recipient] = l
			return false
		}
		e.gate = leading
		o[e.Recipient] = line{lead: e}
	}
	return e.gate != held
}

// Resume puts a message read back from the log where it stood: one that has called and whose rule says `order: strict` still
// leads. Call it for all of a recipient's messages before [Order.Enter].
func (o Order) Resume(e *Entry) {
	if e.Shape == nil || !e.Shape.Plan.Strict || len(e.State.Attempts) == 0 || e.State.Phase == flow.Done {
		return
	}
	if _, busy := o[e.Recipient]; !busy {
		e.gate = leading
		o[e.Recipient] = line{lead: e}
	}
}

// Pass looks at an entry after each event, and returns the recipient's next message when this one no longer holds it up.
func (o Order) Pass(e *Entry) *Entry {
	switch e.gate {
	case leading:
		answered := len(e.State.Attempts) > 1 || (len(e.State.Attempts) == 1 && e.State.Attempts[0].Outcome != "")
		strict := e.Shape != nil && e.Shape.Plan.Strict
		if e.State.Phase == flow.Done || (answered && !strict) {
			e.gate = free
			return o.advance(e.Recipient)
		}
	case held:
		if e.State.Phase == flow.Done {
			o.leave(e)
		}
	}
	return nil
}

func (o Order) advance(recipient uint64) *Entry {
	l := o[recipient]
	if len(l.rest) == 0 {
		delete(o, recipient)
		return nil
	}
	l.lead, l.rest = l.rest[0], l.rest[1:]
	l.lead.gate = leading
	o[recipient] = l
	return l.lead
}

func (o Order) leave(e *Entry) {
	e.gate = free
	l := o[e.Recipient]
	for i, other := range l.rest {
		if other == e {
			l.rest = append(l.rest[:i:i], l.rest[i+1:]...)
			break
		}
	}
	o[e.Recipient] = l
}
