package basics

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/hermodhq/hermod/internal/wire"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/probe"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

func invoke(ctx context.Context, p *probe.Probe, a probe.Account, operation string, input json.RawMessage) (out json.RawMessage, f *fault.Fault) {
	err := p.Within(ctx, p.Setup.Patience, func(ctx context.Context) (err error) {
		out, err = a.Invoke(ctx, operation, input)
		return err
	})
	if f = p.See("operation "+operation, err); f != nil {
		return nil, f
	}
	return out, nil
}

// Operations runs every declared operation.
func Operations(ctx context.Context, p *probe.Probe) {
	a, closes := p.Ready(ctx)
	defer closes()
	if a == nil {
		return
	}
	declared := map[string]bool{}
	for _, o := range p.Description.Operations {
		declared[o.Name] = true
		input, ok := p.Setup.Inputs[o.Name]
		if !p.Need(ok, fmt.Sprintf("Inputs[%q]", o.Name)) {
			continue
		}
		out, f := invoke(ctx, p, a, o.Name, input)
		if f != nil {
			p.Bad("make the operation work, or correct its input in Harness.Inputs", "operation %s fails: %v", o.Name, f)
			continue
		}
		var v any
		schema, err := resolve(o.Output)
		if err == nil {
			err = json.Unmarshal(out, &v)
		}
		if err == nil {
			err = schema.Validate(v)
		}
		if err != nil {
			p.Bad("correct the output's type", "the output of operation %s does not fit its schema: %v", o.Name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Setup.Inputs)) {
		if !declared[name] {
			p.Bad("declare the operation, or remove the input", "the harness has an input for operation %s, which is not declared", name)
		}
	}
}

// Inputs runs operations with inputs that do not fit.
func Inputs(ctx context.Context, p *probe.Probe) {
	a, closes := p.Open(ctx)
	defer closes()
	if a == nil {
		return
	}
	for _, o := range p.Description.Operations {
		var s jsonschema.Schema
		if json.Unmarshal(o.Input, &s) != nil {
			continue // the check of the description says so
		}
		wrong := []string{`{"`, `[]`, `"x"`, strings.Repeat("[", 20_000)}
		if closed, err := resolve(o.Input); err == nil && closed.Validate(map[string]any{probe.UnknownName: "x"}) != nil {
			wrong = append(wrong, `{"`+probe.UnknownName+`":"x"}`)
		}
		for _, input := range append(wrong, withoutRequired(&s, p.Setup.Inputs[o.Name])...) {
			if _, f := invoke(ctx, p, a, o.Name, json.RawMessage(input)); f == nil || f.Class != fault.ContentRejected {
				p.Bad("check inputs against the schema; connector.Op does", "operation %s answers the wrong input %.40q with %v, want class content_rejected",
					o.Name, input, probe.OrAccepted(f))
			}
		}
	}
}

// withoutRequired returns a good input once for each required member, without it.
func withoutRequired(s *jsonschema.Schema, good json.RawMessage) (list []string) {
	var v map[string]any
	if json.Unmarshal(good, &v) != nil {
		return nil
	}
	for _, name := range s.Required {
		less := maps.Clone(v)
		delete(less, name)
		if raw, err := json.Marshal(less); err == nil {
			list = append(list, string(raw))
		}
	}
	return list
}

// Queries asks for the state of a message on every channel whose receipts are polled, and of one that does not exist.
func Queries(ctx context.Context, p *probe.Probe) {
	a, closes := p.Ready(ctx)
	defer closes()
	if a == nil {
		return
	}
	query := func(q wire.Query) (r message.Receipt, f *fault.Fault) {
		err := p.Within(ctx, p.Setup.Patience, func(ctx context.Context) (err error) {
			r, err = a.Query(ctx, q)
			return err
		})
		if f = p.See("Query", err); f != nil {
			return message.Receipt{}, f
		}
		return r, nil
	}
	for _, c := range p.Description.Channels {
		if c.Receipts != polled {
			continue
		}
		d := p.Sample(c.Channel, c.Kinds[0], 0)
		sent := p.Deliver(ctx, "a message to be queried", a, []wire.Delivery{d}, p.Setup.Patience)
		if sent.Faults > 0 {
			continue // the check of the channels says so
		}
		r, f := query(wire.Query{VendorID: sent.Results[0].VendorID, Message: d.Message, Attempt: d.Attempt, Channel: d.Channel})
		switch {
		case f != nil:
			p.Bad("implement Query for this channel, and return a VendorID from Send", "a message just accepted on channel %s cannot be queried: %v", c.Channel, f)
		default:
			p.Receipt("Query on channel "+string(c.Channel), &r)
		}
	}
	for _, id := range []message.VendorMessageID{"", "hermod-kit-no-such-message"} {
		if r, f := query(wire.Query{VendorID: id, Message: "01KITNOBODY", Attempt: 1}); f == nil {
			p.Bad("return a fault for what the vendor does not know", "Query of a message that does not exist gives the outcome %q", r.Outcome)
		}
	}
}
