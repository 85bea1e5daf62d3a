package connectornode

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest/conformance"
	"github.com/hermodhq/hermod/sdk/message"
)

// TestVerify runs the kit's checks on the program, as `hermod connectors verify` does.
func TestVerify(t *testing.T) {
	program := build(t)
	vendor := newPigeonPost(t.Context())
	api := httptest.NewServer(vendor)
	t.Cleanup(api.Close)
	t.Cleanup(vendor.reports.Wait)
	now := time.Now()
	forged := webhook(now, "e1", "delivered")
	forged.Header.Set("X-Pigeon-Signature", "00")
	unsigned := webhook(now, "e1", "delivered")
	unsigned.Header = http.Header{}
	receipts := []message.EventType{message.EventReceipt}
	report, err := conformance.Verify(t.Context(), conformance.VerifyConfig{
		Program: program, Config: config(t, conformance.VendorPlaceholder), Simulator: api.URL,
		Inputs: map[string]json.RawMessage{"balance.get": json.RawMessage(`{}`)},
		Webhooks: []conformance.Webhook{
			{Name: "sent", Request: webhook(now, "e1", "sent"), Events: receipts},
			{Name: "delivered", Request: webhook(now, "e2", "delivered"), Events: receipts},
			{Name: "failed", Request: webhook(now, "e3", "failed"), Events: receipts},
			{Name: "queued", Request: webhook(now, "e4", "queued")},
		},
		Forged: []connector.Request{forged, unsigned},
		Stale:  []connector.Request{webhook(now.Add(-time.Hour), "e5", "delivered")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		t.Errorf("%s: %s\n\tto do: %s", f.Check, f.Problem, f.Advice)
	}
	for _, l := range report.Left {
		t.Errorf("%s was left out: %s", l.Check, l.Reason)
	}
	if len(report.Ran) < 25 {
		t.Errorf("only %d checks ran: %v", len(report.Ran), report.Ran)
	}
}

func webhook(at time.Time, event, status string) connector.Request {
	body := receipt(event, "p1", status)
	return connector.Request{Method: http.MethodPost, Path: "/receipts", Header: sign(at, body), Body: body}
}
