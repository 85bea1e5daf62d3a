package chat2desk_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/plugins/chat2desk/chat2desksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest"
	"github.com/hermodhq/hermod/sdk/connectortest/standin"
	"github.com/hermodhq/hermod/sdk/message"
)

// TestConformance runs the kit. Every transport is one of the simulator's channel here, and the kit's recipient a client of it.
func TestConformance(t *testing.T) {
	o := documented()
	var transports []string
	for _, c := range vendor().Describe().Channels {
		transports = append(transports, transportOf(c.Channel))
	}
	o.Data["channels"] = []object{{"id": 7, "name": "Main", "transports": transports}, {"id": 8, "name": "Shop", "transports": []string{"external"}}}
	o.Pace = 0.001
	sim := chat2desksim.New(o)
	t.Cleanup(sim.Close)
	// The suite makes every operation work more than once, so each finds the company as it was.
	front := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/messages" {
			sim.ServeHTTP(w, r)
			return
		}
		fresh := chat2desksim.New(o)
		defer fresh.Close()
		fresh.ServeHTTP(w, r)
	})
	stand := connectortest.NewVendor(t, front, connectortest.VendorOptions{
		Sends: func(r *http.Request, _ []byte) bool {
			return r.Method == http.MethodPost && r.URL.Path == "/v1/messages"
		},
		Refuse: func(b standin.Behavior, w http.ResponseWriter, body []byte) bool {
			texts := map[standin.Behavior]string{standin.Echo: "not now: " + string(body), standin.RateLimited: "Number of API requests exceeded", standin.Unauthorized: "Token is not correct"}
			return texts[b] != "" && json.NewEncoder(w).Encode(object{"status": "error", "message": texts[b]}) == nil
		},
	})
	config, err := json.Marshal(map[string]any{"base_url": stand.URL() + "/v1", "token": chat2desksim.Token, "webhook_secret": secret, "connections": 256})
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(`{"hook_type":"new_client","id":7}`)
	forged := signed(t, body)
	forged.Body = []byte(`{"hook_type":"new_client","id":8}`)
	connectortest.Run(t, connectortest.Harness{
		Connector: vendor(), Config: config, Vendor: stand,
		Adapt: func(d *connector.Delivery) {
			d.To = message.Recipient{Users: map[message.AccountID]message.VendorUserID{connectortest.Account: "100"}}
			if i := d.Content.Interactive; i != nil && d.Channel != "wa_dialog" {
				d.Content.Interactive = &message.Interactive{Buttons: yesNo.Buttons}
			}
		},
		Inputs:   documentedInputs(t),
		Webhooks: captured(t),
		Forged:   []connector.Request{forged, *post("/events", string(body))},
		Excuses:  map[string]string{"webhook_stale": "nobody knows of a time in Chat2Desk's signature"},
	})
}

// transportOf is the transport of a channel.
func transportOf(c message.Channel) string {
	if t, ok := map[message.Channel]string{"messenger": "facebook", "instagram": "insta_direct", "webchat": "widget"}[c]; ok {
		return t
	}
	return string(c)
}

// signed is a webhook call with a good signature.
func signed(t *testing.T, body []byte) connector.Request {
	t.Helper()
	s := chat2desksim.Signature{Secret: secret}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	req := *post("/events", string(body))
	req.Header.Set(s.Header, s.Sign(req.Header, body))
	return req
}

// documentedInputs are the examples' inputs, with ids that are always there.
func documentedInputs(t *testing.T) map[string]json.RawMessage {
	t.Helper()
	inputs := map[string]json.RawMessage{}
	files, err := filepath.Glob("testdata/doc/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var e example
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		if inputs[e.Operation] == nil {
			inputs[e.Operation] = e.Input
		}
	}
	return inputs
}

// captured are the payloads of testdata, each with the type of its event.
func captured(t *testing.T) (list []connectortest.Webhook) {
	t.Helper()
	files, err := filepath.Glob("testdata/payloads/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("payloads are missing", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		golden, err := os.ReadFile(strings.TrimSuffix(file, ".json") + ".golden")
		if err != nil {
			t.Fatal(err)
		}
		var e message.Event
		if err := json.Unmarshal(golden, &e); err != nil {
			t.Fatal(err)
		}
		list = append(list, connectortest.Webhook{Name: filepath.Base(file), Request: signed(t, raw), Events: []message.EventType{e.Type}})
	}
	return list
}
