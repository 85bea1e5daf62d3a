package journal

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/hermodhq/hermod/core/internal/journal/internal/directory"
	"github.com/hermodhq/hermod/core/internal/journal/internal/jerr"
	"github.com/hermodhq/hermod/core/internal/journal/internal/link"
	"github.com/nats-io/nats.go/jetstream"
)

const partitionsKey = "hermod_partitions"

func (c *Config) metaStream() string       { return c.Prefix + "_META" }
func (c *Config) stream(i int) string      { return fmt.Sprintf("%s_P%d", c.Prefix, i) }
func (c *Config) subject(i int) string     { return fmt.Sprintf("%s.p%d", c.Prefix, i) }
func (c *Config) cursor(key string) string { return c.Prefix + ".cursor." + key }

// ensureStreams checks the streams, or creates them in a new journal. The META stream is created last, so that its
// presence means that all others were made.
func (j *Journal) ensureStreams(ctx context.Context, fresh bool) error {
	meta, err := j.link.JS.Stream(ctx, j.cfg.metaStream())
	switch {
	case err == nil:
		if err := j.checkMeta(meta.CachedInfo().Config.Metadata); err != nil {
			return err
		}
		return j.checkStreams(ctx)
	case !errors.Is(err, jetstream.ErrStreamNotFound):
		return j.link.Fault(err)
	case !fresh:
		return jerr.New(CodeCorrupt, jerr.AdviceRestore, "the stream %s is missing from the journal or cannot be read", j.cfg.metaStream())
	}
	for _, p := range j.parts {
		if err := j.createStream(ctx, p.streamConfig()); err != nil {
			return err
		}
	}
	return j.createStream(ctx, jetstream.StreamConfig{
		Name: j.cfg.metaStream(), Subjects: []string{j.cfg.cursor("*")}, MaxMsgsPerSubject: 1, Replicas: j.cfg.Replicas,
		Description: "Hermod: cursors of the journal",
		Metadata:    map[string]string{partitionsKey: strconv.Itoa(j.cfg.Partitions)},
	})
}

func (p *Partition) streamConfig() jetstream.StreamConfig {
	c := &p.j.cfg
	sc := jetstream.StreamConfig{
		Name: p.stream, Subjects: []string{c.subject(p.index)}, Replicas: c.Replicas,
		Discard: jetstream.DiscardNew, AllowDirect: true, DenyDelete: true,
		Description: "Hermod: one partition of the journal",
	}
	if !c.embedded() && c.MaxBytes > 0 {
		sc.MaxBytes = max(c.MaxBytes/int64(c.Partitions), 1)
	}
	return sc
}

// createStream creates a stream that does not exist. One left by a creation that was cut short is taken over if it is empty.
func (j *Journal) createStream(ctx context.Context, sc jetstream.StreamConfig) error {
	s, err := j.link.JS.CreateStream(ctx, sc)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		s, err = j.link.JS.UpdateStream(ctx, sc)
	}
	if err != nil {
		return j.link.Fault(err)
	}
	if s.CachedInfo().State.Msgs > 0 && !j.cfg.embedded() {
		return jerr.New(CodeConfig, "use another prefix, or remove that stream", "the stream %s holds messages but is not part of a journal", sc.Name)
	}
	if s.CachedInfo().State.Msgs > 0 {
		return jerr.New(CodeCorrupt, jerr.AdviceRestore, "the stream %s holds frames but the journal's manifest is missing", sc.Name)
	}
	return nil
}

func (j *Journal) checkMeta(meta map[string]string) error {
	n, err := strconv.Atoi(meta[partitionsKey])
	if err != nil {
		return jerr.New(CodeConfig, "use another prefix", "the stream %s was not made by Hermod", j.cfg.metaStream())
	}
	return directory.CheckPartitions(n, j.cfg.Partitions)
}

func (j *Journal) checkStreams(ctx context.Context) error {
	for _, p := range j.parts {
		if _, err := j.link.JS.Stream(ctx, p.stream); errors.Is(err, jetstream.ErrStreamNotFound) {
			return jerr.New(CodeCorrupt, jerr.AdviceRestore, "the stream %s is missing from the journal or cannot be read", p.stream)
		} else if err != nil {
			return j.link.Fault(err)
		}
	}
	return nil
}

// attach binds the partitions to the current link and takes their bounds from the server.
func (j *Journal) attach(ctx context.Context) error {
	for _, p := range j.parts {
		if err := p.attach(ctx, j.link); err != nil {
			return err
		}
	}
	return j.attachCursors(ctx)
}

func (j *Journal) attachCursors(ctx context.Context) error {
	s, err := j.link.JS.Stream(ctx, j.cfg.metaStream())
	if err != nil {
		return j.link.Fault(err)
	}
	if j.dir == nil {
		return nil
	}
	last := s.CachedInfo().State.LastSeq
	if err := j.dir.Marks.CheckCursors(len(j.parts), last); err != nil && j.cfg.strict() {
		return err
	}
	j.dir.Marks.Set(len(j.parts), 1, last)
	return nil
}

func (p *Partition) attach(ctx context.Context, l *link.Link) error {
	s, err := l.JS.Stream(ctx, p.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return jerr.New(CodeCorrupt, jerr.AdviceRestore, "the stream %s is missing from the journal or cannot be read", p.stream)
	} else if err != nil {
		return l.Fault(err)
	}
	st := s.CachedInfo().State
	first, last := max(st.FirstSeq, 1), st.LastSeq
	if err := p.checkBounds(first, last, st.Msgs); err != nil {
		return err
	}
	pub, err := l.NewPublisher(p.stream, p.j.cfg.subject(p.index), p.j.cfg.retryWait)
	if err != nil {
		return err
	}
	p.handle, p.pub = s, pub
	p.setBounds(first, last, int64(st.Bytes))
	if err := p.resumeClock(ctx, l, first, last); err != nil {
		return err
	}
	if p.j.dir != nil {
		p.j.dir.Marks.Set(p.index, first, last)
	}
	return nil
}

// resumeClock takes the time of the last frame, which later ones must not precede; it also shows that the frame can be read.
func (p *Partition) resumeClock(ctx context.Context, l *link.Link, first, last uint64) error {
	if last < first {
		return nil
	}
	r, err := p.get(ctx, l, last)
	if err != nil {
		if jerr.CodeOf(err) == CodeCorrupt && !p.j.cfg.strict() {
			return nil
		}
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastTime = max(p.lastTime, r.Time.UnixNano())
	return nil
}

// checkBounds finds frames that a damaged store lost: the server cuts such a store at the damage and says nothing.
func (p *Partition) checkBounds(first, last, msgs uint64) error {
	var err error
	if p.j.dir != nil {
		err = p.j.dir.Marks.Check(p.index, first, last, p.j.cfg.Sync)
	}
	if have := last + 1 - first; err == nil && msgs != have {
		err = jerr.New(CodeCorrupt, jerr.AdviceRestore, "partition %d lacks %d of its frames %d to %d", p.index, have-msgs, first, last)
	}
	if err != nil && !p.j.cfg.strict() {
		p.j.cfg.Logger.Warn("journal lost frames that were not synced", "partition", p.index, "error", err)
		return nil
	}
	return err
}
