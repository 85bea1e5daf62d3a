package chat2desk_test

import (
	"net/http"
	"testing"

	"github.com/hermodhq/hermod/plugins/chat2desk/chat2desksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest/throughputtest"
	"github.com/hermodhq/hermod/sdk/message"
)

// load is a text to a client that exists, at a thousandth of the simulator's pace.
func load() throughputtest.Case {
	return throughputtest.Case{
		Connector: vendor(),
		Simulator: func() http.Handler { return chat2desksim.New(chat2desksim.Options{Pace: 0.001}) },
		Path:      "/v1",
		Config: func(url string) any {
			return map[string]any{"base_url": url, "token": chat2desksim.Token, "timeout": "5s", "webhook_auth": "none"}
		},
		Message: func(int) connector.Delivery { return text(message.WhatsApp, ada) },
	}
}

func BenchmarkThroughput(b *testing.B) { throughputtest.Measure(b, load()) }

func TestConnectionsAreReused(t *testing.T) { throughputtest.Reuse(t, load()) }
