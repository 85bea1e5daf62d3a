package basics

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/hermodhq/hermod/internal/wire"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/probe"
	"github.com/hermodhq/hermod/sdk/message"
)

// The words of connector.Receipts.
const (
	noReceipts = "none"
	polled     = "polled"
	pushed     = "pushed"
)

var (
	namePattern      = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	versionPattern   = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
	operationPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$`)
	secretPattern    = regexp.MustCompile(`(?i)(^|_)(token|secret|password|passphrase|api_?key|private_key|credential)s?$`)
)

// Description holds that the description is whole and agrees with itself.
func Description(ctx context.Context, p *probe.Probe) {
	d := &p.Description
	raw, err := json.Marshal(d)
	if err != nil {
		p.Bad("make the schemas valid JSON", "the description is no JSON: %v", err)
	}
	p.Text.Add(probe.InError, string(raw))
	ctx, cancel := context.WithTimeout(ctx, p.Setup.Patience)
	defer cancel()
	if again, err := p.Describe(ctx); err != nil || !sameJSON(again, *d) {
		p.Bad("make Describe a constant: it needs no account and does no I/O", "a second Describe says something else")
	}
	if p.Process != nil && p.Local != nil && !sameJSON(*d, p.Local.Describe()) {
		p.Bad("do not let Describe depend on the environment", "the subprocess describes itself differently from the connector in this process")
	}
	p.Rules(
		probe.Want(namePattern.MatchString(string(d.Name)), "the name is not made of a-z, 0-9 and -", "choose a name such as acme"),
		probe.Want(versionPattern.MatchString(d.Version), "the version is no semantic version", "write it as 1.2.3"),
		probe.Want(d.Summary != "" && !strings.Contains(d.Summary, "\n"), "the summary is not one sentence", "set Spec.Summary"),
		probe.Want(d.Vendor != "", "the vendor has no name", "set Spec.Vendor"),
		probe.Want(d.Docs == "" || strings.HasPrefix(d.Docs, "https://"), "docs is no https URL", "set Spec.Docs to the vendor's documentation"),
		probe.Want(d.Limits.PerSecond >= 0 && d.Limits.PerRecipientPerSecond >= 0 && d.Limits.Concurrency >= 0, "a limit is negative", "leave a limit that does not exist at zero"),
		probe.Want(len(d.Channels) > 0 == d.Capabilities.Send, "channels and sending do not go together",
			"declare channels exactly if accounts implement Sender or BatchSender"),
		probe.Want(len(d.Events) > 0 == (d.Capabilities.Receive || d.Capabilities.Listen), "events and their source do not go together",
			"declare events exactly if accounts implement Receiver or Listener"),
		probe.Want(len(d.Channels) > 0 || len(d.Operations) > 0 || len(d.Events) > 0, "it can do nothing", "declare channels, operations or events"),
	)
	seen := map[message.Channel]bool{}
	for i := range d.Channels {
		channel(p, d, &d.Channels[i])
		p.Rules(probe.Want(!seen[d.Channels[i].Channel], "channel "+string(d.Channels[i].Channel)+" is declared twice", "declare it once"))
		seen[d.Channels[i].Channel] = true
	}
	names := map[string]bool{}
	for _, o := range d.Operations {
		operation(p, &o)
		p.Rules(probe.Want(!names[o.Name], "operation "+o.Name+" is declared twice", "declare it once"))
		names[o.Name] = true
	}
	configSchema(p, d)
}

func channel(p *probe.Probe, d *wire.Description, c *wire.Channel) {
	name := "channel " + string(c.Channel) + ": "
	highest := 0
	for _, o := range c.Outcomes {
		highest = max(highest, o.Rank())
		p.Rules(probe.Want(o.Rank() > 0, name+"outcome "+string(o)+" is not a positive one", "list accepted, sent, delivered, read, replied"))
	}
	for _, k := range c.Kinds {
		p.Rules(probe.Want(slices.Contains(probe.Kinds(), k), name+"the kind "+string(k)+" is not known", "use text, template, media and interactive"))
	}
	p.Rules(
		probe.Want(c.Channel != "" && strings.ToLower(string(c.Channel)) == string(c.Channel), name+"its name is not in lower case", "use the shared names where they fit"),
		probe.Want(len(c.Kinds) > 0, name+"it carries no kind of content", "set Kinds"),
		probe.Want(c.MaxText >= 0 && c.Session >= 0 && c.TTL >= 0, name+"a bound is negative", "leave a bound that does not exist at zero"),
		probe.Want(slices.Contains(c.Outcomes, message.Accepted), name+"accepted is not among its outcomes", "list accepted: Send returns it"),
		probe.Want(slices.Contains([]string{noReceipts, polled, pushed}, c.Receipts),
			name+"its receipts are not none, polled or pushed", "set Receipts"),
		probe.Want(c.Receipts != polled || d.Capabilities.Query, name+"receipts are polled, but accounts cannot be queried", "implement Querier"),
		probe.Want(c.Receipts != pushed || slices.Contains(d.Events, message.EventReceipt),
			name+"receipts are pushed, but the connector emits no receipt event", `add message.EventReceipt to Spec.Events`),
		probe.Want(c.Receipts != noReceipts || highest <= message.Delivered.Rank(), name+"it knows of more than delivered without receipts",
			"list only the outcomes that can be known"),
		probe.Want(c.Receipts == noReceipts || highest > 1, name+"it has receipts, but no outcome beyond accepted", "list the outcomes that receipts bring"),
	)
}

func operation(p *probe.Probe, o *wire.Operation) {
	name := "operation " + o.Name + ": "
	_, inErr := resolve(o.Input)
	_, outErr := resolve(o.Output)
	p.Rules(
		probe.Want(operationPattern.MatchString(o.Name), name+"its name is not of the form noun.verb", "use a-z, 0-9, _ and dots"),
		probe.Want(o.Summary != "", name+"it has no summary", "say in one sentence what it does"),
		probe.Want(o.Endpoint != "", name+"it names no endpoint of the vendor", "set the endpoint or command that it calls"),
		probe.Want(inErr == nil, name+"its input schema is no JSON Schema", "correct the schema"),
		probe.Want(outErr == nil, name+"its output schema is no JSON Schema", "correct the schema"),
	)
}

// configSchema looks at the configuration's schema, and remembers the secrets of the harness's configuration.
func configSchema(p *probe.Probe, d *wire.Description) {
	var s jsonschema.Schema
	if _, err := resolve(d.Config); err != nil || json.Unmarshal(d.Config, &s) != nil || s.Type != "object" {
		p.Bad("describe the configuration as an object", "the configuration's schema is no JSON Schema of an object")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		f := s.Properties[name]
		p.Rules(
			probe.Want(f.Description != "", "setting "+name+" has no description", `add a jsonschema:"..." tag: hermod connectors describe shows it`),
			probe.Want(f.WriteOnly || f.Type != "string" || !secretPattern.MatchString(name), "setting "+name+" looks like a secret and is not marked as one",
				`give it the type connector.Secret ("writeOnly": true)`),
		)
	}
}

func resolve(raw json.RawMessage) (*jsonschema.Resolved, error) {
	var s jsonschema.Schema
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	return s.Resolve(nil)
}

// sameJSON compares two values by what they say.
func sameJSON(a, b any) bool {
	x, err := normal(a)
	y, err2 := normal(b)
	return err == nil && err2 == nil && reflect.DeepEqual(x, y)
}

// normal is a value as JSON has it, without members that say nothing.
func normal(v any) (any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, err
	}
	return prune(out), nil
}

func prune(v any) any {
	if m, ok := v.(map[string]any); ok {
		for k, x := range m {
			if list, isList := x.([]any); x == nil || isList && len(list) == 0 {
				delete(m, k)
			} else {
				m[k] = prune(x)
			}
		}
	}
	if list, ok := v.([]any); ok {
		for i := range list {
			list[i] = prune(list[i])
		}
	}
	return v
}
