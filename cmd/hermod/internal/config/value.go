package config

import (
	"encoding/json"
	"errors"
	"io/fs"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
)

// MaxSecret is the size of the largest file that "${file:PATH}" takes, in bytes.
const MaxSecret = 64 << 10

// json turns an account's config into JSON, its references resolved. It returns nil after a problem.
func (r *reader) json(n *yaml.Node, path string) json.RawMessage {
	before := len(r.problems)
	v := r.value(n, path, 0)
	if len(r.problems) > before {
		return nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		r.fail(n, path, "value_type", "", "%s has no form in JSON", where(path))
		return nil
	}
	return raw
}

func (r *reader) value(n *yaml.Node, path string, depth int) any {
	n, ok := r.resolve(n, path)
	if !ok {
		return nil
	}
	if depth > maxDepth {
		r.fail(n, path, "config_too_deep", "", "values are nested deeper than %d levels", maxDepth)
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		r.each(n, path, func(key, v *yaml.Node, at string) {
			if key.ShortTag() == "!!merge" {
				r.fail(key, at, "yaml_unsupported", "write the keys out", "merge keys are not supported")
				return
			}
			m[key.Value] = r.value(v, at, depth+1)
		})
		return m
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, v := range n.Content {
			list = append(list, r.value(v, path, depth+1))
		}
		return list
	}
	return r.plain(n, path)
}

// plain returns a scalar by its YAML type. Text that a reference gave is always text.
func (r *reader) plain(n *yaml.Node, path string) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		text, ok := plainNumber(n)
		if !ok {
			r.fail(n, path, "value_type", "put it in quotes if it is text", "%s is a number that JSON cannot hold", where(path))
			return nil
		}
		return json.Number(text)
	}
	text, _ := r.expand(n, path)
	return text
}

// expand resolves "${env:NAME}" and "${file:PATH}" in a scalar; "$${" stands for "${".
func (r *reader) expand(n *yaml.Node, path string) (string, bool) {
	var b strings.Builder
	rest, good := n.Value, true
	for {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			b.WriteString(rest)
			return b.String(), good
		}
		if escaped, ok := strings.CutSuffix(before, "$"); ok {
			b.WriteString(escaped + "${")
			rest = after
			continue
		}
		b.WriteString(before)
		reference, tail, closed := strings.Cut(after, "}")
		if !closed {
			r.fail(n, path, "reference_open", "close it with }, or write $${ for the characters themselves", "%s has a ${ with no }", where(path))
			return "", false
		}
		value, ok := r.reference(n, path, reference)
		good = good && ok
		b.WriteString(value)
		rest = tail
	}
}

func (r *reader) reference(n *yaml.Node, path, reference string) (string, bool) {
	kind, name, _ := strings.Cut(reference, ":")
	switch {
	case kind == "env" && name != "":
		value, ok := r.env.Lookup(name)
		if !ok {
			r.failExit(problem.ExitEnvironment, n, path, "env_missing", "set it before starting hermod",
				"the environment variable %s, which %s needs, is not set", clip(name), where(path))
		}
		return value, ok
	case kind == "file" && name != "":
		return r.fromFile(n, path, name)
	}
	r.fail(n, path, "reference_unknown", "write ${env:NAME} or ${file:PATH}, or $${ for the characters themselves",
		"%s has a reference of an unknown kind", where(path))
	return "", false
}

func (r *reader) fromFile(n *yaml.Node, path, name string) (string, bool) {
	content, err := r.env.ReadFile(r.absolute(name))
	switch {
	case err != nil:
		advice := "check the path and who may read it; relative paths start at the configuration's folder"
		if errors.Is(err, fs.ErrNotExist) {
			advice = "write the file; relative paths start at the configuration's folder"
		}
		r.failExit(problem.ExitEnvironment, n, path, "file_unreadable", advice,
			"the file %s, which %s needs, cannot be read: %s", clip(name), where(path), reason(err))
		return "", false
	case len(content) > MaxSecret:
		r.failExit(problem.ExitEnvironment, n, path, "file_too_large", "it should hold one secret and nothing else",
			"the file %s, which %s needs, is larger than %d bytes", clip(name), where(path), MaxSecret)
		return "", false
	}
	return strings.TrimRight(string(content), "\r\n"), true
}
