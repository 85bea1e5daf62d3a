package omnideskapi

import (
	"fmt"
	"time"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/vendorhttp"
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

// cutOut cuts out of a vendor's text what the request said of a customer, and the key.
func (r *request) cutOut(text, key string) string {
	said := fault.Values{}
	said.Add("apiKey", key)
	for _, p := range r.form {
		said.Add(p.name, p.text)
	}
	for name, values := range r.query {
		for _, v := range values {
			said.Add(name, v)
		}
	}
	return said.Conceal(text)
}

// NoReplyError says that a call got no usable answer.
type NoReplyError = vendorhttp.NoReplyError
