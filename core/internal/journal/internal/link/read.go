package link

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/hermodhq/hermod/core/internal/journal/internal/jerr"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrNotFound says that the server has no message at a sequence.
var ErrNotFound = errors.New("no message at this sequence")

const (
	directGet  = "$JS.API.DIRECT.GET."
	readWait   = 10 * time.Second
	batchLimit = 1024    // messages in one request, whichever limit comes first
	batchBytes = 4 << 20 // the server goes over by one message at most
)

// Message is a stored message. Time is the server's.
type Message struct {
	Seq    uint64
	Time   time.Time
	Header nats.Header
	Data   []byte
}

// parse reads a message as a direct get delivers it.
func parse(m *nats.Msg) (Message, error) {
	seq, err := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return Message{}, jerr.New(jerr.CodeUnreachable, "check the NATS server's version", "the server's answer to a read has no sequence")
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get(jetstream.TimeStampHeaer))
	if err != nil {
		return Message{}, jerr.New(jerr.CodeUnreachable, "check the NATS server's version", "the server's answer to a read has no time")
	}
	return Message{Seq: seq, Time: at, Header: m.Header, Data: m.Data}, nil
}

// Get reads one message of the stream name, which s stands for, from any replica where direct is set and else from the leader. [ErrNotFound] comes from the leader.
func (l *Link) Get(ctx context.Context, s jetstream.Stream, name string, seq uint64, direct bool) (Message, error) {
	parent := ctx
	ctx, cancel := context.WithTimeout(parent, readWait)
	defer cancel()
	if direct {
		req := strconv.AppendUint([]byte(`{"seq":`), seq, 10)
		m, err := l.NC.RequestWithContext(ctx, directGet+name, append(req, '}'))
		if err != nil {
			return Message{}, l.ReadFault(parent, err)
		}
		if m.Header.Get("Status") == "" {
			return parse(m)
		}
	}
	m, err := s.GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Message{}, ErrNotFound
	}
	if err != nil {
		return Message{}, l.ReadFault(parent, err)
	}
	return Message{Seq: m.Sequence, Time: m.Time, Header: m.Header, Data: m.Data}, nil
}

// ReadFault is Fault for a call that had less time than ctx: it running out of that is the server's doing.
func (l *Link) ReadFault(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return jerr.New(jerr.CodeUnreachable, "check the NATS server and the network", "NATS does not answer in time: %w", err)
	}
	return l.Fault(err)
}

// Batch reads messages of the stream name from a sequence on, at most n, as many as one request gives; none when there are none. One request,
// many answers: no consumer is involved, so there is none to create, to stall or to expire. A replica that lags behind may
// answer, with less than there is.
func (l *Link) Batch(ctx context.Context, name string, from, n uint64) ([]Message, error) {
	parent := ctx
	ctx, cancel := context.WithTimeout(parent, readWait)
	defer cancel()
	inbox := nats.NewInbox()
	sub, err := l.NC.SubscribeSync(inbox)
	if err != nil {
		return nil, l.ReadFault(parent, err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	_ = sub.SetPendingLimits(-1, -1) // bounded by the request
	n = min(n, batchLimit)
	req, err := json.Marshal(map[string]uint64{"seq": from, "batch": n, "max_bytes": batchBytes})
	if err != nil {
		return nil, err
	}
	if err := l.NC.PublishRequest(directGet+name, inbox, req); err != nil {
		return nil, l.ReadFault(parent, err)
	}
	batch := make([]Message, 0, min(n, 64))
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, l.ReadFault(parent, err)
		}
		if m.Header.Get("Status") != "" { // 204: end of the batch; 404: nothing there
			return batch, nil
		}
		msg, err := parse(m)
		if err != nil {
			return nil, err
		}
		batch = append(batch, msg)
	}
}
