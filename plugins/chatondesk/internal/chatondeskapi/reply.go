package chatondeskapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/hermodhq/hermod/sdk/vendorhttp"
)

// maxDetail is how many bytes of an error's description are looked at. It is more than any request has: a value of the request
// that is cut in two could not be found and taken out.
const maxDetail = 1 << 20

// reply is the envelope of every answer.
type reply struct {
	Status      string          `json:"status"` // success or error
	Description json.RawMessage `json:"description"`
	ProfileID   Text            `json:"profile_id"`
	ReminderID  Text            `json:"reminder_id"`
}

// open checks an answer. Errors come with HTTP status 200 as well, and HTTP errors with no body.
func open(call string, status int, raw []byte) (*reply, error) {
	var r reply
	err := json.Unmarshal(raw, &r)
	success, failure := strings.EqualFold(r.Status, "success"), strings.EqualFold(r.Status, "error")
	switch {
	case failure:
		return nil, &Error{Call: call, Status: status, Text: r.detail()}
	case status < 200 || status > 299:
		return nil, &Error{Call: call, Status: status}
	case status == 202 && len(bytes.TrimSpace(raw)) == 0: // "request accepted" needs no body
		return &reply{Status: "success"}, nil
	case err == nil && !success:
		err = errors.New("the status is neither success nor error")
	}
	if err != nil {
		return nil, &NoReplyError{Call: call, Reason: vendorhttp.ReplyInvalid, Sent: true, Err: withoutValue(err)}
	}
	return &r, nil
}

// withoutValue keeps what the vendor sent out of the error's text.
func withoutValue(err error) error {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("not JSON at byte %d", e.Offset)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("a JSON %s where none is known: %q", e.Value, e.Field)
	}
	return err
}

// text returns the description where it is a text, or an object with a text named desc.
func (r *reply) text() string {
	var s string
	if json.Unmarshal(r.Description, &s) == nil {
		return s
	}
	var o struct {
		Desc Text `json:"desc"`
	}
	_ = json.Unmarshal(r.Description, &o)
	return string(o.Desc)
}

// detail returns the text, or else the description as it came.
func (r *reply) detail() string {
	s := r.text()
	if s == "" {
		var b bytes.Buffer
		_ = json.Compact(&b, r.Description) // an absent description leaves it empty
		s = b.String()
	}
	return strings.ToValidUTF8(s[:min(len(s), maxDetail)], "")
}

// list reads all four shapes: an array of records, a text, an object with desc, one object of named records.
func list[T any](r *reply) (List[T], error) {
	out := List[T]{Records: []T{}}
	raw := bytes.TrimSpace(r.Description)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return out, nil
	}
	var err error
	switch raw[0] {
	case '[':
		err = json.Unmarshal(raw, &out.Records)
	case '"':
		out.Description = r.text()
	case '{':
		if out.Description = r.text(); out.Description == "" && len(raw) > len("{}") {
			out.Records = make([]T, 1)
			err = json.Unmarshal(raw, &out.Records[0])
		}
	default:
		err = errors.New("the description is neither text nor records")
	}
	return out, err
}

// Text is a value that comes as text, and at times as a number.
type Text string

// UnmarshalJSON takes text, numbers and truth values; null is empty.
func (t *Text) UnmarshalJSON(raw []byte) error {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		*t = ""
	case string:
		*t = Text(v)
	case json.Number, bool:
		*t = Text(fmt.Sprint(v))
	default:
		return errors.New("neither text nor a number")
	}
	return nil
}
