package reaction

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"

	"github.com/hermodhq/hermod/rules/internal/eval"
	"github.com/hermodhq/hermod/rules/internal/strict"
	"github.com/hermodhq/hermod/sdk/message"
)

// action reads one action of a reaction.
func (r *Reader) action(n *yaml.Node) action {
	e := r.Mapping(n, "an action", "call", "send", "tell", "with")
	if e == nil {
		return nil
	}
	var kinds []string
	for _, kind := range []string{"call", "send", "tell"} {
		if e.Get(kind) != nil {
			kinds = append(kinds, kind)
		}
	}
	switch {
	case len(kinds) == 0:
		r.At(n, strict.CodeKeyMissing, "", "an action needs call, send or tell")
	case len(kinds) > 1:
		r.At(e[kinds[1]].Key, strict.CodeValueInvalid, "make it an action of its own", "an action has %s or %s, not both", kinds[0], kinds[1])
	case kinds[0] == "call":
		return r.call(e.Get("call"), e.Get("with"))
	case kinds[0] == "tell":
		return r.tell(e.Get("tell"), e.Get("with"))
	default:
		if with, ok := e["with"]; ok {
			r.At(with.Key, strict.CodeKeyUnknown, "put the message's data into send.data", "send has no key with")
		}
		return r.send(e.Get("send"))
	}
	return nil
}

// call is a compiled call.
type call struct {
	Call
	schema *jsonschema.Resolved // nil: not known
	input  value
}

func (r *Reader) call(n, with *yaml.Node) action {
	c := &call{}
	op := r.operation(n, c)
	input := &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column}
	if with != nil {
		input = with
	}
	c.input = r.value(input, "with")
	if op == nil || len(op.Input) == 0 {
		return c
	}
	schema := &jsonschema.Schema{}
	err := json.Unmarshal(op.Input, schema)
	if err == nil {
		c.schema, err = schema.Resolve(nil)
	}
	if err != nil {
		r.At(n, strict.CodeValueInvalid, "report it to the connector's authors", "the input schema of %s cannot be read", c.where())
		return c
	}
	r.fits(input, &c.input, schema, "the input of "+c.where())
	return c
}

// operation finds account/operation among what the accounts offer.
func (r *Reader) operation(n *yaml.Node, c *call) *Operation {
	s, ok := r.Text(n, "call")
	if !ok {
		return nil
	}
	account, name, ok := strings.Cut(s, "/")
	if !ok || account == "" || name == "" {
		r.At(n, strict.CodeValueInvalid, "write it as in omnidesk-nl/ticket.update", "call is account/operation, and %q is not", s)
		return nil
	}
	c.Account, c.Operation = message.AccountID(account), name
	known, ok := r.Accounts[c.Account]
	if !ok {
		r.Inside(n, 0, eval.CodeAccount, strict.DidYouMean(account, r.Compiler.Accounts), "no account is called %q", account)
		return nil
	}
	var names []string
	for i := range known.Operations {
		if op := &known.Operations[i]; op.Name == name {
			c.Mutates = op.Mutates
			return op
		}
		names = append(names, known.Operations[i].Name)
	}
	r.Inside(n, len([]rune(account))+1, CodeOperation, strict.DidYouMean(name, names), "account %s has no operation %q", account, name)
	return nil
}

func (c *call) where() string { return string(c.Account) + "/" + c.Operation }

func (c *call) render(m *eval.Machine) Action {
	v, err := c.input.render(m)
	if err != nil {
		return Action{Err: err}
	}
	out := c.Call
	if out.Input, err = json.Marshal(v); err != nil {
		return Action{Err: fmt.Errorf("the input cannot be written as JSON")}
	}
	if c.schema != nil {
		var plain any
		if err := json.Unmarshal(out.Input, &plain); err != nil {
			return Action{Err: fmt.Errorf("the input cannot be read back: %w", err)}
		}
		if err := c.schema.Validate(plain); err != nil {
			return Action{Err: fmt.Errorf("the input does not fit the operation's schema: %s", place(err))}
		}
	}
	return Action{Call: &out}
}

var schemaPath = regexp.MustCompile(`validating (/\S+): `)

// place names the field that does not fit. The rest of the validator's text may quote values of the event.
func place(err error) string {
	found := schemaPath.FindAllStringSubmatch(err.Error(), -1)
	if len(found) == 0 {
		return "a field is missing, or there is one too many"
	}
	last := found[len(found)-1][1]
	return strings.Join(slices.DeleteFunc(strings.Split(last, "/"), func(s string) bool { return s == "" || s == "properties" }), ".") + " has another type or value"
}

// tell is a compiled signal.
type tell struct {
	name string
	with value
}

func (r *Reader) tell(n, with *yaml.Node) action {
	name, ok := r.Text(n, "tell")
	if ok && (name == "" || len(name) > 100) {
		r.At(n, strict.CodeValueInvalid, "", "a signal's name has 1 to 100 bytes")
	}
	t := &tell{name: name, with: value{kind: object}}
	if with != nil {
		if t.with = r.value(with, "with"); t.with.kind != object {
			r.At(with, strict.CodeValueType, "", "with is a mapping of keys to values")
		}
	}
	return t
}

func (t *tell) where() string { return "tell " + t.name }

func (t *tell) render(m *eval.Machine) Action {
	v, err := t.with.render(m)
	if err != nil {
		return Action{Err: err}
	}
	with, ok := v.(map[string]any)
	if !ok {
		return Action{Err: errors.New("with is no mapping")}
	}
	return Action{Tell: &Tell{Name: t.name, With: with}}
}
