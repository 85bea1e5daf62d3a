package pluginhost

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hermodhq/hermod/core/internal/pluginhost/supervisor"
	"github.com/hermodhq/hermod/internal/wire"
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// call makes one unary call. Without a deadline of its own it has the host's CallTimeout. acts says that the vendor may change something.
func call[Req proto.Message, Resp any](
	ctx context.Context, a *Account, acts bool, request func(handle uint64) Req,
	method func(context.Context, pb.ConnectorServiceClient, Req) (Resp, error),
) (Resp, error) {
	var none Resp
	s := a.current()
	if s == nil {
		return none, a.whyNot()
	}
	req := request(s.handle)
	if n := proto.Size(req); n > wire.MaxFrameBytes-1024 {
		return none, fault.New(fault.ContentRejected, "frame_too_large", "the input has %d bytes, the limit is %d", n, wire.MaxFrameBytes-1024)
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.host.config.CallTimeout)
		defer cancel()
	}
	resp, err := method(ctx, s.run.Client, req)
	if err != nil {
		return none, a.broken(ctx, s.run, err, acts)
	}
	return resp, nil
}

// Invoke runs an operation. When the connector dies meanwhile, the fault is outcome_unknown for an operation that changes something, and
// unavailable for one that does not.
func (a *Account) Invoke(ctx context.Context, operation string, input json.RawMessage) (json.RawMessage, error) {
	resp, err := call(ctx, a, a.mutates(operation),
		func(h uint64) *pb.InvokeRequest {
			return &pb.InvokeRequest{Handle: h, Operation: operation, Input: input}
		},
		func(ctx context.Context, c pb.ConnectorServiceClient, req *pb.InvokeRequest) (*pb.InvokeResponse, error) {
			return c.Invoke(ctx, req)
		})
	if err != nil {
		return nil, err
	}
	return resp.Output, wire.ErrorFromProto(resp.Fault)
}

func (a *Account) mutates(operation string) bool {
	for _, o := range a.first.Operations {
		if o.Name == operation {
			return o.Mutates
		}
	}
	return true
}

// Receive hands a webhook request to the connector. The events are this account's; the answer must be sent only once they are durable.
func (a *Account) Receive(ctx context.Context, r *connector.Request) (*connector.Response, []message.Event, error) {
	resp, err := call(ctx, a, false,
		func(h uint64) *pb.ReceiveRequest { return wire.RequestToProto(h, wire.Request(*r)) },
		func(ctx context.Context, c pb.ConnectorServiceClient, req *pb.ReceiveRequest) (*pb.ReceiveResponse, error) {
			return c.Receive(ctx, req)
		})
	if err != nil {
		return nil, nil, err
	}
	return (*connector.Response)(wire.ResponseFromProto(resp.Response)), a.own(wire.EventsFromProto(resp.Events)), wire.ErrorFromProto(resp.Fault)
}

// Query asks what became of an attempt.
func (a *Account) Query(ctx context.Context, q connector.Query) (message.Receipt, error) {
	resp, err := call(ctx, a, false,
		func(h uint64) *pb.QueryRequest { return wire.QueryToProto(h, wire.Query(q)) },
		func(ctx context.Context, c pb.ConnectorServiceClient, req *pb.QueryRequest) (*pb.QueryResponse, error) {
			return c.Query(ctx, req)
		})
	if err != nil {
		return message.Receipt{}, err
	}
	if resp.Fault != nil || resp.Receipt == nil {
		return message.Receipt{}, wire.ErrorFromProto(resp.Fault)
	}
	return *wire.ReceiptFromProto(resp.Receipt), nil
}

// own marks events as this account's: a connector cannot speak for another.
func (a *Account) own(events []message.Event) []message.Event {
	for i := range events {
		events[i].Account = a.spec.ID
	}
	return events
}

// listen runs the account's listener again and again, until the session ends or the account is closed.
func (s *session) listen() {
	a, config := s.account, &s.account.host.config
	delay := config.BackoffMin
	for {
		began := time.Now()
		err := s.listenOnce()
		if s.ctx.Err() != nil || a.closing.Err() != nil {
			return
		}
		if time.Since(began) > config.BackoffMax {
			delay = config.BackoffMin
		}
		wait := supervisor.Jitter(delay, config.Rand())
		delay = min(2*delay, config.BackoffMax)
		if err != nil {
			a.logger.Warn("listener ended and is started again", "error", fault.From(err).Error(), "retry_in", wait.String())
		}
		ctx, cancel := context.WithCancel(s.ctx)
		stop := context.AfterFunc(a.closing, cancel)
		supervisor.Pause(ctx, wait)
		stop()
		cancel()
	}
}

// listenOnce takes frames of events until the listener ends, and acknowledges each once it is durable.
func (s *session) listenOnce() error {
	a := s.account
	ctx, cancel := context.WithCancel(s.ctx)
	stream, err := s.run.Client.Listen(ctx)
	if err == nil {
		err = stream.Send(&pb.ListenRequest{Handle: s.handle})
	}
	var closer sync.WaitGroup
	defer closer.Wait()
	defer cancel()
	if err != nil {
		return err
	}
	var sending sync.Mutex // held from a frame's arrival to its acknowledgement
	closer.Go(func() {
		select {
		case <-a.closing.Done():
			sending.Lock()
			defer sending.Unlock()
			_ = stream.CloseSend()
		case <-ctx.Done():
		}
	})
	for {
		frame, err := stream.Recv()
		if err != nil {
			return err
		}
		if frame.Ended != nil {
			return wire.FaultFromProto(frame.Ended)
		}
		sending.Lock()
		err = a.host.config.Events(ctx, a.spec.ID, a.own(wire.EventsFromProto(frame.Events)))
		err = stream.Send(&pb.ListenRequest{Acknowledged: frame.Sequence, Fault: wire.FaultToProto(err)})
		sending.Unlock()
		if err != nil {
			return err
		}
	}
}
