package metrics

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Look tells each account's name and state, how many messages wait for it and how many of its calls are under way.
type Look func(each func(name, state string, waiting, underWay int))

// Watch shows what look tells whenever somebody reads the metrics, until stop. look is called from the reader's goroutine. For each
// account there is one series for each state: 1 for the state that it is in, 0 for the others, so that an alert finds its series.
func (m *Metrics) Watch(states []string, look Look) (stop func() error, err error) {
	var errs [3]error
	var waiting, underWay, state metric.Int64ObservableGauge
	waiting, errs[0] = m.meter.Int64ObservableGauge("hermod.account.waiting", metric.WithDescription("Messages that wait for their turn at an account"))
	underWay, errs[1] = m.meter.Int64ObservableGauge("hermod.account.calls", metric.WithDescription("Calls to an account's vendor under way"))
	state, errs[2] = m.meter.Int64ObservableGauge("hermod.account.state", metric.WithDescription("1 for the state that an account is in, else 0"))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	watching, err := m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		look(func(name, is string, waits, calls int) {
			account := attribute.String("account", name)
			o.ObserveInt64(waiting, int64(waits), metric.WithAttributes(account))
			o.ObserveInt64(underWay, int64(calls), metric.WithAttributes(account))
			for _, s := range states {
				value := int64(0)
				if s == is {
					value = 1
				}
				o.ObserveInt64(state, value, metric.WithAttributes(account, attribute.String("state", s)))
			}
		})
		return nil
	}, waiting, underWay, state)
	if err != nil {
		return nil, err
	}
	return watching.Unregister, nil
}
