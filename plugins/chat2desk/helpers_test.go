package chat2desk_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hermodhq/hermod/plugins/chat2desk"
	"github.com/hermodhq/hermod/plugins/chat2desk/chat2desksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

var update = flag.Bool("update", false, "write golden files")

func TestMain(m *testing.M) { connectortest.Main(m, vendor()) }

const (
	ada    = "+447700900140" // client 100 of the simulator
	secret = "webhook-secret-that-must-not-show"
)

// vendor is the connector; making it builds some hundred schemas.
var vendor = sync.OnceValue(chat2desk.New)

type object = chat2desksim.Object

// startSim starts a simulator at a thousandth of its pace.
func startSim(t testing.TB, o chat2desksim.Options) (*chat2desksim.Sim, string) {
	t.Helper()
	if o.Pace == 0 {
		o.Pace = 0.001
	}
	if o.Now == nil {
		o.Now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	}
	sim := chat2desksim.New(o)
	url, err := sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	return sim, url
}

// people are clients 1..n whose phones end in the given suffixes.
func people(suffixes ...string) map[string][]object {
	var list []object
	for i, s := range suffixes {
		list = append(list, object{"id": i + 1, "phone": "4477009001" + s, "channels": []any{object{"id": 7, "transports": []string{"whatsapp"}}}})
	}
	return map[string][]object{"clients": list}
}

// openAccount opens an account of the connector against a simulator.
func openAccount(t testing.TB, url string, settings map[string]any) connector.Account {
	t.Helper()
	cfg := map[string]any{"base_url": url, "token": chat2desksim.Token, "timeout": "5s", "webhook_auth": "none"}
	maps.Copy(cfg, settings)
	raw, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	a, err := vendor().Open(t.Context(), connector.AccountConfig{Account: "c2d", Config: raw})
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

// text is a message to a phone number, or to a client where to is a number.
func text(channel message.Channel, to any) connector.Delivery {
	d := connector.Delivery{Channel: channel, Content: message.Content{Text: "Hi Ada"}}
	switch to := to.(type) {
	case string:
		d.To.Phone = to
	default:
		d.To.Users = map[message.AccountID]message.VendorUserID{"c2d": message.VendorUserID(fmt.Sprint(to))}
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
	if len(raw) == 0 {
		return nil
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

func requestsOf(sim *chat2desksim.Sim, name string) (list []chat2desksim.Request) {
	for _, r := range sim.Requests() {
		if r.Name == name {
			list = append(list, r)
		}
	}
	return list
}
