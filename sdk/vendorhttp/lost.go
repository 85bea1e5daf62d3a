package vendorhttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/hermodhq/hermod/sdk/fault"
)

// Reason says why there is no answer.
type Reason string

// The reasons.
const (
	Unreachable    Reason = "unreachable"     // no connection could be made
	ConnectionLost Reason = "connection_lost" // the connection broke before the answer's end, or what came is no HTTP
	Timeout        Reason = "timeout"         // there was no whole answer in time, or the caller ended the call before; Err says which
	ReplyTooLong   Reason = "reply_too_long"  // the answer is longer than Options.MaxReply
	ReplyInvalid   Reason = "reply_invalid"   // for callers: the answer says success, and else nothing that is documented
)

// NoReplyError says that a call got no usable answer.
type NoReplyError struct {
	Call   string
	Reason Reason
	Sent   bool // the vendor may have got the call; false is certain
	Err    error
}

// Error names the call, the reason, what is certain, and the cause.
func (e *NoReplyError) Error() string {
	certainty := "not sent"
	if e.Sent {
		certainty = "perhaps taken"
	}
	return fmt.Sprintf("%s: %s, %s: %s", e.Call, e.Reason, certainty, e.Err)
}

// Unwrap returns the cause.
func (e *NoReplyError) Unwrap() error { return e.Err }

// Fault returns the fault of a call that changes something, with the reason as its code: outcome_unknown if the vendor may have got it,
// else unavailable. A call that only reads may always be made again: make its class unavailable.
func (e *NoReplyError) Fault() *fault.Fault {
	if e.Sent {
		return fault.New(fault.OutcomeUnknown, string(e.Reason), "%s was sent and got no usable answer: %w", e.Call, e.Err)
	}
	return fault.New(fault.Unavailable, string(e.Reason), "%s could not be sent: %w", e.Call, e.Err)
}

// As makes the [NoReplyError.Fault] of what [fault.From] looks for: a connector that returns the error as it is tells the truth.
func (e *NoReplyError) As(target any) bool {
	f, ok := target.(**fault.Fault)
	if ok {
		*f = e.Fault()
	}
	return ok
}

// Lost sorts the error of a call that did not go through [Client.Do], over a websocket say, into its reason. Of a *[url.Error] it
// leaves out the URL; else err must hold nothing of the call or of the answer.
func Lost(call string, sent bool, err error) *NoReplyError {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	e := &NoReplyError{Call: call, Reason: ConnectionLost, Sent: sent, Err: err}
	network, ok := errors.AsType[net.Error](err)
	switch {
	case ok && network.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e.Reason = Timeout
	case !sent:
		e.Reason = Unreachable
	}
	return e
}

// why prefers the end of the context to what it led to, and leaves out what net/http quotes of an answer.
func why(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	if text, _, quotes := strings.Cut(err.Error(), `"`); quotes {
		return errors.New(strings.TrimRight(text, " :="))
	}
	return err
}

// watch learns from net/http whether a connection was given the request.
type watch struct {
	trace   httptrace.ClientTrace
	repeats bool // net/http may repeat the request though it was written
	sent    atomic.Bool
	secure  atomic.Pointer[tls.Conn] // the last connection, if it has TLS
}

func newWatch(req *http.Request) *watch {
	w := &watch{repeats: repeats(req)}
	w.trace.GetConn, w.trace.GotConn = w.getConn, w.gotConn
	return w
}

func (w *watch) gotConn(info httptrace.GotConnInfo) {
	conn, _ := info.Conn.(*tls.Conn)
	w.secure.Store(conn)
	w.sent.Store(true)
}

// getConn comes once more when net/http repeats a request. It takes the mark back if that was for want of a single byte written.
func (w *watch) getConn(string) {
	if !w.sent.Load() || w.repeats {
		return
	}
	if conn := w.secure.Load(); conn != nil && conn.ConnectionState().NegotiatedProtocol == "h2" {
		return // there a stream that the vendor broke off is repeated as well
	}
	w.sent.Store(false)
}

// repeats reports whether net/http holds that req can be repeated even if it was written.
func repeats(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	_, key := req.Header["Idempotency-Key"]
	_, xkey := req.Header["X-Idempotency-Key"]
	return key || xkey
}
