package connectortest_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/toy"
	"github.com/hermodhq/hermod/sdk/message"
)

const (
	token  = "toy-token-4f1c"
	secret = "toy-webhook-secret-9a7e"

	inbound = "Where is my parcel 9c2b?"
	jotted  = "the blue door 77e1"
)

func TestMain(m *testing.M) {
	if os.Getenv("TEST_ROGUE") != "" {
		serveRogue()
		return
	}
	stuck := make(chan struct{})
	all := []connector.Connector{toy.New("", stuck)}
	for _, x := range mistakes {
		all = append(all, toy.New(x.mistake, stuck))
	}
	connector.ServeIfAsked(all...)
	connectortest.Main(m, all[0])
}

func signed(body string, at time.Time) connector.Request {
	stamp := strconv.FormatInt(at.Unix(), 10)
	return connector.Request{Method: http.MethodPost, Path: "/events", Body: []byte(body),
		Header: http.Header{"X-Time": {stamp}, "X-Signature": {toy.Sign(secret, stamp, []byte(body))}}}
}

// harness is the toy's own, for the toy with a mistake.
func harness(t *testing.T, mistake string) connectortest.Harness {
	t.Helper()
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	sim := toy.NewVendor()
	vendor := connectortest.NewVendor(t, sim, connectortest.VendorOptions{})
	config, err := json.Marshal(map[string]string{"base_url": vendor.URL(), "token": token, "webhook_secret": secret})
	if err != nil {
		t.Fatal(err)
	}
	patience := time.Duration(0)
	switch mistake {
	case "hangs in close", "ignores the context", "wedges", "is deaf", "listens on", "goes on to the next", "leaks", "keeps connections":
		patience = 500 * time.Millisecond // these wait in vain
	}
	receipt, text := signed(`{"id":"1","type":"receipt"}`, time.Now()), signed(`{"id":"2","type":"text","from":"+447700900321","text":"`+inbound+`"}`, time.Now())
	forged := text
	forged.Body = []byte(`{"id":"3","type":"text"}`)
	unsigned := connector.Request{Method: http.MethodPost, Path: "/events", Body: text.Body}
	return connectortest.Harness{
		Connector: toy.New(mistake, stuck), Config: config, Patience: patience, Vendor: vendor, Happen: sim.Happen,
		Inputs: map[string]json.RawMessage{"contact.greet": json.RawMessage(`{"name":"Ada"}`), "note.create": json.RawMessage(`{"text":"` + jotted + `"}`),
			"toy.name": json.RawMessage(`{}`)},
		Excuses: map[string]string{"operation_calls/toy.name": "the toy knows its name"},
		Webhooks: []connectortest.Webhook{
			{Name: "receipt", Request: receipt, Events: []message.EventType{message.EventReceipt}},
			{Name: "text", Request: text, Events: []message.EventType{message.EventMessageReceived}},
		},
		Forged: []connector.Request{forged, unsigned},
		Stale:  []connector.Request{signed(`{"id":"4"}`, time.Now().Add(-time.Hour))},
	}
}

func TestRightToyPasses(t *testing.T) {
	connectortest.Run(t, harness(t, ""))
}
