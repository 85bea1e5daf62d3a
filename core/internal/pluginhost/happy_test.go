//go:build linux

package pluginhost_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hermodhq/hermod/core/internal/pluginhost"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// both runs a test over the real subprocess and in-process.
func both(t *testing.T, test func(t *testing.T, p pluginhost.Program)) {
	for name, p := range programs() {
		t.Run(name, func(t *testing.T) { test(t, p) })
	}
}

func TestDeliverAnswersEachOnce(t *testing.T) {
	both(t, func(t *testing.T, p pluginhost.Program) {
		const n = 5000
		f := start(t, p, nil)
		a, c := f.open(pluginhost.AccountSpec{})
		deliveries := batch(n, "hello")
		deliveries[7].Content.Text = "refuse"
		for i := 0; i < n; i += 50 {
			a.Deliver(deliveries[i : i+50])
		}
		seen := map[message.ID]bool{}
		for range n {
			got := c.wait(t)
			if seen[got.Message] || got.Attempt != 1 {
				t.Fatalf("answered twice, or with the wrong attempt: %+v", got)
			}
			seen[got.Message] = true
			if got.Message != "m7" {
				if got.Err != nil || got.Result.VendorID != message.VendorMessageID(got.Message) || got.Result.Outcome != message.Accepted {
					t.Fatalf("answer %+v", got)
				}
				continue
			}
			want(t, got.Err, fault.InvalidRecipient, "no_such_number")
			if fault.From(got.Err).VendorCode != "404" {
				t.Errorf("the vendor's code is lost: %v", got.Err)
			}
		}
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if len(c) != 0 {
			t.Errorf("%d answers too many", len(c))
		}
	})
}

func TestCallsGoThrough(t *testing.T) {
	both(t, func(t *testing.T, p pluginhost.Program) {
		f := start(t, p, nil)
		d, err := f.Describe(t.Context(), "echo")
		if err != nil || d.Version != "1.2.3" || len(d.Operations) != 6 || !d.Capabilities.Listen || d.Channels[0].TTL != time.Minute {
			t.Fatalf("description %+v, %v", d, err)
		}
		a, _ := f.open(pluginhost.AccountSpec{})
		out, err := a.Invoke(t.Context(), "echo", json.RawMessage(`{"text":"hi"}`))
		if err != nil || string(out) != `{"text":"hi"}` {
			t.Errorf("invoke gave %s, %v", out, err)
		}
		_, err = a.Invoke(t.Context(), "none", nil)
		want(t, err, fault.Unsupported, "operation_unknown")
		_, err = a.Invoke(t.Context(), "echo", json.RawMessage(`{"text":5}`))
		want(t, err, fault.ContentRejected, "input_invalid")
		resp, events, err := a.Receive(t.Context(), &connector.Request{
			Method: "POST", Path: "/in", Header: http.Header{"X-Signature": {"good"}}, Body: []byte("body"),
		})
		if err != nil || resp.Status != 202 || resp.Header.Get("X-Path") != "/in" || string(resp.Body) != "body" {
			t.Errorf("receive gave %+v, %v", resp, err)
		}
		if len(events) != 1 || events[0].Account != "echo-uk" {
			t.Errorf("events %+v: a connector spoke for another account", events)
		}
		_, _, err = a.Receive(t.Context(), &connector.Request{})
		want(t, err, fault.Unauthorized, "bad_signature")
		r, err := a.Query(t.Context(), connector.Query{VendorID: "v"})
		if err != nil || r.Outcome != message.Delivered || r.VendorID != "v" {
			t.Errorf("query gave %+v, %v", r, err)
		}
		_, err = a.Invoke(t.Context(), "panic", nil)
		want(t, err, fault.OutcomeUnknown, "connector_panic")
		_, err = a.Invoke(t.Context(), "large", nil)
		want(t, err, fault.OutcomeUnknown, "frame_too_large")
		_, err = a.Invoke(t.Context(), "echo", raw(map[string]string{"text": strings.Repeat("x", 17<<20)}))
		want(t, err, fault.ContentRejected, "frame_too_large")
		if out, err = a.Invoke(t.Context(), "echo", json.RawMessage(`{"text":"still here"}`)); err != nil {
			t.Errorf("after all that: %s, %v", out, err)
		}
	})
}

func TestEventsComeInOrderAndWaitUntilTheyAreDurable(t *testing.T) {
	both(t, func(t *testing.T, p pluginhost.Program) {
		type frame struct {
			events []message.Event
			done   chan error
		}
		frames := make(chan frame)
		f := start(t, p, func(c *pluginhost.Config) {
			c.Events = func(ctx context.Context, _ message.AccountID, events []message.Event) error {
				fr := frame{events, make(chan error)}
				select {
				case frames <- fr:
				case <-ctx.Done():
					return ctx.Err()
				}
				select {
				case err := <-fr.done:
					return err
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		})
		a, _ := f.open(pluginhost.AccountSpec{Config: raw(config{Events: 3})})
		first := <-frames
		if first.events[0].ID != "echo-uk-0" || len(first.events) != 1 {
			t.Errorf("the first frame is %+v", first.events)
		}
		select {
		case fr := <-frames:
			t.Errorf("the next event came before the first was durable: %+v", fr.events)
		default:
		}
		// An event that could not be made durable ends this listener; it is called again and emits the event again.
		first.done <- fault.New(fault.Unavailable, "journal_full", "the disk is full")
		for _, id := range []message.EventID{"echo-uk-0", "echo-uk-1", "echo-uk-2"} {
			fr := <-frames
			if fr.events[0].ID != id {
				t.Errorf("event %s, want %s", fr.events[0].ID, id)
			}
			fr.done <- nil
		}
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestOpenFailuresAreTheConnectors(t *testing.T) {
	f := start(t, pluginhost.Program{SelfExec: true}, nil)
	open := func(c json.RawMessage) error {
		_, err := f.Open(t.Context(), pluginhost.AccountSpec{ID: "x", Connector: "echo", Config: c, Answers: func([]connector.Answer) {}})
		return err
	}
	want(t, open(raw(config{Fail: true})), fault.Unauthorized, "bad_token")
	err := open(json.RawMessage(`{"token":["hunter2hunter2"]}`))
	want(t, err, fault.Misconfigured, "config_invalid")
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows a secret: %v", err)
	}
	_, err = f.Open(t.Context(), pluginhost.AccountSpec{ID: "x", Connector: "nobody", Answers: func([]connector.Answer) {}})
	want(t, err, fault.Misconfigured, "connector_unknown")
}

func TestAccountsShareAProcessUnlessIsolated(t *testing.T) {
	f := start(t, pluginhost.Program{SelfExec: true}, nil)
	pid := func(a *pluginhost.Account) string {
		out, err := a.Invoke(t.Context(), "log", nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	a, _ := f.open(pluginhost.AccountSpec{ID: "a"})
	b, _ := f.open(pluginhost.AccountSpec{ID: "b"})
	c, _ := f.open(pluginhost.AccountSpec{ID: "c", Isolate: true})
	if pid(a) != pid(b) || pid(a) == pid(c) {
		t.Errorf("processes %s, %s, %s", pid(a), pid(b), pid(c))
	}
	// A changed configuration takes over before the old one goes.
	c2, _ := f.open(pluginhost.AccountSpec{ID: "c", Isolate: true})
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	pid(c2)
}

func TestStopDrains(t *testing.T) {
	both(t, func(t *testing.T, p pluginhost.Program) {
		f := start(t, p, nil)
		a, c := f.open(pluginhost.AccountSpec{})
		a.Deliver(batch(3000, "hello"))
		if err := f.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(c) != 3000 {
			t.Fatalf("%d answers", len(c))
		}
		for range 3000 {
			if got := c.wait(t); got.Err != nil {
				t.Fatal(got.Err)
			}
		}
		a.Deliver(batch(1, "late"))
		want(t, c.wait(t).Err, fault.Unavailable, "account_closed")
		if err := f.Stop(t.Context()); err != nil {
			t.Errorf("the second stop: %v", err)
		}
		_, err := f.Describe(t.Context(), "echo")
		want(t, err, fault.Unavailable, "host_stopped")
	})
}

func TestTwoHostsDoNotMeet(t *testing.T) {
	f, g := start(t, pluginhost.Program{SelfExec: true}, nil), start(t, pluginhost.Program{SelfExec: true}, nil)
	a, _ := f.open(pluginhost.AccountSpec{})
	b, c := g.open(pluginhost.AccountSpec{})
	if err := f.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Deliver(batch(1, "x"))
	if got := c.wait(t); got.Err != nil {
		t.Error(got.Err)
	}
	_ = a
}

func TestManyDeliverersAtOnce(t *testing.T) {
	f := start(t, pluginhost.Program{SelfExec: true}, nil)
	a, c := f.open(pluginhost.AccountSpec{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				a.Deliver(batch(20, "hello"))
			}
		})
	}
	wg.Wait()
	for range 8000 {
		if got := c.wait(t); got.Err != nil {
			t.Fatal(got.Err)
		}
	}
}
