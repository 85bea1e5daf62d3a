package chatondesk_test

import (
	"net/http"
	"testing"

	"github.com/hermodhq/hermod/plugins/chatondesk"
	"github.com/hermodhq/hermod/plugins/chatondesk/chatondesksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest/throughputtest"
)

// load is a template to a simulator at a thousandth of its pace.
func load() throughputtest.Case {
	return throughputtest.Case{
		Connector: chatondesk.New(),
		Simulator: func() http.Handler { return chatondesksim.New(chatondesksim.Options{Pace: 0.001}) },
		Path:      "/api",
		Config: func(url string) any {
			return map[string]any{"base_url": url, "api_key": chatondesksim.APIKey, "timeout": "5s"}
		},
		Message: func(int) connector.Delivery { return template(ada, map[string]any{"name": "Ada", "time": "12:30"}) },
	}
}

func BenchmarkThroughput(b *testing.B) { throughputtest.Measure(b, load()) }

func TestConnectionsAreReused(t *testing.T) { throughputtest.Reuse(t, load()) }
