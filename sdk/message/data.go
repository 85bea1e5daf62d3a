package message

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"unicode/utf8"

	"github.com/hermodhq/hermod/sdk/message/internal/strict"
)

// data wants values that JSON has a form for. [NormalizeData] gives them that form.
func (c *checker) data(path string, data map[string]any) {
	if c.err != nil || data == nil {
		return
	}
	b := dataBudget{paths: c.paths, root: path, items: maxDataItems, bytes: MaxData}
	c.err = b.members(path, data, 1)
}

// dataBudget counts down what data may still hold.
type dataBudget struct {
	paths        strict.Paths
	root         string
	items, bytes int
}

func (b *dataBudget) members(path string, m map[string]any, depth int) *Error {
	if len(m) > maxEntries {
		return newError(CodeTooMany, path, fmt.Sprintf("has %d entries, at most %d are allowed", len(m), maxEntries))
	}
	var least *Error
	for name, v := range m {
		e := b.text(path, "", name)
		if e == nil {
			e = b.value(path, name, v, depth)
		}
		if e != nil && (least == nil || e.Path < least.Path) {
			least = e
		}
	}
	return least
}

func (b *dataBudget) text(path, name, s string) *Error {
	if b.bytes -= len(s); b.bytes < 0 {
		return newError(CodeTooLong, b.root, fmt.Sprintf("holds more than %d bytes of text", MaxData))
	}
	if !utf8.ValidString(s) {
		return newError(CodeTextInvalid, b.paths.Name(path, name), "is not valid UTF-8")
	}
	return nil
}

// value checks the member of that name below path. Paths are put together for containers and findings only.
func (b *dataBudget) value(path, name string, v any, depth int) *Error {
	if b.items--; b.items < 0 {
		return newError(CodeTooMany, b.root, fmt.Sprintf("holds more than %d values", maxDataItems))
	}
	if s, ok := v.(string); ok {
		return b.text(path, name, s)
	}
	if _, exact, ok := number(v); ok {
		if !exact {
			return newError(CodeNumberInexact, b.paths.Name(path, name), "is a number that a 64-bit float cannot hold; give it as text")
		}
		return nil
	}
	switch v.(type) {
	case nil, bool:
		return nil
	}
	full := b.paths.Name(path, name)
	if depth == MaxDataDepth {
		return newError(CodeTooMany, full, fmt.Sprintf("is nested deeper than %d levels", MaxDataDepth))
	}
	switch v := v.(type) {
	case map[string]any:
		return b.members(full, v, depth+1)
	case map[string]string:
		return b.members(full, widenMap(v), depth+1)
	case []any:
		return b.list(full, v, depth+1)
	case []string:
		return b.list(full, widen(v), depth+1)
	}
	return newError(CodeDataNotJSON, full, fmt.Sprintf("has the Go type %T; use text, numbers, booleans, []any and map[string]any", v))
}

func (b *dataBudget) list(path string, list []any, depth int) *Error {
	for i, v := range list {
		if e := b.value(b.paths.At(path, "", i), "", v, depth); e != nil {
			return e
		}
	}
	return nil
}

// number returns the float that JSON makes of a Go number; exact is false when the value would change on the way, ok when v is no number.
func number(v any) (f float64, exact, ok bool) {
	switch v := v.(type) {
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0), true
	case int:
		return float64(v), v <= strict.MaxExact && v >= -strict.MaxExact, true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil, true
	}
	r := reflect.ValueOf(v)
	switch {
	case v == nil || r.Type().PkgPath() != "":
		return 0, false, false
	case r.CanInt():
		return float64(r.Int()), r.Int() <= strict.MaxExact && r.Int() >= -strict.MaxExact, true
	case r.CanUint():
		return float64(r.Uint()), r.Uint() <= strict.MaxExact, true
	case r.CanFloat():
		return r.Float(), !math.IsNaN(r.Float()) && !math.IsInf(r.Float(), 0), true
	}
	return 0, false, false
}

// NormalizeData gives values the form that they have after a round trip through JSON, so that a rule sees the same value before
// and after a restart: every number becomes a float64, []string becomes []any and map[string]string becomes
// map[string]any. What has that form already is returned as it is; the argument is never changed. Call
// [Message.Validate] first: values that JSON has no form for stay as they are.
func NormalizeData(data map[string]any) map[string]any {
	normal, _ := normalizeMap(data)
	return normal
}

func normalizeMap(data map[string]any) (map[string]any, bool) {
	normal, copied := data, false
	for name, v := range data {
		n, changed := normalize(v)
		if !changed {
			continue
		}
		if !copied {
			normal, copied = maps.Clone(data), true
		}
		normal[name] = n
	}
	return normal, copied
}

func normalize(value any) (any, bool) {
	switch v := value.(type) {
	case nil, string, bool, float64:
		return value, false
	case map[string]any:
		return normalizeMap(v)
	case map[string]string:
		return widenMap(v), true
	case []string:
		return widen(v), true
	case []any:
		if list, changed := normalizeList(v); changed {
			return list, true
		}
		return value, false
	}
	if f, _, ok := number(value); ok {
		return f, true
	}
	return value, false
}

func normalizeList(list []any) ([]any, bool) {
	normal, copied := list, false
	for i, v := range list {
		n, changed := normalize(v)
		if !changed {
			continue
		}
		if !copied {
			normal, copied = slices.Clone(list), true
		}
		normal[i] = n
	}
	return normal, copied
}

func widen(list []string) []any {
	wide := make([]any, len(list))
	for i, s := range list {
		wide[i] = s
	}
	return wide
}

func widenMap(m map[string]string) map[string]any {
	wide := make(map[string]any, len(m))
	for k, s := range m {
		wide[k] = s
	}
	return wide
}
