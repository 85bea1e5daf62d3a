//go:build linux

package pluginhost_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/hermodhq/hermod/internal/wire"
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/connector"
)

// misbehave is the main function of a malformed connector.
func misbehave(how string) {
	switch how {
	case "exit":
		fmt.Fprintln(os.Stderr, "cannot load the library for +447700900123")
		os.Exit(3)
	case "garbage":
		fmt.Println("Welcome to my connector!")
	case "flood":
		fmt.Print(strings.Repeat("x", 100<<10))
	case "silent":
	case "wrong-core":
		fmt.Println("2|1|unix|/nowhere|grpc|")
	case "wrong-version":
		fmt.Println("1|99|unix|/nowhere|grpc|")
	case "net-rpc":
		fmt.Println("1|1|unix|/nowhere|netrpc|")
	case "nobody-listens":
		fmt.Println("1|1|unix|/nowhere/at/all|grpc|")
	case "mute":
		l, err := net.Listen("unix", filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "s"))
		if err != nil {
			os.Exit(9)
		}
		fmt.Println("1|1|unix|" + l.Addr().String() + "|grpc|")
	case "other-name":
		connector.Serve(testConnector("other"))
		return
	case "debug":
		connector.Serve(testConnector("echo"))
		return
	case "no-service":
		serveRaw(nil)
		return
	default:
		serveRaw(&rawConnector{how: how})
		return
	}
	select {}
}

// serveRaw serves without the SDK, and so without its care.
func serveRaw(c *rawConnector) {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{wire.Version: {wire.PluginName: rawPlugin{server: c}}},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(append(opts, wire.ServerOptions()...), grpc.MaxSendMsgSize(1<<30))...)
		},
		Logger: hclog.NewNullLogger(),
	})
}

type rawPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	server *rawConnector
}

func (p rawPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	if p.server != nil {
		pb.RegisterConnectorServiceServer(s, p.server)
	}
	return nil
}

func (p rawPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("not here")
}

// rawConnector answers on the wire as it is told to.
type rawConnector struct {
	pb.UnimplementedConnectorServiceServer
	how string
}

func (c *rawConnector) Ping(context.Context, *pb.PingRequest) (*pb.PingResponse, error) {
	return &pb.PingResponse{}, nil
}

func (c *rawConnector) Describe(ctx context.Context, _ *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	switch c.how {
	case "huge-description":
		return &pb.DescribeResponse{Name: "echo", Summary: strings.Repeat("x", 20<<20)}, nil
	case "no-description":
		<-ctx.Done()
	}
	return &pb.DescribeResponse{Name: "echo", Version: "0", Capabilities: &pb.Capabilities{Send: true}}, nil
}

func (c *rawConnector) Open(context.Context, *pb.OpenRequest) (*pb.OpenResponse, error) {
	return &pb.OpenResponse{Handle: 1}, nil
}

func (c *rawConnector) Close(context.Context, *pb.CloseRequest) (*pb.CloseResponse, error) {
	return &pb.CloseResponse{}, nil
}

func (c *rawConnector) Deliver(stream grpc.BidiStreamingServer[pb.DeliverRequest, pb.DeliverResponse]) error {
	for {
		in, err := stream.Recv()
		if err != nil {
			return nil
		}
		out := &pb.DeliverResponse{Answers: make([]*pb.Answer, 0, len(in.Deliveries))}
		for _, d := range in.Deliveries {
			out.Answers = append(out.Answers, &pb.Answer{Sequence: d.Sequence, VendorId: d.Message, Outcome: "accepted"})
		}
		switch {
		case len(in.Deliveries) == 0:
			continue
		case c.how == "huge-answer":
			out.Answers[0].VendorId = strings.Repeat("x", 20<<20)
		case c.how == "twice":
			out.Answers = append(out.Answers, out.Answers...)
			out.Answers = append(out.Answers, &pb.Answer{Sequence: 1 << 60}, &pb.Answer{}, nil)
		}
		if err := stream.Send(out); err != nil {
			return err
		}
	}
}
