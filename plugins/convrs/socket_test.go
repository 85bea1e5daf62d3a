package convrs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/hermodhq/hermod/plugins/convrs/convrssim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// TestWebsocketCommands sends over the websocket, concurrently, and gets each its own answer.
func TestWebsocketCommands(t *testing.T) {
	sim, url := startSim(t, convrssim.Options{Users: []convrssim.User{{UID: "u", Name: "Ada"}}})
	a := openAccount(t, url, "", map[string]any{"transport": "websocket"})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			phone := fmt.Sprintf("+4477009009%02d", i+40)
			if x := deliver(t, a, text("sms", phone, "")); x.Err != nil || string(x.Result.User) != "3942-cms-"+phone[1:] {
				t.Errorf("%+v", x)
			}
			if _, err := a.Invoke(t.Context(), "user.get", json.RawMessage(`{"uid":"u"}`)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := sim.State().Connections; n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// TestWebsocketFailures holds that a lost answer is unknown, and that the next command works on a new connection.
func TestWebsocketFailures(t *testing.T) {
	sim, url := startSim(t, convrssim.Options{})
	a := openAccount(t, url, "", map[string]any{"transport": "websocket", "timeout": "300ms"})
	tests := []struct {
		b    convrssim.Behavior
		code string
	}{
		{convrssim.Behavior{Hang: true, Taken: true}, "timeout"},
		{convrssim.Behavior{Drop: true, Taken: true}, "connection_lost"},
		{convrssim.Behavior{Body: "no json"}, "connection_lost"},
		{convrssim.Behavior{Body: `{"cmd":"Other","ok":1}`}, "connection_lost"},
		{convrssim.Behavior{Error: 2003}, "vendor_timeout"},
	}
	for _, tt := range tests {
		sim.Next("SendSMSMessage", tt.b)
		wantFault(t, deliver(t, a, text("sms", ada, "")).Err, fault.OutcomeUnknown, tt.code)
		if x := deliver(t, a, text("sms", ada, "")); x.Err != nil {
			t.Fatalf("after %s: %v", tt.code, x.Err)
		}
	}
	sim.Next("SendSMSMessage", convrssim.Behavior{Body: `{"ok":0,"errorCode":1017}`})
	wantFault(t, deliver(t, a, text("sms", ada, "")).Err, fault.Internal, "json_invalid")
	bad := openAccount(t, url, "", map[string]any{"transport": "websocket", "token": "other"})
	wantFault(t, deliver(t, bad, text("sms", ada, "")).Err, fault.Unauthorized, "token_invalid")
}

// TestCanceledUnderway cancels a command when Convrs has it, over both transports.
func TestCanceledUnderway(t *testing.T) {
	for _, transport := range []string{"post", "websocket"} {
		ctx, cancel := context.WithCancel(t.Context())
		_, url := startSim(t, convrssim.Options{Script: func(c convrssim.Call) convrssim.Behavior {
			if c.N > 1 {
				return convrssim.Behavior{}
			}
			cancel()
			return convrssim.Behavior{Hang: true, Taken: true}
		}})
		a := openAccount(t, url, "", map[string]any{"transport": transport})
		a.Deliver(ctx, []connector.Delivery{text("sms", ada, "")}, func(x connector.Answer) { wantFault(t, x.Err, fault.OutcomeUnknown, "timeout") })
		if x := deliver(t, a, text("sms", ada, "")); x.Err != nil {
			t.Errorf("the next by %s: %v", transport, x.Err)
		}
	}
}

// listening runs Listen as the engine does: again after an error.
type listening struct {
	mu     sync.Mutex
	events []message.Event
	errs   []error
	refuse int // how many events to refuse first
}

func (l *listening) start(t *testing.T, a connector.Account) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			err := a.Listen(ctx, func(_ context.Context, e message.Event) error {
				l.mu.Lock()
				defer l.mu.Unlock()
				if l.refuse > 0 {
					l.refuse--
					return errors.New("the log is full")
				}
				l.events = append(l.events, e)
				return nil
			})
			l.mu.Lock()
			l.errs = append(l.errs, err)
			l.mu.Unlock()
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func (l *listening) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.events)
}

// TestWebsocketEvents takes events and callbacks from the websocket, loses the connection, and goes on.
func TestWebsocketEvents(t *testing.T) {
	sim, url := startSim(t, convrssim.Options{})
	a := openAccount(t, url, "", map[string]any{"events": "websocket"})
	l := &listening{refuse: 2}
	l.start(t, a)
	eventually(t, "connection", func() bool { return sim.State().Listening })
	sim.Emit(map[string]any{"cmd": "onUserDelete", "ok": 1, "uid": "u"})
	sim.Emit(map[string]any{"ok": 1, "mid": "m", "ack": 2, "webhookPayload": map[string]any{"message": "01HX", "attempt": 1}})
	eventually(t, "two events", func() bool { return l.count() == 2 })
	if l.events[0].Type != message.EventContactDeleted || l.events[1].Receipt.Message != "01HX" {
		t.Errorf("events %+v", l.events)
	}
	sim.Emit(json.RawMessage(`{"cmd":"onUserCreate","data":7}`))
	eventually(t, "the unreadable event", func() bool { return l.count() == 3 })
	if e := l.events[2]; e.Type != "convrs.unreadable" || len(e.Vendor) == 0 {
		t.Errorf("event %+v", e)
	}
}

// TestWebsocketReplaced holds that a connection which another client took over is reported and not fought for.
func TestWebsocketReplaced(t *testing.T) {
	sim, url := startSim(t, convrssim.Options{})
	a := openAccount(t, url, "", map[string]any{"events": "websocket", "transport": "websocket", "replaced_pause": "1h"})
	l := &listening{}
	l.start(t, a)
	eventually(t, "connection", func() bool { return sim.State().Listening })
	other, _, err := websocket.Dial(t.Context(), "ws"+url[len("http"):], nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.CloseNow() }()
	if err := other.Write(t.Context(), websocket.MessageText, []byte(`{"cmd":"connect","token":"`+convrssim.Token+`"}`)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the report", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.errs) == 1 })
	wantFault(t, l.errs[0], fault.Unavailable, "socket_replaced")
	wantFault(t, deliver(t, a, text("sms", ada, "")).Err, fault.Unavailable, "unreachable")
	if _, raw, err := other.Read(t.Context()); err != nil || len(raw) == 0 {
		t.Errorf("the other client: %s %v", raw, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := other.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the other client lost its connection: %v", err)
	}
}

// TestWebsocketBacklog holds that a closed conversation with more events behind it than may wait costs neither its contact nor
// the connection, although commands go over the same websocket.
func TestWebsocketBacklog(t *testing.T) {
	sim, url := startSim(t, convrssim.Options{Users: []convrssim.User{{UID: "u", Name: "Ada"}}})
	a := openAccount(t, url, "", map[string]any{"events": "websocket", "transport": "websocket"})
	l := &listening{}
	l.start(t, a)
	eventually(t, "connection", func() bool { return sim.State().Listening })
	sim.Next("GetUser", convrssim.Behavior{Delay: 50 * time.Second}) // at a thousandth of it
	sim.CloseConversation("u")
	for i := range 600 {
		sim.Emit(map[string]any{"cmd": "onUserDelete", "ok": 1, "uid": fmt.Sprint(i)})
	}
	eventually(t, "all events", func() bool { return l.count() == 601 })
	if c := l.events[0].Contact; c == nil || c.Name != "Ada" {
		t.Errorf("contact %+v", c)
	}
	if len(l.errs) != 0 {
		t.Errorf("the connection was lost: %v", l.errs)
	}
}

// TestConnectRefused holds that a command whose connection was refused was not sent, whatever the refusal says.
func TestConnectRefused(t *testing.T) {
	const token = "not-to-be-shown"
	var status int
	var answer string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status != 0 {
			w.WriteHeader(status)
			return
		}
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = ws.CloseNow() }()
		if _, _, err := ws.Read(r.Context()); err == nil {
			_ = ws.Write(r.Context(), websocket.MessageText, []byte(answer))
			_, _, _ = ws.Read(r.Context())
		}
	}))
	defer srv.Close()
	a := openAccount(t, srv.URL, "", map[string]any{"transport": "websocket", "token": token})
	tests := []struct {
		status int
		answer string
		class  fault.Class
		code   string
	}{
		{0, `{"cmd":"connect","ok":0,"errorCode":2003}`, fault.Unavailable, "vendor_timeout"},
		{0, `{"ok":0,"errorCode":1018}`, fault.Unavailable, "socket_replaced"},
		{0, `{"ok":0,"error":"who?"}`, fault.Unavailable, "code_unknown"},
		{0, `{"ok":0,"errorCode":1001,"error":"invalid token ` + token + `"}`, fault.Unauthorized, "token_invalid"},
		{0, `<html>`, fault.Unavailable, "unreachable"},
		{401, ``, fault.Unauthorized, "http_unauthorized"},
		{500, ``, fault.Unavailable, "http_failed"},
		{503, ``, fault.Unavailable, "http_unavailable"},
	}
	for _, tt := range tests {
		status, answer = tt.status, tt.answer
		sent := deliver(t, a, text("sms", ada, "")).Err
		wantFault(t, sent, tt.class, tt.code)
		if heard := a.Listen(t.Context(), nil); strings.Contains(heard.Error()+sent.Error(), token) {
			t.Errorf("the token shows: %v", heard)
		}
	}
}

// TestCloseUnderway closes an account while commands and events are under way. Everything is answered.
func TestCloseUnderway(t *testing.T) {
	for _, transport := range []string{"post", "websocket"} {
		sim, url := startSim(t, convrssim.Options{})
		a := openAccount(t, url, "", map[string]any{"events": "websocket", "transport": transport})
		l := &listening{}
		l.start(t, a)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 5 {
					d := text("sms", fmt.Sprintf("+44770090094%d", i), "")
					x := deliver(t, a, d)
					if f := fault.From(x.Err); f != nil && f.Class != fault.Unavailable && f.Class != fault.OutcomeUnknown {
						t.Error(f)
					}
				}
			})
			wg.Go(func() {
				if err := a.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := len(sim.State().Messages); n > 40 {
			t.Errorf("%d messages taken for 40 sent", n)
		}
	}
}

// TestListenWithoutWebsocket waits for the end and for nothing else.
func TestListenWithoutWebsocket(t *testing.T) {
	sim, url := startSim(t, convrssim.Options{})
	a := openAccount(t, url, "", nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Listen(ctx, nil); !errors.Is(err, context.Canceled) || len(sim.State().Requests) != 0 {
		t.Errorf("%v", err)
	}
}
