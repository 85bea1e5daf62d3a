// Package metrics counts what an engine does, with OpenTelemetry.
package metrics

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/hermodhq/hermod/internal/flow"
)

// Metrics are one engine's counters and gauges. Names follow OpenTelemetry's conventions; no attribute holds personal data. Its methods
// are safe for concurrent use.
type Metrics struct {
	meter    metric.Meter
	accepted metric.Int64Counter
	calls    metric.Int64Counter
	receipts metric.Int64Counter
	finished metric.Int64Counter
	outcomes map[string]metric.MeasurementOption // ready-made attributes, one set for each outcome
}

// New makes the counters.
func New(provider metric.MeterProvider) (*Metrics, error) {
	meter := provider.Meter("github.com/hermodhq/hermod/core")
	m := &Metrics{meter: meter, outcomes: map[string]metric.MeasurementOption{}}
	var errs [4]error
	m.accepted, errs[0] = meter.Int64Counter("hermod.messages.accepted", metric.WithDescription("Messages made durable"))
	m.calls, errs[1] = meter.Int64Counter("hermod.attempts", metric.WithDescription("Calls to vendors that were answered"))
	m.receipts, errs[2] = meter.Int64Counter("hermod.receipts", metric.WithDescription("Receipts taken in"))
	m.finished, errs[3] = meter.Int64Counter("hermod.messages.finished", metric.WithDescription("Messages with a final outcome"))
	for _, o := range []string{"", "accepted", "sent", "delivered", "read", "replied", "failed", "expired", "canceled", "unknown"} {
		m.outcomes[o] = metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", o)))
	}
	return m, errors.Join(errs[:]...)
}

// Count takes up what one event did to a message; ended says that it gave the message its final outcome.
func (m *Metrics) Count(kind flow.Kind, st *flow.State, ended bool) {
	ctx := context.Background()
	switch kind {
	case flow.Planned, flow.Unroutable:
		m.accepted.Add(ctx, 1)
	case flow.Answered:
		if n := len(st.Attempts); n > 0 {
			m.calls.Add(ctx, 1, m.outcomes[string(st.Attempts[n-1].Outcome)])
		}
	case flow.Receipt:
		m.receipts.Add(ctx, 1)
	}
	if ended {
		m.finished.Add(ctx, 1, m.outcomes[string(st.Outcome)])
	}
}
