package eval

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr/vm"

	"github.com/hermodhq/hermod/sdk/fault"
)

// Text is a compiled text with {{ expressions }} inside. It may be used by many goroutines at once, each with its own [Machine].
type Text struct {
	parts []part
}

// part is literal text or, where program or path is set, an expression.
type part struct {
	literal string
	source  string
	path    []string // data.a.b, looked up without the virtual machine
	program *vm.Program
	typ     reflect.Type // of the expression; nil: not known
}

func (p *part) literally() bool { return p.program == nil }

// Text compiles a text and reports every problem in it. typed says that a text that is one expression may have any
// value, lists and maps included.
func (c *Compiler) Text(text string, typed bool) (*Text, []*Problem) {
	t := &Text{}
	var problems []*Problem
	fail := func(offset int, p *Problem) {
		p.Offset += utf8.RuneCountInString(text[:offset])
		problems = append(problems, p)
	}
	for at := 0; at < len(text); {
		open := strings.Index(text[at:], "{{")
		if open < 0 {
			t.parts = append(t.parts, part{literal: text[at:]})
			break
		}
		if open > 0 {
			t.parts = append(t.parts, part{literal: text[at : at+open]})
		}
		open += at
		end := closing(text, open+2)
		if end < 0 {
			fail(open, &Problem{Code: CodeTemplate, Text: "{{ is not closed", Suggestion: "add }} after the expression, or write {{ \"{{\" }} for the two characters themselves"})
			break
		}
		at = end + 2
		source := strings.TrimSpace(text[open+2 : end])
		if source == "" {
			fail(open, &Problem{Code: CodeTemplate, Text: "nothing stands between {{ and }}"})
			continue
		}
		p, problem := c.part(source, typed && strings.TrimSpace(text) == text && open == 0 && at == len(text))
		if problem != nil {
			fail(open+2+strings.Index(text[open+2:end], source), problem)
			continue
		}
		t.parts = append(t.parts, p)
	}
	return t, problems
}

// closing finds the }} that ends an expression, stepping over strings and nested braces; -1 when there is none.
func closing(text string, at int) int {
	depth := 0
	for i := at; i < len(text); i++ {
		switch ch := text[i]; ch {
		case '"', '\'', '`':
			i++
			for ; i < len(text) && text[i] != ch; i++ {
				if text[i] == '\\' && ch != '`' {
					i++
				}
			}
		case '{':
			depth++
		case '}':
			if depth > 0 {
				depth--
			} else if strings.HasPrefix(text[i:], "}}") {
				return i
			}
		}
	}
	return -1
}

func (c *Compiler) part(source string, anyValue bool) (part, *Problem) {
	tree, problem := c.check(source, c.texts, reflect.Invalid)
	if problem != nil {
		return part{}, problem
	}
	if t := tree.Node.Type(); t != nil && !writable(t, anyValue) {
		return part{}, &Problem{Code: CodeType, Text: fmt.Sprintf("%s cannot be written into a text", ourTypes(t.String())), Suggestion: "choose one of its fields"}
	}
	p := part{source: source, typ: tree.Node.Type()}
	if names := path(tree.Node); len(names) > 1 && names[0] == "data" {
		p.path = names[1:]
	}
	program, problem := c.program(tree)
	if problem != nil {
		return part{}, problem
	}
	p.program = program
	return p, nil
}

// writable reports whether values of a type have a text, or may stand alone as they are.
func writable(t reflect.Type, anyValue bool) bool {
	switch t.Kind() {
	case reflect.Struct:
		return t == reflect.TypeFor[time.Time]()
	case reflect.Func:
		return false
	case reflect.Map, reflect.Slice:
		return anyValue && t.Elem().Kind() != reflect.Struct
	}
	return true
}

// Static returns the text when there is no expression in it.
func (t *Text) Static() (string, bool) {
	switch {
	case len(t.parts) == 0:
		return "", true
	case len(t.parts) == 1 && t.parts[0].literally():
		return t.parts[0].literal, true
	}
	return "", false
}

// Type is the JSON type of what [Text.Value] gives, as far as it is known before: string, boolean, integer, number, array,
// object, or empty.
func (t *Text) Type() string {
	if len(t.parts) != 1 || t.parts[0].literally() {
		return "string"
	}
	typ := t.parts[0].typ
	if typ == nil {
		return ""
	}
	switch typ {
	case reflect.TypeFor[time.Time](), reflect.TypeFor[time.Duration]():
		return "string"
	}
	switch k := typ.Kind(); {
	case k == reflect.String:
		return "string"
	case k == reflect.Bool:
		return "boolean"
	case k >= reflect.Int && k <= reflect.Uint64:
		return "integer"
	case k == reflect.Float32, k == reflect.Float64:
		return "number"
	case k == reflect.Slice, k == reflect.Array:
		return "array"
	case k == reflect.Map:
		return "object"
	}
	return ""
}

// Shortest is how many characters the text has at least.
func (t *Text) Shortest() int {
	n := 0
	for _, p := range t.parts {
		n += utf8.RuneCountInString(p.literal)
	}
	return n
}

// The stable codes of rendering errors.
const (
	CodeValueMissing = "template_value_missing"
	CodeValueInvalid = "template_value_invalid"
)

// RenderError says which expression of a text has no usable value. It never holds the value.
type RenderError struct {
	Code       string
	Expression string
	Reason     string
}

// Error names the expression and the reason.
func (e *RenderError) Error() string {
	return fmt.Sprintf("{{ %s }} %s", fault.Redact(e.Expression), e.Reason)
}

// Render returns the text for the machine's message.
func (t *Text) Render(m *Machine) (string, error) {
	if len(t.parts) == 1 {
		v, err := t.parts[0].value(m)
		if err != nil {
			return "", err
		}
		if s, ok := v.(string); ok && len(s) <= MaxRendered {
			return s, nil
		}
	}
	m.buf = m.buf[:0]
	for i := range t.parts {
		p := &t.parts[i]
		v, err := p.value(m)
		if err != nil {
			return "", err
		}
		var ok bool
		if m.buf, ok = appendText(m.buf, v); !ok {
			return "", &RenderError{CodeValueInvalid, p.source, "is a list or a map, which has no text"}
		}
		if len(m.buf) > MaxRendered {
			return "", &RenderError{CodeValueInvalid, p.source, fmt.Sprintf("makes the text longer than %d bytes", MaxRendered)}
		}
	}
	return string(m.buf), nil
}

// Value is like Render, but a text that is one expression keeps the expression's type.
func (t *Text) Value(m *Machine) (any, error) {
	if len(t.parts) == 1 {
		return t.parts[0].value(m)
	}
	return t.Render(m)
}

func (p *part) value(m *Machine) (any, error) {
	if p.literally() {
		return p.literal, nil
	}
	if p.path != nil {
		if v, done := lookup(m.Env.Data, p.path); done {
			if v == nil {
				return nil, p.missing()
			}
			return v, nil
		}
	}
	v, err := m.run(p.program)
	switch {
	case err != nil:
		return nil, &RenderError{CodeValueInvalid, p.source, "cannot be evaluated for this message"}
	case v == nil:
		return nil, p.missing()
	}
	return v, nil
}

func (p *part) missing() error {
	return &RenderError{CodeValueMissing, p.source, "has no value; see that it is sent along, or give a default with ??"}
}

// lookup follows names through nested maps. It is done unless it meets something else than a map on the way.
func lookup(data map[string]any, names []string) (v any, done bool) {
	for i, name := range names {
		v = data[name]
		if i == len(names)-1 || v == nil {
			return v, true
		}
		var ok bool
		if data, ok = v.(map[string]any); !ok {
			return nil, false
		}
	}
	return v, true
}

// appendText writes a value as people expect to read it; false when it has no text.
func appendText(b []byte, v any) ([]byte, bool) {
	switch v := v.(type) {
	case string:
		return append(b, v...), true
	case int:
		return strconv.AppendInt(b, int64(v), 10), true
	case float64:
		return appendFloat(b, v)
	case bool:
		return strconv.AppendBool(b, v), true
	case json.Number:
		return append(b, v...), true
	case time.Time:
		return v.AppendFormat(b, time.RFC3339), true
	case time.Duration:
		return append(b, v.String()...), true
	}
	r := reflect.ValueOf(v)
	switch {
	case r.CanInt():
		return strconv.AppendInt(b, r.Int(), 10), true
	case r.CanUint():
		return strconv.AppendUint(b, r.Uint(), 10), true
	case r.CanFloat():
		return appendFloat(b, r.Float())
	case r.Kind() == reflect.String:
		return append(b, r.String()...), true
	}
	return b, false
}

// appendFloat writes 1042 for 1042.0: numbers in JSON data are all floats.
func appendFloat(b []byte, f float64) ([]byte, bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return b, false
	}
	if math.Abs(f) < 1e15 {
		return strconv.AppendFloat(b, f, 'f', -1, 64), true
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64), true
}

// AsRenderError returns the [RenderError] in err's chain, or nil.
func AsRenderError(err error) *RenderError {
	e, _ := errors.AsType[*RenderError](err)
	return e
}
