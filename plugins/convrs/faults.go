package convrs

import (
	"errors"
	"strconv"
	"time"

	"github.com/hermodhq/hermod/plugins/convrs/internal/convrsapi"
	"github.com/hermodhq/hermod/sdk/fault"
)

// row is what one vendor code means: its class, our stable code, and how long to wait where the class is retried.
type row struct {
	class fault.Class
	code  string
	after time.Duration
}

// table holds a vendor's codes by class, each with our stable code.
type table map[fault.Class]map[int]string

// codes classifies every documented errorCode. A reply with ok 0 is an answer, so the message was not taken, with
// three exceptions: 2003 and 2004 tell of trouble inside Convrs and not how far the message came, and 1018 ends a
// connection under whatever was on its way.
var codes = table{
	fault.Unauthorized:     {1000: "token_missing", 1001: "token_invalid"},
	fault.InvalidRecipient: {1005: "user_unknown", 1006: "phone_invalid", 1007: "phone_length", 1009: "phone_missing", 1025: "user_missing"},
	fault.Misconfigured:    {1008: "bot_missing", 1015: "bot_unknown", 1016: "bot_type_wrong", 2002: "agent_unknown"},
	fault.ContentRejected: {
		1002: "end_date_invalid", 1003: "start_date_invalid", 1021: "dates_reversed", 1020: "message_id_unknown",
		1010: "message_missing", 1013: "text_too_long", 1011: "route_missing", 1014: "route_too_long",
		1022: "name_invalid", 1023: "notes_invalid", 1024: "email_invalid", 3003: "template_name_missing", 3004: "template_language_missing",
		3050: "tag_invalid", 3051: "tag_color_invalid", 3052: "tag_description_invalid", 3053: "tag_unknown",
	},
	fault.TemplateUnavailable: {1012: "route_unknown", 3000: "templates_none", 3001: "template_unknown"},
	fault.Internal:            {1004: "command_unknown", 1017: "json_invalid", 1019: "connect_expected", 3002: "whatsapp_error"}, // 3002 is refined by whatsappCodes
	fault.OutcomeUnknown:      {1018: "socket_replaced", 2003: "vendor_timeout", 2004: "vendor_internal"},
	fault.Unavailable:         {2000: "user_not_created", 2005: "sms_failed", 2009: "whatsapp_busy"},
	fault.RecipientBusy:       {2001: "agent_chatting"},
	fault.Unsubscribed:        {2006: "unsubscribed"},
	fault.RateLimited:         {2007: "rate_phone", 2008: "rate_token"},
}

// whatsappCodes classifies the whatsappErrorCode of 3002 and of acknowledgement -1. The list is WhatsApp's and open: any other
// code is row 3002, which goes on to the next step and asks for the code to be reported.
var whatsappCodes = table{
	fault.Unavailable:     {2: "whatsapp_unavailable"},
	fault.RateLimited:     {4: "whatsapp_calls", 80007: "whatsapp_account_rate", 130429: "whatsapp_throughput", spamRate: "whatsapp_spam_rate"},
	fault.ContentRejected: {100: "whatsapp_parameter", 132000: "whatsapp_template_params", 132005: "whatsapp_template_too_long", 132007: "whatsapp_template_policy", 132012: "whatsapp_template_format"},
	// a template may have changed since Convrs was asked about it
	fault.TemplateUnavailable: {132001: "whatsapp_template_unknown", 132015: "whatsapp_template_paused", 132016: "whatsapp_template_disabled"},
	fault.Unauthorized:        {190: "whatsapp_token", 368: "whatsapp_blocked", 131031: "whatsapp_locked"},
	fault.InvalidRecipient:    {131026: "whatsapp_undeliverable"},
	fault.SessionClosed:       {131047: "whatsapp_session"},
}

const (
	spamRate    = 131048 // passes by itself, but not soon
	codeUnknown = "code_unknown"
)

// statuses classifies HTTP statuses that come without a reply object; see statusRow for the ranges.
var statuses = table{
	fault.Unauthorized:    {401: "http_unauthorized", 403: "http_forbidden"},
	fault.Misconfigured:   {404: "http_not_found", 405: "http_not_found"},
	fault.OutcomeUnknown:  {408: "http_timeout"},
	fault.ContentRejected: {413: "http_too_large"},
	fault.RateLimited:     {429: "http_rate"},
	fault.Unavailable:     {503: "http_unavailable"}, // "currently unable to handle the request", RFC 9110
}

func (t table) find(n int) (row, bool) {
	for class, codes := range t {
		if code, ok := codes[n]; ok {
			r := row{class: class, code: code}
			switch {
			case n == spamRate:
				r.after = 15 * time.Minute
			case class == fault.RateLimited:
				r.after = time.Second
			}
			return r, true
		}
	}
	return row{}, false
}

func statusRow(status int) row {
	if r, ok := statuses.find(status); ok {
		return r
	}
	switch {
	case status >= 300 && status < 400:
		return row{class: fault.Misconfigured, code: "http_redirect"} // not followed: it would carry the token elsewhere
	case status >= 400 && status < 500:
		return row{class: fault.Internal, code: "http_refused"}
	}
	return row{class: fault.OutcomeUnknown, code: "http_failed"}
}

// codeRow looks a code up. A code that is not documented is a refusal where its block is (validation, WhatsApp, tags);
// elsewhere nobody knows what it says about the message.
func codeRow(code, whatsapp int) row {
	if r, ok := whatsappCodes.find(whatsapp); ok && code == 3002 {
		return r
	}
	if r, ok := codes.find(code); ok {
		return r
	}
	if code >= 1000 && code < 1100 || code >= 3000 && code < 3100 {
		return row{class: fault.Internal, code: codeUnknown}
	}
	return row{class: fault.OutcomeUnknown, code: codeUnknown}
}

// vendorCode writes both codes, as 3002:131047.
func vendorCode(code, whatsapp int) string {
	if whatsapp == 0 {
		return strconv.Itoa(code)
	}
	return strconv.Itoa(code) + ":" + strconv.Itoa(whatsapp)
}

// faultOf turns the client's errors into faults. A command that changes nothing cannot have an unknown outcome: it may
// be asked again, which is what unavailable says, but a refusal that nobody knows would come again.
func faultOf(err error, mutates bool) error {
	if err == nil {
		return nil
	}
	f := classify(err)
	if f.Class == fault.OutcomeUnknown && !mutates {
		f.Class = fault.Unavailable
		if f.Code == codeUnknown {
			f.Class = fault.Internal
		}
	}
	return f
}

// unsent corrects what a failed connect means: the command that needed the connection was never sent.
func unsent(cmd string, r row) row {
	if cmd == "connect" && r.class == fault.OutcomeUnknown {
		r.class = fault.Unavailable
	}
	return r
}

func classify(err error) *fault.Fault {
	if e, ok := errors.AsType[*convrsapi.Error](err); ok {
		r := unsent(e.Cmd, codeRow(e.Code, e.WhatsAppCode))
		text := e.Text
		if e.WhatsAppText != "" {
			text += ": " + e.WhatsAppText
		}
		return fault.New(r.class, r.code, "Convrs refused %s", e.Cmd).WithVendor(vendorCode(e.Code, e.WhatsAppCode), text).After(r.after)
	}
	if e, ok := errors.AsType[*convrsapi.StatusError](err); ok {
		r := unsent(e.Cmd, statusRow(e.Status))
		f := fault.New(r.class, r.code, "Convrs answered %s with an HTTP status", e.Cmd).WithVendor("http "+strconv.Itoa(e.Status), "")
		if r.class != fault.RateLimited && r.class != fault.Unavailable {
			return f
		}
		return f.After(max(r.after, e.RetryAfter))
	}
	if e, ok := errors.AsType[*convrsapi.NoReplyError](err); ok {
		return e.Fault()
	}
	if errors.Is(err, convrsapi.ErrReplaced) {
		return fault.New(fault.Unavailable, "socket_replaced", "%w", err)
	}
	return fault.New(fault.Unavailable, "not_connected", "%w", err)
}
