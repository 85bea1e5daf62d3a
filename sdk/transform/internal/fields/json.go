package fields

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"unicode/utf8"

	"github.com/hermodhq/hermod/sdk/message"
	"github.com/hermodhq/hermod/sdk/transform/internal/abi"
)

// GetJSON returns the value at path as JSON. The empty path is the whole message.
func (d *Draft) GetJSON(path []byte) ([]byte, abi.Status) {
	r, st := d.resolve(path)
	if st != abi.OK {
		return nil, st
	}
	var v any
	var ok bool
	switch r.kind {
	case datum:
		v, ok = d.m.Data[string(r.key)]
	case named:
		v, ok = d.m.Content.Template.Named[string(r.key)]
	case whole:
		v, ok = d.wholeOf(path)
	default:
		v, st = d.Get(path)
		ok = st == abi.OK
	}
	if !ok {
		return nil, abi.Missing
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, abi.Invalid
	}
	return raw, abi.OK
}

// SetJSON makes the JSON value raw the value at path. The empty path is the whole message; what a transform may not
// change must then be as it was. null deletes.
func (d *Draft) SetJSON(path, raw []byte) abi.Status {
	if !utf8.Valid(raw) || !utf8.Valid(path) {
		return abi.Invalid
	}
	r, st := d.writable(path, len(raw))
	if st != abi.OK {
		return st
	}
	if r.kind == whole {
		return d.setWhole(path, raw)
	}
	var v any
	if !decode(raw, &v) {
		return abi.Invalid
	}
	switch s, isText := v.(string); {
	case v == nil:
		return d.Delete(path)
	case r.kind == datum:
		d.data()[string(r.key)] = v
	case r.kind == named:
		d.named()[string(r.key)] = v
	case isText:
		return d.Set(path, s)
	default:
		return abi.Invalid
	}
	return abi.OK
}

// wholeOf returns the struct, list or map at path, and whether it is there.
func (d *Draft) wholeOf(path []byte) (any, bool) {
	c := &d.m.Content
	switch string(path) {
	case "":
		return &d.m, true
	case "content":
		return c, true
	case "data":
		return d.m.Data, d.m.Data != nil
	case "labels":
		return d.m.Labels, d.m.Labels != nil
	case "content.template":
		return c.Template, c.Template != nil
	case "content.media":
		return c.Media, c.Media != nil
	case "content.interactive":
		return c.Interactive, c.Interactive != nil
	case "content.template.params":
		return c.Template.Params, c.Template.Params != nil
	case "content.template.named":
		return c.Template.Named, c.Template.Named != nil
	case "content.template.header":
		return c.Template.Header, c.Template.Header != nil
	}
	return nil, false
}

func (d *Draft) setWhole(path, raw []byte) abi.Status {
	switch string(path) {
	case "":
		return d.setMessage(raw)
	case "data":
		return replace(d, ownData, &d.m.Data, raw)
	case "labels":
		return replace(d, ownLabels, &d.m.Labels, raw)
	case "content.template.params":
		return replace(d, ownParams, &d.template().Params, raw)
	case "content.template.named":
		return replace(d, ownNamed, &d.template().Named, raw)
	case "content.template.header":
		return replace(d, ownHeader, &d.template().Header, raw)
	}
	return d.setContent(path, raw)
}

func replace[T any](d *Draft, p part, dst *T, raw []byte) abi.Status {
	var v T
	if !decode(raw, &v) {
		return abi.Invalid
	}
	*dst = v
	d.owned |= p
	return abi.OK
}

// contentParts is all that belongs to a message's content.
const contentParts = ownTemplate | ownParams | ownNamed | ownHeader | ownMedia | ownInteractive

func (d *Draft) setContent(path, raw []byte) abi.Status {
	next := d.m.Content
	var ok bool
	var owned part
	switch string(path) {
	case "content":
		next, owned = message.Content{}, contentParts
		ok = decode(raw, &next)
	case "content.template":
		next.Template, owned = nil, ownTemplate|ownParams|ownNamed|ownHeader
		ok = decode(raw, &next.Template)
	case "content.media":
		next.Media, owned = nil, ownMedia
		ok = decode(raw, &next.Media)
	case "content.interactive":
		next.Interactive, owned = nil, ownInteractive
		ok = decode(raw, &next.Interactive)
	}
	if !ok || !oneKind(&next) {
		return abi.Invalid
	}
	d.m.Content = next
	d.owned |= owned
	return abi.OK
}

// oneKind reports whether at most one of template, media and interactive is set.
func oneKind(c *message.Content) bool {
	n := 0
	for _, set := range []bool{c.Template != nil, c.Media != nil, c.Interactive != nil} {
		if set {
			n++
		}
	}
	return n <= 1
}

func (d *Draft) setMessage(raw []byte) abi.Status {
	var next message.Message
	switch {
	case !decode(raw, &next) || !oneKind(&next.Content):
		return abi.Invalid
	case !sameEnvelope(&d.m, &next):
		return abi.ReadOnly
	}
	next.SendAt, next.Expires, next.To = d.m.SendAt, d.m.Expires, d.m.To
	d.m = next
	d.owned = contentParts | ownData | ownLabels
	return abi.OK
}

// sameEnvelope reports whether all that a transform may not change is the same in both.
func sameEnvelope(a, b *message.Message) bool {
	return a.ID == b.ID && a.Key == b.Key && a.Priority == b.Priority &&
		a.SendAt.Equal(b.SendAt) && a.Expires.Equal(b.Expires) &&
		a.To.Phone == b.To.Phone && a.To.Country == b.To.Country && a.To.Email == b.To.Email &&
		a.To.Name == b.To.Name && maps.Equal(a.To.Users, b.To.Users)
}

// decode reads exactly one JSON value that fits v, and nothing v does not know.
func decode(raw []byte, v any) bool {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if dec.Decode(v) != nil {
		return false
	}
	_, err := dec.Token()
	return err == io.EOF
}
