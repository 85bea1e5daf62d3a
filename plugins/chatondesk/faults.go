package chatondesk

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/hermodhq/hermod/plugins/chatondesk/internal/chatondeskapi"
	"github.com/hermodhq/hermod/sdk/fault"
)

// row is what one answer of the vendor means: its class, our stable code, and how long to wait where the class is retried.
type row struct {
	class fault.Class
	code  string
	after time.Duration
}

// texts classifies every error text that is known, without regard to case and a full stop at the end; ChatOnDesk has no
// error codes. Each of them refuses the call for what it is, so nothing was taken.
var texts = map[string]row{
	"invalid username/password":              {fault.Unauthorized, "credentials_refused", 0},
	"dormant account":                        {fault.Unauthorized, "account_dormant", 0},
	"unknown structure id":                   {fault.TemplateUnavailable, "template_unknown", 0},
	"ensure to send only approved template":  {fault.TemplateUnavailable, "template_not_approved", 0},
	"no channel available for your account":  {fault.Misconfigured, "channel_none", 0},
	"no senderid available for your account": {fault.Misconfigured, "sender_none", 0},
}

// statuses classifies the documented HTTP statuses, and those that HTTP itself defines well enough; see statusRow for the
// ranges. The documents say nothing of how far a message came when a server error is answered: only 503 ("currently unable to
// handle the request", RFC 9110) says that nothing was done.
var statuses = map[int]row{
	400: {fault.ContentRejected, "http_bad_request", 0},
	401: {fault.Unauthorized, "http_unauthorized", 0},
	402: {fault.QuotaExhausted, "http_payment_required", 0},
	403: {fault.Misconfigured, "http_forbidden", 0}, // "valid credentials but no access"
	404: {fault.ContentRejected, "http_not_found", 0},
	405: {fault.Misconfigured, "http_method", 0},
	408: {fault.OutcomeUnknown, "http_timeout", 0},
	409: {fault.Unavailable, "http_conflict", 2 * time.Second}, // the update lost against another one and was not made
	413: {fault.ContentRejected, "http_too_large", 0},
	429: {fault.RateLimited, "http_rate", time.Second},
	500: {fault.OutcomeUnknown, "http_failed", 0},
	502: {fault.OutcomeUnknown, "http_failed", 0},
	503: {fault.Unavailable, "http_unavailable", 0},
	504: {fault.OutcomeUnknown, "http_failed", 0},
}

// templateMissing is what 404 ("object does not exist") means for calls that name a template.
var templateMissing = row{fault.TemplateUnavailable, "http_not_found", 0}

// errorUnknown is an error whose text nobody has documented: it may tell of trouble after the message was taken.
var errorUnknown = row{fault.OutcomeUnknown, "error_unknown", 0}

func statusRow(status int, in any) row {
	switch in.(type) {
	case chatondeskapi.TemplateRequest, chatondeskapi.SendCodeRequest:
		if status == 404 {
			return templateMissing
		}
	}
	if r, ok := statuses[status]; ok {
		return r
	}
	switch {
	case status >= 200 && status < 300:
		return errorUnknown
	case status >= 300 && status < 400:
		return row{fault.Misconfigured, "http_redirect", 0} // not followed: it would carry the credentials elsewhere
	case status >= 400 && status < 500:
		return row{fault.Internal, "http_refused", 0}
	}
	return row{fault.OutcomeUnknown, "http_failed", 0}
}

// faultOf turns the client's errors into faults; in is the request. A call that changes nothing cannot have an unknown outcome:
// it may be asked again, which is what unavailable says, but an error that nobody knows would come again.
func faultOf(err error, in any, mutates bool) error {
	if err == nil {
		return nil
	}
	f := classify(err, in)
	if f.Class == fault.OutcomeUnknown && !mutates {
		f.Class = fault.Unavailable
		if f.Code == errorUnknown.code {
			f.Class = fault.Internal
		}
	}
	return f
}

func classify(err error, in any) *fault.Fault {
	if e, ok := errors.AsType[*chatondeskapi.Error](err); ok {
		r, known := texts[strings.TrimSuffix(strings.ToLower(strings.TrimSpace(e.Text)), ".")]
		text := e.Text
		if !known {
			r, text = statusRow(e.Status, in), withoutValues(e.Text, in)
		}
		f := fault.New(r.class, r.code, "ChatOnDesk answered %s with an error", e.Call).WithVendor("http "+strconv.Itoa(e.Status), text)
		if r.class.Action() == fault.Retry {
			f = f.After(max(r.after, e.RetryAfter))
		}
		return f
	}
	if e, ok := errors.AsType[*chatondeskapi.NoReplyError](err); ok {
		return e.Fault()
	}
	return fault.New(fault.Internal, "request_invalid", "%w", err)
}

// plain are the fields whose values may be repeated: they help, and say nothing about a customer.
var plain = []string{"channel", "structureid"}

// withoutValues cuts out of the vendor's text what the request said: numbers, codes and texts of customers.
func withoutValues(text string, in any) string {
	raw, err := json.Marshal(in)
	if err != nil {
		return ""
	}
	return fault.ValuesOf(raw, plain...).Conceal(text)
}
