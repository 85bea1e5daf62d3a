// Package lease is the ownership of an external journal: a key in a JetStream bucket that the server forgets when it is
// not renewed in time. Clocks are not compared: the server counts from when it stored the last renewal, the
// owner from before it sent it, so the owner's count ends first.
package lease

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/hermodhq/hermod/core/internal/journal/internal/jerr"
	"github.com/hermodhq/hermod/core/internal/journal/internal/link"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	key      = "owner"
	giveBack = 5 * time.Second
)

// Spec says what to own and as whom.
type Spec struct {
	Prefix   string // of the bucket's name
	Owner    string // for the errors of others
	Session  string // tells two engines of one name apart
	TTL      time.Duration
	Replicas int
	Lost     func(error) // called once when the lease ends before Stop
	Logger   *slog.Logger
}

// Lease is held until Stop or until Spec.Lost is called.
type Lease struct {
	spec   Spec
	kv     jetstream.KeyValue
	value  []byte
	rev    uint64
	asked  time.Time // when the last renewal that was stored was sent
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Take takes the lease, or says who has it. The context bounds the taking only.
func Take(ctx context.Context, l *link.Link, spec Spec) (*Lease, error) {
	kv, err := bucket(ctx, l.JS, &spec)
	if err != nil {
		return nil, l.Fault(err)
	}
	s := &Lease{spec: spec, kv: kv, value: []byte(spec.Owner + "\n" + spec.Session), asked: time.Now()}
	s.rev, err = kv.Create(ctx, key, s.value)
	if errors.Is(err, jetstream.ErrKeyExists) {
		return nil, s.owned(ctx)
	}
	if err != nil {
		return nil, l.Fault(err)
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.wg.Go(func() { s.run(run) })
	return s, nil
}

// bucket makes the bucket, or keeps the one that is there with its own time to live.
func bucket(ctx context.Context, js jetstream.JetStream, spec *Spec) (jetstream.KeyValue, error) {
	name := spec.Prefix + "_OWNER"
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: name, TTL: spec.TTL, Replicas: spec.Replicas, Description: "Hermod: who owns the journal",
	})
	if errors.Is(err, jetstream.ErrBucketExists) {
		kv, err = js.KeyValue(ctx, name)
	}
	if err != nil {
		return nil, err
	}
	st, err := kv.Status(ctx)
	if err == nil && st.TTL() > 0 {
		spec.TTL = st.TTL()
	}
	return kv, err
}

func (s *Lease) owned(ctx context.Context) error {
	owner, until := "another engine", "soon"
	if e, err := s.kv.Get(ctx, key); err == nil {
		owner, _, _ = strings.Cut(string(e.Value()), "\n")
		until = "at " + e.Created().Add(s.spec.TTL).UTC().Format(time.RFC3339)
	}
	return jerr.New(jerr.CodeOwned, "stop that engine, or wait until its lease ends after it died",
		"the journal %s is owned by %s; its lease ends %s unless renewed", s.spec.Prefix, owner, until)
}

func (s *Lease) run(ctx context.Context) {
	tick := time.NewTicker(s.spec.TTL / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := s.renew(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.spec.Lost(err)
			return
		}
	}
}

// renew extends the lease. An error means that it is over.
func (s *Lease) renew(ctx context.Context) error {
	now, end := time.Now(), s.asked.Add(s.spec.TTL)
	if !now.Before(end) {
		return jerr.New(jerr.CodeOwned, jerr.AdviceRestart, "the lease on the journal %s could not be renewed in time", s.spec.Prefix)
	}
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	rev, err := s.kv.Update(ctx, key, s.value, s.rev)
	switch {
	case err == nil:
		s.rev, s.asked = rev, now
	case !errors.Is(err, jetstream.ErrKeyExists):
		s.spec.Logger.Warn("journal lease not renewed", "error", err)
	case !s.adopt(ctx):
		return jerr.New(jerr.CodeOwned, jerr.AdviceRestart, "the lease on the journal %s was taken over", s.spec.Prefix)
	}
	return nil
}

// adopt finds a renewal of ours whose answer was lost. The end of the lease stays as it was.
func (s *Lease) adopt(ctx context.Context) bool {
	e, err := s.kv.Get(ctx, key)
	if err != nil || !bytes.Equal(e.Value(), s.value) || e.Revision() <= s.rev {
		return false
	}
	s.rev = e.Revision()
	return true
}

// Stop ends the renewing and, where release is set, gives the lease back.
func (s *Lease) Stop(release bool) {
	s.cancel()
	s.wg.Wait()
	if !release {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), giveBack)
	defer cancel()
	_ = s.kv.Delete(ctx, key, jetstream.LastRevision(s.rev))
}
