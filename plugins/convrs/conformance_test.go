package convrs_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hermodhq/hermod/plugins/convrs"
	"github.com/hermodhq/hermod/plugins/convrs/convrssim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest"
	"github.com/hermodhq/hermod/sdk/connectortest/standin"
	"github.com/hermodhq/hermod/sdk/message"
)

// uids are the user ids of the kit's recipient, by channel.
var uids = map[message.Channel]string{message.WhatsApp: "3941-wa3-447700900140", message.Telegram: "73-tel-615940546", message.Viber: "74-vib-1",
	message.Messenger: "75-fb-1", message.WebChat: "76-web-1", "line": "77-line-1"}

// TestConformance runs the kit. Events come over the websocket here, and by webhook as well.
func TestConformance(t *testing.T) {
	var users []convrssim.User
	for _, uid := range slices.Sorted(maps.Values(uids)) {
		users = append(users, convrssim.User{UID: uid, Name: "Ada"})
	}
	users = append(users, convrssim.User{UID: "3941-wa3-44151999999"})
	sim := convrssim.New(convrssim.Options{PerNumber: -1, PerToken: -1, Pace: 0.001, Users: users, Tags: []string{"Customer"},
		Details: []convrssim.Message{{MID: "6462d3d8c8b0b08fddc34ca8", UID: "3941-wa3-44151999999", BotID: 3941, Ack: 3}}})
	t.Cleanup(sim.Close)
	vendor := connectortest.NewVendor(t, sim, connectortest.VendorOptions{
		Sends: func(_ *http.Request, body []byte) bool {
			var c struct{ Cmd string }
			return json.Unmarshal(body, &c) == nil && strings.HasPrefix(c.Cmd, "Send")
		},
		Refuse: func(b standin.Behavior, w http.ResponseWriter, body []byte) bool {
			codes := map[standin.Behavior]int{standin.Echo: 1017, standin.RateLimited: 2008, standin.Unauthorized: 1001}
			if codes[b] == 0 {
				return false
			}
			return json.NewEncoder(w).Encode(map[string]any{"ok": 0, "errorCode": codes[b], "error": "refused: " + string(body)}) == nil
		},
		Taken: func() int { return len(sim.State().Messages) },
	})
	config, err := json.Marshal(map[string]any{"base_url": vendor.URL() + "/api", "token": convrssim.Token, "whatsapp_bot": 3941, "sms_bot": 3942,
		"route": "welcome", "webhook_secret": secret, "events": "websocket"})
	if err != nil {
		t.Fatal(err)
	}
	connectortest.Run(t, connectortest.Harness{
		Connector: convrs.New(), Config: config, Vendor: vendor,
		Adapt: func(d *connector.Delivery) {
			d.To.Users = map[message.AccountID]message.VendorUserID{connectortest.Account: message.VendorUserID(uids[d.Channel])}
		},
		Inputs:   documentedInputs(t),
		Webhooks: captured(t),
		Forged:   []connector.Request{*post("/events", []byte(`{"cmd":"onUserDisable","ok":1,"uid":"73-tel-1"}`)), *post("/callback/wrong", []byte(`{}`))},
		Happen: func(ctx context.Context) error {
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for !sim.State().Listening {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-tick.C:
				}
			}
			sim.Emit(map[string]any{"cmd": "onUserDisable", "ok": 1, "uid": "73-tel-615940546"})
			return nil
		},
		Excuses: map[string]string{
			"webhook_stale":   "Convrs signs nothing, so nothing says when a call was made",
			"webhook_changed": "Convrs signs nothing: a secret in the URL is all that tells its calls from others",
		},
	})
}

// documentedInputs are the document's own examples.
func documentedInputs(t *testing.T) map[string]json.RawMessage {
	inputs := map[string]json.RawMessage{}
	all := examples(t, "doc")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if e := all[name]; inputs[e.Operation] == nil {
			inputs[e.Operation] = e.input(t)
		}
	}
	return inputs
}

// captured are the payloads of testdata, each with the type of its event.
func captured(t *testing.T) (list []connectortest.Webhook) {
	files, err := filepath.Glob("testdata/payloads/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("payloads are missing", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var e message.Event
		readJSON(t, strings.TrimSuffix(file, ".json")+".golden", &e)
		list = append(list, connectortest.Webhook{Name: filepath.Base(file), Request: *post("/events/"+secret, raw), Events: []message.EventType{e.Type}})
	}
	return list
}
