// Package coretest gives embedders an engine for their own tests: vendors that do what a test says, rules as text, and a clock
// that moves only when told. Nothing leaves the process, and the journal is a real one in a temporary folder.
package coretest

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

// Start starts an engine with one account for each vendor, named like it, and stops it when the test ends. routes is a rule file.
// The clock begins at the present time.
func Start(t testing.TB, routes string, vendors ...*Vendor) (*core.Engine, *Clock) {
	t.Helper()
	fs := afero.NewMemMapFs()
	if err := afero.WriteFile(fs, "rules/routes.yaml", []byte(routes), 0o600); err != nil {
		t.Fatal(err)
	}
	clock := NewClock(time.Now())
	cfg := core.Config{
		Data: t.TempDir(), Durability: core.Process, Rules: fs, InProcess: true, Clock: clock, Partitions: 1,
		Accounts: map[message.AccountID]core.Account{},
	}
	for _, v := range vendors {
		cfg.Connectors = append(cfg.Connectors, v.connector())
		cfg.Accounts[message.AccountID(v.Name)] = core.Account{Connector: v.Name, Config: json.RawMessage("{}")}
	}
	engine, err := core.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := engine.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return engine, clock
}

// Vendor is a connector whose one account does what a test says.
type Vendor struct {
	Name     message.ConnectorName
	Channels []message.Channel // default sms; every channel carries everything and pushes receipts
	// Send answers a delivery; nil accepts it with the message's id as the vendor's id. It is called from many goroutines.
	Send func(context.Context, connector.Delivery) (connector.Result, error)

	mu   sync.Mutex
	sent []connector.Delivery
	emit chan emission
	once sync.Once
}

type emission struct {
	event message.Event
	done  chan error
}

// Sent returns the deliveries so far, in the order in which they came.
func (v *Vendor) Sent() []connector.Delivery {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]connector.Delivery(nil), v.sent...)
}

// Report lets the vendor report an outcome for an attempt, 1 being the message's first, and returns once the receipt is durable.
func (v *Vendor) Report(ctx context.Context, id message.ID, attempt int, outcome message.Outcome) error {
	return v.Emit(ctx, message.Event{Type: message.EventReceipt, Receipt: &message.Receipt{Message: id, Attempt: attempt, Outcome: outcome}})
}

// Emit lets the vendor report any event, and returns once it is durable.
func (v *Vendor) Emit(ctx context.Context, ev message.Event) error {
	e := emission{event: ev, done: make(chan error, 1)}
	select {
	case v.events() <- e:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-e.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (v *Vendor) events() chan emission {
	v.once.Do(func() { v.emit = make(chan emission) })
	return v.emit
}

func (v *Vendor) connector() connector.Connector {
	spec := connector.Spec{Name: v.Name, Version: "1.0.0", Summary: "A vendor of a test.", Vendor: "test", Events: []message.EventType{message.EventReceipt}}
	channels := v.Channels
	if len(channels) == 0 {
		channels = []message.Channel{message.SMS}
	}
	for _, c := range channels {
		spec.Channels = append(spec.Channels, connector.ChannelInfo{
			Channel: c, Kinds: []message.ContentKind{message.KindText, message.KindTemplate, message.KindMedia, message.KindInteractive}, Receipts: connector.Pushed,
			Outcomes: []message.Outcome{message.Accepted, message.Sent, message.Delivered, message.Read, message.Replied},
		})
	}
	return connector.Define(spec, func(context.Context, struct{}, connector.Env) (*account, error) { return &account{v: v}, nil })
}

type account struct{ v *Vendor }

// Send records the delivery and answers as the test says.
func (a *account) Send(ctx context.Context, d connector.Delivery) (connector.Result, error) {
	a.v.mu.Lock()
	a.v.sent = append(a.v.sent, d)
	a.v.mu.Unlock()
	if a.v.Send == nil {
		return connector.Result{VendorID: message.VendorMessageID(d.Message)}, nil
	}
	return a.v.Send(ctx, d)
}

// Listen passes the test's events on.
func (a *account) Listen(ctx context.Context, emit func(context.Context, message.Event) error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-a.v.events():
			e.done <- emit(ctx, e.event)
		}
	}
}
