// Package connector is what authors import to write a connector: a program that speaks one vendor's API.
//
// An author defines a configuration struct C, an account type A, and calls [Define]. The SDK derives what the
// connector can do from the interfaces that A implements ([Sender], [Receiver], [Listener], [Querier]), and sends that
// as data: the engine never asserts types across the process border. [Serve] runs the connector as a subprocess of the engine.
package connector

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/hermodhq/hermod/sdk/message"
)

// Connector is a vendor connector, made by [Define]. It is closed: only this package makes them, so that methods can be
// added without breaking authors.
type Connector interface {
	// Describe says what the connector is and can do. It needs no account and does no I/O.
	Describe() Description
	// Open readies one account. It checks the configuration and may do I/O within ctx. The account stays usable after
	// ctx ends, until Close.
	Open(ctx context.Context, cfg AccountConfig) (Account, error)

	sealed()
}

// Account is one open account of a connector. All methods may be called from several goroutines at once.
// A method that the connector does not offer answers with a fault of class unsupported.
type Account interface {
	// Deliver calls the vendor for each delivery, and reports each answer once, in any order, from any goroutine.
	// It returns when every delivery has been answered; a delivery whose ctx ends is answered outcome_unknown
	// unless the connector knows better.
	Deliver(ctx context.Context, batch []Delivery, answer func(Answer))
	// Invoke runs an operation with a JSON input that fits the operation's schema.
	Invoke(ctx context.Context, operation string, input json.RawMessage) (json.RawMessage, error)
	// Receive handles a webhook request.
	Receive(ctx context.Context, req *Request) (*Response, []message.Event, error)
	// Listen emits events until ctx ends; see [Listener].
	Listen(ctx context.Context, emit func(context.Context, message.Event) error) error
	// Query asks the vendor what became of an attempt.
	Query(ctx context.Context, q Query) (message.Receipt, error)
	// Close releases the account. It may be called again.
	Close(ctx context.Context) error
}

// AccountConfig is what the engine gives a connector to open an account.
type AccountConfig struct {
	Account    message.AccountID // the account's name
	Config     json.RawMessage   // the account's `config`, secrets resolved; fits the configuration schema
	WebhookURL string            // public base URL of this account's webhooks, without a trailing slash; empty when there is none
}

// Delivery is one attempt to be made.
type Delivery struct {
	Message  message.ID
	Attempt  int             // 1 is the first call for this message; Message and Attempt together name the attempt
	Channel  message.Channel // which of the account's channels to use
	To       message.Recipient
	Content  message.Content
	Category string
	Labels   map[string]string
	Within   time.Duration // how long the step waits for its outcome; a vendor's time-to-live should not be longer. Zero: no bound
}

// Answer is what became of one delivery, as far as the vendor's answer tells.
type Answer struct {
	Message message.ID
	Attempt int
	Result  Result
	Err     error // nil, or an error whose chain holds a *fault.Fault; any other error counts as class internal
}

// Result is a vendor's acceptance.
type Result struct {
	VendorID message.VendorMessageID // the vendor's id, where it gives one
	Outcome  message.Outcome         // accepted, sent or delivered; empty is accepted
	User     message.VendorUserID    // the person's id at this account, where the vendor tells
	Detail   map[string]string       // further facts worth keeping on the timeline; no personal data
}

// Query names an attempt whose state is wanted.
type Query struct {
	VendorID message.VendorMessageID
	Message  message.ID
	Attempt  int
	Channel  message.Channel
}

// Sender is implemented by accounts that can deliver messages.
type Sender interface {
	// Send makes one attempt. It must return when ctx ends. The error's fault class decides what the engine does next:
	// OutcomeUnknown whenever the request may have reached the vendor. Send is called from many goroutines at once.
	Send(ctx context.Context, d Delivery) (Result, error)
}

// BatchSender is implemented by accounts whose vendor takes several messages in one call.
type BatchSender interface {
	// SendBatch makes all attempts and answers each once.
	SendBatch(ctx context.Context, batch []Delivery, answer func(Answer))
}

// Receiver is implemented by accounts whose vendor calls webhooks.
type Receiver interface {
	// Receive verifies the request's signature over the raw body before parsing it, and returns the HTTP answer and the events.
	// The engine sends the answer only after the events are durable. An error becomes a 4xx or 5xx by its fault class.
	Receive(ctx context.Context, req *Request) (*Response, []message.Event, error)
}

// Listener is implemented by accounts that poll, or hold a websocket.
type Listener interface {
	// Listen emits events until ctx ends, and returns ctx.Err() then. emit returns nil only after the event is durable, so an
	// event may be acknowledged to the vendor after it. An error makes the engine call Listen again after a backoff.
	Listen(ctx context.Context, emit func(context.Context, message.Event) error) error
}

// Querier is implemented by accounts whose vendor can be asked for the state of an attempt. The engine polls it for
// channels whose receipts are Polled.
type Querier interface {
	Query(ctx context.Context, q Query) (message.Receipt, error)
}

// Closer is implemented by accounts that hold resources.
type Closer interface {
	Close(ctx context.Context) error
}

// Request is a webhook request as it came. The body is at most the engine's limit (1 MiB unless set).
type Request struct {
	Method string
	Path   string // below /webhooks/ACCOUNT, beginning with a slash
	Query  string // raw
	Header http.Header
	Body   []byte
}

// Response is the HTTP answer to a webhook request. A nil Response is 200 with no body.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Receipts says how a channel's receipts come.
type Receipts string

// The ways of receipts.
const (
	NoReceipts Receipts = "none"   // nothing beyond accepted can be known
	Polled     Receipts = "polled" // by asking: the account implements Querier
	Pushed     Receipts = "pushed" // by webhook or websocket
)

// Description says what a connector is and can do. It is data: it crosses the process as it is.
type Description struct {
	Name         message.ConnectorName `json:"name"`
	Version      string                `json:"version"` // semantic version
	Summary      string                `json:"summary"` // one sentence
	Vendor       string                `json:"vendor"`
	Docs         string                `json:"docs,omitempty"` // URL of the vendor's documentation
	Channels     []ChannelInfo         `json:"channels"`
	Operations   []OperationInfo       `json:"operations"`
	Events       []message.EventType   `json:"events"`
	Config       json.RawMessage       `json:"config"` // JSON Schema of an account's config; secrets are marked "writeOnly": true
	Limits       Limits                `json:"limits"` // the vendor's documented limits, used where an account sets none
	Capabilities Capabilities          `json:"capabilities"`
}

// ChannelInfo says what one channel can carry.
type ChannelInfo struct {
	Channel     message.Channel       `json:"channel"`
	Kinds       []message.ContentKind `json:"kinds"`
	MaxText     int                   `json:"max_text,omitempty"` // characters; zero when not limited or not documented
	Receipts    Receipts              `json:"receipts"`
	Outcomes    []message.Outcome     `json:"outcomes"`                // the positive outcomes that can be known, accepted included
	Session     time.Duration         `json:"session,omitempty"`       // free text only this long after the recipient's last message; zero: no such rule
	TTL         time.Duration         `json:"ttl,omitempty"`           // how long the vendor itself keeps trying; zero: not known
	NeedsUserID bool                  `json:"needs_user_id,omitempty"` // reachable by vendor user id only
}

// OperationInfo describes one operation.
type OperationInfo struct {
	Name     string          `json:"name"`
	Summary  string          `json:"summary"`
	Endpoint string          `json:"endpoint"` // the vendor's endpoint or command
	Input    json.RawMessage `json:"input"`    // JSON Schema
	Output   json.RawMessage `json:"output"`   // JSON Schema
	Mutates  bool            `json:"mutates"`  // changes something at the vendor: not repeated when the outcome is unknown
}

// Limits are a vendor's documented limits. Zero means not limited or not documented.
type Limits struct {
	PerSecond             float64 `json:"per_second,omitempty"`
	PerRecipientPerSecond float64 `json:"per_recipient_per_second,omitempty"`
	Concurrency           int     `json:"concurrency,omitempty"` // calls under way at once
}

// Capabilities says which optional interfaces an account implements.
type Capabilities struct {
	Send    bool `json:"send"`
	Receive bool `json:"receive"`
	Listen  bool `json:"listen"`
	Query   bool `json:"query"`
}
