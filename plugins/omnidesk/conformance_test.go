package omnidesk_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/plugins/omnidesk/omnidesksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest"
	"github.com/hermodhq/hermod/sdk/connectortest/standin"
	"github.com/hermodhq/hermod/sdk/message"
)

const whatever = "its answer may be a file, which holds whatever it holds"

// TestConformance runs the kit.
func TestConformance(t *testing.T) {
	answers, inputs := map[string]string{}, map[string]json.RawMessage{}
	for _, e := range examples(t) {
		inputs[e.Operation] = e.Input
		if len(e.Answer) > 0 {
			answers[e.Request.Name] = string(e.Answer)
			var file string
			if json.Unmarshal(e.Answer, &file) == nil {
				answers[e.Request.Name] = file
			}
		}
	}
	inputs["api.call"] = json.RawMessage(`{"method":"GET","path":"ticket"}`)
	sim := omnidesksim.New(omnidesksim.Options{Pace: 0.001, Answers: answers, Forms: []int{5}})
	t.Cleanup(sim.Close)
	vendor := connectortest.NewVendor(t, sim, connectortest.VendorOptions{
		Sends: func(r *http.Request, _ []byte) bool {
			return strings.HasSuffix(r.URL.Path, "/chat/notifyUserNewChatMessage")
		},
		Refuse: func(b standin.Behavior, w http.ResponseWriter, body []byte) bool {
			if b != standin.Echo {
				return false
			}
			w.WriteHeader(http.StatusBadRequest)
			return json.NewEncoder(w).Encode(map[string]any{"error": "refused: " + string(body), "message": "refused: " + string(body)}) == nil
		},
	})
	config, err := json.Marshal(map[string]any{"base_url": vendor.URL(), "api_key": omnidesksim.APIKey, "chat_token": omnidesksim.ChatToken,
		"hook_secret": secret, "chat_server": "https://chat.example/hooks"})
	if err != nil {
		t.Fatal(err)
	}
	connectortest.Run(t, connectortest.Harness{
		Connector: omnideskConnector(), Config: config, Vendor: vendor, Inputs: inputs, Webhooks: captured(t),
		Adapt:          func(d *connector.Delivery) { d.To.Users = nil },
		Forged:         []connector.Request{*call("/messageForCustomer", "", "", "chatSessionID=visitor-000001&message=Hi"), *call("/x/messageForCustomer", "application/json", "", "{")},
		EmptyIsSuccess: true, // as the specification says of every call
		Excuses: map[string]string{
			"webhook_stale":                    "Omnidesk signs nothing, so nothing says when a call was made",
			"webhook_changed":                  "Omnidesk signs nothing: a secret in the path is all that tells its calls from others",
			"operation_garbage/file.download":  whatever,
			"operation_garbage/email.download": whatever,
			"operation_garbage/api.call":       whatever,
		},
	})
}

// captured are the hook calls of testdata, each with the type of its event.
func captured(t *testing.T) (list []connectortest.Webhook) {
	files, err := filepath.Glob("testdata/hooks/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("hook calls are missing", err)
	}
	for _, file := range files {
		if strings.Contains(file, "named_by_setting") {
			continue // of an account with other settings
		}
		var c struct{ Path, ContentType, Query, Body string }
		var e message.Event
		if err := json.Unmarshal(readFile(t, file), &c); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(readFile(t, strings.TrimSuffix(file, ".json")+".golden"), &e); err != nil {
			t.Fatal(err)
		}
		list = append(list, connectortest.Webhook{Name: filepath.Base(file), Request: *call("/"+secret+c.Path, c.ContentType, c.Query, c.Body),
			Events: []message.EventType{e.Type}})
	}
	return list
}
