package omnideskapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

func newHTTP(o Options) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: o.Connections,
			MaxConnsPerHost:     o.Connections,
			IdleConnTimeout:     90 * time.Second,
		},
		// A redirect would carry the key to another place.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// answer is an HTTP answer, read.
type answer struct {
	status      int
	contentType string
	retryAfter  time.Duration
	body        []byte
}

// exchange makes one call. The trace tells for certain whether a connection was ever given the request: net/http repeats a
// request on another connection only when it has written nothing to the first, so GetConn may take the mark back. Calls that
// read may be repeated by net/http even then, which does no harm.
func (c *Client) exchange(ctx context.Context, r *request) (*answer, error) {
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{
		GetConn: func(string) { sent.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	}
	req, err := c.request(httptrace.WithClientTrace(ctx, trace), r)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, lost(r.name, sent.Load(), err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, c.opts.MaxReply+1))
	seconds, _ := strconv.ParseUint(res.Header.Get("Retry-After"), 10, 16) // a date is rare enough to leave to the caller's backoff
	a := &answer{status: res.StatusCode, contentType: res.Header.Get("Content-Type"), retryAfter: time.Duration(seconds) * time.Second, body: body}
	switch {
	case a.status < 200 || a.status > 299: // the status says enough, whatever became of the body
	case err != nil:
		return nil, lost(r.name, true, err)
	case int64(len(body)) > c.opts.MaxReply:
		return nil, &NoReplyError{Call: r.name, Reason: ReplyTooLong, Sent: true, Err: errors.New("the answer is longer than MaxReply")}
	}
	return a, nil
}

func (c *Client) request(ctx context.Context, r *request) (*http.Request, error) {
	body, contentType, err := c.encode(r)
	if err != nil {
		return nil, fmt.Errorf("omnidesk: the parameters of %s: %w", r.name, err)
	}
	if c.opts.KeyInQuery {
		r.query.Set("apiKey", c.opts.APIKey)
	}
	u := c.opts.URL + "/api/v2/" + strings.TrimLeft(r.path, "/")
	if len(r.query) > 0 {
		u += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u, bytes.NewReader(body))
	if err != nil {
		return nil, lost(r.name, false, err)
	}
	if !c.opts.KeyInQuery {
		req.Header["apiKey"] = []string{c.opts.APIKey} // spelled as documented
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return req, nil
}

// lost classifies a failed exchange.
func lost(call string, sent bool, err error) *NoReplyError {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the URL: its query may hold the key
	}
	e := &NoReplyError{Call: call, Reason: ConnectionLost, Sent: sent, Err: err}
	timeout, ok := errors.AsType[net.Error](err)
	switch {
	case ok && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e.Reason = Timeout
	case !sent:
		e.Reason = Unreachable
	}
	return e
}
