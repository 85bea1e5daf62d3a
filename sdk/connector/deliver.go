package connector

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/hermodhq/hermod/internal/wire"
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/fault"
)

const (
	defaultConcurrency = wire.Concurrency
	maxDetail          = 64 << 10 // bytes of Result.Detail; beyond, the detail is dropped
)

// Deliver reads frames, hands deliveries to at most `concurrency` workers, and sends the answers in frames of whatever has
// gathered. When the engine closes its side, what was taken is answered first.
func (s *server) Deliver(stream grpc.BidiStreamingServer[pb.DeliverRequest, pb.DeliverResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	ctx, account, err := s.use(stream.Context(), first.Handle)
	if err != nil {
		return err
	}
	p := &pump{
		ctx: ctx, account: account, stream: stream, limit: s.concurrency,
		jobs: make(chan job, wire.FrameDeliveries), ready: make(chan struct{}, 1), idle: make(chan struct{}),
	}
	if single, ok := account.(singleSender); ok && single.single() {
		p.single = single
	}
	written := make(chan error, 1)
	go func() { written <- p.write() }()
	for frame := first; err == nil; frame, err = stream.Recv() {
		p.take(frame)
	}
	close(p.jobs)
	p.workers.Wait()
	close(p.idle)
	if werr := <-written; werr != nil {
		return werr
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// singleSender is an account that takes deliveries one by one, so that workers can share a frame.
type singleSender interface {
	single() bool
	one(ctx context.Context, d Delivery) Answer
}

// pump carries one account's deliveries and answers.
type pump struct {
	ctx     context.Context
	account Account
	single  singleSender // nil when the account takes whole frames
	stream  grpc.BidiStreamingServer[pb.DeliverRequest, pb.DeliverResponse]
	limit   int

	jobs    chan job
	workers sync.WaitGroup
	started int          // workers; touched by the reader only
	waiting atomic.Int64 // workers that wait for a job

	mu    sync.Mutex
	out   []*pb.Answer
	ready chan struct{} // out is not empty
	idle  chan struct{} // closed when no worker is left
}

// job is one delivery, or a whole frame for an account that takes batches.
type job struct {
	frame *frame
	batch []*pb.Delivery
}

// frame holds what the deliveries of one frame share: a context instead of a timer each.
type frame struct {
	ctx    context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func (f *frame) done(jobs int64) {
	if f.left.Add(-jobs) == 0 {
		f.cancel()
	}
}

func (p *pump) take(req *pb.DeliverRequest) {
	if len(req.Deliveries) == 0 {
		return
	}
	f := &frame{}
	if req.TimeoutNanos > 0 {
		f.ctx, f.cancel = context.WithTimeout(p.ctx, time.Duration(req.TimeoutNanos))
	} else {
		f.ctx, f.cancel = context.WithCancel(p.ctx)
	}
	if p.single == nil {
		f.left.Store(1)
		p.put(job{frame: f, batch: req.Deliveries})
		return
	}
	f.left.Store(int64(len(req.Deliveries)))
	for i := range req.Deliveries {
		p.put(job{frame: f, batch: req.Deliveries[i : i+1]})
	}
}

// put hands out a job. It starts a worker when none waits, and blocks when all are busy and the queue is full: the engine
// then stops sending.
func (p *pump) put(j job) {
	if p.started < p.limit && p.waiting.Load() <= int64(len(p.jobs)) {
		p.started++
		p.workers.Go(p.work)
	}
	p.jobs <- j
}

func (p *pump) work() {
	for {
		p.waiting.Add(1)
		j, ok := <-p.jobs
		p.waiting.Add(-1)
		if !ok {
			return
		}
		if j.frame.ctx.Err() != nil {
			p.notStarted(j)
		} else if p.single != nil {
			a := p.single.one(j.frame.ctx, Delivery(wire.DeliveryFromProto(j.batch[0])))
			p.answer(answerToProto(j.frame.ctx, j.batch[0].Sequence, &a))
		} else {
			p.workBatch(j)
		}
		j.frame.done(1)
	}
}

// notStarted answers for deliveries whose time ran out before their turn came: certainly not taken.
func (p *pump) notStarted(j job) {
	err := fault.New(fault.Unavailable, "not_started", "the connector had no time for this delivery: lower the account's rate, or raise its concurrency")
	for _, d := range j.batch {
		p.answer(wire.AnswerToProto(d.Sequence, &wire.Result{}, err))
	}
}

type attemptKey struct {
	message string
	attempt int64
}

// workBatch holds the account to one answer for each delivery: a second is dropped, a missing one becomes unknown.
func (p *pump) workBatch(j job) {
	ctx := j.frame.ctx
	batch := make([]Delivery, len(j.batch))
	open := make(map[attemptKey][]uint64, len(j.batch))
	for i, d := range j.batch {
		batch[i] = Delivery(wire.DeliveryFromProto(d))
		k := attemptKey{d.Message, d.Attempt}
		open[k] = append(open[k], d.Sequence)
	}
	var mu sync.Mutex
	err := guard(ctx, fault.OutcomeUnknown, func() error {
		p.account.Deliver(ctx, batch, func(a Answer) {
			k := attemptKey{string(a.Message), int64(a.Attempt)}
			mu.Lock()
			sequences := open[k]
			delete(open, k)
			mu.Unlock()
			for _, sequence := range sequences {
				p.answer(answerToProto(ctx, sequence, &a))
			}
		})
		return fault.New(fault.OutcomeUnknown, "no_answer", "the connector gave no answer for this delivery")
	})
	mu.Lock()
	left := open
	open = nil
	mu.Unlock()
	for _, sequences := range left {
		for _, sequence := range sequences {
			p.answer(wire.AnswerToProto(sequence, &wire.Result{}, err))
		}
	}
}

// answerToProto also classifies: a connector that merely passes on that its context ended does not know whether the vendor took the message.
func answerToProto(ctx context.Context, sequence uint64, a *Answer) *pb.Answer {
	err := a.Err
	if err != nil && ctx.Err() != nil {
		if _, classified := errors.AsType[*fault.Fault](err); !classified {
			err = fault.New(fault.OutcomeUnknown, "no_answer", "the vendor did not answer in time: %w", err)
		}
	}
	r := wire.Result(a.Result)
	size := 0
	for k, v := range r.Detail {
		size += len(k) + len(v)
	}
	if size > maxDetail {
		r.Detail = map[string]string{"dropped": "the detail was larger than 64 KiB"}
	}
	return wire.AnswerToProto(sequence, &r, err)
}

func (p *pump) answer(a *pb.Answer) {
	p.mu.Lock()
	p.out = append(p.out, a)
	first := len(p.out) == 1
	p.mu.Unlock()
	if first {
		select {
		case p.ready <- struct{}{}:
		default:
		}
	}
}

// write sends answers until no worker is left. After an error it only waits: the reader sees the same broken stream.
func (p *pump) write() error {
	var spare []*pb.Answer
	for last := false; ; {
		select {
		case <-p.ready:
		case <-p.idle:
			last = true
		}
		p.mu.Lock()
		out := p.out
		p.out = spare[:0]
		p.mu.Unlock()
		for rest := out; len(rest) > 0; {
			n := min(len(rest), wire.FrameDeliveries)
			if err := p.stream.Send(&pb.DeliverResponse{Answers: rest[:n]}); err != nil {
				<-p.idle
				return err
			}
			rest = rest[n:]
		}
		clear(out)
		spare = out
		if last {
			return nil
		}
	}
}
