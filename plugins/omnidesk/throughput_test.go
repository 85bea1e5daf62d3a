package omnidesk_test

import (
	"net/http"
	"testing"

	"github.com/hermodhq/hermod/plugins/omnidesk/omnidesksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest/throughputtest"
)

// load is a text to a simulator at a thousandth of its pace.
func load() throughputtest.Case {
	return throughputtest.Case{
		Connector: omnideskConnector(),
		Simulator: func() http.Handler { return omnidesksim.New(omnidesksim.Options{Pace: 0.001}) },
		Config: func(url string) any {
			return map[string]any{"base_url": url, "api_key": omnidesksim.APIKey, "chat_token": omnidesksim.ChatToken, "chat_server": webhooks, "timeout": "5s"}
		},
		Message: func(int) connector.Delivery { return text(ada) },
	}
}

func BenchmarkThroughput(b *testing.B) { throughputtest.Measure(b, load()) }

func TestConnectionsAreReused(t *testing.T) { throughputtest.Reuse(t, load()) }
