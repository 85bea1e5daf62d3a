// Package link is a small engine's side of the pipe: it starts a connector as a subprocess and calls it over the real wire.
package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/hermodhq/hermod/internal/wire"
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
)

const startWithin = 30 * time.Second // of the handshake

// Versions are the versions of the protocol that this side speaks.
func Versions() []int { return []int{wire.Version} }

// Spec says which program to start.
type Spec struct {
	Program string
	Args    []string
	Env     []string  // NAME=value; the child gets nothing else but what the pipe needs
	Name    string    // of the connector, where a program holds several
	Version int       // of the protocol
	Output  io.Writer // what the child writes to standard error and output
}

// Process is a connector that runs as a subprocess.
type Process struct {
	client *plugin.Client
	conn   *grpc.ClientConn
	pb     pb.ConnectorServiceClient
	exited atomic.Bool
}

// Start starts the program and shakes hands. The child's environment is as clean as an engine makes it.
func Start(ctx context.Context, s Spec) (*Process, error) {
	if !slices.Contains(Versions(), s.Version) {
		return nil, fmt.Errorf("protocol version %d is not one of %v", s.Version, Versions())
	}
	p := &Process{}
	p.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{s.Version: {wire.PluginName: plugin.NetRPCUnsupportedPlugin{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     startWithin,
		GRPCDialOptions:  wire.DialOptions(),
		Stderr:           s.Output, SyncStdout: s.Output, SyncStderr: s.Output,
		Logger:     hclog.NewNullLogger(),
		RunnerFunc: s.run,
	})
	protocol, err := p.client.Client()
	if err != nil {
		_ = p.Stop(ctx)
		return nil, fmt.Errorf("the handshake: %w", err)
	}
	p.conn = protocol.(*plugin.GRPCClient).Conn
	p.pb = pb.NewConnectorServiceClient(p.conn)
	if err := p.Ping(ctx); err != nil {
		_ = p.Stop(ctx)
		return nil, err
	}
	return p, nil
}

// run makes the child. Its environment is what go-plugin needs and the spec gives.
func (s *Spec) run(_ hclog.Logger, template *exec.Cmd, _ string) (runner.Runner, error) {
	cmd := exec.Command(s.Program, s.Args...)
	cmd.Env = append(append(slices.Clone(template.Env), s.Env...), wire.EnvStdin+"=1", wire.EnvLogLevel+"=DEBUG")
	if s.Name != "" {
		cmd.Env = append(cmd.Env, wire.EnvName+"="+s.Name)
	}
	return newChild(cmd)
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
func (p *Process) Exited() bool { return !p.exited.Load() && p.client.Exited() }

// ErrKilled says that the process did not end by itself.
var ErrKilled = errors.New("the process did not end within 2 seconds of being asked to, and was killed")

// Stop asks the process to end, and kills it when it does not. It may be called again.
func (p *Process) Stop(context.Context) error {
	if p.exited.Swap(true) {
		return nil
	}
	asked := time.Now()
	p.client.Kill()
	if time.Since(asked) >= 2*time.Second {
		return ErrKilled
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
