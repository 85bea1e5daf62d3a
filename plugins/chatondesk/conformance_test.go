package chatondesk_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/plugins/chatondesk"
	"github.com/hermodhq/hermod/plugins/chatondesk/chatondesksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest"
	"github.com/hermodhq/hermod/sdk/connectortest/standin"
)

// TestConformance runs the kit on an account that has a system name for every channel.
func TestConformance(t *testing.T) {
	names := map[string]string{"telegram": "tg", "viber": "vb", "messenger": "fb", "instagram": "ig", "webchat": "website", "other": "rcs"}
	sim := chatondesksim.New(chatondesksim.Options{Pace: 0.001, Channels: []string{"whatsapp", "smsalert", "website", "tg", "vb", "fb", "ig", "rcs"},
		History:   map[string][]chatondesksim.HistoryRecord{"34": {}},
		Reminders: []chatondesksim.Reminder{{ID: "7", ProfileID: "34"}}})
	t.Cleanup(sim.Close)
	vendor := connectortest.NewVendor(t, sim, connectortest.VendorOptions{
		Sends: func(r *http.Request, _ []byte) bool { return strings.HasSuffix(r.URL.Path, "/structuredpush.json") },
		Taken: func() int { return len(sim.Messages()) },
		Refuse: func(b standin.Behavior, w http.ResponseWriter, body []byte) bool {
			return b == standin.Echo && json.NewEncoder(w).Encode(map[string]any{"status": "error", "description": "refused: " + string(body)}) == nil
		},
	})
	config, err := json.Marshal(map[string]any{"base_url": vendor.URL() + "/api", "api_key": chatondesksim.APIKey, "channels": names})
	if err != nil {
		t.Fatal(err)
	}
	inputs := map[string]json.RawMessage{}
	files, err := filepath.Glob("testdata/doc/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	for _, file := range files {
		var e example
		readJSON(t, file, &e)
		delete(e.Request, "apikey")
		if !strings.HasPrefix(e.Operation, "reminder.") {
			delete(e.Request, "type")
		}
		if inputs[e.Operation], err = json.Marshal(e.Request); err != nil {
			t.Fatal(err)
		}
	}
	connectortest.Run(t, connectortest.Harness{
		Connector: chatondesk.New(), Config: config, Vendor: vendor, Inputs: inputs,
		Adapt: func(d *connector.Delivery) {
			if d.Content.Template != nil {
				d.Content.Template.Name = "25"
			}
		},
	})
}
