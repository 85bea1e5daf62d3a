package connectortest_test

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/hermodhq/hermod/internal/wire"
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/connectortest/standin"
)

// rogue is a connector that was not written with the SDK, and is wrong wherever the SDK would have helped.
type rogue struct {
	hangs bool // after an account was opened
	open  atomic.Bool
	pb.UnimplementedConnectorServiceServer
	plugin.NetRPCUnsupportedPlugin
}

func serveRogue() {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{wire.Version: {wire.PluginName: &rogue{hangs: os.Getenv("TEST_ROGUE") == "hangs"}}},
		GRPCServer:       plugin.DefaultGRPCServer,
	})
}

func (r *rogue) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	pb.RegisterConnectorServiceServer(s, r)
	return nil
}

func (r *rogue) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("no client")
}

func (r *rogue) Ping(ctx context.Context, _ *pb.PingRequest) (*pb.PingResponse, error) {
	if r.hangs && r.open.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &pb.PingResponse{}, nil
}

// Describe says the time.
func (r *rogue) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	return &pb.DescribeResponse{
		Name: "rogue", Version: "1.0.0", Vendor: "Rogue", Summary: time.Now().String(), ConfigSchema: []byte(`{"type":"object","required":["url"],"properties":{"url":{"type":"string","description":"x"}}}`),
		Channels:     []*pb.ChannelInfo{{Channel: "sms", Kinds: []string{"text"}, Receipts: "none", Outcomes: []string{"accepted"}}},
		Operations:   []*pb.OperationInfo{{Name: "any.thing", Summary: "x", Endpoint: "x", InputSchema: []byte(`{"type":"object"}`), OutputSchema: []byte(`{"type":"string"}`)}},
		Capabilities: &pb.Capabilities{Send: true},
	}, nil
}

func (r *rogue) Open(context.Context, *pb.OpenRequest) (*pb.OpenResponse, error) {
	r.open.Store(true)
	return &pb.OpenResponse{Handle: 1}, nil
}

func (r *rogue) Close(context.Context, *pb.CloseRequest) (*pb.CloseResponse, error) {
	return &pb.CloseResponse{}, nil
}

// Invoke takes anything, for anybody.
func (r *rogue) Invoke(context.Context, *pb.InvokeRequest) (*pb.InvokeResponse, error) {
	return &pb.InvokeResponse{Output: []byte("1")}, nil
}

// Deliver answers the first delivery twice, forgets the others, and answers one that nobody sent.
func (r *rogue) Deliver(stream grpc.BidiStreamingServer[pb.DeliverRequest, pb.DeliverResponse]) error {
	frame, err := stream.Recv()
	if err != nil {
		return err
	}
	first := &pb.Answer{Sequence: frame.Deliveries[0].Sequence, Fault: &pb.Fault{Class: "a_class_of_its_own"}}
	return stream.Send(&pb.DeliverResponse{Answers: []*pb.Answer{first, first, {Sequence: 1 << 40}}})
}

var _ standin.Vendor = blind{}

// blind is a stand-in that can only behave well, and shows nothing.
type blind struct{}

func (blind) Behave(b standin.Behavior) error {
	if b != standin.Accept {
		return errors.New("it cannot")
	}
	return nil
}

func (b blind) BehaveToAll(to standin.Behavior) error { return b.Behave(to) }

func (blind) Counts() standin.Counts { return standin.Counts{} }
