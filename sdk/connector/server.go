package connector

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hermodhq/hermod/internal/wire"
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/connector/internal/events"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// server is the connector's side of the pipe.
type server struct {
	pb.UnimplementedConnectorServiceServer
	connector   Connector
	concurrency int
	logger      *slog.Logger

	mu   sync.Mutex
	open map[uint64]*openAccount
	last uint64
}

type openAccount struct {
	id      message.AccountID
	account Account
}

func newServer(c Connector, logger *slog.Logger) *server {
	if logger == nil {
		logger = slog.Default()
	}
	concurrency := c.Describe().Limits.Concurrency
	if concurrency <= 0 {
		concurrency = defaultConcurrency
	}
	return &server{connector: c, concurrency: concurrency, logger: logger, open: map[uint64]*openAccount{}}
}

func (s *server) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	return describe(s.connector.Describe()), nil
}

func (s *server) Ping(context.Context, *pb.PingRequest) (*pb.PingResponse, error) {
	return &pb.PingResponse{}, nil
}

func (s *server) Open(ctx context.Context, req *pb.OpenRequest) (*pb.OpenResponse, error) {
	id := message.AccountID(req.Account)
	ctx = withAccount(ctx, id, s.logger)
	var account Account
	err := guard(ctx, fault.Internal, func() (err error) {
		account, err = s.connector.Open(ctx, AccountConfig{Account: id, Config: req.Config, WebhookURL: req.WebhookUrl})
		return err
	})
	if err != nil {
		return &pb.OpenResponse{Fault: wire.FaultToProto(err)}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	s.open[s.last] = &openAccount{id: id, account: account}
	return &pb.OpenResponse{Handle: s.last}, nil
}

func (s *server) Close(ctx context.Context, req *pb.CloseRequest) (*pb.CloseResponse, error) {
	s.mu.Lock()
	a := s.open[req.Handle]
	delete(s.open, req.Handle)
	s.mu.Unlock()
	if a == nil {
		return &pb.CloseResponse{}, nil
	}
	ctx = withAccount(ctx, a.id, s.logger)
	err := guard(ctx, fault.Internal, func() error { return a.account.Close(ctx) })
	return &pb.CloseResponse{Fault: wire.FaultToProto(err)}, nil
}

// closeAll closes what the engine left open.
func (s *server) closeAll() {
	s.mu.Lock()
	open := s.open
	s.open = map[uint64]*openAccount{}
	s.mu.Unlock()
	if len(open) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	var wg sync.WaitGroup
	for _, a := range open {
		wg.Go(func() {
			ctx := withAccount(ctx, a.id, s.logger)
			_ = guard(ctx, fault.Internal, func() error { return a.account.Close(ctx) })
		})
	}
	wg.Wait()
}

// use finds an open account, and readies a context for calling it.
func (s *server) use(ctx context.Context, handle uint64) (context.Context, Account, error) {
	s.mu.Lock()
	a := s.open[handle]
	s.mu.Unlock()
	if a == nil {
		return nil, nil, status.Error(codes.NotFound, "no account is open under this handle")
	}
	return withAccount(ctx, a.id, s.logger), a.account, nil
}

func (s *server) Invoke(ctx context.Context, req *pb.InvokeRequest) (*pb.InvokeResponse, error) {
	ctx, account, err := s.use(ctx, req.Handle)
	if err != nil {
		return nil, err
	}
	resp := &pb.InvokeResponse{}
	class := fault.OutcomeUnknown
	if !s.mutates(req.Operation) {
		class = fault.Unavailable
	}
	err = guard(ctx, class, func() (err error) {
		resp.Output, err = account.Invoke(ctx, req.Operation, req.Input)
		return err
	})
	resp.Fault = wire.FaultToProto(err)
	return resp, nil
}

// mutates says whether the vendor may have acted when an operation brought no answer.
func (s *server) mutates(operation string) bool {
	for _, o := range s.connector.Describe().Operations {
		if o.Name == operation {
			return o.Mutates
		}
	}
	return false
}

func (s *server) Receive(ctx context.Context, req *pb.ReceiveRequest) (*pb.ReceiveResponse, error) {
	ctx, account, err := s.use(ctx, req.Handle)
	if err != nil {
		return nil, err
	}
	resp := &pb.ReceiveResponse{}
	err = guard(ctx, fault.Internal, func() error {
		in := Request(wire.RequestFromProto(req))
		out, events, err := account.Receive(ctx, &in)
		resp.Response, resp.Events = wire.ResponseToProto((*wire.Response)(out)), wire.EventsToProto(events)
		return err
	})
	resp.Fault = wire.FaultToProto(err)
	return resp, nil
}

func (s *server) Query(ctx context.Context, req *pb.QueryRequest) (*pb.QueryResponse, error) {
	ctx, account, err := s.use(ctx, req.Handle)
	if err != nil {
		return nil, err
	}
	resp := &pb.QueryResponse{}
	err = guard(ctx, fault.Internal, func() error {
		receipt, err := account.Query(ctx, Query(wire.QueryFromProto(req)))
		resp.Receipt = wire.ReceiptToProto(&receipt)
		return err
	})
	resp.Fault = wire.FaultToProto(err)
	return resp, nil
}

// Listen runs the account's listener until the engine closes its side.
func (s *server) Listen(stream grpc.BidiStreamingServer[pb.ListenRequest, pb.ListenResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	ctx, account, err := s.use(stream.Context(), first.Handle)
	if err != nil {
		return err
	}
	err = events.Listen(ctx, stream, func(ctx context.Context, emit func(context.Context, message.Event) error) error {
		return guard(ctx, fault.Internal, func() error { return account.Listen(ctx, emit) })
	})
	if err == nil {
		return nil
	}
	return stream.Send(&pb.ListenResponse{Ended: wire.FaultToProto(err)})
}

// guard turns a panic of the author's code into a fault, and an ended context into one that says whether the vendor may have acted. What
// panicked and changed nothing is internal: it would panic again.
func guard(ctx context.Context, class fault.Class, call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			reportPanic(ctx, p)
			if class == fault.Unavailable {
				class = fault.Internal
			}
			err = fault.New(class, "connector_panic", "the connector panicked: %T", p)
		}
	}()
	err = call()
	if _, classified := errors.AsType[*fault.Fault](err); !classified && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return fault.New(class, "no_answer", "the vendor did not answer in time: %w", err)
	}
	return err
}

func describe(d Description) *pb.DescribeResponse {
	w := wire.Description{
		Name: d.Name, Version: d.Version, Summary: d.Summary, Vendor: d.Vendor, Docs: d.Docs, Events: d.Events, Config: d.Config,
		Limits: wire.Limits(d.Limits), Capabilities: wire.Capabilities(d.Capabilities),
	}
	for _, c := range d.Channels {
		w.Channels = append(w.Channels, wire.Channel{
			Channel: c.Channel, Kinds: c.Kinds, MaxText: c.MaxText, Receipts: string(c.Receipts), Outcomes: c.Outcomes,
			Session: c.Session, TTL: c.TTL, NeedsUserID: c.NeedsUserID,
		})
	}
	for _, o := range d.Operations {
		w.Operations = append(w.Operations, wire.Operation(o))
	}
	return wire.DescriptionToProto(&w)
}
