package convrsapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/vendorhttp"
)

// pushBuffer is how many events may wait for Listen before the websocket is no longer read.
const pushBuffer = 256

var errClosed = errors.New("convrs: the client is closed")

// socket keeps one websocket per token, since Convrs closes the older of two. It is connected when it is first needed.
//
// Replies carry no request id. So one command is under way at a time, and a command that gives up ends the connection: its
// late reply could not be told from the next one's.
type socket struct {
	opts    Options
	client  *http.Client
	root    context.Context
	stop    context.CancelFunc
	wg      sync.WaitGroup
	turn    chan struct{} // held by the command under way
	pushes  chan json.RawMessage
	refused json.RawMessage // what the handler did not take; belongs to Listen
	resume  atomic.Int64    // unix nanoseconds; not connected before

	dialing chan struct{} // a lock that respects contexts; guards link
	link    *link
}

// link is one connection. Its context ends with it, and holds the reason as its cause.
type link struct {
	ws     *websocket.Conn
	ctx    context.Context
	fail   context.CancelCauseFunc
	heard  atomic.Int64           // unix nanoseconds
	expect atomic.Pointer[string] // the command under way
	reply  chan []byte
}

func newSocket(o Options, client *http.Client) *socket {
	s := &socket{opts: o, client: client, turn: make(chan struct{}, 1), pushes: make(chan json.RawMessage, pushBuffer), dialing: make(chan struct{}, 1)}
	s.root, s.stop = context.WithCancel(context.Background())
	return s
}

func (s *socket) close() {
	s.stop()
	s.dialing <- struct{}{} // nobody connects from here on
	<-s.dialing
	s.wg.Wait()
}

func acquire(ctx context.Context, slot chan struct{}) error {
	select {
	case slot <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// connected returns the live connection, or makes one.
func (s *socket) connected(ctx context.Context) (*link, error) {
	if err := acquire(ctx, s.dialing); err != nil {
		return nil, err
	}
	defer func() { <-s.dialing }()
	switch {
	case s.root.Err() != nil:
		return nil, errClosed
	case s.link != nil && s.link.ctx.Err() == nil:
		return s.link, nil
	case time.Now().UnixNano() < s.resume.Load():
		return nil, ErrReplaced
	}
	ws, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	l := &link{ws: ws, reply: make(chan []byte, 1)}
	l.ctx, l.fail = context.WithCancelCause(s.root)
	l.heard.Store(time.Now().UnixNano())
	s.link = l
	s.wg.Go(func() {
		l.fail(s.read(l))
		_ = l.ws.CloseNow()
	})
	s.wg.Go(func() { l.fail(s.beat(l)) })
	return l, nil
}

func (s *socket) dial(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	defer context.AfterFunc(s.root, cancel)()
	ws, res, err := websocket.Dial(ctx, s.opts.SocketURL, &websocket.DialOptions{HTTPClient: s.client})
	if err != nil {
		if res != nil && res.StatusCode != http.StatusSwitchingProtocols {
			return nil, &StatusError{Cmd: "connect", Status: res.StatusCode}
		}
		return nil, err
	}
	ws.SetReadLimit(s.opts.MaxReply)
	hello, err := json.Marshal(map[string]string{"cmd": "connect", "token": s.opts.Token})
	if err == nil {
		err = ws.Write(ctx, websocket.MessageText, hello)
	}
	if err == nil {
		err = s.greeted(ctx, ws)
	}
	if refused, ok := errors.AsType[*Error](err); ok {
		refused.Text = fault.ValuesOf(hello, plain...).Conceal(refused.Text)
	}
	if err != nil {
		_ = ws.CloseNow()
	}
	return ws, err
}

// greeted waits for the answer to connect. Events may come before it.
func (s *socket) greeted(ctx context.Context, ws *websocket.Conn) error {
	for {
		_, raw, err := ws.Read(ctx)
		if err != nil {
			return err
		}
		var h head
		if json.Unmarshal(raw, &h) != nil || !h.isPush() {
			_, err := open("connect", raw, beside)
			return err
		}
		select {
		case s.pushes <- raw:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// head tells the kinds of frames apart.
type head struct {
	Cmd       string `json:"cmd"`
	ErrorCode int    `json:"errorCode"`
	Ack       *int   `json:"ack"`
}

func (h *head) isPush() bool { return strings.HasPrefix(h.Cmd, "on") || h.Cmd == "" && h.Ack != nil }

// read hands out what arrives until the connection ends, and returns why it did.
func (s *socket) read(l *link) error {
	for {
		_, raw, err := l.ws.Read(l.ctx)
		if err != nil {
			return fmt.Errorf("convrs: the websocket ended: %w", err)
		}
		l.heard.Store(time.Now().UnixNano())
		var head head
		if err := json.Unmarshal(raw, &head); err != nil {
			return fmt.Errorf("convrs: the websocket sent no JSON object: %w", err)
		}
		switch {
		case head.ErrorCode == 1018:
			s.resume.Store(time.Now().Add(s.opts.ReplacedPause).UnixNano())
			return ErrReplaced
		case head.Cmd == "heartbeat":
		case head.isPush():
			select {
			case s.pushes <- raw:
			case <-l.ctx.Done():
			}
		default: // a reply; errors about the request itself may come without its command
			cmd := l.expect.Swap(nil)
			if cmd == nil || head.Cmd != "" && head.Cmd != *cmd {
				return errors.New("convrs: the websocket sent a reply that nobody waits for")
			}
			l.reply <- raw
		}
	}
}

// beat keeps the connection alive, and gives up one that has been silent for two and a half heartbeats.
func (s *socket) beat(l *link) error {
	tick := time.NewTicker(s.opts.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return nil
		case now := <-tick.C:
			if now.Sub(time.Unix(0, l.heard.Load())) > s.opts.Heartbeat*5/2 {
				return errors.New("convrs: the websocket fell silent")
			}
			if err := l.ws.Write(l.ctx, websocket.MessageText, []byte(`{"cmd":"heartbeat"}`)); err != nil {
				return fmt.Errorf("convrs: heartbeat: %w", err)
			}
		}
	}
}

// do sends one command and waits for its reply.
func (s *socket) do(ctx context.Context, cmd string, body []byte) ([]byte, error) {
	if err := acquire(ctx, s.turn); err != nil {
		return nil, vendorhttp.Lost(cmd, false, err)
	}
	defer func() { <-s.turn }()
	l, err := s.connected(ctx)
	if err != nil {
		return nil, vendorhttp.Lost(cmd, false, err)
	}
	l.expect.Store(&cmd)
	if err := l.ws.Write(ctx, websocket.MessageText, body); err != nil {
		l.fail(err)
		return nil, vendorhttp.Lost(cmd, true, err)
	}
	select {
	case raw := <-l.reply:
		return raw, nil
	case <-l.ctx.Done():
		return nil, vendorhttp.Lost(cmd, true, context.Cause(l.ctx))
	case <-ctx.Done():
		l.fail(errors.New("convrs: a command got no reply in time"))
		return nil, vendorhttp.Lost(cmd, true, ctx.Err())
	}
}

// listen hands out one push after the other.
func (s *socket) listen(ctx context.Context, handle func(context.Context, json.RawMessage) error) error {
	for {
		if s.refused == nil {
			p, err := s.next(ctx)
			if err != nil {
				return err
			}
			s.refused = p
		}
		if err := handle(ctx, s.refused); err != nil {
			return err
		}
		s.refused = nil
	}
}

// next returns what has arrived, or connects and waits.
func (s *socket) next(ctx context.Context) (json.RawMessage, error) {
	select {
	case p := <-s.pushes:
		return p, nil
	default:
	}
	wait := time.NewTimer(time.Until(time.Unix(0, s.resume.Load())))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-s.root.Done():
		return nil, errClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l, err := s.connected(ctx)
	if err != nil {
		return nil, err
	}
	select {
	case p := <-s.pushes:
		return p, nil
	case <-l.ctx.Done():
		return nil, context.Cause(l.ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
