package journal

import (
	"context"

	"github.com/hermodhq/hermod/core/internal/journal/internal/directory"
	"github.com/hermodhq/hermod/core/internal/journal/internal/jerr"
	"github.com/hermodhq/hermod/core/internal/journal/internal/link"
)

// room is what the server needs beyond a frame to start again after its disk was full.
const room = 256 << 10

func (c *Config) spec() link.Spec {
	return link.Spec{Dir: c.Dir, Sync: c.Sync, Key: c.EncryptionKey, MaxBytes: c.MaxBytes, Logger: c.Logger}
}

func (j *Journal) openEmbedded(ctx context.Context) error {
	d, err := directory.Open(directory.Spec{Path: j.cfg.Dir, Partitions: j.cfg.Partitions, Prefix: j.cfg.Prefix, Key: j.cfg.EncryptionKey})
	if err != nil {
		return err
	}
	j.dir = d
	l, err := link.Start(ctx, j.cfg.spec())
	if err != nil {
		return err
	}
	j.link = l
	if err := j.ensureStreams(ctx, d.Fresh()); err != nil {
		return err
	}
	if err := d.Commit(); err != nil {
		return err
	}
	return j.attach(ctx)
}

// revive starts the embedded server again after a failed write: the server accepts no write after the first that
// failed. need is how many bytes must be free before that makes sense.
func (j *Journal) revive(ctx context.Context, need int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	select {
	case <-j.closing:
		return jerr.Closed()
	default:
	}
	if !j.link.Trouble.Found() {
		return nil // somebody else did it
	}
	if need > 0 {
		if err := j.dir.Probe(need); err != nil {
			return err
		}
	}
	ctx = context.WithoutCancel(ctx) // the others need the server too
	trouble := j.link.Trouble
	j.link.Stop()
	l, err := link.Start(ctx, j.cfg.spec())
	if err == nil {
		j.link = l
		err = j.attach(ctx)
	}
	if err != nil {
		j.link.Stop()
		j.link = link.Down(trouble)
		return err
	}
	j.cfg.Logger.Info("journal works again", "after", trouble.Err())
	return nil
}
