// Package ledger keeps account of an account's deliveries from their acceptance to their answer: each is answered exactly once.
package ledger

import (
	"sync"
	"time"

	"github.com/hermodhq/hermod/internal/wire"
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
)

// Ledger holds deliveries in three places: queued (certainly not sent), in flight (perhaps sent), and answered but not handed out.
// All methods may be called from several goroutines at once.
type Ledger struct {
	// Wake gets a signal when there may be something to send, Answered when there is something to hand out.
	Wake, Answered chan struct{}

	maxQueue int
	timeout  time.Duration

	mu       sync.Mutex
	open     bool
	finished bool
	queue    []connector.Delivery // from head on
	head     int
	flying   map[uint64]flight
	sequence uint64
	out      []connector.Answer
	silent   time.Time // since when deliveries in flight have waited for any answer at all; zero: none waits
	missed   bool      // an answer was missed in that time
}

// flight is a delivery in flight.
type flight struct {
	connector.Answer // the identity
	deadline         time.Time
}

// New makes a ledger that is not open. At most maxQueue deliveries are queued, and one in flight waits for its answer no longer than timeout.
func New(maxQueue int, timeout time.Duration) *Ledger {
	return &Ledger{
		Wake: make(chan struct{}, 1), Answered: make(chan struct{}, 1), maxQueue: maxQueue, timeout: timeout,
		flying: map[uint64]flight{},
	}
}

// Signal wakes who waits on c, without blocking.
func Signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Open lets deliveries in, until End.
func (l *Ledger) Open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = true
	Signal(l.Wake)
}

// Shut lets no further deliveries in; those that are in go on.
func (l *Ledger) Shut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = false
	Signal(l.Wake)
}

// Put queues deliveries, and answers those that it cannot take: all with whyNot's error while the ledger is not open, those
// beyond maxQueue with connector_busy. After the last HandOut it returns the answers for the caller to hand out.
func (l *Ledger) Put(batch []connector.Delivery, whyNot func() error) []connector.Answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	var refused error
	if l.open {
		n = min(len(batch), max(0, l.maxQueue-l.waiting()))
		l.queue = append(l.queue, batch[:n]...)
	} else {
		refused = whyNot()
	}
	if n > 0 {
		Signal(l.Wake)
	}
	if n == len(batch) {
		return nil
	}
	if refused == nil {
		refused = fault.New(fault.Unavailable, "connector_busy", "the account has %d deliveries waiting", l.waiting()).After(time.Second)
	}
	for i := n; i < len(batch); i++ {
		l.out = append(l.out, connector.Answer{Message: batch[i].Message, Attempt: batch[i].Attempt, Err: refused})
	}
	if l.finished {
		late := l.out
		l.out = nil
		return late
	}
	Signal(l.Answered)
	return nil
}

func (l *Ledger) waiting() int { return len(l.queue) - l.head }

// TakeOff moves deliveries into flight, as many as fit a frame and the window, and appends them to batch. Their sequences count from
// `from`.
func (l *Ledger) TakeOff(window int, batch []connector.Delivery) (_ []connector.Delivery, from uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(l.waiting(), wire.FrameDeliveries, window-len(l.flying))
	if n <= 0 {
		return batch, 0
	}
	taken := l.queue[l.head : l.head+n]
	batch = append(batch, taken...)
	fresh := batch[len(batch)-n:]
	clear(taken)
	if l.head += n; l.head == len(l.queue) {
		l.queue, l.head = l.queue[:0], 0
	} else if l.head > l.maxQueue {
		l.queue, l.head = append(l.queue[:0], l.queue[l.head:]...), 0
	}
	now := time.Now()
	if l.silent.IsZero() {
		l.silent = now
	}
	deadline := now.Add(l.timeout)
	from = l.sequence + 1
	for i := range fresh {
		l.sequence++
		l.flying[l.sequence] = flight{
			Answer: connector.Answer{Message: fresh[i].Message, Attempt: fresh[i].Attempt}, deadline: deadline,
		}
	}
	return batch, from
}

// Drained reports whether the ledger is shut and every delivery has been answered.
func (l *Ledger) Drained() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.open && l.waiting() == 0 && len(l.flying) == 0
}

// Land takes answers off the wire, and returns how many came too late: their deliveries were answered already.
func (l *Ledger) Land(answers []*pb.Answer) (late int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range answers {
		f, ok := l.flying[p.GetSequence()]
		if !ok {
			late++
			continue
		}
		delete(l.flying, p.Sequence)
		result, err := wire.AnswerFromProto(p)
		f.Result, f.Err = connector.Result(result), err
		l.out = append(l.out, f.Answer)
	}
	l.silent, l.missed = time.Time{}, false
	if len(l.flying) > 0 {
		l.silent = time.Now()
	}
	Signal(l.Answered)
	Signal(l.Wake)
	return late
}

// Settle answers one delivery in flight in the connector's place.
func (l *Ledger) Settle(sequence uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(sequence, err)
	Signal(l.Answered)
	Signal(l.Wake)
}

func (l *Ledger) settle(sequence uint64, err error) {
	if f, ok := l.flying[sequence]; ok {
		delete(l.flying, sequence)
		f.Err = err
		l.out = append(l.out, f.Answer)
	}
}

// Expire answers outcome_unknown (no_answer) where the time has run out. It returns how long there has been no answer at all, or zero
// unless one was missed in that time.
func (l *Ledger) Expire(now time.Time) (silence time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for sequence, f := range l.flying {
		if now.After(f.deadline) {
			l.settle(sequence, fault.New(fault.OutcomeUnknown, "no_answer", "the connector gave no answer within %s", l.timeout))
			l.missed = true
			Signal(l.Answered)
			Signal(l.Wake)
		}
	}
	if !l.open || !l.missed || l.silent.IsZero() {
		return 0
	}
	return now.Sub(l.silent)
}

// End shuts the ledger and answers everything: with unknown what is in flight, with refused what is queued.
func (l *Ledger) End(unknown, refused error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for sequence := range l.flying {
		l.settle(sequence, unknown)
	}
	for _, d := range l.queue[l.head:] {
		l.out = append(l.out, connector.Answer{Message: d.Message, Attempt: d.Attempt, Err: refused})
	}
	l.open, l.queue, l.head, l.silent, l.missed = false, nil, 0, time.Time{}, false
	Signal(l.Answered)
}

// HandOut returns the answers since the last call. last says that nobody calls it again: Put then returns answers itself.
func (l *Ledger) HandOut(last bool) []connector.Answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.out
	l.out, l.finished = nil, last
	return out
}
