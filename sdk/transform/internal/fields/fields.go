// Package fields reads and changes single fields of a message by path, without touching the message it began with.
//
// It is the one implementation behind both ways of running a transform: the host functions that a WebAssembly guest
// calls, and the native run in an author's test. ABI.md in sdk/transform lists the paths.
package fields

import (
	"encoding/json"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/hermodhq/hermod/sdk/message"
	"github.com/hermodhq/hermod/sdk/transform/internal/abi"
)

// Draft is a message that is being transformed. It shares maps and pointers with the message it was made from until
// the first write to each, and copies that one then. Not for concurrent use.
type Draft struct {
	m       message.Message
	owned   part
	written int // bytes written since the last Reset
}

// New returns a draft of m. The draft never changes m, nor anything that m points to.
func New(m *message.Message) *Draft { return &Draft{m: *m} }

// Message returns the message as it stands. It shares with the original whatever was not changed.
func (d *Draft) Message() message.Message { return d.m }

// Reset begins a new call: the allowance of bytes to write is full again.
func (d *Draft) Reset() { d.written = 0 }

// Get returns the text at path. A value that is not text, such as a number in data, comes as JSON.
func (d *Draft) Get(path []byte) (string, abi.Status) {
	r, st := d.resolve(path)
	if st != abi.OK {
		return "", st
	}
	switch r.kind {
	case constant:
		return nonempty(r.text)
	case fixed:
		return nonempty(*r.field)
	case param:
		if params := d.m.Content.Template.Params; r.n < len(params) {
			return params[r.n], abi.OK
		}
	case label:
		if s, ok := d.m.Labels[string(r.key)]; ok {
			return s, abi.OK
		}
	case datum:
		if v, ok := d.m.Data[string(r.key)]; ok {
			return asText(v)
		}
	case named:
		if v, ok := d.m.Content.Template.Named[string(r.key)]; ok {
			return asText(v)
		}
	case whole:
		return "", abi.Invalid
	}
	return "", abi.Missing
}

func nonempty(s string) (string, abi.Status) {
	if s == "" {
		return "", abi.Missing
	}
	return s, abi.OK
}

func asText(v any) (string, abi.Status) {
	if s, ok := v.(string); ok {
		return s, abi.OK
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return "", abi.Invalid
	}
	return string(raw), abi.OK
}

// Set makes value the text at path. In data and among named parameters it becomes a string value.
func (d *Draft) Set(path []byte, value string) abi.Status {
	if !utf8.ValidString(value) || !utf8.Valid(path) {
		return abi.Invalid
	}
	r, st := d.writable(path, len(value))
	if st != abi.OK {
		return st
	}
	switch r.kind {
	case fixed:
		*d.own(path, r) = value
	case param:
		return d.setParam(r.n, value)
	case label:
		d.labels()[string(r.key)] = value
	case datum:
		d.data()[string(r.key)] = value
	case named:
		d.named()[string(r.key)] = value
	default:
		return abi.Invalid
	}
	return abi.OK
}

// Delete removes the value at path. To delete what is not there is no failure. A parameter by position can only be
// deleted when it is the last.
func (d *Draft) Delete(path []byte) abi.Status {
	r, st := d.writable(path, 0)
	if st == abi.Missing {
		return abi.OK
	}
	if st != abi.OK {
		return st
	}
	switch r.kind {
	case fixed:
		*d.own(path, r) = ""
	case param:
		return d.dropParam(r.n)
	case label:
		delete(d.labels(), string(r.key))
	case datum:
		delete(d.data(), string(r.key))
	case named:
		delete(d.named(), string(r.key))
	case whole:
		return d.setWhole(path, []byte("null"))
	}
	return abi.OK
}

// writable resolves a path for a write of n bytes, and charges the write.
func (d *Draft) writable(path []byte, n int) (ref, abi.Status) {
	r, st := d.resolve(path)
	switch {
	case st != abi.OK:
		return r, st
	case r.kind == constant:
		return r, abi.ReadOnly
	case d.written+len(path)+n > abi.MaxWritten:
		return r, abi.TooLarge
	}
	d.written += len(path) + n
	return r, abi.OK
}

func (d *Draft) setParam(n int, value string) abi.Status {
	switch params := d.params(); {
	case n < len(*params):
		(*params)[n] = value
	case n == len(*params):
		*params = append(*params, value)
	default:
		return abi.Invalid
	}
	return abi.OK
}

func (d *Draft) dropParam(n int) abi.Status {
	switch params := d.params(); {
	case n < len(*params)-1:
		return abi.Invalid
	case n == len(*params)-1:
		*params = (*params)[:n]
	}
	return abi.OK
}

// part names something that a draft shares with the original until it is written to.
type part uint8

const (
	ownData part = 1 << iota
	ownLabels
	ownTemplate
	ownParams
	ownNamed
	ownHeader
	ownMedia
	ownInteractive
)

// first reports whether p is still shared, and marks it as the draft's own.
func (d *Draft) first(p part) bool {
	shared := d.owned&p == 0
	d.owned |= p
	return shared
}

// own makes the struct that holds a fixed field the draft's own, and returns the field in it.
func (d *Draft) own(path []byte, r ref) *string {
	switch r.holder {
	case 0:
		return r.field
	case ownTemplate:
		d.template()
	case ownHeader:
		if t := d.template(); d.first(ownHeader) {
			t.Header = clone(t.Header)
		}
	case ownMedia:
		if d.first(ownMedia) {
			d.m.Content.Media = clone(d.m.Content.Media)
		}
	case ownInteractive:
		if d.first(ownInteractive) {
			d.m.Content.Interactive = clone(d.m.Content.Interactive)
		}
	}
	r, _ = d.resolve(path)
	return r.field
}

func clone[T any](p *T) *T { c := *p; return &c }

func (d *Draft) template() *message.Template {
	if d.first(ownTemplate) {
		d.m.Content.Template = clone(d.m.Content.Template)
	}
	return d.m.Content.Template
}

func (d *Draft) params() *[]string {
	t := d.template()
	if d.first(ownParams) {
		t.Params = slices.Clone(t.Params)
	}
	return &t.Params
}

func (d *Draft) named() map[string]any {
	t := d.template()
	if d.first(ownNamed) {
		t.Named = maps.Clone(t.Named)
	}
	if t.Named == nil {
		t.Named = map[string]any{}
	}
	return t.Named
}

func (d *Draft) data() map[string]any {
	if d.first(ownData) {
		d.m.Data = maps.Clone(d.m.Data)
	}
	if d.m.Data == nil {
		d.m.Data = map[string]any{}
	}
	return d.m.Data
}

func (d *Draft) labels() map[string]string {
	if d.first(ownLabels) {
		d.m.Labels = maps.Clone(d.m.Labels)
	}
	if d.m.Labels == nil {
		d.m.Labels = map[string]string{}
	}
	return d.m.Labels
}
