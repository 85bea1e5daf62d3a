// Package events carries a listener's events to the engine, in order and with backpressure.
package events

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/hermodhq/hermod/internal/wire"
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Listen runs listen, whose context ends when the engine closes its side of the stream, and sends what it emits. It
// returns listen's error, or nil when the engine ended it. One frame of events is under way at a time; what is emitted meanwhile
// goes into the next, so that events stay in order and a busy listener pays for few acknowledgements.
func Listen(
	ctx context.Context,
	stream grpc.BidiStreamingServer[pb.ListenRequest, pb.ListenResponse],
	listen func(ctx context.Context, emit func(context.Context, message.Event) error) error,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l := &listening{
		stream: stream, acks: make(chan *pb.ListenRequest), closed: make(chan struct{}), broken: make(chan struct{}),
		ready: make(chan struct{}, 1),
	}
	go l.read(cancel)
	ended := make(chan error, 1)
	go func() { ended <- listen(ctx, l.emit) }()
	err := l.write(ended)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

type listening struct {
	stream grpc.BidiStreamingServer[pb.ListenRequest, pb.ListenResponse]
	acks   chan *pb.ListenRequest
	closed chan struct{} // closed when no acknowledgement can come any more
	broken chan struct{} // closed when nobody writes frames any more

	mu    sync.Mutex
	queue []*emitted // as long as the author has goroutines that emit
	ready chan struct{}
}

type emitted struct {
	event *pb.Event
	size  int
	done  chan error
}

// emit returns once the engine has said whether the event is durable.
func (l *listening) emit(ctx context.Context, event message.Event) error {
	e := &emitted{event: wire.EventToProto(event), done: make(chan error, 1)}
	e.size = proto.Size(e.event)
	if e.size > wire.MaxFrameBytes-1024 {
		return fault.New(fault.ContentRejected, "frame_too_large", "the event has %d bytes, the limit is %d: leave out its vendor payload",
			e.size, wire.MaxFrameBytes-1024)
	}
	l.mu.Lock()
	l.queue = append(l.queue, e)
	l.mu.Unlock()
	select {
	case l.ready <- struct{}{}:
	default:
	}
	select {
	case err := <-e.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-l.broken:
		return fault.New(fault.Unavailable, "engine_gone", "the engine is gone; the event may not be durable")
	}
}

// read passes acknowledgements on. The end of the engine's side ends the listener.
func (l *listening) read(cancel context.CancelFunc) {
	defer cancel()
	defer close(l.closed)
	for {
		ack, err := l.stream.Recv()
		if err != nil {
			return
		}
		select {
		case l.acks <- ack:
		case <-l.broken:
			return
		}
	}
}

// write sends frames until the author's listener has returned, and returns its error.
func (l *listening) write(ended <-chan error) error {
	var sequence uint64
	for {
		select {
		case err := <-ended:
			close(l.broken)
			return err
		case <-l.closed:
			return l.abandon(ended)
		case <-l.ready:
		}
		for batch := l.gather(); len(batch) > 0; batch = l.gather() {
			sequence++
			if !l.send(sequence, batch) {
				return l.abandon(ended)
			}
		}
	}
}

// abandon lets emitters go and waits for the author's listener, whose context has ended.
func (l *listening) abandon(ended <-chan error) error {
	close(l.broken)
	return <-ended
}

func (l *listening) gather() []*emitted {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, size := 0, 0
	for n < len(l.queue) && n < wire.FrameDeliveries && (n == 0 || size+l.queue[n].size < wire.FrameBytes) {
		size += l.queue[n].size
		n++
	}
	batch := l.queue[:n:n]
	l.queue = l.queue[n:]
	return batch
}

// send writes one frame and waits for its acknowledgement. It reports false when the stream can carry no more.
func (l *listening) send(sequence uint64, batch []*emitted) bool {
	frame := &pb.ListenResponse{Sequence: sequence}
	for _, e := range batch {
		frame.Events = append(frame.Events, e.event)
	}
	if l.stream.Send(frame) != nil {
		return false
	}
	for {
		select {
		case ack := <-l.acks:
			if ack.Acknowledged != sequence {
				continue
			}
			for _, e := range batch {
				e.done <- wire.ErrorFromProto(ack.Fault)
			}
			return true
		case <-l.closed:
			return false
		}
	}
}
