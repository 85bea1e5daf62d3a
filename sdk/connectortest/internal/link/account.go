package link

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/hermodhq/hermod/internal/wire"
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/message"
)

const answerGrace = 3 * time.Second // how long after a delivery's deadline its answer may still come

// Account is an open account of a subprocess. Its methods mirror connector.Account, on the wire's types.
type Account struct {
	pb     pb.ConnectorServiceClient
	handle uint64
}

// Answer is one answer of a stream. Stray is set when it belongs to no delivery.
type Answer struct {
	Delivery wire.Delivery
	Result   wire.Result
	Err      error
	Stray    bool
}

// Deliver sends the batch over a stream of its own and reports the answers as they come. The deadline of ctx goes to the
// connector as the frame's timeout; the stream waits a little longer, but ends at once when ctx is canceled. An error says that the pipe broke.
func (a *Account) Deliver(ctx context.Context, batch []wire.Delivery, answer func(Answer)) error {
	frame := &pb.DeliverRequest{Handle: a.handle}
	if deadline, ok := ctx.Deadline(); ok {
		frame.TimeoutNanos = int64(max(time.Until(deadline), 1))
		longer, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline.Add(answerGrace))
		defer cancel()
		asked := ctx
		defer context.AfterFunc(asked, func() {
			if errors.Is(asked.Err(), context.Canceled) {
				cancel()
			}
		})()
		ctx = longer
	}
	stream, err := a.pb.Deliver(ctx)
	if err != nil {
		return broken("Deliver", err)
	}
	for i := range batch {
		frame.Deliveries = append(frame.Deliveries, wire.DeliveryToProto(uint64(i+1), &batch[i]))
		if len(frame.Deliveries) == wire.FrameDeliveries || i == len(batch)-1 {
			if err := stream.Send(frame); err != nil && !errors.Is(err, io.EOF) {
				return broken("Deliver", err)
			}
			frame = &pb.DeliverRequest{TimeoutNanos: frame.TimeoutNanos}
		}
	}
	if err := stream.CloseSend(); err != nil {
		return broken("Deliver", err)
	}
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return broken("Deliver", err)
		}
		for _, p := range r.Answers {
			out := Answer{Stray: p.Sequence < 1 || p.Sequence > uint64(len(batch))}
			if !out.Stray {
				out.Delivery = batch[p.Sequence-1]
			}
			out.Result, out.Err = wire.AnswerFromProto(p)
			answer(out)
		}
	}
}

// Invoke mirrors connector.Account.
func (a *Account) Invoke(ctx context.Context, operation string, input json.RawMessage) (json.RawMessage, error) {
	r, err := a.pb.Invoke(ctx, &pb.InvokeRequest{Handle: a.handle, Operation: operation, Input: input})
	if err != nil {
		return nil, broken("Invoke", err)
	}
	return r.Output, wire.ErrorFromProto(r.Fault)
}

// Receive mirrors connector.Account.
func (a *Account) Receive(ctx context.Context, req wire.Request) (*wire.Response, []message.Event, error) {
	r, err := a.pb.Receive(ctx, wire.RequestToProto(a.handle, req))
	if err != nil {
		return nil, nil, broken("Receive", err)
	}
	return wire.ResponseFromProto(r.Response), wire.EventsFromProto(r.Events), wire.ErrorFromProto(r.Fault)
}

// Query mirrors connector.Account.
func (a *Account) Query(ctx context.Context, q wire.Query) (message.Receipt, error) {
	r, err := a.pb.Query(ctx, wire.QueryToProto(a.handle, q))
	if err != nil {
		return message.Receipt{}, broken("Query", err)
	}
	receipt := wire.ReceiptFromProto(r.Receipt)
	if receipt == nil {
		receipt = &message.Receipt{}
	}
	return *receipt, wire.ErrorFromProto(r.Fault)
}

// Listen mirrors connector.Account: when ctx ends it closes its side, and waits for the connector to end the stream.
func (a *Account) Listen(ctx context.Context, emit func(context.Context, message.Event) error) error {
	open, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stream, err := a.pb.Listen(open)
	if err != nil {
		return broken("Listen", err)
	}
	if err := stream.Send(&pb.ListenRequest{Handle: a.handle}); err != nil {
		return broken("Listen", err)
	}
	side := &ourSide{stream: stream}
	stop := context.AfterFunc(ctx, func() {
		side.close()
		late := time.AfterFunc(answerGrace, cancel)
		context.AfterFunc(open, func() { late.Stop() })
	})
	defer stop()
	for {
		r, err := stream.Recv()
		switch {
		case ctx.Err() != nil && errors.Is(err, io.EOF):
			return ctx.Err()
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return broken("Listen", err)
		case r.Ended != nil:
			return wire.ErrorFromProto(r.Ended)
		}
		ack := &pb.ListenRequest{Acknowledged: r.Sequence}
		for _, e := range wire.EventsFromProto(r.Events) {
			if err := emit(ctx, e); err != nil {
				ack.Fault = wire.FaultToProto(err)
				break
			}
		}
		if err := side.send(ack); err != nil {
			return broken("Listen", err)
		}
	}
}

// ourSide is the sending half of a stream, which may be closed while something is sent.
type ourSide struct {
	mu     sync.Mutex
	stream grpc.BidiStreamingClient[pb.ListenRequest, pb.ListenResponse]
	closed bool
}

func (s *ourSide) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	_ = s.stream.CloseSend()
}

// send sends an acknowledgement. What a closed side cannot acknowledge comes again another time.
func (s *ourSide) send(ack *pb.ListenRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	if err := s.stream.Send(ack); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// Close mirrors connector.Account.
func (a *Account) Close(ctx context.Context) error {
	r, err := a.pb.Close(ctx, &pb.CloseRequest{Handle: a.handle})
	if err != nil {
		return broken("Close", err)
	}
	return wire.ErrorFromProto(r.Fault)
}
