// Package journal is a set of durable, fenced, append-only logs on NATS JetStream, embedded in the process or on a
// cluster. A log is a partition: one owner appends opaque frames to it, each durable when Append returns, and anyone
// reads them back by sequence or in order. What the frames contain is not its business.
package journal

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"sync"
	"time"

	"github.com/hermodhq/hermod/core/internal/journal/internal/directory"
	"github.com/hermodhq/hermod/core/internal/journal/internal/jerr"
	"github.com/hermodhq/hermod/core/internal/journal/internal/lease"
	"github.com/hermodhq/hermod/core/internal/journal/internal/link"
)

// Defaults and limits.
const (
	DefaultPartitions = 4
	DefaultPrefix     = "hermod"
	DefaultLease      = 15 * time.Second
	MaxFrame          = 4 << 20  // bytes in one frame; an external server may allow less
	MaxCursor         = 64 << 10 // bytes in one cursor
	maxPartitions     = 256
	retryWait         = 5 * time.Second
)

// Config says where the journal is. Exactly one of Dir (embedded) and URL (external) is set. Zero means the default.
type Config struct {
	Dir           string           // the embedded journal's directory; made when missing
	Sync          bool             // embedded: fsync before Append returns. An external server decides for itself (sync_interval: always)
	Partitions    int              // fixed at creation; default 4
	EncryptionKey string           // embedded: encrypts at rest; fixed at creation
	MaxBytes      int64            // ceiling for all partitions together; 0 for none
	URL           string           // nats://host:port[,...] of an external NATS with JetStream
	Credentials   string           // path of its credentials file
	Prefix        string           // of stream and subject names; letters, digits, _ and -; default hermod
	Replicas      int              // of the streams on an external cluster; default 1
	Owner         string           // this engine's name, in the errors that other engines see; default host:pid
	Lease         time.Duration    // external: how long the journal stays ours without an answer from the server; default 15 s
	Logger        *slog.Logger     // default: discard
	Now           func() time.Time // default time.Now; stamps frames, never backwards within a partition

	retryWait time.Duration // for tests: after which a call to an external server is made again
}

var prefixForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (c *Config) complete() error {
	if c.Partitions == 0 {
		c.Partitions = DefaultPartitions
	}
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	c.Replicas = max(c.Replicas, 1)
	if c.Lease <= 0 {
		c.Lease = DefaultLease
	}
	if c.Owner == "" {
		host, _ := os.Hostname()
		c.Owner = fmt.Sprintf("%s:%d", host, os.Getpid())
	}
	if c.retryWait == 0 {
		c.retryWait = retryWait
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	switch {
	case (c.Dir == "") == (c.URL == ""):
		return jerr.New(CodeConfig, "set `data` for the embedded journal or `nats.url` for an external one", "exactly one of directory and URL must be set")
	case c.Partitions < 1 || c.Partitions > maxPartitions:
		return jerr.New(CodeConfig, fmt.Sprintf("use 1 to %d", maxPartitions), "%d partitions are not possible", c.Partitions)
	case !prefixForm.MatchString(c.Prefix):
		return jerr.New(CodeConfig, "use up to 64 letters, digits, _ and -", "the prefix %q cannot be used", c.Prefix)
	case c.URL != "" && c.EncryptionKey != "":
		return jerr.New(CodeConfig, "configure encryption at rest on the NATS server", "an encryption key is for the embedded journal only")
	case c.MaxBytes < 0:
		return jerr.New(CodeConfig, "use 0 for no ceiling", "the size ceiling %d is negative", c.MaxBytes)
	}
	return nil
}

func (c *Config) embedded() bool { return c.Dir != "" }

// strict is whether a missing frame is always a defect. An embedded journal without fsync may lose frames to a power cut.
func (c *Config) strict() bool { return c.Sync || !c.embedded() }

// Journal is an open journal. Its methods may be called from several goroutines, but each partition has one appender.
type Journal struct {
	cfg     Config
	dir     *directory.Directory // embedded only
	lease   *lease.Lease         // external only
	session string               // begins the ids of the frames that this Open appends
	parts   []*Partition

	mu      sync.RWMutex // held for reading while link is in use
	link    *link.Link
	closing chan struct{}

	stopOnce sync.Once
	stop     chan struct{} // closed when nothing can be appended any more: lost or closing
	lostOnce sync.Once
	lost     chan struct{}
	lostErr  error

	closeOnce sync.Once
	closed    chan struct{}
	closeErr  error
}

// Open opens the journal, and creates it when there is none. Errors are of type [Error]. The context bounds the opening
// only; recovery of a large embedded journal can take seconds.
func Open(ctx context.Context, cfg Config) (*Journal, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	j := &Journal{cfg: cfg, session: rand.Text()[:12], closing: make(chan struct{}), stop: make(chan struct{}), lost: make(chan struct{}), closed: make(chan struct{})}
	for i := range cfg.Partitions {
		j.parts = append(j.parts, newPartition(j, i))
	}
	open := j.openExternal
	if cfg.embedded() {
		open = j.openEmbedded
	}
	if err := open(ctx); err != nil {
		_ = j.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return j, nil
}

// Len returns the number of partitions.
func (j *Journal) Len() int { return len(j.parts) }

// Partition returns partition i, 0 <= i < Len. It panics outside that range, like a slice.
func (j *Journal) Partition(i int) *Partition { return j.parts[i] }

// Lost is closed when this engine stops being the owner: another appended, or the lease ran out. Err then says why.
// Nothing can be appended any more; reading still works. A full disk does not count: see [ErrDiskFull].
func (j *Journal) Lost() <-chan struct{} { return j.lost }

// Err returns why the journal was lost, or nil.
func (j *Journal) Err() error {
	select {
	case <-j.lost:
		return j.lostErr
	default:
		return nil
	}
}

func (j *Journal) lose(err error) error {
	j.lostOnce.Do(func() {
		j.lostErr = err
		close(j.lost)
		j.endAppends()
		j.cfg.Logger.Error("journal lost", "code", jerr.CodeOf(err), "error", err)
	})
	return err
}

func (j *Journal) endAppends() { j.stopOnce.Do(func() { close(j.stop) }) }

// Close waits for calls in flight, writes what is open and gives up ownership. When ctx ends first its error is
// returned and closing goes on; Close may be called again to wait for it, and returns the same result each time.
func (j *Journal) Close(ctx context.Context) error {
	j.closeOnce.Do(func() {
		close(j.closing)
		j.endAppends()
		go func() {
			defer close(j.closed)
			j.closeErr = j.shut()
		}()
	})
	select {
	case <-j.closed:
		return j.closeErr
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (j *Journal) shut() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lease != nil {
		j.lease.Stop(j.Err() == nil && j.link.NC.IsConnected())
	}
	if j.link != nil {
		j.link.Stop()
	}
	if j.dir != nil {
		return j.dir.Close()
	}
	return nil
}

// use returns the connection and keeps it until release is called.
func (j *Journal) use() (l *link.Link, release func(), err error) {
	j.mu.RLock()
	select {
	case <-j.closing:
		j.mu.RUnlock()
		return nil, nil, jerr.Closed()
	default:
	}
	if j.link.NC == nil {
		defer j.mu.RUnlock()
		return nil, nil, j.link.Trouble.Err()
	}
	return j.link, j.mu.RUnlock, nil
}
