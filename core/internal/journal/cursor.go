package journal

import (
	"context"
	"encoding/base64"
	"errors"
	"sync"
	"time"

	"github.com/hermodhq/hermod/core/internal/journal/internal/jerr"
	"github.com/nats-io/nats.go/jetstream"
)

const cursorWait = 10 * time.Second

// Cursor returns the value last set for name, nil when there is none.
func (j *Journal) Cursor(ctx context.Context, name string) ([]byte, error) {
	l, release, err := j.use()
	if err != nil {
		return nil, err
	}
	defer release()
	parent := ctx
	ctx, cancel := context.WithTimeout(parent, cursorWait)
	defer cancel()
	s, err := l.JS.Stream(ctx, j.cfg.metaStream())
	if err != nil {
		return nil, l.ReadFault(parent, err)
	}
	m, err := s.GetLastMsgForSubject(ctx, j.cfg.cursor(cursorKey(name)))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, l.ReadFault(parent, err)
	}
	return m.Data, nil
}

// SetCursor stores a small value, at most MaxCursor bytes, under a name of at most 128; it is as durable as a frame. Of
// several calls for one name the last wins.
func (j *Journal) SetCursor(ctx context.Context, name string, value []byte) error {
	if name == "" || len(name) > 128 || len(value) > MaxCursor {
		return jerr.New(CodeTooLarge, "use a name of 1 to 128 bytes and a smaller value", "a cursor with a name of %d bytes and a value of %d is not possible", len(name), len(value))
	}
	if err := j.Err(); err != nil {
		return err
	}
	if err := j.mend(ctx, len(value)); err != nil {
		return err
	}
	l, release, err := j.use()
	if err != nil {
		return err
	}
	defer release()
	parent := ctx
	ctx, cancel := context.WithTimeout(parent, cursorWait)
	defer cancel()
	done := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { // the server tells a failed write to its log only
		select {
		case <-l.Trouble.Done():
			cancel()
		case <-done:
		}
	})
	defer watch.Wait()
	defer close(done)
	ack, err := l.JS.Publish(ctx, j.cfg.cursor(cursorKey(name)), value)
	switch {
	case err == nil:
		if j.dir != nil {
			j.dir.Marks.Acked(len(j.parts), ack.Sequence)
		}
		return nil
	case l.Trouble.Found():
		return l.Trouble.Err()
	}
	return l.ReadFault(parent, err)
}

func cursorKey(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }
