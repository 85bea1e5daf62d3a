package omnideskapi

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Error texts that are documented, both with HTTP status 400. Their spelling is Omnidesk's.
const (
	TextFormUnknown = "This form does not exist."
	TextFileUnknown = "Could not retreive a file with this ID."
)

// Error is a refusal: an HTTP status outside 2xx, or an error envelope with any status.
type Error struct {
	Call       string
	Status     int           // HTTP; 400 is the documented one
	Text       string        // message; empty when the answer has none
	RetryAfter time.Duration // the Retry-After header; 0 when there is none
}

// Error names the call, the HTTP status and the text.
func (e *Error) Error() string {
	return fmt.Sprintf("omnidesk: %s: HTTP status %d %s", e.Call, e.Status, e.Text)
}

// cutOut cuts out of a vendor's text what the request said of a customer.
func (r *request) cutOut(text string) string {
	named := map[string]string{} // value to the parameter's name
	for _, p := range r.form {
		named[p.text] = p.name
	}
	for name, values := range r.query {
		for _, v := range values {
			named[v] = name
		}
	}
	longestFirst := slices.SortedFunc(maps.Keys(named), func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	for _, value := range longestFirst {
		if len(value) > 1 {
			text = strings.ReplaceAll(text, value, "["+named[value]+"]")
		}
	}
	return text
}

// Reason says why there is no answer.
type Reason string

// The reasons.
const (
	Unreachable    Reason = "unreachable"     // no connection could be made
	ConnectionLost Reason = "connection_lost" // the connection broke before the answer
	Timeout        Reason = "timeout"         // the answer did not come in time
	ReplyTooLong   Reason = "reply_too_long"  // the answer is longer than Options.MaxReply
)

// NoReplyError says that a call got no usable answer.
type NoReplyError struct {
	Call   string
	Reason Reason
	Sent   bool // Omnidesk may have received the call; false is certain
	Err    error
}

// Error names the call, the reason and the cause.
func (e *NoReplyError) Error() string {
	return fmt.Sprintf("omnidesk: %s: %s: %s", e.Call, e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *NoReplyError) Unwrap() error { return e.Err }
