package vendorhttp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hermodhq/hermod/sdk/fault"
)

// vendor is a server at the level of TCP. It hands each connection to handle, which need not close it.
type vendor struct {
	listener net.Listener
	serving  sync.WaitGroup
	requests atomic.Int64 // that take has read
	ended    chan struct{}
}

func newVendor(t *testing.T, handle func(v *vendor, c net.Conn)) *vendor {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &vendor{listener: l, ended: make(chan struct{})}
	v.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			v.serving.Go(func() {
				defer func() { _ = c.Close() }()
				handle(v, c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		close(v.ended)
		v.serving.Wait()
	})
	return v
}

func (v *vendor) url() string { return "http://" + v.listener.Addr().String() }

// take reads one request, with its body.
func (v *vendor) take(r *bufio.Reader) {
	if req, err := http.ReadRequest(r); err == nil {
		_, _ = io.Copy(io.Discard, req.Body)
		v.requests.Add(1)
	}
}

// hang keeps a connection open until the test ends.
func (v *vendor) hang() { <-v.ended }

// answers takes a request and answers it with a text.
func answers(text string) func(*vendor, net.Conn) {
	return func(v *vendor, c net.Conn) {
		v.take(bufio.NewReader(c))
		_, _ = io.WriteString(c, text)
	}
}

// hangs is answers without an end.
func hangs(text string) func(*vendor, net.Conn) {
	return func(v *vendor, c net.Conn) {
		answers(text)(v, c)
		v.hang()
	}
}

const half = "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nanswer-mark"

func TestLost(t *testing.T) {
	for name, tt := range map[string]struct {
		handle func(*vendor, net.Conn)
		reason Reason
	}{
		"closed before a byte":      {func(*vendor, net.Conn) {}, ConnectionLost},
		"closed after the request":  {answers(""), ConnectionLost},
		"closed in the status line": {answers("HTTP/1.1 20"), ConnectionLost},
		"closed in the header":      {answers("HTTP/1.1 200 OK\r\nX: answer-mark"), ConnectionLost},
		"closed in the body":        {answers(half), ConnectionLost},
		"closed in a chunk":         {answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nanswer-mark"), ConnectionLost},
		"reset": {func(v *vendor, c net.Conn) {
			v.take(bufio.NewReader(c))
			_ = c.(*net.TCPConn).SetLinger(0)
		}, ConnectionLost},
		"no HTTP":                {answers("answer-mark 447700900123\r\n\r\n"), ConnectionLost},
		"a malformed header":     {answers("HTTP/1.1 200 OK\r\nanswer-mark\r\n\r\n"), ConnectionLost},
		"a malformed length":     {answers("HTTP/1.1 200 OK\r\nContent-Length: answer-mark\r\n\r\n"), ConnectionLost},
		"an unknown encoding":    {answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: answer-mark\r\n\r\n"), ConnectionLost},
		"a header without end":   {hangs("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("answer-mark", maxHeader/10)), ConnectionLost},
		"packed badly":           {answers("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 11\r\n\r\nanswer-mark"), ConnectionLost},
		"hangs before reading":   {func(v *vendor, _ net.Conn) { v.hang() }, Timeout},
		"hangs before answering": {hangs(""), Timeout},
		"hangs in the header":    {hangs("HTTP/1.1 200 OK\r\nX"), Timeout},
		"hangs in the body":      {hangs(half), Timeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(t, tt.handle)
			timeout := 20 * time.Second
			if tt.reason == Timeout {
				timeout = 500 * time.Millisecond
			}
			_, err := newClient(t, Options{Timeout: timeout}).Do("POST messages", newRequest(t, t.Context(), http.MethodPost, v.url()))
			lost := lostOf(t, err)
			if lost.Reason != tt.reason || !lost.Sent || lost.Call != "POST messages" {
				t.Errorf("the error is %v, want %s, sent", err, tt.reason)
			}
			if f := lost.Fault(); f.Class != fault.OutcomeUnknown || f.Code != string(tt.reason) || !errors.Is(f, lost.Err) || fault.From(err).Error() != f.Error() {
				t.Errorf("the fault is %v", f)
			}
			if n := v.requests.Load(); n > 1 {
				t.Errorf("the request was made %d times", n)
			}
		})
	}
}

func TestNotSent(t *testing.T) {
	closed := newVendor(t, nil)
	_ = closed.listener.Close()
	silent := newVendor(t, func(v *vendor, _ net.Conn) { v.hang() })
	plain := newVendor(t, answers("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
	cut := newVendor(t, func(*vendor, net.Conn) {})
	stranger := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request was sent") }))
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	stranger.StartTLS()
	t.Cleanup(stranger.Close)
	secure := func(v *vendor) string { return strings.Replace(v.url(), "http", "https", 1) }
	for name, tt := range map[string]struct {
		url    string
		reason Reason
	}{
		"refused":                    {closed.url(), Unreachable},
		"no such host":               {"http://no..host", Unreachable},
		"no such scheme":             {"query-mark://host", Unreachable},
		"an unknown certificate":     {stranger.URL, Unreachable},
		"no TLS":                     {secure(plain), Unreachable},
		"closed before TLS":          {secure(cut), Unreachable},
		"hangs in the TLS handshake": {secure(silent), Timeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := 20 * time.Second
			if tt.reason == Timeout {
				timeout = 500 * time.Millisecond
			}
			_, err := newClient(t, Options{DialTimeout: timeout}).Do("POST messages", newRequest(t, t.Context(), http.MethodPost, tt.url))
			lost := lostOf(t, err)
			if lost.Reason != tt.reason || lost.Sent {
				t.Errorf("the error is %v, want %s, not sent", err, tt.reason)
			}
			if f := lost.Fault(); f.Class != fault.Unavailable || f.Code != string(tt.reason) {
				t.Errorf("the fault is %v", f)
			}
		})
	}
}

// TestCanceled ends the caller's context before a connection, while waiting for a free one, while the vendor thinks, and in the body.
func TestCanceled(t *testing.T) {
	secret := errors.New("answer-mark")
	began := make(chan struct{}, 1)
	handle := func(text string) *vendor {
		return newVendor(t, func(v *vendor, c net.Conn) {
			answers(text)(v, c)
			select {
			case began <- struct{}{}:
			default:
			}
			v.hang()
		})
	}
	ended, end := context.WithCancelCause(t.Context())
	end(secret)
	c := newClient(t, Options{Connections: 1})
	_, err := c.Do("POST messages", newRequest(t, ended, http.MethodPost, handle("").url()))
	if lost := lostOf(t, err); lost.Reason != Timeout || lost.Sent || !errors.Is(err, context.Canceled) {
		t.Errorf("before: %v", err)
	}
	for _, text := range []string{"", half} {
		v := handle(text)
		ctx, cancel := context.WithCancelCause(t.Context())
		var calls sync.WaitGroup
		calls.Go(func() {
			<-began
			soon, stop := context.WithTimeout(ctx, 50*time.Millisecond)
			defer stop()
			_, err := c.Do("POST messages", newRequest(t, soon, http.MethodPost, v.url()))
			if lost := lostOf(t, err); lost.Reason != Timeout || lost.Sent {
				t.Errorf("while all connections are busy: %v", err)
			}
			cancel(secret)
		})
		_, err := c.Do("POST messages", newRequest(t, ctx, http.MethodPost, v.url()))
		if lost := lostOf(t, err); lost.Reason != Timeout || !lost.Sent || !errors.Is(err, context.Canceled) {
			t.Errorf("after the request: %v", err)
		}
		calls.Wait()
	}
}

// fragile is a connection that can be made to take not a single byte more.
type fragile struct {
	net.Conn
	broken *atomic.Bool
}

func (f fragile) Write(b []byte) (int, error) {
	if f.broken.Load() {
		return 0, errors.New("broken")
	}
	return f.Conn.Write(b)
}

// TestStale is about connections that end while they lie unused: net/http then repeats some requests by itself.
func TestStale(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	for name, tt := range map[string]struct {
		method, key string
		unwritten   bool  // nothing can be written to the old connection; else the vendor closes it after the second request
		gone        bool  // there is no new connection either
		sent        bool  // if the call fails
		requests    int64 // that reach the vendor, with the first one
	}{
		"written, not repeated":              {method: http.MethodPost, sent: true, requests: 2},
		"written, not repeated, vendor gone": {method: http.MethodPost, gone: true, sent: true, requests: 2},
		"unwritten, repeated":                {method: http.MethodPost, unwritten: true, requests: 2},
		"unwritten, vendor gone":             {method: http.MethodPost, unwritten: true, gone: true, sent: false, requests: 1},
		"written, repeated":                  {method: http.MethodGet, requests: 3},
		"written, repeated, vendor gone":     {method: http.MethodGet, gone: true, sent: true, requests: 2},
		"with a key, repeated":               {method: http.MethodPost, key: "Idempotency-Key", requests: 3},
		"with a key, vendor gone":            {method: http.MethodPost, key: "Idempotency-Key", gone: true, sent: true, requests: 2},
		"with another key, vendor gone":      {method: http.MethodPost, key: "X-Idempotency-Key", gone: true, sent: true, requests: 2},
		"with a key, unwritten, vendor gone": {method: http.MethodPost, key: "Idempotency-Key", unwritten: true, gone: true, sent: true, requests: 1},
		"a reading call, unwritten, gone":    {method: http.MethodGet, unwritten: true, gone: true, sent: true, requests: 1},
		"another method, unwritten, gone":    {method: http.MethodPut, unwritten: true, gone: true, sent: false, requests: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fails := tt.gone || !tt.unwritten && tt.method == http.MethodPost && tt.key == ""
			var conns atomic.Int64
			v := newVendor(t, func(v *vendor, c net.Conn) {
				r := bufio.NewReader(c)
				v.take(r)
				_, _ = io.WriteString(c, ok)
				if conns.Add(1) == 1 {
					v.take(r) // and close
				}
			})
			var broken atomic.Bool
			c := newClient(t, Options{})
			c.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
				if err != nil || broken.Load() {
					return conn, err
				}
				return fragile{conn, &broken}, nil
			}
			request := func() *http.Request {
				req := newRequest(t, t.Context(), tt.method, v.url())
				if tt.key != "" {
					req.Header.Set(tt.key, "header-mark")
				}
				return req
			}
			if _, err := c.Do("first", request()); err != nil {
				t.Fatal(err)
			}
			if tt.gone {
				_ = v.listener.Close()
			}
			broken.Store(tt.unwritten)
			_, err := c.Do("second", request())
			if (err != nil) != fails {
				t.Fatalf("the call ends with %v", err)
			}
			if fails {
				if lost := lostOf(t, err); lost.Sent != tt.sent {
					t.Errorf("sent is %t, want %t: %v", lost.Sent, tt.sent, err)
				}
			}
			if n := v.requests.Load(); n != tt.requests {
				t.Errorf("%d requests reached the vendor, want %d", n, tt.requests)
			}
		})
	}
}

// TestWatch holds when the mark is taken back, over TLS with both versions of HTTP.
func TestWatch(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	for protocol, sent := range map[string]bool{"h2": true, "http/1.1": false} {
		config := srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		config.NextProtos = []string{protocol}
		conn, err := tls.Dial("tcp", srv.Listener.Addr().String(), config)
		if err != nil {
			t.Fatal(err)
		}
		w := newWatch(newRequest(t, t.Context(), http.MethodPost, srv.URL))
		w.getConn("")
		w.gotConn(httptrace.GotConnInfo{Conn: conn})
		w.getConn("")
		if w.sent.Load() != sent {
			t.Errorf("%s: sent is %t, want %t", protocol, w.sent.Load(), sent)
		}
		_ = conn.Close()
	}
}

func TestSort(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		sent bool
		want string
	}{
		"no connection": {errors.New("refused"), false, "connect: unreachable, not sent: refused"},
		"broken":        {io.EOF, true, "connect: connection_lost, perhaps taken: EOF"},
		"deadline":      {context.DeadlineExceeded, true, "connect: timeout, perhaps taken: context deadline exceeded"},
		"cancel":        {context.Canceled, false, "connect: timeout, not sent: context canceled"},
	} {
		with := &url.Error{Op: "Get", URL: "http://host?query-mark", Err: tt.err}
		if err := Lost("connect", tt.sent, with); err.Error() != tt.want {
			t.Errorf("%s: %q", name, err.Error())
		}
		if err := Lost("connect", tt.sent, tt.err); err.Error() != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q", name, err.Error())
		}
	}
}
