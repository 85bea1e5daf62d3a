package config

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
)

// reader walks the YAML tree and gathers problems.
type reader struct {
	file     string
	dir      string
	env      Env
	problems problem.List
	nodes    int // visited, so that aliases cannot multiply for ever
}

// Bounds of a configuration's tree.
const (
	maxNodes = 100_000
	maxDepth = 64
)

// fail records a problem at a node. format must not be given a value of the configuration: it may be a secret.
func (r *reader) fail(n *yaml.Node, path, code, advice, format string, args ...any) {
	r.failExit(problem.ExitUsage, n, path, code, advice, format, args...)
}

func (r *reader) failExit(exit int, n *yaml.Node, path, code, advice, format string, args ...any) {
	p := problem.New(exit, code, format, args...)
	p.File, p.Line, p.Column, p.Path, p.Advice = r.file, n.Line, n.Column, path, advice
	r.problems = append(r.problems, p)
}

// parse reads the one document of the file; nil when it has none or is not YAML.
func (r *reader) parse(text []byte) *yaml.Node {
	if len(text) > MaxFile {
		r.fail(&yaml.Node{Line: 1}, "", "config_too_large", "", "the file is larger than %d bytes", MaxFile)
		return nil
	}
	var doc yaml.Node
	if err := yaml.Load(text, &doc); err != nil {
		r.syntax(err)
		return nil
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		r.syntax(nil)
		return nil
	}
	return doc.Content[0]
}

// syntax reports what the YAML parser found. Its own message names tokens and never quotes a value.
func (r *reader) syntax(err error) {
	at := &yaml.Node{Line: 1}
	le, ok := errors.AsType[*yaml.LoadError](err)
	if !ok || le.Stage == yaml.ConstructorStage {
		r.fail(at, "", "yaml_syntax", "see `hermod run --help` for an example", "the file must hold one YAML document")
		return
	}
	at.Line, at.Column = le.Mark.Line, le.Mark.Column
	text := le.Message
	if le.ContextMsg != "" {
		text = le.ContextMsg + ": " + text
	}
	r.fail(at, "", "yaml_syntax", "check the indentation and quotes here and in the lines above", "not valid YAML: %s", text)
}

// keys calls known for each key of a mapping, and reports unknown and repeated ones.
func (r *reader) keys(n *yaml.Node, path string, known map[string]func(v *yaml.Node, path string)) {
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	r.each(n, path, func(key, v *yaml.Node, at string) {
		read, ok := known[key.Value]
		if !ok {
			r.fail(key, at, "key_unknown", problem.DidYouMean(key.Value, names), "the key %q does not exist here", clip(key.Value))
			return
		}
		read(v, at)
	})
}

// each calls visit for each entry of a mapping; path is the entry's. A null value counts as absent.
func (r *reader) each(n *yaml.Node, path string, visit func(key, v *yaml.Node, path string)) {
	n, ok := r.resolve(n, path)
	if !ok || isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, path, "value_type", "", "%s must be a mapping of keys to values", where(path))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, v := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			r.fail(key, path, "value_type", "", "a key must be text")
			continue
		}
		at := join(path, clip(key.Value))
		if line, twice := seen[key.Value]; twice {
			r.fail(key, at, "key_duplicate", "remove one of them", "the key %q stands twice, first in line %d", clip(key.Value), line)
			continue
		}
		seen[key.Value] = key.Line
		visit(key, v, at)
	}
}

// resolve follows an alias and counts the visit.
func (r *reader) resolve(n *yaml.Node, path string) (*yaml.Node, bool) {
	if r.nodes++; r.nodes > maxNodes {
		if r.nodes == maxNodes+1 {
			r.fail(n, path, "config_too_large", "write the values out instead of aliases of aliases", "the configuration has more than %d values", maxNodes)
		}
		return nil, false
	}
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n, true
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// scalar returns a scalar's text with its references resolved.
func (r *reader) scalar(n *yaml.Node, path string) (text string, at *yaml.Node, ok bool) {
	n, ok = r.resolve(n, path)
	switch {
	case !ok || isNull(n):
		return "", nil, false
	case n.Kind != yaml.ScalarNode:
		r.fail(n, path, "value_type", "", "%s must be a single value", where(path))
		return "", nil, false
	}
	text, ok = r.expand(n, path)
	return text, n, ok
}

func (r *reader) text(set *string) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		if s, _, ok := r.scalar(n, path); ok {
			*set = s
		}
	}
}

// folder reads a path; a relative one starts at the configuration's folder.
func (r *reader) folder(set *string) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		if s, at, ok := r.scalar(n, path); ok {
			if s == "" {
				r.fail(at, path, "empty", "name a folder, or remove the key", "%s is empty", where(path))
				return
			}
			*set = r.absolute(s)
		}
	}
}

func (r *reader) absolute(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.dir, name)
}

// word reads one of some words.
func word[T ~string](r *reader, set *T, allowed ...T) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		s, at, ok := r.scalar(n, path)
		if !ok {
			return
		}
		if !slices.Contains(allowed, T(s)) {
			names := make([]string, len(allowed))
			for i, a := range allowed {
				names[i] = string(a)
			}
			r.fail(at, path, "value_invalid", problem.DidYouMean(s, names), "%s must be one of: %s", where(path), strings.Join(names, ", "))
			return
		}
		*set = T(s)
	}
}

func (r *reader) duration(set *time.Duration) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		s, at, ok := r.scalar(n, path)
		if !ok {
			return
		}
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			r.fail(at, path, "value_type", `write it like "90s", "15m" or "72h"`, "%s must be a duration above zero", where(path))
			return
		}
		*set = d
	}
}

func (r *reader) boolean(set *bool) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		s, at, ok := r.scalar(n, path)
		if !ok {
			return
		}
		if s != "true" && s != "false" {
			r.fail(at, path, "value_type", "", "%s must be true or false", where(path))
			return
		}
		*set = s == "true"
	}
}

// number reads a number from least up; whole asks for an integer.
func (r *reader) number(least float64, whole bool, set func(float64)) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		s, at, ok := r.scalar(n, path)
		if !ok {
			return
		}
		kind := "a number"
		if whole {
			kind = "a whole number"
		}
		v, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < least || v > math.MaxInt32 || whole && v != math.Trunc(v) {
			r.fail(at, path, "value_type", "", "%s must be %s, at least %v", where(path), kind, least)
			return
		}
		set(v)
	}
}

var sizes = []struct {
	suffix string
	factor int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1}, {"", 1}}

// bytes reads a size such as 20GiB.
func (r *reader) bytes(set *int64) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		s, at, ok := r.scalar(n, path)
		if !ok {
			return
		}
		for _, z := range sizes {
			digits, found := strings.CutSuffix(s, z.suffix)
			v, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
			if found && err == nil && v > 0 && v <= math.MaxInt64/z.factor {
				*set = v * z.factor
				return
			}
		}
		r.fail(at, path, "value_type", `write it like "20GiB" or "500MB"`, "%s must be a size above zero", where(path))
	}
}

// where names a field in a sentence.
func where(path string) string {
	if path == "" {
		return "the configuration"
	}
	return fmt.Sprintf("%q", path)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// clip bounds a key that an error shows.
func clip(key string) string {
	if len(key) > 64 {
		return strings.ToValidUTF8(key[:64], "") + "…"
	}
	return key
}
