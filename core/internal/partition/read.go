package partition

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hermodhq/hermod/core/internal/journal"
	"github.com/hermodhq/hermod/core/internal/record"
	"github.com/hermodhq/hermod/core/internal/table"
	journalv1 "github.com/hermodhq/hermod/proto/hermod/journal/v1"
)

// body returns a message with its plan, from memory or from the log.
func (o *Owner) body(ctx context.Context, e *table.Entry) (*table.Body, error) {
	if e.Body != nil && (e.Body.Plan != nil || e.Shape == nil) {
		return e.Body, nil
	}
	entry, err := o.message(ctx, e)
	if err != nil {
		return nil, err
	}
	b := &table.Body{}
	if err := json.Unmarshal(entry.GetMessage(), &b.Message); err != nil {
		return nil, fmt.Errorf("a message in the journal cannot be decoded: %w", err)
	}
	if e.Shape == nil {
		return b, nil
	}
	f, entry, err := o.planEntry(ctx, e)
	if err != nil {
		return nil, err
	}
	b.Plan, err = record.PlanOf(f, entry)
	return b, err
}

// message and planEntry read back what holds a message, and its plan: two entries, which may stand in one frame.
func (o *Owner) message(ctx context.Context, e *table.Entry) (*journalv1.Entry, error) {
	stored, err := o.cfg.Log.Read(ctx, e.Seq)
	if err != nil {
		return nil, err
	}
	_, entry, err := record.FindMessage(stored, e.ID)
	return entry, err
}

func (o *Owner) planEntry(ctx context.Context, e *table.Entry) (*journalv1.Frame, *journalv1.Entry, error) {
	stored, err := o.cfg.Log.Read(ctx, e.PlanSeq)
	if err != nil {
		return nil, nil, err
	}
	return record.FindPlan(stored, e.ID)
}

// readAgain is when a message whose time has come is read once more, after the journal could not be read.
const readAgain = 5 * time.Second

// unreadable reports whether the journal cannot be read now; what it does not hold, or holds damaged, it never will.
func unreadable(err error) bool {
	j, ok := errors.AsType[*journal.Error](err)
	return ok && j.Code != journal.CodeTrimmed && j.Code != journal.CodeNoFrame && j.Code != journal.CodeCorrupt
}
