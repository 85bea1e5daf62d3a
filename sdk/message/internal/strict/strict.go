// Package strict compares a JSON document with the shape of a Go type more closely than encoding/json does: no unknown field, no
// field twice, no value that would change on the way, nothing behind the document. It reports one finding, which names
// the field and never its value.
package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Kind says what sort of mistake a [Finding] is.
type Kind uint8

// The kinds of [Finding].
const (
	Invalid   Kind = iota // not JSON, or not UTF-8
	Trailing              // something stands behind the document
	TooLarge              // more bytes than allowed
	TooDeep               // more levels than allowed
	TooMany               // more members in one object than allowed
	Unknown               // no such field
	Twice                 // the same field twice in one object
	WrongType             // a number where text is wanted, and the like
	Inexact               // a number that a 64-bit float cannot hold
	BadTime               // not an RFC 3339 time
	BadBytes              // not base64
)

// Finding is what is wrong with a document.
type Finding struct {
	Kind       Kind
	Path       string // the field as JSON spells it; empty for the whole
	Text       string // what is wrong and what to do
	Suggestion string // the field that was probably meant; may be empty
}

// Document says what a document may look like. It may be used from several goroutines.
type Document struct {
	Shape   *Shape
	Bytes   int                      // the most bytes
	Depth   int                      // the most objects and arrays inside each other
	Entries int                      // the most members of one object
	Redact  func(name string) string // removes what is personal from a name that a finding shows
}

// Check returns the first finding in data, or nil if data is one JSON object of the document's shape and nothing else.
func (d *Document) Check(data []byte) *Finding {
	if len(data) > d.Bytes {
		return find(TooLarge, "", fmt.Sprintf("the JSON has %d bytes, at most %d are allowed; give large media by url", len(data), d.Bytes))
	}
	if !utf8.Valid(data) {
		return find(Invalid, "", "the JSON is not valid UTF-8")
	}
	if d.tooDeep(data) {
		return find(TooDeep, "", fmt.Sprintf("the JSON is nested deeper than %d levels", d.Depth))
	}
	if !json.Valid(data) {
		return explain(data)
	}
	w := walker{data: data, entries: d.Entries}
	if w.skipSpace(); data[w.pos] != '{' {
		return find(WrongType, "", "a message must be a JSON object, found "+nameOf(data[w.pos]))
	}
	if w.value("", d.Shape) == nil {
		return nil
	}
	w = walker{data: data, entries: d.Entries, paths: Paths{Redact: d.Redact}} // once more, for the path of the finding
	return w.value("", d.Shape)
}

// explain tells a broken document from a good one with something behind it.
func explain(data []byte) *Finding {
	var first json.RawMessage
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&first); err != nil {
		return Unreadable(data, err)
	}
	rest := bytes.TrimLeft(data[d.InputOffset():], " \t\r\n")
	return find(Trailing, "", fmt.Sprintf("something stands after the message, at byte %d; give one message at a time", len(data)-len(rest)+1))
}

// tooDeep bounds the nesting before anything recursive looks at the data.
func (d *Document) tooDeep(data []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > d.Depth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// Unreadable makes a finding of an error of encoding/json about data. The error's text may quote the input, so only the offset is kept.
func Unreadable(data []byte, err error) *Finding {
	offset := int64(len(data))
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = syntax.Offset
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return find(Invalid, "", "there is no JSON: a message is an object such as {\"to\": {...}}")
	}
	return find(Invalid, "", fmt.Sprintf("invalid JSON at byte %d", offset))
}

func find(kind Kind, path, text string) *Finding {
	return &Finding{Kind: kind, Path: path, Text: About(path, text)}
}
