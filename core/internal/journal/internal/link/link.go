// Package link is the journal's connection to a NATS server, embedded in the process or external: starting and dialing,
// publishing one frame at a time, and reading frames back. It decides nothing about ownership.
package link

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/hermodhq/hermod/core/internal/journal/internal/jerr"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Error codes of the JetStream API.
const (
	errResources = 10023
	errStorage   = 10047
	errTooLarge  = 10054
	errWrongSeq  = 10071
	errStore     = 10077
	errWrongSeq2 = 10164
)

// Link is a connection to a server, and the server itself when it is embedded. NC is nil when the link is down for good.
type Link struct {
	NC      *nats.Conn
	JS      jetstream.JetStream
	Trouble *Trouble
	halt    func() // stops the embedded server; nil for an external one
}

// Down returns a link that is in the same trouble as an earlier one and has no server.
func Down(t *Trouble) *Link {
	l := &Link{Trouble: newTrouble(), halt: func() {}}
	l.Trouble.Report(t.String())
	return l
}

// Embedded reports whether the server is in this process.
func (l *Link) Embedded() bool { return l.halt != nil }

// Stop closes the connection and waits for an embedded server to end. It may be called again.
func (l *Link) Stop() {
	if l.NC != nil {
		l.NC.Close()
	}
	if l.halt != nil {
		l.halt()
		l.halt = func() {}
	}
	l.NC = nil
}

// Fault classifies what the server, or the connection to it, answered. The caller's own cancellation stays what it is.
func (l *Link) Fault(err error) error {
	var api *jetstream.APIError
	switch {
	case jerr.CodeOf(err) != "" || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &api) && (api.ErrorCode == errResources || api.ErrorCode == errStorage):
		return jerr.New(jerr.CodeDiskFull, jerr.AdviceRoom, "no room for the journal: %w", err)
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrPermissionViolation), errors.Is(err, nats.ErrAuthExpired):
		return jerr.New(jerr.CodeUnauthorized, "check the credentials file and the rights of its user", "NATS refuses the credentials: %w", err)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return jerr.New(jerr.CodeUnreachable, "enable JetStream on the server and for the account", "NATS has no JetStream here: %w", err)
	case l.Embedded() && l.Trouble.Found():
		return l.Trouble.Err()
	}
	return jerr.New(jerr.CodeUnreachable, "check the NATS server and the network", "NATS does not answer as it should: %w", err)
}

// Trouble is an embedded server's first failed write, after which it accepts no other until it is started again.
type Trouble struct {
	mu   sync.Mutex
	text string
	ch   chan struct{}
}

func newTrouble() *Trouble { return &Trouble{ch: make(chan struct{})} }

// Report notes what happened, unless something was reported before.
func (t *Trouble) Report(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.text == "" {
		t.text = text
		close(t.ch)
	}
}

// Done is closed when there is trouble.
func (t *Trouble) Done() <-chan struct{} { return t.ch }

// Found reports whether there is trouble.
func (t *Trouble) Found() bool {
	select {
	case <-t.ch:
		return true
	default:
		return false
	}
}

// Err returns the trouble as a CodeDiskFull or CodeDiskFailed error.
func (t *Trouble) Err() error { return jerr.Disk(t.String()) }

// String gives what was reported.
func (t *Trouble) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text
}

// concerns reports whether the failed write was in this stream. The server writes names as [name] or 'account > name'.
func (t *Trouble) concerns(stream string) bool {
	text := t.String()
	return strings.Contains(text, stream+"]") || strings.Contains(text, stream+"'")
}
