package convrsapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"
)

func newHTTP(o Options) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: o.Timeout, KeepAlive: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2:     true,
			MaxIdleConns:          o.Connections,
			MaxIdleConnsPerHost:   o.Connections,
			MaxConnsPerHost:       o.Connections,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   o.Timeout,
			ExpectContinueTimeout: time.Second,
		},
		// A redirect would carry the token to another place.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// post sends one request. The trace tells for certain whether a connection was ever given the request: net/http repeats a
// POST on another connection only when it has written nothing to the first, so GetConn may take the mark back.
func (c *Client) post(ctx context.Context, cmd string, body []byte) ([]byte, error) {
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{
		GetConn: func(string) { sent.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodPost, c.opts.URL, bytes.NewReader(body))
	if err != nil {
		return nil, &NoReplyError{Cmd: cmd, Reason: Unreachable, Err: err}
	}
	req.Header["Content-Type"] = []string{"application/json"}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, lost(cmd, sent.Load(), err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, c.opts.MaxReply+1))
	tooLong := int64(len(raw)) > c.opts.MaxReply
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, statusError(cmd, res, raw)
	}
	switch {
	case err != nil:
		return nil, lost(cmd, true, err)
	case tooLong:
		return nil, &NoReplyError{Cmd: cmd, Reason: ReplyTooLong, Sent: true, Err: errors.New("the reply is longer than MaxReply")}
	}
	return raw, nil
}

// statusError prefers a reply object in the body to the bare status.
func statusError(cmd string, res *http.Response, raw []byte) error {
	var r reply
	if json.Unmarshal(raw, &r) == nil && r.OK != nil && *r.OK == 0 && r.ErrorCode != 0 {
		return r.asError(cmd)
	}
	return &StatusError{Cmd: cmd, Status: res.StatusCode, RetryAfter: retryAfter(res.Header.Get("Retry-After"))}
}

// retryAfter takes the header's seconds; a date is rare enough to leave to the caller's own backoff.
func retryAfter(v string) time.Duration {
	seconds, err := strconv.Atoi(v)
	if err != nil || seconds < 0 || seconds > 86400 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// lost classifies a failed exchange.
func lost(cmd string, sent bool, err error) *NoReplyError {
	e := &NoReplyError{Cmd: cmd, Reason: ConnectionLost, Sent: sent, Err: err}
	timeout, ok := errors.AsType[net.Error](err)
	switch {
	case ok && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e.Reason = Timeout
	case !sent:
		e.Reason = Unreachable
	}
	return e
}
