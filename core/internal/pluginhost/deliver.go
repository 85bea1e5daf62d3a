package pluginhost

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/hermodhq/hermod/core/internal/pluginhost/supervisor"
	"github.com/hermodhq/hermod/internal/wire"
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
)

type deliverStream = grpc.BidiStreamingClient[pb.DeliverRequest, pb.DeliverResponse]

// Deliver takes deliveries and returns at once. Each is answered exactly once through the account's Answers: by the connector;
// or unavailable (connector_down, connector_busy, account_closed), when it certainly never reached the connector; or
// outcome_unknown (connector_died, connector_hung, no_answer, stream_broken, frame_too_large), when it may have. After Close has
// returned, the answers are given within the call. The batch is not kept.
func (a *Account) Deliver(batch []connector.Delivery) {
	if late := a.ledger.Put(batch, a.whyNot); len(late) > 0 {
		a.spec.Answers(late)
	}
}

// whyNot says why a delivery is not taken, or was taken and never sent.
func (a *Account) whyNot() error {
	if a.closing.Err() != nil {
		return fault.New(fault.Unavailable, "account_closed", "account %s is closed", a.spec.ID)
	}
	return a.unit.DownFault()
}

// serve carries deliveries and events until the session is over, and answers what is left.
func (a *Account) serve(s *session) {
	stop := context.AfterFunc(a.ctx, func() { s.fail(nil) })
	defer stop()
	stream, err := s.run.Client.Deliver(s.ctx)
	if err == nil {
		var parts sync.WaitGroup
		ended := make(chan struct{})
		parts.Go(func() { s.write(stream, ended) })
		if s.run.Description.Capabilities.Listen && a.host.config.Events != nil {
			parts.Go(s.listen)
		}
		if err = s.read(stream); err != nil {
			s.fail(err)
		}
		close(ended)
		parts.Wait()
	}
	a.endSession(s, err)
}

// begin lets deliveries flow, unless the account was closed meanwhile.
func (a *Account) begin(s *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.session = s
	if a.closing.Err() == nil {
		a.ledger.Open()
	}
}

// endSession answers what the session leaves open.
func (a *Account) endSession(s *session, err error) {
	unknown := fault.New(fault.OutcomeUnknown, "no_answer", "connector %s ended its stream without an answer", a.spec.Connector)
	if err != nil {
		unknown = a.broken(a.ctx, s.run, err, true)
	}
	a.mu.Lock()
	a.session = nil
	a.ledger.End(unknown, a.whyNot())
	closing, ctx := a.closing.Err() != nil, a.closeCtx
	a.mu.Unlock()
	if s.run.Context.Err() != nil {
		return
	}
	if !closing {
		ctx = a.ctx
		a.logger.Warn("account lost its stream and is opened again", "error", unknown.Error())
	}
	s.close(ctx)
}

// write sends frames of whatever has gathered, as far as the window allows. Once a closed account is drained it closes the stream, and
// breaks it off when the connector does not end its side too: nothing is open then that could be lost.
func (s *session) write(stream deliverStream, ended <-chan struct{}) {
	a := s.account
	first := &pb.DeliverRequest{Handle: s.handle, TimeoutNanos: int64(a.host.config.CallTimeout)}
	if stream.Send(first) != nil {
		return // the reader learns why
	}
	var batch []connector.Delivery
	for {
		select {
		case <-a.ledger.Wake:
		case <-s.ctx.Done():
			return
		}
		for {
			var from uint64
			batch, from = a.ledger.TakeOff(s.window, batch[:0])
			if len(batch) == 0 {
				break
			}
			err := s.send(stream, batch, from)
			clear(batch)
			if err != nil {
				return
			}
		}
		if a.closing.Err() != nil && a.ledger.Drained() {
			_ = stream.CloseSend()
			select {
			case <-ended:
			case <-time.After(a.host.config.grace()):
				s.fail(nil)
			}
			return
		}
	}
}

// send writes a batch in one frame, or in several where it is large.
func (s *session) send(stream deliverStream, batch []connector.Delivery, from uint64) error {
	frame := &pb.DeliverRequest{TimeoutNanos: int64(s.account.host.config.CallTimeout), Deliveries: make([]*pb.Delivery, 0, len(batch))}
	slots := make([]wire.DeliverySlot, len(batch))
	size := 0
	for i := range batch {
		p := wire.DeliveryInto(&slots[i], from+uint64(i), (*wire.Delivery)(&batch[i]))
		n := sizeOf(&batch[i], p)
		if n > wire.MaxFrameBytes-1024 {
			s.account.ledger.Settle(p.Sequence, fault.New(fault.ContentRejected, "frame_too_large",
				"the message has %d bytes, the limit is %d: send media as a URL", n, wire.MaxFrameBytes-1024))
			continue
		}
		if size+n > wire.FrameBytes && len(frame.Deliveries) > 0 {
			if err := stream.Send(frame); err != nil {
				return err
			}
			frame.Deliveries, size = frame.Deliveries[:0], 0
		}
		frame.Deliveries, size = append(frame.Deliveries, p), size+n
	}
	if len(frame.Deliveries) == 0 {
		return nil
	}
	return stream.Send(frame)
}

// sizeOf is cheap for text, and exact for what can be large.
func sizeOf(d *connector.Delivery, p *pb.Delivery) int {
	if d.Content.Kind() != "text" || len(d.Labels) > 8 || len(d.To.Users) > 8 || len(d.Content.Text) > 4096 {
		return proto.Size(p)
	}
	return len(d.Content.Text) + len(d.Content.Subject) + 512
}

// read takes answers until the stream ends. It returns nil when the stream was closed by agreement.
func (s *session) read(stream deliverStream) error {
	for {
		frame, err := stream.Recv()
		if errors.Is(err, io.EOF) && s.account.closing.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if late := s.account.ledger.Land(frame.Answers); late > 0 {
			s.account.logger.Debug("answers came too late and were dropped", "count", late)
		}
	}
}

// handOut gives answers to the engine, from this goroutine only.
func (a *Account) handOut() {
	for last := false; !last; {
		select {
		case <-a.ledger.Answered:
		case <-a.settled:
			last = true
		}
		if out := a.ledger.HandOut(last); len(out) > 0 {
			a.spec.Answers(out)
		}
	}
}

// sweep answers deliveries whose time has run out, and ends a run that has stopped answering altogether.
func (a *Account) sweep() {
	config := &a.host.config
	ticker := time.NewTicker(max(min(config.CallTimeout/10, time.Second), 5*time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			silence := a.ledger.Expire(now)
			if s := a.current(); s != nil && silence > config.HangTimeout {
				s.run.Hangs("account %s has had no answer for %s", a.spec.ID, silence.Round(time.Millisecond))
			}
		case <-a.ctx.Done():
			return
		}
	}
}

// broken says what a broken call or stream means. A process that is gone says more than the stream, so it is waited for.
func (a *Account) broken(ctx context.Context, r *supervisor.Run, err error, acted bool) *fault.Fault {
	class := fault.Unavailable
	if acted {
		class = fault.OutcomeUnknown
	}
	switch {
	case status.Code(err) == codes.ResourceExhausted:
		return fault.New(fault.OutcomeUnknown, "frame_too_large", "connector %s sent more than %d bytes at once", a.spec.Connector, wire.MaxFrameBytes)
	case status.Code(err) == codes.DeadlineExceeded, ctx.Err() != nil && r.Context.Err() == nil:
		return fault.New(class, "no_answer", "the connector did not answer in time: %w", err)
	}
	timer := time.NewTimer(supervisor.VerdictWithin)
	defer timer.Stop()
	select {
	case <-r.Context.Done():
		f := *r.Verdict()
		f.Class = class
		return &f
	case <-timer.C:
	case <-ctx.Done():
	}
	return fault.New(class, "stream_broken", "the pipe to connector %s broke: %w", a.spec.Connector, err)
}
