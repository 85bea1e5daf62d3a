package convrs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
