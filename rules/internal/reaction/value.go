package reaction

import (
	"encoding/json"
	"fmt"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/hermodhq/hermod/rules/internal/eval"
	"github.com/hermodhq/hermod/rules/internal/strict"
)

// The kinds of values.
const (
	literal = iota
	text
	list
	object
)

// value is a JSON value whose texts may hold expressions. A text that is one expression keeps the expression's type.
type value struct {
	kind    int
	literal any
	text    *eval.Text
	items   []value // of a list, and of an object in the order of keys
	keys    []string
	nodes   []*yaml.Node // where the items stand, while the file is checked
}

// value reads any YAML value.
func (r *Reader) value(n *yaml.Node, field string) value {
	switch n.Kind {
	case yaml.MappingNode:
		v := value{kind: object}
		found := r.Mapping(n, field)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if e, ok := found[key]; !ok || e.Key != n.Content[i] {
				continue
			}
			v.add(n.Content[i+1], key, r.value(n.Content[i+1], field+"."+key))
		}
		return v
	case yaml.SequenceNode:
		v := value{kind: list}
		for i, item := range n.Content {
			v.add(item, "", r.value(item, fmt.Sprintf("%s[%d]", field, i)))
		}
		return v
	}
	if n.Tag == "!!str" || n.Tag == "!!timestamp" {
		t, problems := r.Compiler.Text(n.Value, true)
		for _, p := range problems {
			r.Problem(n, p)
		}
		if fixed, ok := t.Static(); ok {
			return value{literal: fixed}
		}
		return value{kind: text, text: t}
	}
	var v any
	if err := n.Decode(&v); err != nil {
		r.At(n, strict.CodeValueType, "", "%s has no value that can be sent", field)
	}
	if _, err := json.Marshal(v); err != nil {
		r.At(n, strict.CodeValueType, "", "%s has no value that JSON can hold", field)
	}
	return value{literal: v}
}

func (v *value) add(n *yaml.Node, key string, item value) {
	v.keys, v.items, v.nodes = append(v.keys, key), append(v.items, item), append(v.nodes, n)
}

// has returns the JSON type of the value, as far as it is known; empty when it is not.
func (v *value) has() string {
	switch v.kind {
	case text:
		return v.text.Type()
	case list:
		return "array"
	case object:
		return "object"
	}
	switch v.literal.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case int, int64, uint64:
		return "integer"
	}
	return "number"
}

// render gives the value for the machine's event.
func (v *value) render(m *eval.Machine) (any, error) {
	switch v.kind {
	case text:
		got, err := v.text.Value(m)
		return plain(got), err
	case list:
		out := make([]any, len(v.items))
		for i := range v.items {
			item, err := v.items[i].render(m)
			if err != nil {
				return nil, err
			}
			out[i] = item
		}
		return out, nil
	case object:
		out := make(map[string]any, len(v.items))
		for i := range v.items {
			item, err := v.items[i].render(m)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", v.keys[i], err)
			}
			out[v.keys[i]] = item
		}
		return out, nil
	}
	return v.literal, nil
}

// plain writes times as rules do in texts.
func plain(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.Format(time.RFC3339)
	case time.Duration:
		return v.String()
	}
	return v
}
