// Package vendorhttp makes HTTP calls to a vendor, and says for certain of each call without an answer whether the vendor could
// have got it. On that depends what the engine does next: what was never sent is [fault.Unavailable] and may be sent again,
// what may have been taken is [fault.OutcomeUnknown] and must not be.
//
//	client := vendorhttp.New(vendorhttp.Options{Connections: 32})
//	...
//	reply, err := client.Do("POST messages", req)
//	if err != nil {
//		return fault.From(err) // unavailable or outcome_unknown
//	}
//	// reply.Status, reply.Body: the vendor's own codes decide
//
// A call ends in one of two ways:
//
//   - A [Reply] with any status, redirects among them: they are never followed, since that would carry credentials elsewhere.
//     What a status means is the vendor's to say.
//   - A [NoReplyError]: no connection, no answer, half an answer, or one that is too long. Its texts hold nothing of the URL, the
//     headers or the bodies.
//
// A call counts as sent from the moment a connection was given it. net/http by itself repeats a request on another connection
// if the first was closed by the vendor while it lay unused. If certainly nothing was written to the first, the call counts as not
// sent again; if that is not certain (GET and other methods that change nothing, requests with an Idempotency-Key,
// HTTP/2), it stays sent. Where the doubt is real, Sent is true; false is always certain.
package vendorhttp

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"time"
)

const (
	maxHeader = 1 << 20  // bytes of an answer's headers
	firstRead = 64 << 10 // bytes that an announced length alone gets room for
	maxWait   = 24 * time.Hour
)

// Options configure a Client. Zero values take the stated defaults.
type Options struct {
	Connections int           // open at once to one host, and kept for reuse; 64. More calls than that wait for one
	DialTimeout time.Duration // for a TCP connection, and as long again for its TLS handshake; 10 s
	IdleTimeout time.Duration // after which an unused connection is closed; 90 s. Best below the vendor's own
	Timeout     time.Duration // of calls whose context has no deadline, the answer's body included; 30 s
	MaxReply    int64         // bytes of the longest body that is read, unpacked if it came packed; 16 MiB
}

// Client makes calls to a vendor over connections that it reuses. Its methods may be called from several goroutines at once.
type Client struct {
	transport *http.Transport
	timeout   time.Duration
	maxReply  int64
}

// New returns a client and connects to nothing. It goes through the proxy that the environment names.
func New(o Options) *Client {
	o.Connections, o.MaxReply = cmp.Or(max(o.Connections, 0), 64), cmp.Or(max(o.MaxReply, 0), 16<<20)
	o.DialTimeout = cmp.Or(max(o.DialTimeout, 0), 10*time.Second)
	return &Client{timeout: cmp.Or(max(o.Timeout, 0), 30*time.Second), maxReply: o.MaxReply, transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: o.DialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    o.DialTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    o.Connections,
		MaxConnsPerHost:        o.Connections,
		IdleConnTimeout:        cmp.Or(max(o.IdleTimeout, 0), 90*time.Second),
		MaxResponseHeaderBytes: maxHeader,
	}}
}

// CloseIdleConnections closes the connections that are unused. Calls under way go on.
func (c *Client) CloseIdleConnections() { c.transport.CloseIdleConnections() }

// HTTP returns a client of net/http on the same connections that follows no redirect: for what is no call with an answer, such as
// opening a websocket.
func (c *Client) HTTP() *http.Client {
	return &http.Client{Transport: c.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Reply is a vendor's answer, read to its end.
type Reply struct {
	Status     int
	Header     http.Header
	RetryAfter time.Duration // the Retry-After header, given in seconds or as a date; 0 without one, at most a day
	Body       []byte        // with a status outside 2xx as much as came, up to MaxReply
}

// OK reports whether the status is 2xx.
func (r *Reply) OK() bool { return r.Status >= 200 && r.Status <= 299 }

// Do makes one call and reads its answer. call names it in errors, such as "POST messages": no ids, no query. req comes from
// [http.NewRequestWithContext], with a body whose length is known, and its context ends the call; a user in its URL is not used.
// Errors are *[NoReplyError].
func (c *Client) Do(call string, req *http.Request) (*Reply, error) {
	ctx := req.Context()
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	w := newWatch(req)
	res, err := c.transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, &w.trace)))
	if err != nil {
		return nil, Lost(call, w.sent.Load(), why(ctx, err))
	}
	defer func() { _ = res.Body.Close() }()
	body, err := read(res.Body, res.ContentLength, c.maxReply)
	reply := &Reply{Status: res.StatusCode, Header: res.Header, RetryAfter: retryAfter(res.Header), Body: body}
	tooLong := int64(len(body)) > c.maxReply
	switch {
	case !reply.OK(): // the status says enough, whatever became of the body
		reply.Body = body[:min(int64(len(body)), c.maxReply)]
	case tooLong:
		return nil, &NoReplyError{Call: call, Reason: ReplyTooLong, Sent: true, Err: errors.New("the answer is longer than MaxReply")}
	case err != nil:
		return nil, Lost(call, true, why(ctx, err))
	}
	return reply, nil
}

// read reads to the end, or until there is more than limit.
func read(r io.Reader, length, limit int64) ([]byte, error) {
	room := int64(512)
	if length >= 0 {
		room = min(length, limit, firstRead) + 1 // one more, so that the end is seen without growing
	}
	b := make([]byte, 0, room)
	for int64(len(b)) <= limit {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return b, err
		}
	}
	return b, nil
}

// retryAfter reads both forms of RFC 9110, section 10.2.3. A date counts from the answer's own, so that clocks may differ.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	seconds, err := strconv.ParseUint(v, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(maxWait/time.Second))) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	from, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		from = time.Now()
	}
	return min(max(at.Sub(from), 0), maxWait)
}
