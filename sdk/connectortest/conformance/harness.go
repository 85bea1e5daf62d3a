// Package conformance holds the checks that every connector has to pass, as plain functions: package connectortest runs them in a
// Go test, and [Verify] runs them on any program.
package conformance

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/hermodhq/hermod/internal/wire"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/link"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/probe"
	"github.com/hermodhq/hermod/sdk/connectortest/standin"
	"github.com/hermodhq/hermod/sdk/message"
)

// Account is the name of the accounts that the checks open. Recipients' user ids go under it.
const Account = probe.Name

// DefaultWebhookURL leads nowhere: a stand-in that calls back is refused at once.
const DefaultWebhookURL = "http://127.0.0.1:9/webhooks/kit"

const patience = 10 * time.Second

// Harness is what the checks need to know about one connector.
type Harness struct {
	// Connector is the connector in this process.
	Connector connector.Connector
	// Config is the configuration of an account whose vendor is Vendor. Secrets in it need 8 characters or more, so that they
	// can be looked for in logs.
	Config json.RawMessage
	// WebhookURL is the public base URL of the account. Empty: DefaultWebhookURL.
	WebhookURL string
	// Vendor is the stand-in that the account talks to; [standin.NewHTTP] makes one of any http.Handler.
	Vendor standin.Vendor
	// Adapt makes one of the checks' sample deliveries fit the vendor: a template that exists, a user id that is known. It is called
	// for every declared channel and kind of content, and leaves Message, Attempt, Channel and Content.Text as they are. nil: they fit.
	Adapt func(d *connector.Delivery)
	// Inputs holds a good input for every declared operation. Each works any number of times and in any order.
	Inputs map[string]json.RawMessage
	// Webhooks holds requests that the vendor would make, with at least one for every declared event type that does not come from
	// Happen. Their signatures must be good for the whole run: with one byte of a body changed they have to be refused, unless Excuses says
	// under "webhook_changed" what the vendor has in the place of signatures.
	Webhooks []Webhook
	// Forged holds requests with a missing or wrong signature or secret, Stale such with a good one that is too old.
	Forged, Stale []connector.Request
	// Happen makes the vendor report something to a listener, and waits until one listens. nil where accounts of this Config hear nothing by
	// listening.
	Happen func(ctx context.Context) error
	// EmptyIsSuccess says that the vendor documents success without a body as a good answer to whatever changes something. The
	// checks want it to be taken so then.
	EmptyIsSuccess bool
	// Excuses says why a check cannot be made with this vendor, by the check's name, where the check allows that. An operation is excused from
	// making one call as "operation_calls/NAME", and is then left out where the vendor misbehaves; and from knowing good answers from others
	// as "operation_garbage/NAME" or "operation_empty/NAME".
	Excuses map[string]string
	// Patience is how long a call may take that should just work. Zero: 10 seconds.
	Patience time.Duration
}

// Webhook is one request that the vendor would make.
type Webhook struct {
	Name    string              `json:"name"`
	Request connector.Request   `json:"request"`
	Events  []message.EventType `json:"events"` // what it must bring, in this order; none where it brings nothing
}

// What checks report.
type (
	Finding = probe.Finding // one thing that is wrong
	Left    = probe.Left    // a check, or a part of one, that was not made
)

func (h *Harness) setup() probe.Setup {
	s := probe.Setup{Patience: cmp.Or(h.Patience, patience), Config: h.Config, WebhookURL: cmp.Or(h.WebhookURL, DefaultWebhookURL), Vendor: h.Vendor, Inputs: h.Inputs, Happen: h.Happen, Excuses: h.Excuses, EmptyIsSuccess: h.EmptyIsSuccess}
	if h.Adapt != nil {
		s.Adapt = func(d *wire.Delivery) { h.Adapt((*connector.Delivery)(d)) }
	}
	for _, w := range h.Webhooks {
		s.Webhooks = append(s.Webhooks, probe.Webhook{Name: w.Name, Request: wire.Request(w.Request), Events: w.Events})
	}
	s.Forged, s.Stale = requests(h.Forged), requests(h.Stale)
	return s
}

func requests(list []connector.Request) (out []wire.Request) {
	for _, r := range list {
		out = append(out, wire.Request(r))
	}
	return out
}

// local is a connector in this process, on the wire's types.
type local struct{ connector.Connector }

// Describe implements probe.Connector.
func (l local) Describe() wire.Description { return onWire(l.Connector.Describe()) }

func onWire(d connector.Description) wire.Description {
	w := wire.Description{
		Name: d.Name, Version: d.Version, Summary: d.Summary, Vendor: d.Vendor, Docs: d.Docs, Events: d.Events, Config: d.Config,
		Limits: wire.Limits(d.Limits), Capabilities: wire.Capabilities(d.Capabilities),
	}
	for _, c := range d.Channels {
		w.Channels = append(w.Channels, wire.Channel{
			Channel: c.Channel, Kinds: c.Kinds, MaxText: c.MaxText, Receipts: string(c.Receipts), Outcomes: c.Outcomes,
			Session: c.Session, TTL: c.TTL, NeedsUserID: c.NeedsUserID,
		})
	}
	for _, o := range d.Operations {
		w.Operations = append(w.Operations, wire.Operation(o))
	}
	return w
}

// Open implements probe.Connector.
func (l local) Open(ctx context.Context, account string, config []byte, webhookURL string) (probe.Account, error) {
	a, err := l.Connector.Open(ctx, connector.AccountConfig{Account: message.AccountID(account), Config: config, WebhookURL: webhookURL})
	if err != nil {
		return nil, err
	}
	return localAccount{a}, nil
}

type localAccount struct{ connector.Account }

// Deliver implements probe.Account.
func (a localAccount) Deliver(ctx context.Context, batch []wire.Delivery, answer func(link.Answer)) error {
	deliveries := make([]connector.Delivery, len(batch))
	for i := range batch {
		deliveries[i] = connector.Delivery(batch[i])
	}
	a.Account.Deliver(ctx, deliveries, func(x connector.Answer) {
		answer(link.Answer{Delivery: wire.Delivery{Message: x.Message, Attempt: x.Attempt}, Result: wire.Result(x.Result), Err: x.Err})
	})
	return nil
}

// Receive implements probe.Account.
func (a localAccount) Receive(ctx context.Context, req wire.Request) (*wire.Response, []message.Event, error) {
	resp, events, err := a.Account.Receive(ctx, (*connector.Request)(&req))
	return (*wire.Response)(resp), events, err
}

// Query implements probe.Account.
func (a localAccount) Query(ctx context.Context, q wire.Query) (message.Receipt, error) {
	return a.Account.Query(ctx, connector.Query(q))
}
