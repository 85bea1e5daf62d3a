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

// ErrWrongSequence says that the next sequence of the stream was taken already.
var ErrWrongSequence = errors.New("the next sequence is taken")

// answerWait is how long an embedded server may take for one answer.
const answerWait = 30 * time.Second

// Publisher appends messages to one stream, one call at a time.
type Publisher struct {
	link    *Link
	stream  string
	subject string
	wait    time.Duration
	inbox   string
	acks    chan *nats.Msg
	tries   uint64
}

// NewPublisher returns a publisher that waits up to wait for an external server's answer.
func (l *Link) NewPublisher(stream, subject string, wait time.Duration) (*Publisher, error) {
	if l.Embedded() {
		wait = answerWait
	}
	p := &Publisher{link: l, stream: stream, subject: subject, wait: wait, inbox: nats.NewInbox() + ".", acks: make(chan *nats.Msg, 16)}
	if _, err := l.NC.ChanSubscribe(p.inbox+"*", p.acks); err != nil {
		return nil, l.Fault(err)
	}
	return p, nil
}

// Publish stores a message with the headers as the sequence after last, and returns that sequence. refused is the
// server's decision: the message is not stored, or [ErrWrongSequence]. With err nothing is known; stop ends the wait.
func (p *Publisher) Publish(ctx context.Context, last uint64, header nats.Header, data []byte, stop <-chan struct{}) (seq uint64, refused, err error) {
	p.tries++
	reply := p.inbox + strconv.FormatUint(p.tries, 36)
	header[jetstream.ExpectedLastSeqHeader] = []string{strconv.FormatUint(last, 10)}
	if err := p.link.NC.PublishMsg(&nats.Msg{Subject: p.subject, Reply: reply, Header: header, Data: data}); err != nil {
		return 0, nil, err
	}
	timer := time.NewTimer(p.wait)
	defer timer.Stop()
	trouble := p.link.Trouble.Done()
	for {
		select {
		case m := <-p.acks:
			if m.Subject == reply { // else a late answer to an earlier try
				seq, refused, err = parseAck(m)
				if err != nil && p.link.Embedded() {
					p.link.Trouble.Report(err.Error())
				}
				return seq, refused, err
			}
		case <-trouble:
			if p.link.Trouble.concerns(p.stream) {
				return 0, nil, p.link.Trouble.Err()
			}
			trouble = nil
			timer.Reset(time.Second) // another stream failed: this answer is on its way, or will never come
		case <-timer.C:
			if p.link.Embedded() {
				p.link.Trouble.Report("the embedded server gave no answer to an append")
			}
			return 0, nil, jerr.New(jerr.CodeUnreachable, "check the NATS server", "no answer within %s", p.wait)
		case <-stop:
			return 0, nil, jerr.Closed()
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		}
	}
}

func parseAck(m *nats.Msg) (seq uint64, refused, err error) {
	if s := m.Header.Get("Status"); s != "" {
		return 0, nil, jerr.New(jerr.CodeUnreachable, "check that JetStream runs", "nobody serves the stream (%s)", s)
	}
	var a struct {
		Seq   uint64 `json:"seq"`
		Error *struct {
			ErrCode     int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &a); err != nil || a.Seq == 0 && a.Error == nil {
		return 0, nil, jerr.New(jerr.CodeUnreachable, "check the NATS server", "the answer to an append cannot be read")
	}
	if a.Error != nil {
		return 0, refusal(a.Error.ErrCode, a.Error.Description), nil
	}
	return a.Seq, nil, nil
}

func refusal(code int, text string) error {
	switch code {
	case errWrongSeq, errWrongSeq2:
		return ErrWrongSequence
	case errResources, errStorage, errStore:
		return jerr.New(jerr.CodeDiskFull, jerr.AdviceRoom, "no room for the journal: %s", text)
	case errTooLarge:
		return jerr.New(jerr.CodeTooLarge, "append smaller frames", "the server refuses a frame: %s", text)
	}
	return jerr.New(jerr.CodeDiskFailed, "look at the NATS server", "the server refuses a frame: %s (%d)", text, code)
}
