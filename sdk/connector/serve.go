package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/hermodhq/hermod/internal/wire"
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
)

// closeWithin is how long accounts that are still open get to close when the engine lets the connector go.
const closeWithin = 5 * time.Second

// Serve runs c as this process: it is the whole main function of a connector program. It blocks until the engine lets
// the connector go, or is gone itself.
//
// [slog]'s default logger then writes to the engine's log, with the connector's name and, where a context is given, the
// account's. Started by hand, the program says what it is and exits with code 2; with HERMOD_DEBUG=1 it serves without an engine,
// say under a debugger, and prints the HERMOD_REATTACH that the engine needs to find it.
func Serve(c Connector) {
	switch {
	case os.Getenv(wire.CookieKey) == wire.CookieValue:
		serveProcess(c)
	case os.Getenv(wire.EnvDebug) == "1":
		if err := serveDebug(c, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		fmt.Fprint(os.Stderr, usage(c.Describe()))
		os.Exit(2)
	}
}

// ServeIfAsked lets one program be both a host and its connectors. Call it first in main: in a process that an engine
// started to be one of these connectors it serves that one and exits; in any other it returns at once.
func ServeIfAsked(connectors ...Connector) {
	name := os.Getenv(wire.EnvName)
	if os.Getenv(wire.CookieKey) != wire.CookieValue || name == "" {
		return
	}
	for _, c := range connectors {
		if string(c.Describe().Name) == name {
			serveProcess(c)
			os.Exit(0)
		}
	}
	fmt.Fprintf(os.Stderr, "this program holds no connector named %q: pass it to connector.ServeIfAsked\n", name)
	os.Exit(2)
}

// ServeOn serves c on a listener, without a process or a handshake of its own, until ctx ends. Panics are logged to logger
// (nil: slog's default). It closes the listener and the accounts, and returns nil when ctx ended.
func ServeOn(ctx context.Context, c Connector, l net.Listener, logger *slog.Logger) error {
	s := newServer(c, logger)
	g := grpc.NewServer(wire.ServerOptions()...)
	pb.RegisterConnectorServiceServer(g, s)
	stop := context.AfterFunc(ctx, g.Stop)
	defer stop()
	err := g.Serve(l)
	s.closeAll()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// serveProcess speaks go-plugin's handshake and serves until the engine ends the connection.
func serveProcess(c Connector) {
	// The engine decides when its connectors end. A signal sent to the whole process group must not end them before the
	// engine has drained.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	if os.Getenv(wire.EnvStdin) == "1" {
		go exitWithParent(os.Stdin)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400) // a connector's heap is small and its garbage plenty
	}
	logger := slog.New(newLogHandler(os.Stderr, os.Getenv(wire.EnvLogLevel)))
	slog.SetDefault(logger)
	s := newServer(c, logger)
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{
			wire.Version: {wire.PluginName: &servedPlugin{server: s}},
		},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, wire.ServerOptions()...)...)
		},
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr, JSONFormat: true}),
	})
	s.closeAll()
}

// exitWithParent ends the process when the engine's end of standard input is gone: an engine that was killed cannot say goodbye.
func exitWithParent(stdin io.Reader) {
	_, _ = io.Copy(io.Discard, stdin)
	os.Exit(0)
}

// servedPlugin is what go-plugin serves.
type servedPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	server *server
}

func (p *servedPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	pb.RegisterConnectorServiceServer(s, p.server)
	return nil
}

func (p *servedPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("connector: this is the connector's side")
}

// serveDebug serves on a socket of its own until interrupted.
func serveDebug(c Connector, out io.Writer) error {
	dir, err := os.MkdirTemp("", "hermod-debug-")
	if err != nil {
		return fmt.Errorf("connector: a directory for the debug socket: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		return fmt.Errorf("connector: the debug socket: %w", err)
	}
	at, err := json.Marshal(wire.Reattach{Version: wire.Version, Network: "unix", Address: l.Addr().String(), PID: os.Getpid()})
	if err != nil {
		return fmt.Errorf("connector: %w", err)
	}
	if _, err := fmt.Fprintf(out, "%s='%s'\n", wire.EnvReattach, at); err != nil {
		return fmt.Errorf("connector: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return ServeOn(ctx, c, l, nil)
}

func usage(d Description) string {
	return fmt.Sprintf(`%s %s is a connector for Hermod: %s

An engine starts it by itself; it does nothing when run by hand.

  use it     put this program into the engine's plugins directory, pin it there with
               hermod connectors pin
             and name "connector: %s" in an account
  look       hermod connectors describe %s
  debug      HERMOD_DEBUG=1 %s
`, d.Name, d.Version, d.Summary, d.Name, d.Name, filepath.Base(os.Args[0]))
}
