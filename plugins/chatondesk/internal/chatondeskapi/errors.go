package chatondeskapi

import (
	"fmt"
	"time"
)

// Texts that tell the two outcomes of a code's check apart; the status is success in both.
const (
	CodeMatched     = "Code Matched successfully."
	CodeDoesntMatch = "Code does not match."
)

// Error is a refusal: status error in the reply, with any HTTP status, or an HTTP status outside 2xx.
type Error struct {
	Call       string
	Status     int           // HTTP; an error with status 200 is usual
	Text       string        // the description, or its desc; empty when the reply has none. The credentials are cut out
	RetryAfter time.Duration // the Retry-After header; 0 when there is none
}

// Error names the call, the HTTP status and the text.
func (e *Error) Error() string {
	return fmt.Sprintf("chatondesk: %s: HTTP status %d %s", e.Call, e.Status, e.Text)
}

// Reason says why there is no reply.
type Reason string

// The reasons.
const (
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
	Sent   bool // ChatOnDesk may have received the call; false is certain
	Err    error
}

// Error names the call, the reason and the cause.
func (e *NoReplyError) Error() string {
	return fmt.Sprintf("chatondesk: %s: %s: %s", e.Call, e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *NoReplyError) Unwrap() error { return e.Err }
