package chat2deskapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Error is an answer that refuses a call: an envelope with status "error", an HTTP status outside 2xx, or both.
type Error struct {
	Call       string        // such as "POST messages"
	Status     int           // of HTTP; refusals come with 200 as well
	Text       string        // message and errors, between semicolons; wording is not documented. The token is cut out
	RetryAfter time.Duration // the Retry-After header; 0 when there is none
}

// Error names the call, the HTTP status and the text.
func (e *Error) Error() string {
	return fmt.Sprintf("chat2desk: %s: HTTP status %d %s", e.Call, e.Status, e.Text)
}

// ExistingClient returns the id of the client that POST clients found in the place of creating one. The id comes as a JSON
// text among the texts of `errors.client`.
func (e *Error) ExistingClient() (id int64, ok bool) {
	if !strings.Contains(strings.ToLower(e.Text), "already exist") {
		return 0, false
	}
	var c struct{ ID Text }
	for part := range strings.SplitSeq(e.Text, "; ") {
		if i := strings.Index(part, "{"); i >= 0 && json.Unmarshal([]byte(part[i:]), &c) == nil && c.ID.Int() != 0 {
			return c.ID.Int(), true
		}
	}
	return 0, false
}

// Reason says why there is no reply.
type Reason string

// The reasons.
const (
	RequestInvalid Reason = "request_invalid" // the request cannot be built, say for want of an id
	Unreachable    Reason = "unreachable"     // no connection could be made
	ConnectionLost Reason = "connection_lost" // the connection broke before the reply
	Timeout        Reason = "timeout"         // the reply did not come in time
	ReplyInvalid   Reason = "reply_invalid"   // the reply has no shape that is known
	ReplyTooLong   Reason = "reply_too_long"  // the reply is longer than Options.MaxReply
)

// NoReplyError says that a call got no usable reply.
type NoReplyError struct {
	Call   string
	Reason Reason
	Sent   bool // Chat2Desk may have received the call; false is certain
	Err    error
}

// Error names the call, the reason and the cause.
func (e *NoReplyError) Error() string {
	return fmt.Sprintf("chat2desk: %s: %s: %s", e.Call, e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *NoReplyError) Unwrap() error { return e.Err }
