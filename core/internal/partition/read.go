package partition

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/record"
	"github.com/hermodhq/hermod/core/internal/table"
	journalv1 "github.com/hermodhq/hermod/proto/hermod/journal/v1"
)

// body returns a message with its plan, from memory or from the log.
func (o *Owner) body(ctx context.Context, e *table.Entry) (*table.Body, error) {
	if e.Body != nil && (e.Body.Plan != nil || e.Shape == nil) {
		return e.Body, nil
	}
	f, entry, err := o.find(ctx, e.Seq, e.ID)
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
	if e.PlanSeq != e.Seq {
		if f, entry, err = o.find(ctx, e.PlanSeq, e.ID); err != nil {
			return nil, err
		}
	}
	b.Plan, err = record.PlanOf(f, entry)
	return b, err
}

// find reads the first entry about a message in a frame that holds the message or its plan.
func (o *Owner) find(ctx context.Context, seq uint64, id ids.ID) (*journalv1.Frame, *journalv1.Entry, error) {
	stored, err := o.cfg.Log.Read(ctx, seq)
	if err != nil {
		return nil, nil, err
	}
	return record.Find(stored, id)
}
