package link

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/hermodhq/hermod/core/internal/journal/internal/jerr"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	maxPayload = 8 << 20
	lazySync   = 2 * time.Second
)

// Spec says how to start an embedded server.
type Spec struct {
	Dir      string
	Sync     bool   // fsync each write
	Key      string // for encryption; empty for none
	MaxBytes int64  // 0 for no ceiling
	Logger   *slog.Logger
}

// Start starts a server on the directory and connects to it in the process.
func Start(ctx context.Context, spec Spec) (*Link, error) {
	t := newTrouble()
	srv, err := newServer(spec, t)
	if err != nil {
		return nil, jerr.New(jerr.CodeStart, "check the configuration of the journal", "the embedded server refuses its options: %w", err)
	}
	l := &Link{Trouble: t, halt: func() { srv.Shutdown(); srv.WaitForShutdown() }}
	if err := startServer(ctx, srv, t); err != nil {
		if jerr.CodeOf(err) == jerr.CodeStart || jerr.CodeOf(err) == jerr.CodeDiskFull {
			l.Stop()
		}
		return nil, err // canceled: startServer stopped it; panicked: stopping it might wait for ever
	}
	l.NC, err = nats.Connect("", nats.InProcessServer(srv), nats.Name("hermod journal"), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond)) // a process that was suspended may find it closed
	if err == nil {
		l.JS, err = jetstream.New(l.NC)
	}
	if err != nil {
		l.Stop()
		return nil, jerr.New(jerr.CodeStart, "report this", "the embedded server does not answer: %w", err)
	}
	return l, nil
}

func newServer(spec Spec, t *Trouble) (*server.Server, error) {
	opts := &server.Options{
		ServerName:         "hermod-journal",
		DontListen:         true,
		NoSigs:             true,
		NoLog:              true,
		MaxPayload:         maxPayload,
		JetStream:          true,
		StoreDir:           spec.Dir,
		SyncAlways:         spec.Sync,
		SyncInterval:       lazySync,
		JetStreamMaxMemory: 1 << 20, // nothing is kept in memory
		JetStreamMaxStore:  math.MaxInt64 / 2,
	}
	if spec.MaxBytes > 0 {
		opts.JetStreamMaxStore = spec.MaxBytes
	}
	if spec.Key != "" {
		opts.JetStreamKey, opts.JetStreamCipher = spec.Key, server.ChaCha
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, err
	}
	srv.SetLoggerV2(&bridge{log: spec.Logger, trouble: t}, false, false, false)
	return srv, nil
}

// startServer runs the server's start, which recovers the streams. A panic there becomes an error.
func startServer(ctx context.Context, srv *server.Server, t *Trouble) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- jerr.New(jerr.CodeCorrupt, jerr.AdviceRestore, "the embedded server failed while it recovered the journal (%v)", r)
			}
		}()
		srv.Start()
		done <- nil
	}()
	select {
	case err := <-done:
		if err != nil {
			return err
		}
	case <-ctx.Done():
		srv.Shutdown()
		<-done
		srv.WaitForShutdown()
		return ctx.Err()
	}
	if !srv.JetStreamEnabled() || t.Found() {
		if err := t.Err(); jerr.CodeOf(err) == jerr.CodeDiskFull {
			return err
		}
		return jerr.New(jerr.CodeStart, "check the journal's directory and its permissions", "the embedded server did not start: %s", t.String())
	}
	return nil
}

// bridge hands the server's log to slog, and watches it for failed writes: the server tells them to nobody else, the
// publisher just gets no answer.
type bridge struct {
	log     *slog.Logger
	trouble *Trouble
}

var failedWrites = []string{"critical write error", "failed to store a msg", "will be disabled", "disabling jetstream"}

func (b *bridge) put(level slog.Level, format string, args []any) {
	text := strings.TrimSpace(fmt.Sprintf(format, args...))
	b.log.Log(context.Background(), level, "nats: "+text)
	if level < slog.LevelWarn {
		return
	}
	low := strings.ToLower(text)
	for _, s := range failedWrites {
		if strings.Contains(low, s) {
			b.trouble.Report(text)
			return
		}
	}
}

func (b *bridge) Noticef(format string, v ...any) { b.put(slog.LevelDebug, format, v) }
func (b *bridge) Warnf(format string, v ...any)   { b.put(slog.LevelWarn, format, v) }
func (b *bridge) Errorf(format string, v ...any)  { b.put(slog.LevelError, format, v) }
func (b *bridge) Debugf(string, ...any)           {}
func (b *bridge) Tracef(string, ...any)           {}

// Fatalf ends nothing: the start finds JetStream off and reports the text.
func (b *bridge) Fatalf(format string, v ...any) {
	b.put(slog.LevelError, format, v)
	b.trouble.Report(fmt.Sprintf(format, v...))
}
