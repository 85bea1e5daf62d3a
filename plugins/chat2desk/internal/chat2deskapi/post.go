package chat2deskapi

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
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: o.Timeout, KeepAlive: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2: true, MaxIdleConns: o.Connections, MaxIdleConnsPerHost: o.Connections, MaxConnsPerHost: o.Connections,
			IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: o.Timeout},
		// A redirect would carry the token to another place.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// exchange sends one request. The trace tells for certain whether a connection was ever given the request: net/http repeats a
// request on another connection only when it has written nothing to the first or the method is safe, so GetConn may take
// the mark back.
func (c *Client) exchange(ctx context.Context, call, method, target string, body []byte) (Reply, error) {
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{
		GetConn: func(string) { sent.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	}
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), method, target, content)
	if err != nil {
		return Reply{}, &NoReplyError{Call: call, Reason: RequestInvalid, Err: errors.New("the URL is not valid")}
	}
	req.Header["Authorization"] = []string{c.authorization}
	if body != nil {
		req.Header["Content-Type"] = []string{"application/json"}
	}
	res, err := c.http.Do(req)
	if err != nil {
		return Reply{}, lost(call, sent.Load(), err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, c.opts.MaxReply+1))
	tooLong := int64(len(raw)) > c.opts.MaxReply
	switch {
	case res.StatusCode < 200 || res.StatusCode > 299: // the status says enough
	case err != nil:
		return Reply{}, lost(call, true, err)
	case tooLong:
		return Reply{}, &NoReplyError{Call: call, Reason: ReplyTooLong, Sent: true, Err: errors.New("the reply is longer than MaxReply")}
	}
	reply, err := open(call, res.StatusCode, raw, c.opts.Token)
	if e, ok := errors.AsType[*Error](err); ok {
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After")) // a date is left to the caller's own backoff
		e.RetryAfter = time.Duration(min(max(seconds, 0), 86400)) * time.Second
	}
	return reply, err
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
