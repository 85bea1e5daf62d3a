package omnidesk

import (
	"errors"
	"strconv"
	"strings"
	"time"

	api "github.com/hermodhq/hermod/plugins/omnidesk/internal/omnideskapi"
	"github.com/hermodhq/hermod/sdk/fault"
)

// row is what one answer of the vendor means: its class, our stable code, and how long to wait where the class is retried.
type row struct {
	class fault.Class
	code  string
	after time.Duration
}

// texts classifies every documented error text; Omnidesk has no error codes. Both come with HTTP status 400.
var texts = map[string]row{
	api.TextFormUnknown: {fault.ContentRejected, "form_unknown", 0},
	api.TextFileUnknown: {fault.ContentRejected, "file_unknown", 0},
}

// statuses classifies 400, the only documented status of an error, and those that HTTP itself defines well enough; see statusRow
// for the ranges. Nothing says how far a call came when a server error is answered: only 503 ("currently unable to handle
// the request", RFC 9110) says that nothing was done.
var statuses = map[int]row{
	400: {fault.ContentRejected, "refused", 0},
	401: {fault.Unauthorized, "key_refused", 0},
	403: {fault.Unauthorized, "permission_missing", 0},
	404: {fault.ContentRejected, "not_found", 0}, // for paths that hold no id see statusRow
	405: {fault.Misconfigured, "path_unknown", 0},
	408: {fault.OutcomeUnknown, "http_timeout", 0},
	413: {fault.ContentRejected, "too_large", 0},
	429: {fault.RateLimited, "rate", time.Second},
	500: {fault.OutcomeUnknown, "http_failed", 0},
	502: {fault.OutcomeUnknown, "http_failed", 0},
	503: {fault.Unavailable, "http_unavailable", 0},
	504: {fault.OutcomeUnknown, "http_failed", 0},
}

func statusRow(status int, info *api.Info) row {
	if status == 404 && (info.Inferred || !strings.Contains(info.Path, "{id}")) {
		return row{fault.Misconfigured, "path_unknown", 0}
	}
	if r, ok := statuses[status]; ok {
		return r
	}
	switch {
	case status >= 200 && status < 300: // an error envelope, wherever it comes from, refuses the call
		return row{fault.ContentRejected, "refused", 0}
	case status >= 300 && status < 400:
		return row{fault.Misconfigured, "http_redirect", 0} // not followed: it would carry the key elsewhere
	case status >= 400 && status < 500:
		return row{fault.Internal, "http_refused", 0}
	}
	return row{fault.OutcomeUnknown, "http_failed", 0}
}

// faultOf turns the client's errors into faults. A call that changes nothing cannot have an unknown outcome: it may be asked
// again, which is what unavailable says.
func faultOf(err error, info *api.Info) error {
	if err == nil {
		return nil
	}
	f := classify(err, info)
	if f.Class == fault.OutcomeUnknown && info.Reads {
		f.Class = fault.Unavailable
	}
	return f
}

func classify(err error, info *api.Info) *fault.Fault {
	if e, ok := errors.AsType[*api.Error](err); ok {
		r, known := texts[e.Text]
		if !known || e.Status != 400 && e.Status/100 != 2 {
			r = statusRow(e.Status, info)
		}
		f := fault.New(r.class, r.code, "Omnidesk refused %s", e.Call).WithVendor("http "+strconv.Itoa(e.Status), e.Text)
		if r.code == "path_unknown" {
			f.Text += ": check base_url, and the path in the setting paths"
			if e.Status == 404 && strings.Contains(info.Path, "{id}") {
				f.Text += "; where those are right, nothing has this id"
			}
		}
		if r.class.Action() == fault.Retry {
			f = f.After(max(r.after, e.RetryAfter))
		}
		return f
	}
	if e, ok := errors.AsType[*api.NoReplyError](err); ok {
		return e.Fault()
	}
	if e, ok := errors.AsType[*api.InvalidError](err); ok {
		return fault.New(fault.ContentRejected, "parameter_invalid", "%w", e).WithVendor(e.Param, "")
	}
	return fault.New(fault.Internal, "call_failed", "%w", err)
}
