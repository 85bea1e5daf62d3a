package core

import (
	"context"
	"errors"

	"github.com/hermodhq/hermod/core/history"
	"github.com/hermodhq/hermod/core/internal/react"
	"github.com/hermodhq/hermod/sdk/message"
)

// openReactions readies what carries out the reactions of the rule files.
func (r *running) openReactions(ctx context.Context) (err error) {
	e, src, cursor := r.engine, r.events(), "reactions"
	r.react, err = react.Open(ctx, react.Config{
		Engine: e.cfg.Name, Rules: r.rules.Current, Follow: src.Feed, End: src.End,
		Cursor:    func(ctx context.Context) ([]byte, error) { return r.journal.Cursor(ctx, cursor) },
		SetCursor: func(ctx context.Context, place []byte) error { return r.journal.SetCursor(ctx, cursor, place) },
		Store:     r.intake.Own, Send: e.Send, Invoke: e.invoke, Stopped: ErrStopped, Now: e.cfg.Clock.Now, After: e.cfg.Clock.After, Logger: e.cfg.Logger,
		Labels: func(ctx context.Context, id message.ID) (map[string]string, error) {
			t, err := e.Trace(ctx, id)
			if _, unknown := errors.AsType[*UnknownMessageError](err); unknown {
				return nil, nil
			}
			return t.Message.Labels, err
		},
	})
	return err
}

// events is where events are read from.
func (r *running) events() *history.Source {
	return history.NewSource(r.engine.cfg.Name, r.journal, r.changed.Wait, r.closing.Load, r.engine.cfg.Clock.Now)
}
