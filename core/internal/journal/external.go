package journal

import (
	"context"

	"github.com/hermodhq/hermod/core/internal/journal/internal/lease"
	"github.com/hermodhq/hermod/core/internal/journal/internal/link"
)

func (j *Journal) openExternal(ctx context.Context) error {
	l, err := link.Dial(ctx, j.cfg.URL, j.cfg.Credentials, j.cfg.Owner)
	if err != nil {
		return err
	}
	j.link = l
	j.lease, err = lease.Take(ctx, l, lease.Spec{
		Prefix: j.cfg.Prefix, Owner: j.cfg.Owner, Session: j.session, TTL: j.cfg.Lease, Replicas: j.cfg.Replicas,
		Lost: func(err error) { _ = j.lose(err) }, Logger: j.cfg.Logger,
	})
	if err != nil {
		return err
	}
	if err := j.ensureStreams(ctx, true); err != nil {
		return err
	}
	if err := j.attach(ctx); err != nil {
		return err
	}
	for _, p := range j.parts {
		if err := p.fence(ctx); err != nil {
			return err
		}
	}
	return nil
}
