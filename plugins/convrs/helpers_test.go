package convrs_test

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/plugins/convrs"
	"github.com/hermodhq/hermod/plugins/convrs/convrssim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest"
	"github.com/hermodhq/hermod/sdk/connectortest/accounttest"
	"github.com/hermodhq/hermod/sdk/message"
)

var update = flag.Bool("update", false, "write golden files")

func TestMain(m *testing.M) { connectortest.Main(m, convrs.New()) }

// The steps that all connectors' tests take.
var (
	deliver    = accounttest.Deliver
	faultOf    = accounttest.Fault
	wantFault  = accounttest.WantFault
	sameJSON   = accounttest.SameJSON
	plain      = accounttest.JSON
	eventually = accounttest.Eventually
)

func golden(t testing.TB, name, got string) {
	t.Helper()
	accounttest.Golden(t, name, got, *update)
}

const (
	ada    = "+447700900140" // no suffix of the script: delivered
	secret = "webhook-secret-that-must-not-show"
)

// startSim starts a simulator without limits, at a thousandth of its pace.
func startSim(t testing.TB, o convrssim.Options) (*convrssim.Sim, string) {
	t.Helper()
	if o.PerNumber == 0 {
		o.PerNumber, o.PerToken = -1, -1
	}
	if o.Pace == 0 {
		o.Pace = 0.001
	}
	sim := convrssim.New(o)
	url, err := sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	return sim, url
}

// openAccount opens an account of the connector against a simulator. Without a secret it takes every webhook call.
func openAccount(t testing.TB, url, webhooks string, settings map[string]any) connector.Account {
	t.Helper()
	usual := map[string]any{"base_url": url, "token": convrssim.Token, "whatsapp_bot": 3941, "sms_bot": 3942, "timeout": "5s", "contact_lookup": "5s"}
	if settings["webhook_secret"] == nil {
		usual["webhook_auth"] = "none"
	}
	return accounttest.Open(t, convrs.New(), connector.AccountConfig{Account: "convrs-uk", WebhookURL: webhooks}, usual, settings)
}

func template(phone string, params ...string) connector.Delivery {
	return connector.Delivery{Channel: message.WhatsApp, To: message.Recipient{Phone: phone},
		Content: message.Content{Template: &message.Template{Name: "order_update", Language: "en", Params: params}}}
}

func text(channel message.Channel, phone, uid string) connector.Delivery {
	d := connector.Delivery{Channel: channel, To: message.Recipient{Phone: phone}, Content: message.Content{Text: "Hi Ada"}}
	if uid != "" {
		d.To.Users = map[message.AccountID]message.VendorUserID{"convrs-uk": message.VendorUserID(uid)}
	}
	return d
}

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func commandsOf(sim *convrssim.Sim, cmd string) (list []convrssim.Request) {
	for _, r := range sim.State().Requests {
		if r.Cmd == cmd {
			list = append(list, r)
		}
	}
	return list
}

func long(n int) string { return strings.Repeat("x", n) }
