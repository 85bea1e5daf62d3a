package process

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hermodhq/hermod/internal/wire"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
)

// Local serves a connector in this process, over a pipe in memory: the same wire, and nothing to kill.
type Local struct {
	client *grpc.ClientConn
	cancel context.CancelFunc
	served chan struct{}
}

// StartLocal starts c.
func StartLocal(c connector.Connector, logger *slog.Logger) (*Local, error) {
	l := newMemoryListener()
	client, err := grpc.NewClient("passthrough:///in-process", append(wire.DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.dial(ctx) }))...)
	if err != nil {
		return nil, fault.New(fault.Internal, "plugin_handshake", "the connector in this process: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	local := &Local{client: client, cancel: cancel, served: make(chan struct{})}
	go func() {
		defer close(local.served)
		_ = connector.ServeOn(ctx, c, l, logger)
	}()
	return local, nil
}

// Conn: see [Process.Conn].
func (l *Local) Conn() *grpc.ClientConn { return l.client }

// PID: see [Process.PID].
func (l *Local) PID() int { return 0 }

// UseLogger: see [Process.UseLogger].
func (l *Local) UseLogger(*slog.Logger) {}

// Done: see [Process.Done].
func (l *Local) Done() <-chan struct{} { return l.served }

// Reason: see [Process.Reason].
func (l *Local) Reason() string { return "it was stopped" }

// Stop: see [Process.Stop].
func (l *Local) Stop(context.Context) { l.Kill() }

// Kill: see [Process.Kill].
func (l *Local) Kill() {
	l.cancel()
	<-l.served
	_ = l.client.Close()
}

// Attached is a connector that runs by itself. It is left running.
type Attached struct {
	client *grpc.ClientConn
	id     int
}

// Attach connects to what a connector printed when it was started with HERMOD_DEBUG=1.
func Attach(text string) (*Attached, error) {
	var at wire.Reattach
	if err := json.Unmarshal([]byte(text), &at); err != nil || at.Network == "" || at.Address == "" {
		return nil, fault.New(fault.Misconfigured, "reattach_invalid",
			"%s cannot be read: copy the value that the connector prints when started with %s=1", wire.EnvReattach, wire.EnvDebug)
	}
	if at.Version != wire.Version {
		return nil, fault.New(fault.Misconfigured, "plugin_protocol", "the connector speaks protocol version %d, this engine %d", at.Version, wire.Version)
	}
	client, err := grpc.NewClient("passthrough:///reattach", append(wire.DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, at.Network, at.Address)
		}))...)
	if err != nil {
		return nil, fault.New(fault.Misconfigured, "reattach_invalid", "%s: %w", wire.EnvReattach, err)
	}
	return &Attached{client: client, id: at.PID}, nil
}

// Conn: see [Process.Conn].
func (l *Attached) Conn() *grpc.ClientConn { return l.client }

// PID: see [Process.PID].
func (l *Attached) PID() int { return l.id }

// UseLogger: see [Process.UseLogger].
func (l *Attached) UseLogger(*slog.Logger) {}

// Done: see [Process.Done].
func (l *Attached) Done() <-chan struct{} { return nil }

// Reason: see [Process.Reason].
func (l *Attached) Reason() string { return "the connection ended" }

// Kill: see [Process.Kill].
func (l *Attached) Kill() { _ = l.client.Close() }

// Stop: see [Process.Stop].
func (l *Attached) Stop(context.Context) { l.Kill() }

// memoryListener connects within the process.
type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemoryListener() *memoryListener {
	return &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *memoryListener) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	var err error
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		err = net.ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(err, ours.Close(), theirs.Close())
}

// Accept waits for a connection.
func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr names the process.
func (l *memoryListener) Addr() net.Addr { return memoryAddr{} }

type memoryAddr struct{}

// Network names the kind.
func (memoryAddr) Network() string { return "memory" }

// String names the process.
func (memoryAddr) String() string { return "in-process" }
