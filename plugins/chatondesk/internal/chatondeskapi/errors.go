package chatondeskapi

import (
	"fmt"
	"time"

	"github.com/hermodhq/hermod/sdk/vendorhttp"
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
	Text       string        // the description, or its desc; empty when the reply has none. Unescaped, without the credentials
	RetryAfter time.Duration // the Retry-After header; 0 when there is none
}

// Error names the call, the HTTP status and the text.
func (e *Error) Error() string {
	return fmt.Sprintf("chatondesk: %s: HTTP status %d %s", e.Call, e.Status, e.Text)
}

// NoReplyError says that a call got no usable reply.
type NoReplyError = vendorhttp.NoReplyError
