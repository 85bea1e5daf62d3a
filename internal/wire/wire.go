// Package wire is what both ends of the plugin pipe must agree on: the handshake, the limits of a frame, and the pure
// conversions between the SDK's types and the generated ones.
//
// A conversion is named after the type it makes or takes: XToProto and XFromProto. None of them keeps or changes its
// argument; a nil generated message gives the zero value.
package wire

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// The handshake. The cookie is no secret: it only tells a connector that an engine started it.
const (
	CookieKey   = "HERMOD_CONNECTOR"
	CookieValue = "d1c6a1c2-hermod-connector"
	Version     = 1           // of the contract in proto/hermod/connector/v1
	PluginName  = "connector" // go-plugin's name of the service
)

// Environment variables between the engine and the connectors it starts.
const (
	EnvName     = "HERMOD_CONNECTOR_NAME" // which of a program's connectors is asked for
	EnvStdin    = "HERMOD_PARENT_STDIN"   // "1": end when standard input ends, for then the engine is gone
	EnvLogLevel = "HERMOD_LOG_LEVEL"      // the least level that the engine's log keeps
	EnvDebug    = "HERMOD_DEBUG"          // "1": serve without an engine, and print how to attach to it
	EnvReattach = "HERMOD_REATTACH"       // what a connector under a debugger prints
)

// Reattach says how to find a connector that runs by itself. Its JSON is the value of [EnvReattach].
type Reattach struct {
	Version int    `json:"version"`
	Network string `json:"network"`
	Address string `json:"address"`
	PID     int    `json:"pid"`
}

// The limits of a frame.
const (
	FrameDeliveries = 256      // deliveries, answers or events in a frame, at most
	Concurrency     = 256      // calls of Send under way at once for an account, where its connector states no limit
	FrameBytes      = 1 << 20  // a frame is closed when it has grown beyond this
	MaxFrameBytes   = 16 << 20 // a frame beyond this is refused by either side
)

const (
	streamWindow = 2 << 20
	connWindow   = 8 << 20
	socketBuffer = 128 << 10
)

// ServerOptions are the gRPC options of the connector's side.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(MaxFrameBytes), grpc.MaxSendMsgSize(MaxFrameBytes),
		grpc.InitialWindowSize(streamWindow), grpc.InitialConnWindowSize(connWindow),
		grpc.ReadBufferSize(socketBuffer), grpc.WriteBufferSize(socketBuffer),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
	}
}

// DialOptions are the gRPC options of the engine's side.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxFrameBytes), grpc.MaxCallSendMsgSize(MaxFrameBytes)),
		grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(connWindow),
		grpc.WithReadBufferSize(socketBuffer), grpc.WithWriteBufferSize(socketBuffer),
		grpc.WithDisableRetry(),
	}
}
