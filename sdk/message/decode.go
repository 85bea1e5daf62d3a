package message

import (
	"encoding/json"
	"reflect"
	"sync"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message/internal/strict"
)

// Bounds of [Decode].
const (
	MaxJSON  = 1 << 20 // bytes of one message as JSON
	MaxDepth = 32      // objects and arrays inside each other
)

// Decode reads one message from JSON, strictly: a field that does not exist, a field that stands twice, a value of the wrong
// type and anything after the message are errors of type [*Error] that name the field. Names are matched by case. It
// checks the form only; call [Message.Validate] for the rest. data is at most MaxJSON bytes.
func Decode(data []byte) (Message, error) {
	var m Message
	if f := document().Check(data); f != nil {
		return Message{}, findingError(f)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return Message{}, findingError(strict.Unreadable(data, err))
	}
	return m, nil
}

// document says what a message looks like as JSON. The shape is derived once.
var document = sync.OnceValue(func() *strict.Document {
	return &strict.Document{
		Shape: strict.Of(reflect.TypeFor[Message]()),
		Bytes: MaxJSON, Depth: MaxDepth, Entries: maxEntries,
		Redact: fault.Redact,
	}
})

func findingError(f *strict.Finding) *Error {
	return &Error{Code: findingCode(f.Kind), Path: f.Path, Text: f.Text, Suggestion: f.Suggestion}
}

func findingCode(k strict.Kind) string {
	return [...]string{
		strict.Invalid:   CodeJSONInvalid,
		strict.Trailing:  CodeJSONTrailing,
		strict.TooLarge:  CodeJSONTooLarge,
		strict.TooDeep:   CodeJSONTooDeep,
		strict.TooMany:   CodeTooMany,
		strict.Unknown:   CodeFieldUnknown,
		strict.Twice:     CodeFieldTwice,
		strict.WrongType: CodeTypeWrong,
		strict.Inexact:   CodeNumberInexact,
		strict.BadTime:   CodeTimeInvalid,
		strict.BadBytes:  CodeBytesInvalid,
	}[k]
}
