package omnidesk_test

import (
	"flag"
	"maps"
	"os"
	"sync"
	"testing"

	"github.com/hermodhq/hermod/plugins/omnidesk"
	"github.com/hermodhq/hermod/plugins/omnidesk/omnidesksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest"
	"github.com/hermodhq/hermod/sdk/connectortest/accounttest"
	"github.com/hermodhq/hermod/sdk/message"
)

// omnideskConnector is made once: the schemas of 72 operations take a while.
var omnideskConnector = sync.OnceValue(omnidesk.New)

var update = flag.Bool("update", false, "write golden files")

func TestMain(m *testing.M) { connectortest.Main(m, omnideskConnector()) }

// The steps that all connectors' tests take.
var (
	deliver   = accounttest.Deliver
	faultOf   = accounttest.Fault
	wantFault = accounttest.WantFault
	sameJSON  = accounttest.SameJSON
)

func golden(t testing.TB, name, got string) {
	t.Helper()
	accounttest.Golden(t, name, got, *update)
}

const (
	ada      = "+447700900140" // no suffix of the script
	webhooks = "https://host.example/webhooks/omnidesk-nl"
	secret   = "hook-secret-that-must-not-show"
)

// startSim starts a simulator at a thousandth of its pace.
func startSim(t testing.TB, o omnidesksim.Options) (*omnidesksim.Sim, string) {
	t.Helper()
	o.Pace = 0.001
	sim := omnidesksim.New(o)
	url, err := sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	return sim, url
}

var (
	usual  = map[string]any{"api_key": omnidesksim.APIKey, "chat_token": omnidesksim.ChatToken, "timeout": "5s", "hook_auth": "none"}
	wanted = connector.AccountConfig{Account: "omnidesk-nl", WebhookURL: webhooks}
)

func tryOpen(t testing.TB, url string, settings map[string]any) (connector.Account, error) {
	t.Helper()
	return accounttest.TryOpen(t, omnideskConnector(), wanted, usual, with(settings, url))
}

// openAccount opens an account of the connector against a simulator.
func openAccount(t testing.TB, url string, settings map[string]any) connector.Account {
	t.Helper()
	return accounttest.Open(t, omnideskConnector(), wanted, usual, with(settings, url))
}

// with adds a simulator's URL to settings, unless they name one.
func with(settings map[string]any, url string) map[string]any {
	out := map[string]any{"base_url": url}
	maps.Copy(out, settings)
	return out
}

func text(phone string) connector.Delivery {
	return connector.Delivery{Channel: "desk", To: message.Recipient{Phone: phone}, Content: message.Content{Text: "My order has not come."}}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// last returns the latest request that the simulator got.
func last(t testing.TB, sim *omnidesksim.Sim) omnidesksim.Request {
	t.Helper()
	requests, _ := sim.Seen()
	if len(requests) == 0 {
		t.Fatal("the vendor was not asked")
	}
	return requests[len(requests)-1]
}
