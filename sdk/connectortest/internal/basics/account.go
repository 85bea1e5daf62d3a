// Package basics holds the checks of descriptions, settings, accounts, operations, and of what a connector leaves behind.
package basics

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/hermodhq/hermod/internal/wire"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/probe"
	"github.com/hermodhq/hermod/sdk/fault"
)

const leastSecret = 8 // characters; anything shorter is found everywhere

// Harness holds what the other checks take for granted.
func Harness(ctx context.Context, p *probe.Probe) {
	if p.Need(p.Setup.Config != nil, "Config") {
		secrets(p)
		numbers(p)
		a, closes := p.Open(ctx)
		if a != nil {
			closes()
		}
	}
	if p.Description.Capabilities.Send {
		p.Need(p.Setup.Vendor != nil, "Vendor")
	}
	excuses(p)
	if !p.Description.Capabilities.Receive && len(p.Setup.Webhooks)+len(p.Setup.Forged)+len(p.Setup.Stale) > 0 {
		p.Bad("implement Receiver, or remove the requests", "the harness has webhook requests, but the connector takes none")
	}
	if !p.Description.Capabilities.Listen && p.Setup.Happen != nil {
		p.Bad("implement Listener, or remove Harness.Happen", "the harness has Happen, but the connector does not listen")
	}
}

// excuses holds that what is excused may be.
func excuses(p *probe.Probe) {
	for _, excuse := range slices.Sorted(maps.Keys(p.Setup.Excuses)) {
		name, operation, inPart := strings.Cut(excuse, "/")
		excusable, exists := p.Excusable[name]
		declared := func(o wire.Operation) bool { return o.Name == operation }
		switch {
		case inPart && !p.InParts[name]:
			p.Bad("correct the name, or make the operation pass it", "there is no check %q of which one operation can be excused", name)
		case inPart && !slices.ContainsFunc(p.Description.Operations, declared):
			p.Bad("correct the name, or remove it from Harness.Excuses", "the operation %q, which is excused, is not declared", operation)
		case inPart:
		case !exists:
			p.Bad("correct the name, or remove it from Harness.Excuses", "the excused check %q does not exist", name)
		case !excusable:
			p.Bad("make the connector pass it", "the check %q cannot be excused: it holds for every connector", name)
		case !slices.Contains(p.Plan, name):
			p.Bad("remove it from Harness.Excuses", "the excused check %q does not apply to this connector anyway", name)
		}
	}
}

// secrets remembers the secrets of the configuration, so that nothing may say them.
func secrets(p *probe.Probe) {
	var s jsonschema.Schema
	var config map[string]any
	if json.Unmarshal(p.Description.Config, &s) != nil || json.Unmarshal(p.Setup.Config, &config) != nil {
		p.Bad("write Harness.Config as a JSON object", "the configuration or its schema is no JSON object")
		return
	}
	collect(p, "", &s, config)
}

var fictional = regexp.MustCompile(`447700900\d{3}|1\d{3}55501\d{2}`)

// numbers remembers the phone numbers in the harness's inputs and webhooks, all of them from the ranges kept for fiction, and the inputs' texts.
func numbers(p *probe.Probe) {
	for name, input := range p.Setup.Inputs {
		for _, n := range fictional.FindAllString(string(input), -1) {
			p.Private("a phone number in an operation's input", n)
		}
		var v any
		if json.Unmarshal(input, &v) == nil {
			texts(p, "of operation "+name, v)
		}
	}
	for _, w := range p.Setup.Webhooks {
		for _, n := range fictional.FindAllString(string(w.Request.Body), -1) {
			p.Private("a phone number in a webhook", n)
		}
	}
}

// texts remembers what a person may have written: what has a space between letters, and e-mail addresses.
func texts(p *probe.Probe, where string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			texts(p, name+" "+where, member)
		}
	case []any:
		for _, item := range v {
			texts(p, where, item)
		}
	case string:
		if len(v) >= leastText && written.MatchString(v) {
			p.Personal["the input "+where] = v
		}
	}
}

const leastText = 8 // bytes; anything shorter may stand in other texts

var written = regexp.MustCompile(`\pL[\pP]* \pL|@`)

func collect(p *probe.Probe, path string, s *jsonschema.Schema, v any) {
	if s == nil {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			sub := s.Properties[name]
			if sub == nil {
				sub = s.AdditionalProperties
			}
			collect(p, strings.TrimPrefix(path+"."+name, "."), sub, member)
		}
	case []any:
		for _, item := range v {
			collect(p, path, s.Items, item)
		}
	case string:
		if s.WriteOnly && len(v) < leastSecret {
			p.Bad(fmt.Sprintf("write a test secret of %d characters or more", leastSecret), "the secret %s in Harness.Config is too short to be looked for", path)
		} else if s.WriteOnly {
			p.Personal["the secret setting "+path] = v
		}
	}
}

// Settings opens accounts that must not open.
func Settings(ctx context.Context, p *probe.Probe) {
	var s jsonschema.Schema
	var config map[string]any
	if json.Unmarshal(p.Description.Config, &s) != nil || json.Unmarshal(p.Setup.Config, &config) != nil {
		return // the check of the harness says so
	}
	without := func(name string, value any) json.RawMessage {
		c := maps.Clone(config)
		delete(c, name)
		if value != nil {
			c[name] = value
		}
		raw, err := json.Marshal(c)
		if err != nil {
			p.Bad("write Harness.Config as a JSON object", "the configuration: %v", err)
		}
		return raw
	}
	refused(ctx, p, "a configuration that is no JSON", "", json.RawMessage(`{"`))
	refused(ctx, p, "a configuration that is no object", "", json.RawMessage(`[]`))
	refused(ctx, p, "an unknown setting", probe.UnknownName, without(probe.UnknownName, "x"))
	for _, name := range s.Required {
		refused(ctx, p, "a configuration without the required setting "+name, name, without(name, nil))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if t := s.Properties[name].Type; t == "" || t == "array" {
			continue // may be several types
		}
		value := config[name]
		if value == nil {
			value = "x"
		}
		refused(ctx, p, "the setting "+name+" as a list", name, without(name, []any{[]any{value}}))
	}
}

// refused opens an account whose configuration is wrong in one setting.
func refused(ctx context.Context, p *probe.Probe, what, setting string, config json.RawMessage) {
	a, err := p.OpenWith(ctx, config)
	if err == nil {
		p.Close(ctx, a)
		p.Bad("check the configuration against its schema in Open; connector.Define does", "Open accepts %s", what)
		return
	}
	f := p.See("Open with "+what, err)
	if f.Class != fault.Misconfigured {
		p.Bad("return class misconfigured", "Open refuses %s with class %s", what, f.Class)
	}
	if setting != "" && !strings.Contains(f.Error(), setting) {
		p.Bad("name the setting in the error", "the refusal of %s does not name %s", what, setting)
	}
}

// OpenClose opens two accounts, closes one twice, and uses both.
func OpenClose(ctx context.Context, p *probe.Probe) {
	first, closeFirst := p.Open(ctx)
	second, closeSecond := p.Open(ctx)
	if first == nil || second == nil {
		closeFirst()
		closeSecond()
		return
	}
	closeFirst()
	if len(p.Findings()) > 0 {
		closeSecond()
		return // an account that does not close proves nothing more
	}
	if f := p.See("a second Close", p.Within(ctx, p.Setup.Patience, first.Close)); f != nil {
		p.Bad("let Close of an account that is closed do nothing", "a second Close fails: %v", f)
	}
	p.Alive(ctx, "an account that is still open, after another was closed", second)
	closeSecond()
	third, closeThird := p.Open(ctx)
	if third != nil {
		p.Alive(ctx, "an account that was opened again", third)
	}
	closeThird()
	ended, cancel := context.WithCancel(ctx)
	cancel()
	a, err := p.OpenWith(ended, p.Setup.Config)
	switch {
	case err == nil:
		p.Close(ctx, a)
	case p.Process == nil:
		p.See("Open with an ended context", err)
	}
}

// Wire calls what belongs to no account.
func Wire(ctx context.Context, p *probe.Probe) {
	ctx, cancel := context.WithTimeout(ctx, p.Setup.Patience)
	defer cancel()
	if err := p.Process.Ping(ctx); err != nil {
		p.Bad("answer Ping at once", "%v", err)
	}
	nobody := p.Process.Account(1 << 40)
	if err := nobody.Close(ctx); err != nil {
		p.Bad("let Close of a handle that is not open do nothing", "closing an unknown handle: %v", err)
	}
	if _, err := nobody.Invoke(ctx, probe.UnknownName, nil); err == nil {
		p.Bad("answer calls for handles that are not open with gRPC status NOT_FOUND", "an operation of an unknown handle succeeds")
	}
	if _, _, err := nobody.Receive(ctx, wire.Request{Method: http.MethodPost, Path: "/"}); err == nil {
		p.Bad("answer calls for handles that are not open with gRPC status NOT_FOUND", "a webhook of an unknown handle succeeds")
	}
	if ctx.Err() != nil {
		p.Bad("answer calls for unknown handles at once", "a call for an unknown handle hangs")
	}
}
