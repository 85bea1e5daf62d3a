package chat2desk_test

import (
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hermodhq/hermod/plugins/chat2desk"
	"github.com/hermodhq/hermod/plugins/chat2desk/chat2desksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest"
	"github.com/hermodhq/hermod/sdk/connectortest/accounttest"
	"github.com/hermodhq/hermod/sdk/message"
)

var update = flag.Bool("update", false, "write golden files")

func TestMain(m *testing.M) { connectortest.Main(m, vendor()) }

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
	usual := map[string]any{"base_url": url, "token": chat2desksim.Token, "timeout": "5s", "webhook_auth": "none"}
	return accounttest.Open(t, vendor(), connector.AccountConfig{Account: "c2d"}, usual, settings)
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

func requestsOf(sim *chat2desksim.Sim, name string) (list []chat2desksim.Request) {
	for _, r := range sim.Requests() {
		if r.Name == name {
			list = append(list, r)
		}
	}
	return list
}
