package partition

import (
	"context"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/record"
	"github.com/hermodhq/hermod/core/internal/table"
	"github.com/hermodhq/hermod/internal/flow"
	journalv1 "github.com/hermodhq/hermod/proto/hermod/journal/v1"
)

// trim drops the oldest part of the log: what is older than the retention, or above the ceiling. Live messages and keys that
// still count are written again first, so that nothing that waits for days pins the log.
func (o *Owner) trim(ctx context.Context) {
	before, err := o.cutoff(ctx)
	if err == nil && before > 0 {
		err = o.trimBefore(ctx, before)
	}
	if err != nil && ctx.Err() == nil {
		o.cfg.Logger.Warn("the journal could not be trimmed; it is tried again in a minute", "partition", o.cfg.Index, "error", err)
	}
}

// cutoff returns the first sequence to keep; 0: keep everything.
func (o *Owner) cutoff(ctx context.Context) (uint64, error) {
	first, last := o.cfg.Log.Bounds()
	if last == 0 || first >= last {
		return 0, nil
	}
	before, err := o.cfg.Log.SeekTime(ctx, o.cfg.Now().Add(-o.cfg.Retention))
	if err != nil {
		return 0, err
	}
	if used := o.cfg.Log.Stats().Bytes; o.cfg.MaxBytes > 0 && used > o.cfg.MaxBytes {
		share := float64(used-o.cfg.MaxBytes*3/4) / float64(used) // down to three quarters, so as not to trim for ever
		before = max(before, first+uint64(share*float64(last-first)))
	}
	if before = min(before, last); before <= first {
		return 0, nil
	}
	return before, nil
}

func (o *Owner) trimBefore(ctx context.Context, before uint64) error {
	var old []*table.Entry
	for _, e := range o.table.Entries {
		if e.State.Phase != flow.Done && e.Seq > 0 && min(e.Seq, e.PlanSeq) < before {
			old = append(old, e)
		}
	}
	for len(old) > 0 {
		o.begin(o.cfg.Now())
		n := 0
		for n < len(old) && !o.full() {
			if err := o.carry(ctx, old[n]); err != nil {
				return err
			}
			n++
		}
		old = old[n:]
		if err := o.commit(ctx); err != nil {
			return err
		}
	}
	if err := o.carryKeys(ctx, o.cfg.Host.KeysBefore(o.cfg.Index, before)); err != nil {
		return err
	}
	return o.cfg.Log.TrimBefore(ctx, before)
}

// carry writes a live message again, as it stands.
func (o *Owner) carry(ctx context.Context, e *table.Entry) error {
	stored, err := o.message(ctx, e)
	if err != nil {
		return err
	}
	var contents []byte
	if e.Shape != nil {
		_, planned, err := o.planEntry(ctx, e)
		if err != nil {
			return err
		}
		contents = planned.GetContents()
	}
	entry := o.frame.Add(&e.ID, journalv1.Kind_KIND_CARRIED)
	entry.Message, entry.Contents = stored.GetMessage(), contents
	entry.Recipient, entry.Tenant, entry.Lane = e.Recipient, e.Tenant, record.LaneOf(e.Lane)
	if e.Shape != nil {
		entry.Shape = o.frame.Shape(e.Shape.JSON)
	}
	entry.State = record.StateOf(&e.State)
	o.frame.Grow(len(entry.Message) + len(entry.Contents))
	o.frame.stored = append(o.frame.stored, e)
	return nil
}

// carryKeys writes keys again, in frames of a bounded size.
func (o *Owner) carryKeys(ctx context.Context, keys []ids.Key) error {
	for len(keys) > 0 {
		n := min(len(keys), 2048, o.limit/128)
		o.begin(o.cfg.Now())
		entry := o.frame.Add(nil, journalv1.Kind_KIND_KEYS)
		for i := range keys[:n] {
			k := &keys[i]
			entry.Keys = append(entry.Keys, &journalv1.KeyOf{Key: k.Digest[:], Id: k.ID[:], At: ids.Nanos(k.At)})
			o.frame.keys = append(o.frame.keys, *k)
		}
		if err := o.commit(ctx); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}
