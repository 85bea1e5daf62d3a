// Package strict reads YAML nodes without leniency: unknown keys, wrong types and values out of range are mistakes, each with its
// place, and reading goes on to find them all.
package strict

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/hermodhq/hermod/rules/internal/eval"
	"github.com/hermodhq/hermod/rules/internal/source"
)

// The stable codes of mistakes that this package finds by itself.
const (
	CodeFeature      = "yaml_unsupported"
	CodeKeyUnknown   = "key_unknown"
	CodeKeyDuplicate = "key_duplicate"
	CodeKeyMissing   = "key_missing"
	CodeValueType    = "value_type"
	CodeValueInvalid = "value_invalid"
)

// maxMistakes bounds what is collected.
const maxMistakes = 1000

// Mistake is something wrong at a place of a file.
type Mistake struct {
	Code, File       string
	Line, Column     int
	Text, Suggestion string
	Excerpt          string
}

// Decoder reads values of one file after the other, and collects everything that is wrong. It belongs to one goroutine.
type Decoder struct {
	File     *source.File // the file that is being read
	Mistakes []Mistake
}

// Fail reports an error at a line and column.
func (d *Decoder) Fail(line, column int, code, suggestion, format string, args ...any) {
	if len(d.Mistakes) < maxMistakes {
		d.Mistakes = append(d.Mistakes, Mistake{Code: code, File: d.File.Name, Line: line, Column: column,
			Text: fmt.Sprintf(format, args...), Suggestion: suggestion, Excerpt: d.File.Excerpt(line, column)})
	}
}

// At reports an error at the start of a node.
func (d *Decoder) At(n *yaml.Node, code, suggestion, format string, args ...any) {
	d.Fail(n.Line, n.Column, code, suggestion, format, args...)
}

// Inside reports an error at a character of a scalar.
func (d *Decoder) Inside(n *yaml.Node, offset int, code, suggestion, format string, args ...any) {
	line, column := d.File.At(n, offset)
	d.Fail(line, column, code, suggestion, format, args...)
}

// Problem reports what is wrong in an expression.
func (d *Decoder) Problem(n *yaml.Node, p *eval.Problem) {
	line, column := d.File.At(n, p.Offset)
	suggestion := p.Suggestion
	if p.Code == eval.CodeSyntax && d.File.CommentAt(line, column) {
		suggestion = "YAML takes what follows the # for a comment; put quotes around the whole"
	}
	d.Fail(line, column, p.Code, suggestion, "%s", p.Text)
}

// DidYouMean suggests the nearest candidate, or lists them when they are few.
func DidYouMean(word string, candidates []string) string {
	if near := source.Nearest(word, candidates); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	if len(candidates) > 0 && len(candidates) <= 16 {
		sorted := slices.Sorted(slices.Values(candidates))
		return "there is " + strings.Join(sorted, ", ")
	}
	return ""
}

// Entry is one key of a mapping with its value.
type Entry struct{ Key, Value *yaml.Node }

// Entries gives what a mapping holds, by key; nil when n is no mapping.
type Entries map[string]Entry

// Get returns the value of a key, or nil.
func (e Entries) Get(key string) *yaml.Node { return e[key].Value }

// Mapping reads a mapping whose keys are among known. what names it in errors, with its article.
func (d *Decoder) Mapping(n *yaml.Node, what string, known ...string) Entries {
	if n.Kind != yaml.MappingNode {
		d.At(n, CodeValueType, "it has the keys "+strings.Join(known, ", "), "%s is a mapping of keys to values, not %s", what, kindOf(n))
		return nil
	}
	found := Entries{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := key.Value
		switch first, twice := found[name]; {
		case key.Kind != yaml.ScalarNode || name == "<<":
			d.At(key, CodeFeature, "", "merge keys and complex keys are not supported in rule files")
		case twice:
			d.At(key, CodeKeyDuplicate, "keep one of them", "%s stands twice; the first is on line %d", name, first.Key.Line)
		case len(known) > 0 && !slices.Contains(known, name):
			d.At(key, CodeKeyUnknown, DidYouMean(name, known), "%s has no key %s", what, name)
		default:
			found[name] = Entry{key, value}
		}
	}
	return found
}

// List reads a sequence that is not empty.
func (d *Decoder) List(n *yaml.Node, what string) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		d.At(n, CodeValueType, "begin each item with a dash", "%s is a list, not %s", what, kindOf(n))
		return nil
	}
	if len(n.Content) == 0 {
		d.At(n, CodeValueInvalid, "", "%s is empty", what)
	}
	return n.Content
}

// Text reads a string.
func (d *Decoder) Text(n *yaml.Node, what string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		suggestion := ""
		if n.Kind == yaml.ScalarNode && n.Value != "" && n.Tag != "!!null" {
			suggestion = fmt.Sprintf("put quotes around it: %q", n.Value)
		}
		d.At(n, CodeValueType, suggestion, "%s is a text, not %s", what, kindOf(n))
		return "", false
	}
	return n.Value, true
}

// Choice reads a string that is one of a few.
func (d *Decoder) Choice(n *yaml.Node, what string, known ...string) (string, bool) {
	s, ok := d.Text(n, what)
	if ok && !slices.Contains(known, s) {
		d.At(n, CodeValueInvalid, DidYouMean(s, known), "%s cannot be %q", what, s)
		return "", false
	}
	return s, ok
}

// Number reads a whole number from low to high.
func (d *Decoder) Number(n *yaml.Node, what string, low, high int) (int, bool) {
	v, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil {
		d.At(n, CodeValueType, "", "%s is a whole number, not %s", what, kindOf(n))
		return 0, false
	}
	if v < low || v > high {
		d.At(n, CodeValueInvalid, "", "%s is from %d to %d", what, low, high)
		return 0, false
	}
	return v, true
}

// maxDuration bounds durations: longer ones are slips of the pen.
const maxDuration = 365 * 24 * time.Hour

// Duration reads a duration above zero.
func (d *Decoder) Duration(n *yaml.Node, what string) (time.Duration, bool) {
	if n.Kind != yaml.ScalarNode {
		d.At(n, CodeValueType, "", "%s is a duration, not %s", what, kindOf(n))
		return 0, false
	}
	v, err := parseDuration(n.Value)
	switch {
	case err != nil:
		d.At(n, CodeValueInvalid, "write a number and a unit: 90s, 2m, 1h30m or 2d", "%s is a duration, and %q is none", what, n.Value)
	case v <= 0:
		d.At(n, CodeValueInvalid, "", "%s must be above zero", what)
	case v > maxDuration:
		d.At(n, CodeValueInvalid, "", "%s is at most 365d", what)
	default:
		return v, true
	}
	return 0, false
}

// parseDuration reads Go's durations, and days before them.
func parseDuration(s string) (time.Duration, error) {
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("days: %w", err)
	}
	total := time.Duration(n) * 24 * time.Hour
	if rest == "" {
		return total, nil
	}
	more, err := time.ParseDuration(rest)
	return total + more, err
}

// Short writes 30m for 30m0s.
func Short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "nothing"
	case "!!str":
		return "a text"
	}
	return "this"
}

// Required reports keys that a mapping lacks; n is the mapping, what names it.
func (d *Decoder) Required(n *yaml.Node, e Entries, what string, keys ...string) {
	for _, key := range keys {
		if e.Get(key) == nil {
			d.At(n, CodeKeyMissing, "add "+key+":", "%s needs %s", what, key)
		}
	}
}
