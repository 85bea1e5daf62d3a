// Package process starts connectors as subprocesses: checksum, a clean environment, go-plugin's handshake with mutual TLS,
// logs, and an end that leaves nothing behind.
package process

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/hermodhq/hermod/internal/wire"
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/fault"
)

// Spec says how to start one connector.
type Spec struct {
	Name      string        // the connector's
	Path      string        // the program; empty: this binary itself
	Args      []string      // the program's arguments
	SHA256    []byte        // the program's pinned checksum; not needed for this binary itself
	Env       []string      // NAME=value; the whole environment, but for what the pipe itself needs
	SocketDir string        // where the socket goes
	Timeout   time.Duration // for the handshake and the first answer
	LogLevel  slog.Level    // the least that the connector need write
	Logger    *slog.Logger
	Forker    *Forker
}

// Process is a running connector.
type Process struct {
	child     *child
	client    *plugin.Client
	conn      *grpc.ClientConn
	socketDir string
}

// Start starts a connector and waits for its first sign of life. Its errors are faults of class unavailable or
// misconfigured with the codes plugin_checksum, plugin_missing, plugin_exited, plugin_handshake, plugin_protocol and plugin_timeout.
func Start(ctx context.Context, s Spec) (*Process, error) {
	path, err := s.program()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	p := &Process{child: newChild(s.Forker, &relay{logger: s.Logger})}
	config := s.clientConfig(path, p)
	p.client = plugin.NewClient(config)
	if err := p.start(ctx, config); err != nil {
		f := s.classify(ctx, p.child, err)
		p.discard()
		return nil, f
	}
	return p, nil
}

// program finds the program and checks it against its pin.
func (s *Spec) program() (string, error) {
	if s.Path == "" {
		path, err := selfPath()
		if err != nil {
			return "", fault.New(fault.Misconfigured, "plugin_missing", "this program cannot find its own file: %w", err)
		}
		return path, nil
	}
	ok, err := (&plugin.SecureConfig{Checksum: s.SHA256, Hash: sha256.New()}).Check(s.Path)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		return "", fault.New(fault.Misconfigured, "plugin_missing", "connector %s: its program cannot be read: %w", s.Name, err)
	case err != nil:
		return "", fault.New(fault.Misconfigured, "plugin_checksum", "connector %s: its checksum cannot be checked: %w", s.Name, err)
	case !ok:
		return "", fault.New(fault.Misconfigured, "plugin_checksum",
			"connector %s: the program %s is not the one that was pinned; if the change was meant, run: hermod connectors pin", s.Name, s.Path)
	}
	return s.Path, nil
}

func (s *Spec) clientConfig(path string, p *Process) *plugin.ClientConfig {
	return &plugin.ClientConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{wire.Version: {wire.PluginName: plugin.NetRPCUnsupportedPlugin{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     s.Timeout,
		GRPCDialOptions:  wire.DialOptions(),
		Logger:           bridge(s.Logger),
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: s.SocketDir},
		SyncStdout:       lineLogger{s.Logger, "standard output"},
		SyncStderr:       lineLogger{s.Logger, "standard error"},
		RunnerFunc: func(_ hclog.Logger, template *exec.Cmd, dir string) (runner.Runner, error) {
			cmd := exec.Command(path, s.Args...)
			cmd.Env = append(template.Env, s.Env...)
			cmd.Env = append(cmd.Env, wire.EnvName+"="+s.Name, wire.EnvStdin+"=1", wire.EnvLogLevel+"="+s.LogLevel.String())
			p.socketDir, p.child.cmd = dir, cmd
			return p.child, nil
		},
	}
}

// start goes as far as the connector's first answer. When ctx ends first, the child is killed, which frees go-plugin.
func (p *Process) start(ctx context.Context, config *plugin.ClientConfig) error {
	result := make(chan error, 1)
	go func() { result <- p.connect(ctx, config) }()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	for {
		// go-plugin may be about to start the child at this moment.
		select {
		case err := <-result:
			if err == nil {
				err = ctx.Err()
			}
			return err
		case <-time.After(10 * time.Millisecond):
			p.killChild()
		}
	}
}

func (p *Process) killChild() { _ = p.child.Kill(context.Background()) }

func (p *Process) connect(ctx context.Context, config *plugin.ClientConfig) error {
	addr, err := p.client.Start()
	if err != nil {
		return err
	}
	if err := probe(ctx, addr, config.TLSConfig); err != nil {
		return err
	}
	protocol, err := p.client.Client()
	if err != nil {
		return err
	}
	p.conn = protocol.(*plugin.GRPCClient).Conn
	return nil
}

// probe asks for a first sign of life on a connection of its own. go-plugin's own connection waits without bound, and is
// not given back when the connector never answers.
func probe(ctx context.Context, addr net.Addr, tls *tls.Config) error {
	conn, err := grpc.NewClient("passthrough:///connector",
		grpc.WithTransportCredentials(credentials.NewTLS(tls)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, addr.Network(), addr.String())
		}))
	if err != nil {
		return fmt.Errorf("pluginhost: %w", err)
	}
	_, err = pb.NewConnectorServiceClient(conn).Ping(ctx, &pb.PingRequest{})
	return errors.Join(err, conn.Close())
}

// discard ends a child that did not come up.
func (p *Process) discard() {
	if p.child.ID() != "" {
		p.killChild()
		<-p.child.exited
	}
	if p.socketDir != "" {
		_ = os.RemoveAll(p.socketDir)
	}
}

// Conn is the connection to the connector.
func (p *Process) Conn() *grpc.ClientConn { return p.conn }

// PID is the process id.
func (p *Process) PID() int { return p.child.cmd.Process.Pid }

// Done is closed when the process has exited.
func (p *Process) Done() <-chan struct{} { return p.child.exited }

// UseLogger replaces the logger of the connector's lines.
func (p *Process) UseLogger(l *slog.Logger) { p.child.relay.use(l) }

// Reason says how the process exited; call it after Done.
func (p *Process) Reason() string { return p.child.lastWords() }

func (c *child) lastWords() string {
	how := "exited with code 0"
	if c.err != nil {
		how = "ended: " + c.err.Error()
	}
	if said := c.relay.said(); said != "" {
		how += "; it last said: " + said
	}
	return how
}

// Kill kills the process, waits for its end and gives everything back.
func (p *Process) Kill() {
	p.killChild()
	<-p.child.exited
	p.client.Kill()
}

// Stop asks the process to end, and kills it when ctx ends or it has not gone after two seconds. It waits for the end.
func (p *Process) Stop(ctx context.Context) {
	stop := context.AfterFunc(ctx, p.killChild)
	defer stop()
	p.client.Kill()
}
