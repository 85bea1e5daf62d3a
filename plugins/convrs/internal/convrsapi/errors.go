package convrsapi

import (
	"errors"
	"fmt"
	"time"

	"github.com/hermodhq/hermod/sdk/vendorhttp"
)

// ErrReplaced is why the websocket ended when another client connected with the same token (error code 1018). Two clients
// that both connect again at once would close each other for ever.
var ErrReplaced = errors.New("convrs: another client with the same token took the websocket over: run one client per token")

// Error is a reply with ok 0: Convrs refused the command.
type Error struct {
	Cmd          string
	Code         int    // errorCode; 0 when the reply has none
	Text         string // error; wording differs between versions, so never match on it
	WhatsAppCode int    // whatsappErrorCode, with code 3002
	WhatsAppText string // whatsappErrorDesc
}

// Error names the command, the codes and the texts.
func (e *Error) Error() string {
	if e.WhatsAppCode != 0 {
		return fmt.Sprintf("convrs: %s: %s (%d, WhatsApp %d %s)", e.Cmd, e.Text, e.Code, e.WhatsAppCode, e.WhatsAppText)
	}
	return fmt.Sprintf("convrs: %s: %s (%d)", e.Cmd, e.Text, e.Code)
}

// StatusError is an HTTP status outside 2xx without a reply object.
type StatusError struct {
	Cmd        string
	Status     int
	RetryAfter time.Duration // the Retry-After header; 0 when there is none
}

// Error names the command and the status.
func (e *StatusError) Error() string {
	return fmt.Sprintf("convrs: %s: HTTP status %d", e.Cmd, e.Status)
}

// NoReplyError says that a command, which is its Call, got no usable reply.
type NoReplyError = vendorhttp.NoReplyError

// plain are the fields whose values may be repeated: they help, and say nothing about a customer.
var plain = []string{"cmd", "language", "templateName", "route", "tag", "color", "botID"}
