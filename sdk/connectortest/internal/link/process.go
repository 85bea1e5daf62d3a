// Package link is a small engine's side of the pipe: it starts a connector as a subprocess and calls it over the real wire.
package link

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/hermodhq/hermod/internal/wire"
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
)

const startWithin = 10 * time.Second // as an engine gives it

// Versions are the versions of the protocol that this side speaks.
func Versions() []int { return []int{wire.Version} }

// Spec says which program to start.
type Spec struct {
	Program string
	Args    []string
	Env     []string      // NAME=value; the child gets nothing else but what the pipe needs
	Name    string        // of the connector, where a program holds several
	Version int           // of the protocol
	Output  io.Writer     // what the child writes to standard error and output
	Within  time.Duration // for the handshake and the first answer; zero: 10 seconds
}

// Process is a connector that runs as a subprocess.
type Process struct {
	child   *child
	client  *plugin.Client
	sockets string // the folder of its socket
	pb      pb.ConnectorServiceClient
	stopped atomic.Bool
}

// Start starts the program and shakes hands. The child's environment is as clean as an engine makes it. An error says what to do, and
// leaves no process behind.
func Start(ctx context.Context, s Spec) (*Process, error) {
	if !slices.Contains(Versions(), s.Version) {
		return nil, fmt.Errorf("protocol version %d is not one of %v", s.Version, Versions())
	}
	within := cmp.Or(s.Within, startWithin)
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	p := &Process{child: newChild(s.command(), s.Output)}
	stop := context.AfterFunc(ctx, func() { _ = p.child.Kill(ctx) })
	defer stop()
	config := p.config(&s)
	p.client = plugin.NewClient(config)
	if err := p.connect(ctx, config); err != nil {
		p.child.end(ctx)
		_ = os.RemoveAll(p.sockets)
		return nil, p.child.why(ctx, within, err)
	}
	return p, nil
}

func (s *Spec) command() *exec.Cmd {
	cmd := exec.Command(s.Program, s.Args...)
	cmd.Env = append(slices.Clone(s.Env), wire.EnvStdin+"=1", wire.EnvLogLevel+"=DEBUG")
	if s.Name != "" {
		cmd.Env = append(cmd.Env, wire.EnvName+"="+s.Name)
	}
	return cmd
}

func (p *Process) config(s *Spec) *plugin.ClientConfig {
	return &plugin.ClientConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{s.Version: {wire.PluginName: plugin.NetRPCUnsupportedPlugin{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     time.Hour, // the context ends it
		GRPCDialOptions:  wire.DialOptions(),
		SyncStdout:       s.Output, SyncStderr: s.Output,
		Logger: hclog.NewNullLogger(),
		RunnerFunc: func(_ hclog.Logger, template *exec.Cmd, dir string) (runner.Runner, error) {
			p.child.cmd.Env, p.sockets = append(template.Env, p.child.cmd.Env...), dir
			return p.child, nil
		},
	}
}

// connect goes as far as the first answer. That is asked for on a connection of its own: go-plugin's waits without bound.
func (p *Process) connect(ctx context.Context, config *plugin.ClientConfig) error {
	addr, err := p.client.Start()
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient("passthrough:///connector", grpc.WithTransportCredentials(credentials.NewTLS(config.TLSConfig)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, addr.Network(), addr.String())
		}))
	if err != nil {
		return err
	}
	_, err = pb.NewConnectorServiceClient(conn).Ping(ctx, &pb.PingRequest{})
	if err = errors.Join(err, conn.Close()); err != nil {
		return err
	}
	protocol, err := p.client.Client()
	if err != nil {
		return err
	}
	p.pb = pb.NewConnectorServiceClient(protocol.(*plugin.GRPCClient).Conn)
	return nil
}

// Ping asks for a sign of life.
func (p *Process) Ping(ctx context.Context) error {
	_, err := p.pb.Ping(ctx, &pb.PingRequest{})
	return broken("Ping", err)
}

// Describe asks for the description.
func (p *Process) Describe(ctx context.Context) (wire.Description, error) {
	r, err := p.pb.Describe(ctx, &pb.DescribeRequest{})
	return wire.DescriptionFromProto(r), broken("Describe", err)
}

// Open opens an account. An error is a *fault.Fault, or says that the pipe broke.
func (p *Process) Open(ctx context.Context, account string, config []byte, webhookURL string) (*Account, error) {
	r, err := p.pb.Open(ctx, &pb.OpenRequest{Account: account, Config: config, WebhookUrl: webhookURL})
	if err != nil {
		return nil, broken("Open", err)
	}
	if r.Fault != nil {
		return nil, wire.ErrorFromProto(r.Fault)
	}
	return &Account{pb: p.pb, handle: r.Handle}, nil
}

// Exited reports whether the process has ended without being asked to.
func (p *Process) Exited() bool { return !p.stopped.Load() && p.client.Exited() }

// Stopped reports whether the process was asked to end.
func (p *Process) Stopped() bool { return p.stopped.Load() }

// What Stop finds.
var (
	ErrKilled = errors.New("the process did not end within 2 seconds of being asked to, and was killed")
	ErrLeft   = errors.New("processes that it had started outlived it, and were killed")
)

const endWithin = 2 * time.Second

// Stop asks the process to end, and kills it when it does not. It may be called again.
func (p *Process) Stop(ctx context.Context) error {
	if p.stopped.Swap(true) {
		return nil
	}
	late := time.AfterFunc(endWithin, func() { _ = p.child.Kill(ctx) }) // go-plugin asks without bound
	defer late.Stop()
	p.client.Kill()
	switch killed, left := p.child.state(); {
	case killed:
		return ErrKilled
	case left:
		return ErrLeft
	}
	return nil
}

// broken says that the pipe broke: a connector says what failed in a fault, never as a gRPC status.
func broken(call string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s broke the pipe: %w", call, err)
}

// Account returns an account by its handle, whether it is open or not.
func (p *Process) Account(handle uint64) *Account { return &Account{pb: p.pb, handle: handle} }
