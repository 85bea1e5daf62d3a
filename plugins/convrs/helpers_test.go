package convrs_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hermodhq/hermod/plugins/convrs"
	"github.com/hermodhq/hermod/plugins/convrs/convrssim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

var update = flag.Bool("update", false, "write golden files")

func TestMain(m *testing.M) { connectortest.Main(m, convrs.New()) }

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

// openAccount opens an account of the connector against a simulator.
func openAccount(t testing.TB, url, webhooks string, settings map[string]any) connector.Account {
	t.Helper()
	cfg := map[string]any{"base_url": url, "token": convrssim.Token, "whatsapp_bot": 3941, "sms_bot": 3942, "timeout": "5s"}
	maps.Copy(cfg, settings)
	raw, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	a, err := convrs.New().Open(t.Context(), connector.AccountConfig{Account: "convrs-uk", Config: raw, WebhookURL: webhooks})
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

// sameJSON compares two values as JSON.
func sameJSON(t testing.TB, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(plain(t, want), plain(t, got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func plain(t testing.TB, v any) any {
	t.Helper()
	raw, ok := v.(json.RawMessage)
	if !ok {
		var err error
		if raw, err = json.Marshal(v); err != nil {
			t.Fatal(err)
		}
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatalf("%v in %.200s", err, raw)
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
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got); run with -update if it is meant:\n%s", name, d)
	}
}

// eventually waits for something that happens in another goroutine.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: did not happen", what)
		case <-tick.C:
		}
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
