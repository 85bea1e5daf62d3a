package chatondeskapi

import (
	"bytes"
	"context"
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
		// A redirect would carry the credentials to another place.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// exchange sends one request. The trace tells for certain whether a connection was ever given the request: net/http repeats a
// POST on another connection only when it has written nothing to the first, so GetConn may take the mark back.
func (c *Client) exchange(ctx context.Context, e *endpoint, body []byte) (status int, after time.Duration, raw []byte, err error) {
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{
		GetConn: func(string) { sent.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	}
	method, base := e.method, c.opts.URL
	if c.opts.Form || c.opts.PostReminderList {
		method = http.MethodPost
	}
	if e.chatbot {
		base = c.opts.ChatbotURL
	}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), method, base+"/"+e.name, bytes.NewReader(body))
	if err != nil {
		return 0, 0, nil, &NoReplyError{Call: e.name, Reason: Unreachable, Err: err}
	}
	kind := "application/json"
	if c.opts.Form {
		kind = "application/x-www-form-urlencoded"
	}
	req.Header["Content-Type"] = []string{kind}
	res, err := c.http.Do(req)
	if err != nil {
		return 0, 0, nil, lost(e.name, sent.Load(), err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err = io.ReadAll(io.LimitReader(res.Body, c.opts.MaxReply+1))
	tooLong := int64(len(raw)) > c.opts.MaxReply
	switch {
	case res.StatusCode < 200 || res.StatusCode > 299: // the status says enough
	case err != nil:
		return 0, 0, nil, lost(e.name, true, err)
	case tooLong:
		return 0, 0, nil, &NoReplyError{Call: e.name, Reason: ReplyTooLong, Sent: true, Err: errors.New("the reply is longer than MaxReply")}
	}
	return res.StatusCode, retryAfter(res.Header.Get("Retry-After")), raw, nil
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
func lost(call string, sent bool, err error) *NoReplyError {
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
