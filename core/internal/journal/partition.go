package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hermodhq/hermod/core/internal/journal/internal/cache"
	"github.com/hermodhq/hermod/core/internal/journal/internal/jerr"
	"github.com/hermodhq/hermod/core/internal/journal/internal/link"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	frameHeader = "Hermod-Frame" // session.number.unixnano
	fenceHeader = "Hermod-Fence" // a new owner's mark: takes a sequence, is no frame
	appendTries = 4
	fenceTries  = 20
	cacheBytes  = 4 << 20 // of frames read lately, per partition
	trimWait    = 30 * time.Second
	storedExtra = 160 // bytes that the store adds to a frame, roughly
)

// Frame is one appended record. Data must not be changed: reads may share it. Seq grows by one from frame to frame, except
// that on an external journal each change of owner takes one sequence that holds no frame.
type Frame struct {
	Seq  uint64
	Time time.Time // when it was appended; strictly growing within a partition while one clock is used
	Data []byte
}

// Partition is one log. Append and TrimBefore belong to its owner, one call at a time; the rest may be called from anywhere.
type Partition struct {
	j      *Journal
	index  int
	stream string
	cache  *cache.Cache[Frame]

	owner sync.Mutex // serialises Append
	count uint64     // frames of this session
	doubt *doubt     // an append whose outcome is not known

	// set by attach, under Journal.mu
	handle jetstream.Stream
	pub    *link.Publisher

	mu          sync.Mutex
	first, last uint64
	bytes       int64
	lastTime    int64
}

// doubt is a frame that may or may not be stored.
type doubt struct {
	id   string
	data []byte
}

func newPartition(j *Journal, i int) *Partition {
	return &Partition{j: j, index: i, stream: j.cfg.stream(i), cache: cache.New(cacheBytes, func(f Frame) int { return len(f.Data) })}
}

// Bounds returns the first and the last sequence. An empty partition has last = first-1.
func (p *Partition) Bounds() (first, last uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.first, p.last
}

// Stats is the size of a partition. Bytes is what the store takes, estimated between trims.
type Stats struct {
	First, Last, Frames uint64
	Bytes               int64
}

// Stats returns the partition's size; it does not ask the server.
func (p *Partition) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{First: p.first, Last: p.last, Frames: p.last + 1 - p.first, Bytes: p.bytes}
}

func (p *Partition) setBounds(first, last uint64, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.first, p.last, p.bytes = first, last, bytes
}

// stamp returns the time for the next frame: later than that of the last one, whatever the clock does.
func (p *Partition) stamp() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastTime = max(p.j.cfg.Now().UnixNano(), p.lastTime+1)
	return p.lastTime
}

// Append stores data as the next frame; on return it is durable: fsynced (embedded with Sync), in the hands of the
// operating system (embedded without), or acknowledged by the cluster. data may be reused afterwards. At most MaxFrame bytes.
//
// [ErrDiskFull]: not stored; append again once there is room. [ErrUncertain]: the frame may be stored; append the same bytes
// again, which never stores them twice, before any other frame, or close the journal. [ErrFenced]: another engine owns
// the journal; see [Journal.Lost].
func (p *Partition) Append(ctx context.Context, data []byte) (Frame, error) {
	p.owner.Lock()
	defer p.owner.Unlock()
	if err := p.ready(ctx, len(data)); err != nil {
		return Frame{}, err
	}
	l, release, err := p.j.use()
	if err != nil {
		return Frame{}, err
	}
	defer release()
	if limit := limitOf(l); len(data) > limit {
		return Frame{}, jerr.New(CodeTooLarge, "append smaller frames", "a frame of %d bytes is over the limit of %d", len(data), limit)
	}
	id := ""
	if p.doubt != nil {
		f, stored, err := p.settle(ctx, l, data)
		if err != nil || stored {
			return f, err
		}
		if bytes.Equal(p.doubt.data, data) {
			id = p.doubt.id
		}
		p.doubt = nil
	}
	if id == "" {
		p.count++
		id = fmt.Sprintf("%s.%d.%d", p.j.session, p.count, p.stamp())
	}
	return p.store(ctx, l, id, data)
}

// Limit returns how many bytes a frame may have: [MaxFrame], or what an external server takes. It does not ask the server.
func (p *Partition) Limit() int {
	p.j.mu.RLock()
	defer p.j.mu.RUnlock()
	if p.j.link.NC == nil {
		return MaxFrame
	}
	return limitOf(p.j.link)
}

func limitOf(l *link.Link) int { return min(MaxFrame, int(l.NC.MaxPayload())-1024) }

// ready reports why nothing can be appended now, after mending what can be mended.
func (p *Partition) ready(ctx context.Context, n int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.j.Err(); err != nil {
		return err
	}
	return p.j.mend(ctx, n)
}

// mend starts the embedded server again if a write failed.
func (j *Journal) mend(ctx context.Context, n int) error {
	j.mu.RLock()
	broken := j.link.Trouble.Found()
	j.mu.RUnlock()
	if !broken {
		return nil
	}
	return j.revive(ctx, n+room)
}

// settle finds out what became of the frame in doubt. Stored and the same as data: that was the append. Stored and another:
// the caller has to append that one first.
func (p *Partition) settle(ctx context.Context, l *link.Link, data []byte) (Frame, bool, error) {
	_, last := p.Bounds()
	for _, seq := range []uint64{last, last + 1} { // last: attach may have counted it already
		if seq == 0 {
			continue
		}
		r, err := p.get(ctx, l, seq)
		if err != nil && jerr.CodeOf(err) != CodeNoFrame && jerr.CodeOf(err) != CodeTrimmed {
			return Frame{}, false, p.uncertain(err)
		}
		if err != nil || r.id != p.doubt.id {
			continue
		}
		if !bytes.Equal(p.doubt.data, data) {
			return Frame{}, false, jerr.New(CodeUncertain, "append that frame again first, or close the journal and replay it", "the frame before this one was stored after all")
		}
		p.doubt = nil
		p.acked(seq, len(data))
		return r.Frame, true, nil
	}
	return Frame{}, false, nil
}

func (p *Partition) uncertain(cause error) error {
	return jerr.New(CodeUncertain, "append the same frame again, which never stores it twice, or close the journal and replay it",
		"whether the frame was stored in partition %d is not known: %w", p.index, cause)
}

func (p *Partition) acked(seq uint64, n int) {
	p.mu.Lock()
	if seq > p.last {
		p.last = seq
		p.bytes += int64(n) + storedExtra
	}
	p.mu.Unlock()
	if p.j.dir != nil {
		p.j.dir.Marks.Acked(p.index, seq)
	}
}

// store publishes the frame until its fate is known.
func (p *Partition) store(ctx context.Context, l *link.Link, id string, data []byte) (Frame, error) {
	_, last := p.Bounds()
	var err error
	for range appendTries {
		seq, refused, perr := p.pub.Publish(ctx, last, nats.Header{frameHeader: {id}}, data, p.j.stop)
		switch {
		case perr != nil:
			err = perr
		case errors.Is(refused, link.ErrWrongSequence):
			return p.fenced(ctx, l, id, data)
		case refused != nil:
			return Frame{}, refused
		default:
			p.acked(seq, len(data))
			return Frame{Seq: seq, Time: idTime(id), Data: data}, nil
		}
		if l.Embedded() || ctx.Err() != nil || jerr.CodeOf(err) == CodeClosed {
			break
		}
	}
	p.doubt = &doubt{id: id, data: bytes.Clone(data)}
	if lost := p.j.Err(); lost != nil {
		return Frame{}, lost
	}
	if l.Trouble.Found() && ctx.Err() == nil {
		return Frame{}, l.Trouble.Err()
	}
	return Frame{}, p.uncertain(err)
}

// fenced decides why the next sequence was taken: by an earlier try of the same frame, or by somebody else.
func (p *Partition) fenced(ctx context.Context, l *link.Link, id string, data []byte) (Frame, error) {
	_, last := p.Bounds()
	r, err := p.get(ctx, l, last+1)
	switch {
	case err == nil && r.id == id:
		p.acked(r.Seq, len(data))
		return Frame{Seq: r.Seq, Time: r.Time, Data: data}, nil
	case err != nil && jerr.CodeOf(err) != CodeNoFrame && jerr.CodeOf(err) != CodeTrimmed:
		p.doubt = &doubt{id: id, data: bytes.Clone(data)}
		return Frame{}, p.uncertain(err)
	}
	who := "another engine or program appended to"
	if strings.HasPrefix(r.id, p.j.session+".") {
		who = "an abandoned frame of this engine arrived late in"
	}
	return Frame{}, p.j.lose(jerr.New(CodeFenced, jerr.AdviceRestart, "%s partition %d of the journal %s", who, p.index, p.j.cfg.Prefix))
}

// fence takes the next sequence, so that an earlier owner's append that is still under way cannot be stored any more.
func (p *Partition) fence(ctx context.Context) error {
	l, release, err := p.j.use()
	if err != nil {
		return err
	}
	defer release()
	for range fenceTries {
		_, last := p.Bounds()
		seq, refused, err := p.pub.Publish(ctx, last, nats.Header{fenceHeader: {p.j.session}}, nil, p.j.stop)
		switch {
		case err == nil && refused == nil:
			p.acked(seq, 0)
			return nil
		case err == nil && !errors.Is(refused, link.ErrWrongSequence):
			return refused
		case ctx.Err() != nil:
			return ctx.Err()
		}
		info, err := p.handle.Info(ctx)
		if err != nil {
			return l.Fault(err)
		}
		p.setBounds(max(info.State.FirstSeq, 1), info.State.LastSeq, int64(info.State.Bytes))
	}
	return jerr.New(CodeOwned, "stop the other engine", "another engine keeps appending to partition %d of the journal %s", p.index, p.j.cfg.Prefix)
}

// TrimBefore removes the frames before seq, which becomes the first; a seq behind the end removes all. They are gone
// for good. It works on a full disk as far as the file system lets it.
func (p *Partition) TrimBefore(ctx context.Context, seq uint64) error {
	if err := p.ready(ctx, -room); err != nil { // whatever room there is
		return err
	}
	l, release, err := p.j.use()
	if err != nil {
		return err
	}
	defer release()
	first, last := p.Bounds()
	seq = min(seq, last+1)
	if seq <= first {
		return nil
	}
	if p.j.dir != nil {
		if err := p.j.dir.Marks.Trim(p.index, seq); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, trimWait)
	defer cancel()
	if err := p.handle.Purge(ctx, jetstream.WithPurgeSequence(seq)); err != nil {
		if l.Trouble.Found() {
			return l.Trouble.Err()
		}
		return l.Fault(err)
	}
	p.cache.Trim(seq)
	info, err := p.handle.Info(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.first = seq
	if err == nil {
		p.bytes = int64(info.State.Bytes)
	}
	return nil
}
