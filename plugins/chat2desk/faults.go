package chat2desk

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hermodhq/hermod/plugins/chat2desk/internal/chat2deskapi"
	"github.com/hermodhq/hermod/sdk/fault"
)

// row is what a refusal means: its class, our stable code, and how long to wait where the class is retried.
type row struct {
	class fault.Class
	code  string
	after time.Duration
}

// texts classifies refusals by their wording, since Chat2Desk gives no codes. All of words stand in one part of the text, in any case.
// The first row that fits counts.
var texts = []struct {
	words []string
	row   row
}{
	{[]string{"token is not correct"}, row{fault.Unauthorized, "token_invalid", 0}},
	{[]string{"you need to auth"}, row{fault.Unauthorized, "token_missing", 0}},
	{[]string{"you have to specify your token"}, row{fault.Unauthorized, "token_unspecified", 0}},
	{[]string{"page not found"}, row{fault.Misconfigured, "page_unknown", 0}},
	{[]string{"api calls exceeded api limit per month"}, row{fault.QuotaExhausted, "quota_month", 0}},
	{[]string{"number of api requests exceeded"}, row{fault.RateLimited, "requests_exceeded", 15 * time.Minute}}, // quota or rate: it does not say
	{[]string{"client already exist"}, row{fault.ContentRejected, "client_exists", 0}},
	{[]string{"already used"}, row{fault.ContentRejected, "url_used", 0}},
	{[]string{"already has state"}, row{fault.ContentRejected, "state_already", 0}},
	{[]string{"client does not belong"}, row{fault.ContentRejected, "client_foreign", 0}},
	{[]string{"request does not belong"}, row{fault.ContentRejected, "request_foreign", 0}},
	{[]string{"tag does not exist"}, row{fault.ContentRejected, "tag_missing", 0}},
	{[]string{"transport", "incorrect"}, row{fault.Unsupported, "transport_incorrect", 0}},
	{[]string{"channel", "not found"}, row{fault.Misconfigured, "channel_unknown", 0}},
	{[]string{"operator group", "not found"}, row{fault.ContentRejected, "group_unknown", 0}},
	{[]string{"operator", "not found"}, row{fault.ContentRejected, "operator_unknown", 0}},
	{[]string{"client", "not found"}, row{fault.InvalidRecipient, "client_unknown", 0}},
	{[]string{"request", "not found"}, row{fault.ContentRejected, "request_unknown", 0}},
	{[]string{"tag", "not found"}, row{fault.ContentRejected, "tag_unknown", 0}},
	{[]string{"dialog", "not found"}, row{fault.ContentRejected, "dialog_unknown", 0}},
	{[]string{"message", "not found"}, row{fault.ContentRejected, "message_unknown", 0}},
	{[]string{"not_found"}, row{fault.ContentRejected, "not_found", 0}},
	{[]string{"not found"}, row{fault.ContentRejected, "not_found", 0}},
	{[]string{"attachment"}, row{fault.ContentRejected, "attachment_refused", 0}},
}

// statuses classifies HTTP statuses whose text says nothing; see statusRow for the rest.
var statuses = map[int]row{
	400: {fault.ContentRejected, "http_bad_request", 0},
	401: {fault.Unauthorized, "http_unauthorized", 0},
	403: {fault.Unauthorized, "http_forbidden", 0},
	404: {fault.Misconfigured, "http_not_found", 0}, // a matter of content where the path names one thing
	405: {fault.Misconfigured, "http_method", 0},
	408: {fault.OutcomeUnknown, "http_timeout", 0},
	413: {fault.ContentRejected, "http_too_large", 0},
	422: {fault.ContentRejected, "http_unprocessable", 0},
	429: {fault.RateLimited, "http_rate", time.Minute},
}

func statusRow(call string, status int) row {
	switch r, ok := statuses[status]; {
	case status == 404 && strings.Contains(call, "{id}"):
		return row{fault.ContentRejected, "http_not_found", 0}
	case ok:
		return r
	case status >= 300 && status < 400:
		return row{fault.Misconfigured, "http_redirect", 0} // not followed: it would carry the token elsewhere
	case status >= 400 && status < 500:
		return row{fault.Internal, "http_refused", 0}
	}
	return row{fault.OutcomeUnknown, "http_failed", 0}
}

func textRow(text string) (row, bool) {
	for _, t := range texts {
		for part := range strings.SplitSeq(strings.ToLower(text), "; ") {
			if !slices.ContainsFunc(t.words, func(word string) bool { return !strings.Contains(part, word) }) {
				return t.row, true
			}
		}
	}
	return row{}, false
}

// faultOf turns the client's errors into faults. A call that changes nothing cannot have an unknown outcome: it may be made
// again, which is what unavailable says.
func faultOf(err error, mutates bool) error {
	if err == nil {
		return nil
	}
	f := classify(err)
	if f.Class == fault.OutcomeUnknown && !mutates {
		f.Class = fault.Unavailable
	}
	return f
}

func classify(err error) *fault.Fault {
	if e, ok := errors.AsType[*chat2deskapi.Error](err); ok {
		return refusal(e)
	}
	switch e, ok := errors.AsType[*chat2deskapi.NoReplyError](err); {
	case !ok:
		return fault.New(fault.Internal, "client_failed", "%w", err)
	case e.Reason == chat2deskapi.RequestInvalid:
		return fault.New(fault.ContentRejected, string(e.Reason), "%s cannot be called: %w", e.Call, e.Err)
	default:
		return e.Fault()
	}
}

// refusal goes by the text first: Chat2Desk refuses with HTTP status 200 as well. A refusal of Chat2Desk itself means that nothing
// was done, whatever its words.
func refusal(e *chat2deskapi.Error) *fault.Fault {
	r, known := textRow(e.Text)
	if !known {
		if r = statusRow(e.Call, e.Status); e.Status < 300 {
			r = row{fault.Internal, "text_unknown", 0}
		}
	}
	f := fault.New(r.class, r.code, "Chat2Desk refused %s", e.Call).WithVendor("http "+strconv.Itoa(e.Status), e.Told)
	if r.class.Action() != fault.Retry {
		return f
	}
	return f.After(max(r.after, e.RetryAfter))
}
