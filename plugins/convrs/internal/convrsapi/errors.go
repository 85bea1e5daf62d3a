package convrsapi

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
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

// Reason says why there is no reply.
type Reason string

// The reasons.
const (
	Unreachable    Reason = "unreachable"     // no connection could be made
	ConnectionLost Reason = "connection_lost" // the connection broke before the reply
	Timeout        Reason = "timeout"         // the reply did not come in time
	ReplyInvalid   Reason = "reply_invalid"   // the reply is not what is documented
	ReplyTooLong   Reason = "reply_too_long"  // the reply is longer than Options.MaxReply
)

// NoReplyError says that a command got no usable reply.
type NoReplyError struct {
	Cmd    string
	Reason Reason
	Sent   bool // Convrs may have received the command; false is certain
	Err    error
}

// Error names the command, the reason and the cause.
func (e *NoReplyError) Error() string {
	return fmt.Sprintf("convrs: %s: %s: %s", e.Cmd, e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *NoReplyError) Unwrap() error { return e.Err }

// plain are the fields whose values may be repeated: they help, and say nothing about a customer.
var plain = []string{"cmd", "language", "templateName", "route", "tag", "color"}

// withoutValues cuts out of a vendor's text what the request said, token included.
func withoutValues(text string, request []byte) string {
	var fields any
	if text == "" || json.Unmarshal(request, &fields) != nil {
		return ""
	}
	named := map[string]string{} // value to the field's name
	collect(named, "", fields)
	longestFirst := slices.SortedFunc(maps.Keys(named), func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	for _, value := range longestFirst {
		text = strings.ReplaceAll(text, value, "["+named[value]+"]")
	}
	return text
}

func collect(named map[string]string, name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			collect(named, key, value)
		}
	case []any:
		for _, value := range v {
			collect(named, name, value)
		}
	case string:
		if len(v) > 1 && !slices.Contains(plain, name) {
			named[v] = name
		}
	}
}
