// Package schema infers JSON Schemas from Go types and checks values against them, with errors that never quote a value:
// it may be a secret.
package schema

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

// For infers the JSON Schema of T. secret is the type of strings that must not be shown. A type without a schema is a
// defect of the connector, so For panics; what says whose schema it is.
func For[T any](what string, secret reflect.Type) (json.RawMessage, *jsonschema.Resolved) {
	s, err := jsonschema.For[T](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		secret:                             {Type: "string", WriteOnly: true},
		reflect.TypeFor[time.Time]():       {Type: "string", Format: "date-time"},
		reflect.TypeFor[json.RawMessage](): {},
	}})
	if err != nil {
		panic(fmt.Sprintf("connector: %s has no JSON Schema: %s", what, err))
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		panic(fmt.Sprintf("connector: the JSON Schema of %s: %s", what, err))
	}
	raw, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("connector: the JSON Schema of %s: %s", what, err))
	}
	return raw, resolved
}

// Validate checks a JSON value. What it says never quotes the value, which may be a secret.
func Validate(schema *jsonschema.Resolved, raw json.RawMessage) error {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return withoutValue(err)
	}
	return withoutValue(schema.Validate(v))
}

// Decode is json.Unmarshal with errors that never quote the value.
func Decode(raw json.RawMessage, into any) error { return withoutValue(json.Unmarshal(raw, into)) }

const jsonTypes = `(?:null|boolean|object|array|number|string|integer)`

// An error's text is the path in the schema, then the rule, then the value. All patterns but wantType hold on to the
// beginning, and wantType to the end, so that a value cannot pass for any of them.
var (
	schemaPath = regexp.MustCompile(`^validating (\S+): `)
	keyword    = regexp.MustCompile(`^(enum|const|multipleOf|minimum|maximum|exclusiveMinimum|exclusiveMaximum|minLength|maxLength|pattern|anyOf|oneOf|not|contains|minContains|maxContains|minItems|maxItems|uniqueItems|minProperties|maxProperties)\b`)
	wantType   = regexp.MustCompile(`has type "` + jsonTypes + `", want (?:one of )?"` + jsonTypes + `(?:, ` + jsonTypes + `)*"$`)
	missing    = regexp.MustCompile(`^required: missing properties: (\[.*\])$`)
	additional = regexp.MustCompile(`^unexpected additional properties (\[.*\])$`)
	shortName  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,30}$`)
	quoted     = regexp.MustCompile(`"([^"\\]*)"`)
)

// withoutValue says where a value is wrong and which rule it breaks, and leaves out the value itself.
func withoutValue(err error) error {
	if err == nil {
		return nil
	}
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s: does not fit the type %s", cmp.Or(t.Field, "the value"), t.Type)
	}
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("not valid JSON at byte %d", s.Offset)
	}
	text, where := err.Error(), ""
	for m := schemaPath.FindStringSubmatch(text); m != nil; m = schemaPath.FindStringSubmatch(text) {
		where, text = fieldOf(m[1]), text[len(m[0]):]
	}
	if where != "" {
		where += ": "
	}
	if m := missing.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("%s%s missing", where, are(m[1]))
	}
	if m := additional.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("%s%s unknown", where, are(m[1]))
	}
	if m := keyword.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("%sbreaks the schema's rule %q", where, m[1])
	}
	if m := wantType.FindString(text); m != "" {
		return fmt.Errorf("%s%s", where, m)
	}
	return fmt.Errorf("%sdoes not fit", where)
}

// fieldOf turns a path in the schema into the field's: /properties/a/properties/b is a.b. The whole value is empty.
func fieldOf(path string) string {
	var parts []string
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		switch part {
		case "properties", "", "root":
		case "items":
			parts = append(parts, "[]")
		default:
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ".")
}

// are names fields as the subject of a sentence, but none that could be a misplaced value.
func are(list string) string {
	var out []string
	for _, m := range quoted.FindAllStringSubmatch(list, -1) {
		if shortName.MatchString(m[1]) {
			out = append(out, m[0])
		} else {
			out = append(out, "(not shown)")
		}
	}
	slices.Sort(out) // they come in no order
	if len(out) == 1 {
		return "the field " + out[0] + " is"
	}
	return "the fields " + strings.Join(out, ", ") + " are"
}
