package chat2deskapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hermodhq/hermod/sdk/vendorhttp"
)

// Error is an answer that refuses a call: an envelope with status "error", an HTTP status outside 2xx, or both.
type Error struct {
	Call       string        // such as "POST messages"
	Status     int           // of HTTP; refusals come with 200 as well
	Text       string        // message and errors, between semicolons, at most 4 KiB; wording is not documented. The token is cut out
	Told       string        // the same without what the request said
	RetryAfter time.Duration // the Retry-After header; 0 when there is none
}

// Error names the call, the HTTP status and the text.
func (e *Error) Error() string {
	return fmt.Sprintf("chat2desk: %s: HTTP status %d %s", e.Call, e.Status, e.Told)
}

// ExistingClient returns the id of the client that POST clients found in the place of creating one, if err says so. The id comes as a
// JSON text among the texts of `errors.client`.
func ExistingClient(err error) (id int64, ok bool) {
	e, refused := errors.AsType[*Error](err)
	if !refused || !strings.Contains(strings.ToLower(e.Text), "already exist") {
		return 0, false
	}
	for i := range e.Text { // its other texts may hold semicolons and braces
		var c struct{ ID Text }
		if e.Text[i] == '{' && json.NewDecoder(strings.NewReader(e.Text[i:])).Decode(&c) == nil && c.ID.Int() != 0 {
			return c.ID.Int(), true
		}
	}
	return 0, false
}

// NoReplyError says that a call got no usable reply.
type NoReplyError = vendorhttp.NoReplyError

// Reason says why there is no reply.
type Reason = vendorhttp.Reason

// The reasons that this package looks at itself.
const (
	RequestInvalid Reason = "request_invalid" // the request cannot be built, say for want of an id
	ReplyInvalid          = vendorhttp.ReplyInvalid
	ReplyTooLong          = vendorhttp.ReplyTooLong
	ConnectionLost        = vendorhttp.ConnectionLost
	Timeout               = vendorhttp.Timeout
)
