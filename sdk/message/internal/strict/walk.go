package strict

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// walker compares valid JSON with a shape. The JSON is known to be well-formed, so it never looks past the end.
type walker struct {
	data  []byte
	pos   int
	names [][]byte // the members so far of every object that is open
	paths Paths

	entries int // the most members of one object
}

func (w *walker) skipSpace() {
	for w.pos < len(w.data) {
		switch w.data[w.pos] {
		case ' ', '\t', '\r', '\n', ',', ':':
			w.pos++
		default:
			return
		}
	}
}

// value checks the next value. null stands for "not set" everywhere.
func (w *walker) value(path string, s *Shape) *Finding {
	w.skipSpace()
	c := w.data[w.pos]
	if c == 'n' {
		w.pos += len("null")
		return nil
	}
	if !fits(c, s.kind) {
		return find(WrongType, path, fmt.Sprintf("must be %s, found %s", s.kind, nameOf(c)))
	}
	switch c {
	case '{':
		return w.object(path, s)
	case '[':
		return w.array(path, s)
	case '"':
		return w.text(path, s.kind)
	case 't':
		w.pos += len("true")
	case 'f':
		w.pos += len("false")
	default:
		return w.number(path)
	}
	return nil
}

func fits(c byte, k kind) bool {
	switch k {
	case textValue, timeValue, bytesValue:
		return c == '"'
	case boolValue:
		return c == 't' || c == 'f'
	case numberValue:
		return c == '-' || c >= '0' && c <= '9'
	case objectValue, mapValue:
		return c == '{'
	case arrayValue:
		return c == '['
	}
	return true
}

func (w *walker) object(path string, s *Shape) *Finding {
	w.pos++
	first := len(w.names)
	for w.skipSpace(); w.data[w.pos] != '}'; w.skipSpace() {
		name, bad := w.name()
		if bad != nil {
			return bad
		}
		full := w.paths.Name(path, string(name))
		for _, earlier := range w.names[first:] {
			if bytes.Equal(earlier, name) {
				return find(Twice, full, "stands twice in the same object; keep one of them")
			}
		}
		if len(w.names)-first == w.entries {
			return find(TooMany, path, fmt.Sprintf("has more than %d entries", w.entries))
		}
		w.names = append(w.names, name)
		inner, bad := w.field(path, name, s)
		if bad != nil {
			return bad
		}
		if bad := w.value(full, inner); bad != nil {
			return bad
		}
	}
	w.names = w.names[:first]
	w.pos++
	return nil
}

// field finds the shape of a named member.
func (w *walker) field(path string, name []byte, s *Shape) (*Shape, *Finding) {
	switch s.kind {
	case mapValue:
		return s.elem, nil
	case anyValue:
		return s, nil
	}
	if inner, ok := s.fields[string(name)]; ok {
		return inner, nil
	}
	f := &Finding{Kind: Unknown, Path: w.paths.Name(path, string(name))}
	f.Text = `unknown field "` + f.Path + `"`
	if near := Nearest(string(name), s.names); near != "" {
		f.Suggestion = Join(path, near)
	}
	return nil, f
}

func (w *walker) array(path string, s *Shape) *Finding {
	w.pos++
	inner := s
	if s.kind == arrayValue {
		inner = s.elem
	}
	for i := 0; ; i++ {
		if w.skipSpace(); w.data[w.pos] == ']' {
			break
		}
		if bad := w.value(w.paths.At(path, "", i), inner); bad != nil {
			return bad
		}
	}
	w.pos++
	return nil
}

// raw returns the string literal that begins here, quotes included, and moves behind it.
func (w *walker) raw() []byte {
	start := w.pos
	for w.pos++; w.data[w.pos] != '"'; w.pos++ {
		if w.data[w.pos] == '\\' {
			w.pos++
		}
	}
	w.pos++
	return w.data[start:w.pos]
}

// name returns a member's name.
func (w *walker) name() ([]byte, *Finding) {
	raw := w.raw()
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, Unreadable(w.data, err)
	}
	return []byte(s), nil
}

func (w *walker) text(path string, k kind) *Finding {
	raw := w.raw()
	switch k {
	case timeValue:
		var t time.Time
		if t.UnmarshalJSON(raw) != nil {
			return find(BadTime, path, `must be an RFC 3339 time such as "2030-01-31T09:00:00Z"`)
		}
	case bytesValue:
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return Unreadable(w.data, err)
		}
		if _, err := base64.StdEncoding.DecodeString(s); err != nil {
			return find(BadBytes, path, "must be base64 (RFC 4648, with padding)")
		}
	}
	return nil
}

// number refuses numbers that would change their value on the way: they belong into text.
func (w *walker) number(path string) *Finding {
	start, whole := w.pos, true
scan:
	for ; w.pos < len(w.data); w.pos++ {
		switch c := w.data[w.pos]; {
		case c == '.' || c == 'e' || c == 'E':
			whole = false
		case c != '-' && c != '+' && (c < '0' || c > '9'):
			break scan
		}
	}
	f, err := strconv.ParseFloat(string(w.data[start:w.pos]), 64)
	if err != nil || whole && math.Abs(f) > MaxExact {
		return find(Inexact, path, "is too large to be held exactly as a number; give it as text")
	}
	return nil
}

// MaxExact is the largest whole number that JSON readers agree on (RFC 8259, section 6).
const MaxExact = 1<<53 - 1
