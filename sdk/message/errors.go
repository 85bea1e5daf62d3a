package message

import "github.com/hermodhq/hermod/sdk/message/internal/strict"

// Error says what is wrong with a message that a host handed in. It names the field and never its value, so it may be
// logged and shown.
type Error struct {
	Code       string // stable, snake_case, e.g. "field_unknown"; see the Code constants
	Path       string // the field as JSON spells it, e.g. "content.interactive.buttons[2].text"; empty for the whole
	Text       string // what is wrong and what to do
	Suggestion string // the name or value that was probably meant; may be empty
}

// The codes of [Error].
const (
	CodeJSONInvalid      = "json_invalid"           // not JSON, or not UTF-8
	CodeJSONTrailing     = "json_trailing"          // something stands after the message
	CodeJSONTooLarge     = "json_too_large"         // more than MaxJSON bytes
	CodeJSONTooDeep      = "json_too_deep"          // more than MaxDepth levels
	CodeFieldUnknown     = "field_unknown"          // no such field
	CodeFieldTwice       = "field_twice"            // the same field twice in one object
	CodeTypeWrong        = "type_wrong"             // a number where text is wanted, and the like
	CodeNumberInexact    = "number_inexact"         // a number that a 64-bit float cannot hold
	CodeTimeInvalid      = "time_invalid"           // not an RFC 3339 time, or a year outside 1 to 9999
	CodeBytesInvalid     = "bytes_invalid"          // not base64
	CodeTextInvalid      = "text_invalid"           // not UTF-8
	CodeTooLong          = "too_long"               // a text or file over its bound
	CodeTooMany          = "too_many"               // a list or map over its bound
	CodeRequired         = "required"               // a field that must be set is empty
	CodeUnknownValue     = "value_unknown"          // none of the allowed words
	CodeRecipientMissing = "recipient_missing"      // no address
	CodeContentConflict  = "content_conflict"       // two of template, media and interactive
	CodeMediaSource      = "media_source"           // neither or both of url and data
	CodeURLInvalid       = "url_invalid"            // not an absolute http or https URL
	CodeExpiresTooEarly  = "expires_before_send_at" // expires is not after send_at
	CodeDataNotJSON      = "data_not_json"          // a Go value that JSON has no form for
)

// Error gives the text and, where there is one, the suggestion.
func (e *Error) Error() string {
	if e.Suggestion == "" {
		return e.Text
	}
	return e.Text + ` (did you mean "` + e.Suggestion + `"?)`
}

// Is reports whether target is an [Error] with the same code and, where target has one, the same path.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.Path == "" || t.Path == e.Path)
}

// newError builds an error whose text begins with the quoted path.
func newError(code, path, text string) *Error {
	return &Error{Code: code, Path: path, Text: strict.About(path, text)}
}
