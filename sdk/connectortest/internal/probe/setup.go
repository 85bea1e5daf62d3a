// Package probe is what the checks hold a running connector with: it calls, and judges what is true of every answer. It works
// on the wire's types, which mirror those of sdk/connector.
package probe

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hermodhq/hermod/internal/wire"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/link"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/watch"
	"github.com/hermodhq/hermod/sdk/connectortest/standin"
	"github.com/hermodhq/hermod/sdk/message"
)

// Name is the account's, under which recipients have their user ids.
const Name message.AccountID = "kit"

// Setup is what the checks know about a connector; see conformance.Harness.
type Setup struct {
	Config         json.RawMessage
	WebhookURL     string
	Vendor         standin.Vendor
	Adapt          func(d *wire.Delivery) // nil: nothing to adapt
	Inputs         map[string]json.RawMessage
	Webhooks       []Webhook
	Forged, Stale  []wire.Request
	Happen         func(ctx context.Context) error
	Excuses        map[string]string
	EmptyIsSuccess bool
	Patience       time.Duration // for a call that should just work
	Partial        bool          // what is not given is left out instead of found missing
}

// Webhook is one request that the vendor would make, and the events that it must bring.
type Webhook struct {
	Name    string
	Request wire.Request
	Events  []message.EventType
}

// Connector is a connector in this process.
type Connector interface {
	Describe() wire.Description
	Open(ctx context.Context, account string, config []byte, webhookURL string) (Account, error)
}

// Account is an open account, in this process or in another; see connector.Account.
type Account interface {
	Deliver(ctx context.Context, batch []wire.Delivery, answer func(link.Answer)) error
	Invoke(ctx context.Context, operation string, input json.RawMessage) (json.RawMessage, error)
	Receive(ctx context.Context, req wire.Request) (*wire.Response, []message.Event, error)
	Listen(ctx context.Context, emit func(context.Context, message.Event) error) error
	Query(ctx context.Context, q wire.Query) (message.Receipt, error)
	Close(ctx context.Context) error
}

// Finding is one thing that is wrong.
type Finding struct {
	Check   string `json:"check"`
	Problem string `json:"problem"` // what is wrong
	Advice  string `json:"advice"`  // what the author should do
}

// String is the finding as a person reads it.
func (f Finding) String() string { return f.Check + ": " + f.Problem + "\n\tto do: " + f.Advice }

// Left is a check, or a part of one, that was not made.
type Left struct {
	Check  string `json:"check"`
	Reason string `json:"reason"`
}

// Session is a connector that runs to be checked. Checks are made one after the other.
type Session struct {
	Setup       Setup
	Local       Connector        // the connector in this process; nil where there is only a program
	Process     *link.Process    // the subprocess that is checked; nil: it is Local
	Description wire.Description // as given at the start
	Text        *watch.Text      // all that the connector said
	Personal    map[string]string
	Plan        []string // the checks that apply
	Excusable   map[string]bool
	InParts     map[string]bool // the checks that may be excused for one operation
	OtherCalls  map[string]bool // operations that were seen to make several calls or none
	Left        []Left
}

// Places of what was said.
const (
	InLog   = "its log"
	InError = "an error, an answer or the description"
)

// Describe asks for the description anew.
func (s *Session) Describe(ctx context.Context) (wire.Description, error) {
	if s.Process == nil {
		return s.Local.Describe(), nil
	}
	return s.Process.Describe(ctx)
}
