package chatondesk_test

import (
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/hermodhq/hermod/plugins/chatondesk"
	"github.com/hermodhq/hermod/plugins/chatondesk/chatondesksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest"
	"github.com/hermodhq/hermod/sdk/connectortest/accounttest"
	"github.com/hermodhq/hermod/sdk/message"
)

var update = flag.Bool("update", false, "write golden files")

func TestMain(m *testing.M) { connectortest.Main(m, chatondesk.New()) }

// The steps that all connectors' tests take.
var (
	deliver   = accounttest.Deliver
	faultOf   = accounttest.Fault
	wantFault = accounttest.WantFault
	sameJSON  = accounttest.SameJSON
	plain     = accounttest.JSON
)

func golden(t testing.TB, name, got string) {
	t.Helper()
	accounttest.Golden(t, name, got, *update)
}

const (
	ada  = "+447700900140" // no suffix of the script
	dear = "Dear Ada, your parcel waits"
)

// startSim starts a simulator at a thousandth of its pace.
func startSim(t testing.TB, o chatondesksim.Options) (*chatondesksim.Sim, string) {
	t.Helper()
	if o.Pace == 0 {
		o.Pace = 0.001
	}
	sim := chatondesksim.New(o)
	url, err := sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	return sim, url
}

// openAccount opens an account of the connector against a simulator. A setting of nil takes one of the usual ones away.
func openAccount(t testing.TB, url string, settings map[string]any) connector.Account {
	t.Helper()
	usual := map[string]any{"base_url": url, "api_key": chatondesksim.APIKey, "timeout": "5s"}
	return accounttest.Open(t, chatondesk.New(), connector.AccountConfig{Account: "chatondesk-in"}, usual, settings)
}

func template(phone string, named map[string]any, params ...string) connector.Delivery {
	return connector.Delivery{Channel: message.WhatsApp, To: message.Recipient{Phone: phone},
		Content: message.Content{Template: &message.Template{Name: "25", Named: named, Params: params}}}
}

func text(channel message.Channel, phone string) connector.Delivery {
	return connector.Delivery{Channel: channel, To: message.Recipient{Phone: phone}, Content: message.Content{Text: dear}}
}

// labelled names its channel at ChatOnDesk itself.
func labelled(name string) connector.Delivery {
	d := text("other", ada)
	d.Labels = map[string]string{"chatondesk.channel": name}
	return d
}

func invoke(t testing.TB, a connector.Account, op, in string) map[string]any {
	t.Helper()
	out, err := a.Invoke(t.Context(), op, json.RawMessage(in))
	if err != nil {
		t.Fatal(err)
	}
	return plain(t, out).(map[string]any)
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
