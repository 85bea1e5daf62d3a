package fields

import (
	"bytes"
	"strconv"
	"time"

	"github.com/hermodhq/hermod/sdk/message"
	"github.com/hermodhq/hermod/sdk/transform/internal/abi"
)

// kind says what a path leads to.
type kind uint8

const (
	constant kind = iota // text that a transform may only read
	fixed                // a text field of a struct
	param                // a template parameter by position
	label                // an entry of labels
	datum                // an entry of data
	named                // a template parameter by name
	whole                // a struct, list or map, which only JSON can hold
)

// ref is what a path leads to. It is a plain value, so that reading a field allocates nothing.
type ref struct {
	kind   kind
	holder part    // fixed: which struct holds the field; 0 is the message itself
	text   string  // constant
	field  *string // fixed
	key    []byte  // label, datum, named
	n      int     // param
}

// resolve finds what path leads to. Missing means that the struct which would hold it is not there.
func (d *Draft) resolve(path []byte) (ref, abi.Status) {
	if len(path) > abi.MaxPath {
		return ref{}, abi.TooLarge
	}
	head, rest, nested := bytes.Cut(path, []byte("."))
	switch string(head) {
	case "content":
		if nested {
			return d.content(rest)
		}
		return ref{kind: whole}, abi.OK
	case "data":
		return entry(datum, rest, nested)
	case "labels":
		return entry(label, rest, nested)
	case "to":
		if nested {
			return d.recipient(rest)
		}
	}
	return d.top(path)
}

// entry is a map's entry, or the whole map. All that follows the first dot is the key, further dots included.
func entry(k kind, key []byte, nested bool) (ref, abi.Status) {
	switch {
	case !nested:
		return ref{kind: whole}, abi.OK
	case len(key) == 0:
		return ref{}, abi.UnknownPath
	}
	return ref{kind: k, key: key}, abi.OK
}

func (d *Draft) top(path []byte) (ref, abi.Status) {
	switch string(path) {
	case "":
		return ref{kind: whole}, abi.OK
	case "id":
		return read(string(d.m.ID))
	case "key":
		return read(string(d.m.Key))
	case "priority":
		return read(string(d.m.Priority))
	case "send_at":
		return read(stamp(d.m.SendAt))
	case "expires":
		return read(stamp(d.m.Expires))
	case "category":
		return ref{kind: fixed, field: &d.m.Category}, abi.OK
	}
	return ref{}, abi.UnknownPath
}

func read(s string) (ref, abi.Status) { return ref{kind: constant, text: s}, abi.OK }

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func (d *Draft) recipient(path []byte) (ref, abi.Status) {
	to := &d.m.To
	switch string(path) {
	case "phone":
		return read(to.Phone)
	case "country":
		return read(to.Country)
	case "email":
		return read(to.Email)
	case "name":
		return read(to.Name)
	}
	if account, ok := bytes.CutPrefix(path, []byte("users.")); ok && len(account) > 0 {
		return read(string(to.Users[message.AccountID(account)]))
	}
	return ref{}, abi.UnknownPath
}

func (d *Draft) content(path []byte) (ref, abi.Status) {
	c := &d.m.Content
	head, rest, nested := bytes.Cut(path, []byte("."))
	switch string(head) {
	case "text":
		return top(nested, &c.Text)
	case "subject":
		return top(nested, &c.Subject)
	case "kind":
		if !nested {
			return read(string(c.Kind()))
		}
	case "template":
		return inside(c.Template, rest, nested, templateField)
	case "media":
		return inside(c.Media, rest, nested, func(m *message.Media, path []byte) (ref, abi.Status) {
			return mediaField(m, path, ownMedia)
		})
	case "interactive":
		return inside(c.Interactive, rest, nested, interactiveField)
	}
	return ref{}, abi.UnknownPath
}

func top(nested bool, field *string) (ref, abi.Status) {
	if nested {
		return ref{}, abi.UnknownPath
	}
	return ref{kind: fixed, field: field}, abi.OK
}

// inside resolves a path within an optional struct. A path that no such struct has is unknown even when it is absent.
func inside[T any](p *T, path []byte, nested bool, field func(*T, []byte) (ref, abi.Status)) (ref, abi.Status) {
	if !nested {
		return ref{kind: whole}, abi.OK
	}
	if p != nil {
		return field(p, path)
	}
	if _, st := field(new(T), path); st != abi.OK {
		return ref{}, st
	}
	return ref{}, abi.Missing
}

func templateField(t *message.Template, path []byte) (ref, abi.Status) {
	head, rest, nested := bytes.Cut(path, []byte("."))
	switch string(head) {
	case "name":
		return in(ownTemplate, nested, &t.Name)
	case "language":
		return in(ownTemplate, nested, &t.Language)
	case "params":
		if !nested {
			return ref{kind: whole}, abi.OK
		}
		n, err := strconv.ParseUint(string(rest), 10, 16)
		if err != nil {
			return ref{}, abi.UnknownPath
		}
		return ref{kind: param, n: int(n)}, abi.OK
	case "named":
		return entry(named, rest, nested)
	case "header":
		return inside(t.Header, rest, nested, func(m *message.Media, path []byte) (ref, abi.Status) {
			return mediaField(m, path, ownHeader)
		})
	}
	return ref{}, abi.UnknownPath
}

func mediaField(m *message.Media, path []byte, holder part) (ref, abi.Status) {
	switch string(path) {
	case "type":
		return in(holder, false, &m.Type)
	case "url":
		return in(holder, false, &m.URL)
	case "name":
		return in(holder, false, &m.Name)
	case "mime":
		return in(holder, false, &m.MIME)
	}
	return ref{}, abi.UnknownPath
}

func interactiveField(i *message.Interactive, path []byte) (ref, abi.Status) {
	switch string(path) {
	case "header":
		return in(ownInteractive, false, &i.Header)
	case "footer":
		return in(ownInteractive, false, &i.Footer)
	case "menu":
		return in(ownInteractive, false, &i.Menu)
	}
	return ref{}, abi.UnknownPath
}

func in(holder part, nested bool, field *string) (ref, abi.Status) {
	if nested {
		return ref{}, abi.UnknownPath
	}
	return ref{kind: fixed, holder: holder, field: field}, abi.OK
}
