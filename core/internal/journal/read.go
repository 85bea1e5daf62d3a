package journal

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hermodhq/hermod/core/internal/journal/internal/jerr"
	"github.com/hermodhq/hermod/core/internal/journal/internal/link"
)

// record is a stored message: a frame, or something else, such as a fence, when other is true.
type record struct {
	Frame
	id    string
	other bool
}

// idTime gives the time in a frame id, or zero.
func idTime(id string) time.Time {
	_, ns, _ := strings.Cut(id, ".")
	_, ns, _ = strings.Cut(ns, ".")
	n, err := strconv.ParseInt(ns, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// parse tells what a stored message is. One that this package did not write can get into an external stream; it is
// passed over like a fence.
func parse(m link.Message) record {
	r := record{Frame: Frame{Seq: m.Seq, Time: m.Time, Data: m.Data}, id: m.Header.Get(frameHeader)}
	if at := idTime(r.id); at.IsZero() {
		r.other = true
	} else {
		r.Time = at
	}
	return r
}

// get reads one record. CodeNoFrame and CodeTrimmed say that it is behind the end or was trimmed.
func (p *Partition) get(ctx context.Context, l *link.Link, seq uint64) (record, error) {
	m, err := l.Get(ctx, p.handle, p.stream, seq, p.j.cfg.Replicas == 1) // a replica might not have it yet
	if errors.Is(err, link.ErrNotFound) {
		return record{}, p.missing(seq)
	}
	if err != nil {
		return record{}, err
	}
	return parse(m), nil
}

// missing says why there is no frame at seq.
func (p *Partition) missing(seq uint64) error {
	first, last := p.Bounds()
	switch {
	case seq < first:
		return jerr.New(CodeTrimmed, "read from the first frame that is left", "frame %d of partition %d was trimmed; the first is %d", seq, p.index, first)
	case seq > last:
		return jerr.New(CodeNoFrame, "read up to the last frame", "partition %d has no frame %d yet; the last is %d", p.index, seq, last)
	}
	return jerr.New(CodeCorrupt, jerr.AdviceRestore, "frame %d of partition %d is missing or damaged", seq, p.index)
}

// Read returns the frame at seq. [ErrTrimmed] when it was trimmed, [ErrNoFrame] when there is none (yet). Frames read
// lately come from memory.
func (p *Partition) Read(ctx context.Context, seq uint64) (Frame, error) {
	if first, last := p.Bounds(); seq < first || seq > last {
		return Frame{}, p.missing(seq)
	}
	if f, ok := p.cache.Get(seq); ok {
		return f, nil
	}
	l, release, err := p.j.use()
	if err != nil {
		return Frame{}, err
	}
	defer release()
	r, err := p.get(ctx, l, seq)
	if err != nil {
		return Frame{}, err
	}
	if r.other {
		return Frame{}, jerr.New(CodeNoFrame, "read the next one", "sequence %d of partition %d holds no frame but a change of owner", seq, p.index)
	}
	p.cache.Put(seq, r.Frame)
	return r.Frame, nil
}

// Scan calls fn with each frame from the first at or after from, in order, up to the last one at the time of the call. It
// stops at fn's first error and returns it. The next frames are fetched while fn runs.
func (p *Partition) Scan(ctx context.Context, from uint64, fn func(Frame) error) error {
	first, last := p.Bounds()
	if from = max(from, first); from > last {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	type result struct {
		batch []record
		err   error
	}
	batches := make(chan result, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		defer close(batches)
		for next := from; next <= last; {
			b, err := p.fetch(ctx, next, last)
			select {
			case batches <- result{b, err}:
			case <-ctx.Done():
				return
			}
			if err != nil || len(b) == 0 {
				return
			}
			next = b[len(b)-1].Seq + 1
		}
	})
	for r := range batches {
		if r.err != nil {
			return r.err
		}
		for _, rec := range r.batch {
			if rec.other {
				continue
			}
			if err := fn(rec.Frame); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// fetch reads records from one on, without a gap; none only where the rest was lost for want of an fsync.
func (p *Partition) fetch(ctx context.Context, from, last uint64) ([]record, error) {
	l, release, err := p.j.use()
	if err != nil {
		return nil, err
	}
	defer release()
	messages, err := l.Batch(ctx, p.stream, from, last-from+1)
	if err != nil {
		return nil, err
	}
	batch := make([]record, 0, max(len(messages), 1))
	for i, m := range messages {
		if m.Seq > last || m.Seq != from+uint64(i) && p.j.cfg.strict() {
			break // the end; or a defect, or a replica that lags behind
		}
		batch = append(batch, parse(m))
	}
	if len(batch) == 0 && p.j.cfg.strict() {
		r, err := p.get(ctx, l, from)
		if err != nil {
			return nil, err
		}
		batch = append(batch, r)
	}
	return batch, nil
}

// SeekTime returns the sequence of the first frame at or after t: last+1 when there is none. It reads some log2(n) frames.
func (p *Partition) SeekTime(ctx context.Context, t time.Time) (uint64, error) {
	l, release, err := p.j.use()
	if err != nil {
		return 0, err
	}
	defer release()
	first, last := p.Bounds()
	lo, hi := first, last+1
	for lo < hi {
		mid := lo + (hi-lo)/2
		r, err := p.get(ctx, l, mid)
		switch {
		case jerr.CodeOf(err) == CodeCorrupt && !p.j.cfg.strict(), err == nil && !r.Time.Before(t):
			hi = mid // a lost frame: Scan goes on at the next one
		case err != nil:
			return 0, err
		default:
			lo = mid + 1
		}
	}
	return lo, nil
}
