package convrs_test

import (
	"net/http"
	"testing"

	"github.com/hermodhq/hermod/plugins/convrs"
	"github.com/hermodhq/hermod/plugins/convrs/convrssim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest/throughputtest"
)

// load is a template to a simulator without limits.
func load() throughputtest.Case {
	return throughputtest.Case{
		Connector: convrs.New(),
		Simulator: func() http.Handler { return convrssim.New(convrssim.Options{PerNumber: -1, PerToken: -1, Pace: 0.001}) },
		Path:      "/api",
		Config: func(url string) any {
			return map[string]any{"base_url": url, "token": convrssim.Token, "whatsapp_bot": 3941, "sms_bot": 3942, "timeout": "5s"}
		},
		Message: func(int) connector.Delivery { return template(ada, "Ada", "12:30") },
	}
}

func BenchmarkThroughput(b *testing.B) { throughputtest.Measure(b, load()) }

func TestConnectionsAreReused(t *testing.T) { throughputtest.Reuse(t, load()) }
