package incoming

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/hermodhq/hermod/internal/wire"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/probe"
	"github.com/hermodhq/hermod/sdk/fault"
)

// Forged holds that forged webhooks are refused.
func Forged(ctx context.Context, p *probe.Probe) {
	untrusted(ctx, p, "forged", p.Setup.Forged, "requests with a missing or wrong signature in Harness.Forged",
		"compare the signature over the raw body in constant time, before parsing")
}

// Stale holds that stale webhooks are refused.
func Stale(ctx context.Context, p *probe.Probe) {
	untrusted(ctx, p, "stale", p.Setup.Stale, "requests with a good signature that is too old in Harness.Stale", "refuse signed times that are some minutes off")
}

// untrusted holds that requests are refused and bring nothing.
func untrusted(ctx context.Context, p *probe.Probe, what string, requests []wire.Request, needed, advice string) {
	if p.Excused(len(requests) > 0, needed) {
		return
	}
	a, closes := p.Open(ctx)
	defer closes()
	if a == nil {
		return
	}
	for i, req := range requests {
		resp, events, f := p.Receive(ctx, fmt.Sprintf("%s request %d", what, i), a, req)
		if !unauthorized(resp, f) {
			p.Bad(advice+", and return class unauthorized", "%s request %d is answered with %v, want class unauthorized", what, i, probe.OrAccepted(f))
		}
		if len(events) > 0 {
			p.Bad(advice, "%s request %d brings events", what, i)
		}
	}
}

// unauthorized reports whether a request was refused for who it is from.
func unauthorized(resp *wire.Response, f *fault.Fault) bool {
	return f != nil && f.Class == fault.Unauthorized || resp != nil && (resp.Status == http.StatusUnauthorized || resp.Status == http.StatusForbidden)
}

const signsBody = "compare the signature over the whole raw body before anything else, and return class unauthorized; where the vendor signs no bodies, say what tells its webhooks apart"

// Changed changes one byte in the body of each good webhook: nothing but the signature tells it from a good one then. A forged request of
// the harness may be refused for something else.
func Changed(ctx context.Context, p *probe.Probe) {
	if !p.Need(len(p.Setup.Webhooks) > 0, "Webhooks") {
		return
	}
	a, closes := p.Open(ctx)
	defer closes()
	if a == nil {
		return
	}
	tried, problem := 0, ""
	for _, w := range p.Setup.Webhooks {
		for _, body := range changed(w.Request.Body) {
			req, what := w.Request, "webhook "+w.Name+" with one other byte in its body"
			req.Body = body
			resp, events, f := p.Receive(ctx, what, a, req)
			tried++
			switch {
			case len(events) > 0:
				problem = what + " brings events"
			case !unauthorized(resp, f) && problem == "":
				problem = fmt.Sprintf("%s is answered with %v, want class unauthorized", what, probe.OrAccepted(f))
			}
		}
	}
	if tried == 0 {
		problem = "no webhook has a body to change"
	}
	p.Whole(problem, signsBody)
}

// changed returns bodies that differ from one in a byte: at its beginning, in its middle and at its end. A letter stays a letter and a
// digit a digit where there are any, so that the change is to what the body says and not to its form.
func changed(body []byte) (list [][]byte) {
	var at []int
	for i, b := range body {
		if other(b) != b {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return nil
	}
	for _, i := range slices.Compact([]int{at[0], at[len(at)/2], at[len(at)-1]}) {
		b := bytes.Clone(body)
		b[i] = other(b[i])
		list = append(list, b)
	}
	return list
}

// other returns another letter or digit for one, and any other byte as it is.
func other(b byte) byte {
	switch {
	case b == '9', b == 'z', b == 'Z':
		return b - 1
	case b >= '0' && b <= '9', b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z':
		return b + 1
	}
	return b
}
