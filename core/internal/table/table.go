package table

import (
	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/internal/flow"
)

// mostBodies bounds the bodies kept for messages that wait for their turn.
const mostBodies = 2048

// Table holds every message that is not final, and the newest of those that are. Make it with [New].
type Table struct {
	Entries map[ids.ID]*Entry
	done    Ring
	kept    int // bodies of messages that wait for their turn
}

// New returns an empty table that remembers so many finished messages.
func New(finished int) *Table {
	return &Table{Entries: map[ids.ID]*Entry{}, done: Ring{Size: finished}}
}

// Finished remembers a message for late receipts, and returns the oldest such message, which it forgets; nil while there is room.
func (t *Table) Finished(e *Entry) *Entry {
	id, full := t.done.Add(e.ID)
	if !full {
		return nil
	}
	old := t.Entries[id]
	delete(t.Entries, id)
	return old
}

// Keep bounds the bodies of messages that wait for their turn: beyond the bound a body is read back from the log later.
func (t *Table) Keep(e *Entry) {
	if e.State.Phase != flow.Queued || e.Body == nil || e.kept {
		return
	}
	if t.kept >= mostBodies {
		e.Body = nil
		return
	}
	t.kept, e.kept = t.kept+1, true
}

// Drop lets a body go.
func (t *Table) Drop(e *Entry) {
	e.Body = nil
	if e.kept {
		t.kept, e.kept = t.kept-1, false
	}
}
