package connector

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/hermodhq/hermod/sdk/connector/internal/schema"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

var secretType = reflect.TypeFor[Secret]()

// Spec is what an author states about a connector; the rest of the [Description] is derived.
type Spec struct {
	Name     message.ConnectorName
	Version  string
	Summary  string
	Vendor   string
	Docs     string
	Channels []ChannelInfo
	Events   []message.EventType
	Limits   Limits
}

// Env is what the engine tells an account besides its configuration.
type Env struct {
	Account    message.AccountID
	WebhookURL string // public base URL of this account's webhooks; empty when there is none
}

// Opener opens an account. cfg has been checked against its schema, and its secrets are resolved.
type Opener[C, A any] func(ctx context.Context, cfg C, env Env) (A, error)

// Operation is one typed operation of accounts of type A, made by [Op].
type Operation[A any] struct {
	info  OperationInfo
	input *jsonschema.Resolved
	call  func(ctx context.Context, account A, input json.RawMessage) (json.RawMessage, error)
}

// Op declares an operation. name is ours and stable, endpoint the vendor's; mutates says that it changes something at the
// vendor. The JSON Schemas come from In and Out (`json` and `jsonschema` tags); In must be a struct. Op panics when
// a type has no schema, which the first test of any connector shows.
func Op[A, In, Out any](name, endpoint, summary string, mutates bool, fn func(ctx context.Context, account A, in In) (Out, error)) Operation[A] {
	in, resolved := schema.For[In]("operation "+name+" input", secretType)
	out, _ := schema.For[Out]("operation "+name+" output", secretType)
	return Operation[A]{
		info:  OperationInfo{Name: name, Summary: summary, Endpoint: endpoint, Input: in, Output: out, Mutates: mutates},
		input: resolved,
		call: func(ctx context.Context, account A, input json.RawMessage) (json.RawMessage, error) {
			var v In
			if err := schema.Decode(input, &v); err != nil {
				return nil, fault.New(fault.ContentRejected, "input_invalid", "input of %s: %w", name, err)
			}
			result, err := fn(ctx, account, v)
			if err != nil {
				return nil, err
			}
			return json.Marshal(result)
		},
	}
}

// Define makes a connector from what its author wrote. C is the configuration struct (fields of type [Secret] are marked
// in its schema), A the account type. Define panics when C has no schema or a name is used twice.
func Define[C, A any](spec Spec, open Opener[C, A], operations ...Operation[A]) Connector {
	config, resolved := schema.For[C]("configuration", secretType)
	t := reflect.TypeFor[A]()
	d := &defined[C, A]{open: open, config: resolved, operations: map[string]Operation[A]{}}
	d.description = Description{
		Name: spec.Name, Version: spec.Version, Summary: spec.Summary, Vendor: spec.Vendor, Docs: spec.Docs,
		Channels: spec.Channels, Events: spec.Events, Limits: spec.Limits, Config: config, Operations: []OperationInfo{},
		Capabilities: Capabilities{
			Send:    t.Implements(reflect.TypeFor[Sender]()) || t.Implements(reflect.TypeFor[BatchSender]()),
			Receive: t.Implements(reflect.TypeFor[Receiver]()),
			Listen:  t.Implements(reflect.TypeFor[Listener]()),
			Query:   t.Implements(reflect.TypeFor[Querier]()),
		},
	}
	for _, op := range operations {
		if _, twice := d.operations[op.info.Name]; twice {
			panic(fmt.Sprintf("connector %s: operation %s is declared twice", spec.Name, op.info.Name))
		}
		d.operations[op.info.Name] = op
		d.description.Operations = append(d.description.Operations, op.info)
	}
	return d
}

type defined[C, A any] struct {
	description Description
	config      *jsonschema.Resolved
	open        Opener[C, A]
	operations  map[string]Operation[A]
}

func (d *defined[C, A]) sealed() {}

func (d *defined[C, A]) Describe() Description { return d.description }

func (d *defined[C, A]) Open(ctx context.Context, cfg AccountConfig) (Account, error) {
	raw := cfg.Config
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = json.RawMessage("{}")
	}
	if err := schema.Validate(d.config, raw); err != nil {
		return nil, fault.New(fault.Misconfigured, "config_invalid", "configuration of account %s: %w", cfg.Account, err)
	}
	var c C
	if err := schema.Decode(raw, &c); err != nil {
		return nil, fault.New(fault.Misconfigured, "config_invalid", "configuration of account %s: %w", cfg.Account, err)
	}
	a, err := d.open(ctx, c, Env{Account: cfg.Account, WebhookURL: cfg.WebhookURL})
	if err != nil {
		return nil, err
	}
	return &account[A]{a: a, operations: d.operations}, nil
}

// account adapts an author's account to the closed [Account] interface.
type account[A any] struct {
	a          A
	operations map[string]Operation[A]
	closeOnce  sync.Once
	closeErr   error
}

func (a *account[A]) Deliver(ctx context.Context, batch []Delivery, answer func(Answer)) {
	if b, ok := any(a.a).(BatchSender); ok {
		b.SendBatch(ctx, batch, answer)
		return
	}
	s, ok := any(a.a).(Sender)
	if !ok {
		for _, d := range batch {
			answer(Answer{Message: d.Message, Attempt: d.Attempt, Err: unsupported("sending messages")})
		}
		return
	}
	if len(batch) == 1 {
		answer(sendOne(ctx, s, batch[0]))
		return
	}
	var wg sync.WaitGroup
	for _, d := range batch {
		wg.Go(func() { answer(sendOne(ctx, s, d)) })
	}
	wg.Wait()
}

func (a *account[A]) single() bool {
	_, batches := any(a.a).(BatchSender)
	return !batches
}

func (a *account[A]) one(ctx context.Context, d Delivery) Answer {
	s, ok := any(a.a).(Sender)
	if !ok {
		return Answer{Message: d.Message, Attempt: d.Attempt, Err: unsupported("sending messages")}
	}
	return sendOne(ctx, s, d)
}

// sendOne turns a panic of the author's code into an answer: one bad message must not take the connector down.
func sendOne(ctx context.Context, s Sender, d Delivery) (a Answer) {
	a = Answer{Message: d.Message, Attempt: d.Attempt}
	defer func() {
		if p := recover(); p != nil {
			a.Err = fault.New(fault.OutcomeUnknown, "connector_panic", "the connector panicked: %T", p)
			reportPanic(ctx, p)
		}
	}()
	a.Result, a.Err = s.Send(ctx, d)
	return a
}

func (a *account[A]) Invoke(ctx context.Context, operation string, input json.RawMessage) (json.RawMessage, error) {
	op, ok := a.operations[operation]
	if !ok {
		return nil, fault.New(fault.Unsupported, "operation_unknown", "operation %q does not exist", operation)
	}
	if len(bytes.TrimSpace(input)) == 0 {
		input = json.RawMessage("{}")
	}
	if err := schema.Validate(op.input, input); err != nil {
		return nil, fault.New(fault.ContentRejected, "input_invalid", "input of %s: %w", operation, err)
	}
	return op.call(ctx, a.a, input)
}

func (a *account[A]) Receive(ctx context.Context, req *Request) (*Response, []message.Event, error) {
	if r, ok := any(a.a).(Receiver); ok {
		return r.Receive(ctx, req)
	}
	return nil, nil, unsupported("webhooks")
}

func (a *account[A]) Listen(ctx context.Context, emit func(context.Context, message.Event) error) error {
	if l, ok := any(a.a).(Listener); ok {
		return l.Listen(ctx, emit)
	}
	return unsupported("listening")
}

func (a *account[A]) Query(ctx context.Context, q Query) (message.Receipt, error) {
	if s, ok := any(a.a).(Querier); ok {
		return s.Query(ctx, q)
	}
	return message.Receipt{}, unsupported("queries")
}

func (a *account[A]) Close(ctx context.Context) error {
	a.closeOnce.Do(func() {
		if c, ok := any(a.a).(Closer); ok {
			a.closeErr = c.Close(ctx)
		}
	})
	return a.closeErr
}

func unsupported(what string) error {
	return fault.New(fault.Unsupported, "not_offered", "this connector does not offer %s", what)
}
