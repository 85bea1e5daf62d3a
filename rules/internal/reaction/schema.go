package reaction

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"

	"github.com/hermodhq/hermod/rules/internal/strict"
)

// fits checks a value against a schema as far as it is known before there is an event: the keys of objects, the types of literals
// and expressions, and what a literal may be. What cannot be known now is checked before each call.
func (r *Reader) fits(n *yaml.Node, v *value, s *jsonschema.Schema, field string) {
	if s == nil {
		return
	}
	types := s.Types
	if s.Type != "" {
		types = []string{s.Type}
	}
	if have := v.has(); len(types) > 0 && have != "" && !slices.ContainsFunc(types, func(want string) bool { return passes(have, want, v) }) {
		r.At(n, strict.CodeValueType, mend(n, v, types), "%s is %s, not %s", field, article(types), article([]string{have}))
		return
	}
	switch v.kind {
	case object:
		r.fitsObject(n, v, s, field)
	case list:
		for i := range v.items {
			r.fits(v.nodes[i], &v.items[i], s.Items, fmt.Sprintf("%s[%d]", field, i))
		}
	case literal:
		r.fitsLiteral(n, v, s, field)
	}
}

// passes reports whether a value of one JSON type may stand where another is wanted. A number from an expression may be a whole one.
func passes(have, want string, v *value) bool {
	return have == want || have == "integer" && want == "number" || have == "number" && want == "integer" && v.kind == text
}

func (r *Reader) fitsObject(n *yaml.Node, v *value, s *jsonschema.Schema, field string) {
	closed := s.AdditionalProperties != nil && reflect.DeepEqual(s.AdditionalProperties, &jsonschema.Schema{Not: &jsonschema.Schema{}})
	for i, key := range v.keys {
		property := s.Properties[key]
		switch {
		case property != nil:
		case closed && len(s.PatternProperties) == 0:
			r.At(keyOf(n, key), strict.CodeKeyUnknown, strict.DidYouMean(key, slices.Sorted(maps.Keys(s.Properties))), "%s has no field %s", field, key)
			continue
		case !closed:
			property = s.AdditionalProperties
		}
		r.fits(v.nodes[i], &v.items[i], property, key)
	}
	for _, key := range s.Required {
		if !slices.Contains(v.keys, key) {
			r.At(n, strict.CodeKeyMissing, "add "+key+":", "%s needs %s", field, key)
		}
	}
}

func (r *Reader) fitsLiteral(n *yaml.Node, v *value, s *jsonschema.Schema, field string) {
	if s.Ref != "" || s.DynamicRef != "" {
		return // it needs the whole schema, and is checked before each call
	}
	resolved, err := s.CloneSchemas().Resolve(nil)
	if err != nil || resolved.Validate(jsonOf(v.literal)) == nil {
		return
	}
	suggestion := ""
	if len(s.Enum) > 0 {
		var words []string
		for _, e := range s.Enum {
			words = append(words, fmt.Sprint(e))
		}
		suggestion = strict.DidYouMean(fmt.Sprint(v.literal), words)
	}
	r.At(n, strict.CodeValueInvalid, suggestion, "%s cannot be %q: the operation's schema does not allow it", field, n.Value)
}

// jsonOf gives numbers the type that JSON gives them.
func jsonOf(v any) any {
	if r := reflect.ValueOf(v); v != nil && r.CanInt() {
		return float64(r.Int())
	}
	return v
}

// keyOf returns where a key of a mapping stands.
func keyOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i]
		}
	}
	return n
}

func article(types []string) string {
	names := map[string]string{"string": "a text", "boolean": "true or false", "integer": "a whole number", "number": "a number", "array": "a list",
		"object": "a mapping", "null": "nothing"}
	var words []string
	for _, t := range types {
		if t != "null" || len(types) == 1 {
			words = append(words, names[t])
		}
	}
	return strings.Join(words, " or ")
}

// mend suggests how to give a value the type that is wanted.
func mend(n *yaml.Node, v *value, types []string) string {
	numeric := slices.Contains(types, "integer") || slices.Contains(types, "number") || slices.Contains(types, "boolean")
	switch {
	case v.kind == literal && slices.Contains(types, "string") && n.Kind == yaml.ScalarNode && n.Value != "":
		return fmt.Sprintf("put quotes around it: %q", n.Value)
	case v.kind == text && slices.Contains(types, "string"):
		return "make a text of it, as in {{ string(...) }}"
	case v.kind == literal && numeric && plainWord(n.Value):
		return "write it without quotes"
	case v.kind == text && numeric:
		return "an expression that stands alone keeps its type: {{ int(...) }}"
	}
	return ""
}

// plainWord reports whether a text is a number, or true or false, in quotes.
func plainWord(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil || s == "true" || s == "false"
}
