package coretest_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hermodhq/hermod/core/coretest"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const routes = `
routes:
  - name: all
    fallback:
      - {via: chat/whatsapp, until: delivered, within: 2m}
      - {via: text/sms}
`

func send(t *testing.T, engine interface {
	Send(context.Context, message.Message) (message.ID, error)
}) message.ID {
	t.Helper()
	id, err := engine.Send(t.Context(), message.Message{To: message.Recipient{Phone: "+447700900142"}, Content: message.Content{Text: "Hello"}})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestDeliveredInTime(t *testing.T) {
	chat, text := &coretest.Vendor{Name: "chat", Channels: []message.Channel{message.WhatsApp}}, &coretest.Vendor{Name: "text"}
	engine, _ := coretest.Start(t, routes, chat, text)
	id := send(t, engine)
	if _, err := engine.Wait(t.Context(), id, message.Accepted); err != nil {
		t.Fatal(err)
	}
	if err := chat.Report(t.Context(), id, 1, message.Delivered); err != nil {
		t.Fatal(err)
	}
	status, err := engine.Wait(t.Context(), id, message.Delivered)
	if err != nil || status.Outcome != message.Delivered || !status.Final || len(text.Sent()) != 0 {
		t.Fatalf("%+v, %v; %d went by text", status, err, len(text.Sent()))
	}
}

// TestNoReceipt is the promise of the README in virtual time: no receipt within two minutes, then SMS.
func TestNoReceipt(t *testing.T) {
	chat, text := &coretest.Vendor{Name: "chat", Channels: []message.Channel{message.WhatsApp}}, &coretest.Vendor{Name: "text"}
	engine, clock := coretest.Start(t, routes, chat, text)
	id := send(t, engine)
	if _, err := engine.Wait(t.Context(), id, message.Accepted); err != nil {
		t.Fatal(err)
	}
	clock.Advance(2*time.Minute + time.Second)
	status, err := engine.Wait(t.Context(), id, "")
	if err != nil || status.Outcome != message.Accepted || status.Account != "text" {
		t.Fatalf("%+v, %v; want accepted by text", status, err)
	}
	if len(chat.Sent()) != 1 || len(text.Sent()) != 1 {
		t.Errorf("%d calls to chat, %d to text; want one each", len(chat.Sent()), len(text.Sent()))
	}
}

func TestRefusedAtOnce(t *testing.T) {
	chat := &coretest.Vendor{Name: "chat", Channels: []message.Channel{message.WhatsApp}}
	chat.Send = func(context.Context, connector.Delivery) (connector.Result, error) {
		return connector.Result{}, fault.New(fault.InvalidRecipient, "not_on_whatsapp", "the number is not on WhatsApp")
	}
	text := &coretest.Vendor{Name: "text"}
	engine, _ := coretest.Start(t, routes, chat, text)
	status, err := engine.Wait(t.Context(), send(t, engine), "")
	if err != nil || status.Account != "text" {
		t.Fatalf("%+v, %v; want text", status, err)
	}
	timeline, err := engine.Trace(t.Context(), status.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range timeline.Entries {
		if e.Fault != nil && e.Fault.Code == "not_on_whatsapp" {
			return
		}
	}
	t.Errorf("the timeline does not say why the first step failed: %+v", timeline.Entries)
}
