package omnidesk_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hermodhq/hermod/plugins/omnidesk"
	"github.com/hermodhq/hermod/plugins/omnidesk/omnidesksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// omnideskConnector is made once: the schemas of 72 operations take a while.
var omnideskConnector = sync.OnceValue(omnidesk.New)

var update = flag.Bool("update", false, "write golden files")

func TestMain(m *testing.M) { connectortest.Main(m, omnideskConnector()) }

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

func tryOpen(t testing.TB, url string, settings map[string]any) (connector.Account, error) {
	t.Helper()
	cfg := map[string]any{"base_url": url, "api_key": omnidesksim.APIKey, "chat_token": omnidesksim.ChatToken, "timeout": "5s", "hook_auth": "none"}
	maps.Copy(cfg, settings)
	raw, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return omnideskConnector().Open(t.Context(), connector.AccountConfig{Account: "omnidesk-nl", Config: raw, WebhookURL: webhooks})
}

// openAccount opens an account of the connector against a simulator.
func openAccount(t testing.TB, url string, settings map[string]any) connector.Account {
	t.Helper()
	a, err := tryOpen(t, url, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return a
}

// deliver sends one delivery and returns its answer.
func deliver(t testing.TB, a connector.Account, d connector.Delivery) connector.Answer {
	t.Helper()
	if d.Message == "" {
		d.Message, d.Attempt = "01HX", 1
	}
	var got []connector.Answer
	a.Deliver(t.Context(), []connector.Delivery{d}, func(x connector.Answer) { got = append(got, x) })
	if len(got) != 1 {
		t.Fatalf("%d answers, want 1", len(got))
	}
	return got[0]
}

func text(phone string) connector.Delivery {
	return connector.Delivery{Channel: "desk", To: message.Recipient{Phone: phone}, Content: message.Content{Text: "My order has not come."}}
}

func faultOf(t testing.TB, err error) *fault.Fault {
	t.Helper()
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		t.Fatalf("got error %v, want a fault", err)
	}
	return f
}

func wantFault(t testing.TB, err error, class fault.Class, code string) {
	t.Helper()
	if f := faultOf(t, err); f.Class != class || f.Code != code {
		t.Fatalf("got %s [%s], want %s [%s]: %v", f.Class, f.Code, class, code, err)
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// sameJSON compares two values as JSON.
func sameJSON(t testing.TB, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(plain(t, want), plain(t, got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func plain(t testing.TB, v any) (out any) {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// golden compares text with testdata/name.
func golden(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(string(readFile(t, path)), got); d != "" {
		t.Errorf("%s (-want +got); run with -update if it is meant:\n%s", name, d)
	}
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
