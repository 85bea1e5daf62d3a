package history

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/hermodhq/hermod/core/internal/journal"
	"github.com/hermodhq/hermod/core/internal/react"
)

// NewSource returns the source of an engine's events.
func NewSource(engine string, j *journal.Journal, changed func() <-chan struct{}, closing func() bool, now func() time.Time) *Source {
	src := &Source{Engine: engine, Changed: changed, Closing: closing, Cursor: j.Cursor, SetCursor: j.SetCursor, Now: now}
	for i := range j.Len() {
		src.Logs = append(src.Logs, j.Partition(i))
	}
	return src
}

// End returns the place behind the newest event, in the form in which the places of subscribers are stored.
func (src *Source) End() []byte {
	var place []byte
	for _, log := range src.Logs {
		_, last := log.Bounds()
		place = binary.BigEndian.AppendUint64(place, last+1)
	}
	return place
}

// Feed hands out every event behind a place, as [Source.Follow] does; where it stands is told and not stored.
func (src *Source) Feed(ctx context.Context, p react.Place, handle react.Handle) error {
	from := *src
	from.Closing, from.VendorsOnly = p.Closing, p.VendorsOnly
	from.Cursor = func(context.Context, string) ([]byte, error) { return p.From, nil }
	from.SetCursor = func(ctx context.Context, _ string, place []byte) error { return p.Moved(ctx, place) }
	if err := from.Follow(ctx, "reactions", handle); !errors.Is(err, ErrClosing) {
		return err
	}
	return nil
}
