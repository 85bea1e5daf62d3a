package vendorhttp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// marks are what a request holds and no error may repeat.
var marks = []string{"query-mark", "header-mark", "body-mark", "answer-mark"}

func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	c := New(o)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func newRequest(t *testing.T, ctx context.Context, method, base string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, base+"/messages?key=query-mark", strings.NewReader(`{"text":"body-mark"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "header-mark")
	return req
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// lostOf returns the error of a call that got no answer, and holds that it repeats nothing.
func lostOf(t *testing.T, err error) *NoReplyError {
	t.Helper()
	lost, ok := errors.AsType[*NoReplyError](err)
	if !ok {
		t.Fatalf("the error is %v, want a *NoReplyError", err)
	}
	for _, text := range []string{lost.Error(), lost.Err.Error(), lost.Fault().Error()} {
		for _, mark := range marks {
			if strings.Contains(text, mark) {
				t.Errorf("the error holds %q: %s", mark, text)
			}
		}
	}
	return lost
}

func TestReply(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(bytes.Repeat([]byte("x"), 100))
	_ = z.Close()
	for name, tt := range map[string]struct {
		answer func(w http.ResponseWriter)
		status int
		length int
	}{
		"short":          {func(w http.ResponseWriter) { _, _ = io.WriteString(w, "ok") }, 200, 2},
		"empty":          {func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }, 204, 0},
		"exactly enough": {func(w http.ResponseWriter) { _, _ = w.Write(make([]byte, 1000)) }, 200, 1000},
		"in chunks": {func(w http.ResponseWriter) {
			for range 10 {
				_, _ = w.Write(make([]byte, 100))
				_ = http.NewResponseController(w).Flush()
			}
		}, 200, 1000},
		"packed": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed.Bytes())
		}, 200, 100},
		"a refusal, too long": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write(make([]byte, 5000))
		}, 400, 1000},
		"a refusal, cut off": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "50")
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, 500, 4},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Own", "1")
				tt.answer(w)
			})
			reply, err := newClient(t, Options{MaxReply: 1000}).Do("POST messages", newRequest(t, t.Context(), http.MethodPost, url))
			if err != nil {
				t.Fatal(err)
			}
			if reply.Status != tt.status || len(reply.Body) != tt.length || reply.Header.Get("X-Own") != "1" || reply.RetryAfter != 0 {
				t.Errorf("the reply is %d with %d bytes, header %v, retry after %s", reply.Status, len(reply.Body), reply.Header, reply.RetryAfter)
			}
		})
	}
}

func TestTooLong(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter){
		"announced": func(w http.ResponseWriter) { _, _ = w.Write(make([]byte, 1001)) },
		"endless": func(w http.ResponseWriter) {
			for {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		},
		"packed": func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(make([]byte, 1<<20))
			_ = z.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w) })
			_, err := newClient(t, Options{MaxReply: 1000}).Do("POST messages", newRequest(t, t.Context(), http.MethodPost, url))
			if lost := lostOf(t, err); lost.Reason != ReplyTooLong || !lost.Sent {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// TestRedirect holds that no other place is called, with any of the statuses that a client may follow.
func TestRedirect(t *testing.T) {
	var called atomic.Int64
	other := serve(t, func(http.ResponseWriter, *http.Request) { called.Add(1) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, status) })
		c := newClient(t, Options{})
		reply, err := c.Do("GET balance", newRequest(t, t.Context(), http.MethodGet, url))
		if err != nil || reply.Status != status || reply.Header.Get("Location") != other {
			t.Errorf("%d: %+v, %v", status, reply, err)
		}
		res, err := c.HTTP().Do(newRequest(t, t.Context(), http.MethodGet, url))
		if err != nil || res.StatusCode != status {
			t.Fatalf("%d: %v, %v", status, res, err)
		}
		_ = res.Body.Close()
	}
	if called.Load() != 0 {
		t.Errorf("%d redirects were followed", called.Load())
	}
}

// TestReuse holds that calls in turn share one connection, and calls at once do not open more than allowed.
func TestReuse(t *testing.T) {
	var opened atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	c := newClient(t, Options{Connections: 3})
	call := func() {
		if _, err := c.Do("POST messages", newRequest(t, t.Context(), http.MethodPost, srv.URL)); err != nil {
			t.Error(err)
		}
	}
	for range 50 {
		call()
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections for calls in turn", n)
	}
	var callers sync.WaitGroup
	for range 16 {
		callers.Go(func() {
			for range 20 {
				call()
			}
		})
	}
	callers.Wait()
	if n := opened.Load(); n > 3 {
		t.Errorf("%d connections for calls at once, at most 3 are allowed", n)
	}
}

func TestHTTP2(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Break") != "" {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, r.Proto)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c := newClient(t, Options{})
	c.transport.TLSClientConfig = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	reply, err := c.Do("POST messages", newRequest(t, t.Context(), http.MethodPost, srv.URL))
	if err != nil || string(reply.Body) != "HTTP/2.0" {
		t.Fatalf("%+v, %v", reply, err)
	}
	req := newRequest(t, t.Context(), http.MethodPost, srv.URL)
	req.Header.Set("X-Break", "1")
	_, err = c.Do("POST messages", req)
	if lost := lostOf(t, err); lost.Reason != ConnectionLost || !lost.Sent {
		t.Errorf("the error is %v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		date, value string
		want        time.Duration
	}{
		{"", "", 0},
		{"", "0", 0},
		{"", "120", 2 * time.Minute},
		{"", "86400", 24 * time.Hour},
		{"", "86401", 24 * time.Hour},
		{"", "99999999999999999999999", 24 * time.Hour},
		{"", "-5", 0},
		{"", "+5", 0},
		{"", "1.5", 0},
		{"", "soon", 0},
		{"Fri, 31 Dec 1999 23:58:59 GMT", "Fri, 31 Dec 1999 23:59:59 GMT", time.Minute},
		{"Fri, 31 Dec 1999 23:58:59 GMT", "Friday, 31-Dec-99 23:59:59 GMT", time.Minute}, // both forms that RFC 9110 calls obsolete
		{"Fri, 31 Dec 1999 23:58:59 GMT", "Fri Dec 31 23:59:59 1999", time.Minute},
		{"Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 1999 23:58:59 GMT", 0},
		{"Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 2099 23:58:59 GMT", 24 * time.Hour},
		{"", "Fri, 31 Dec 1999 23:58:59 GMT", 0},
		{"no date", "Fri, 31 Dec 9999 23:58:59 GMT", 24 * time.Hour},
	} {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Date"] = nil
			for name, value := range map[string]string{"Date": tt.date, "Retry-After": tt.value} {
				if value != "" {
					w.Header().Set(name, value)
				}
			}
			w.WriteHeader(http.StatusTooManyRequests)
		})
		reply, err := newClient(t, Options{}).Do("POST messages", newRequest(t, t.Context(), http.MethodPost, url))
		if err != nil || reply.RetryAfter != tt.want {
			t.Errorf("%q at %q: %+v, %v, want %s", tt.value, tt.date, reply, err, tt.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, v := range []string{"", "7", "-1", "1e9", "Fri, 31 Dec 1999 23:59:59 GMT", "Friday, 31-Dec-99 23:59:59 GMT"} {
		f.Add(v, "Fri, 31 Dec 1999 23:58:59 GMT")
		f.Add("3", v)
	}
	f.Fuzz(func(t *testing.T, value, date string) {
		d := retryAfter(http.Header{"Retry-After": {value}, "Date": {date}})
		if d < 0 || d > maxWait || d%time.Second != 0 && !strings.Contains(value, ":") {
			t.Errorf("%q at %q gives %s", value, date, d)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("answer"), int64(6), int64(100))
	f.Add([]byte("answer"), int64(-1), int64(3))
	f.Add([]byte("answer"), int64(1<<62), int64(1<<62))
	f.Fuzz(func(t *testing.T, body []byte, length, limit int64) {
		if limit <= 0 {
			return
		}
		b, err := read(bytes.NewReader(body), length, limit)
		if err != nil || !bytes.HasPrefix(body, b) || len(b) != len(body) && int64(len(b)) <= limit {
			t.Errorf("%d bytes of %d, %v", len(b), len(body), err)
		}
	})
}

func TestDefaults(t *testing.T) {
	c := New(Options{Connections: -1, DialTimeout: -1, IdleTimeout: -1, Timeout: -1, MaxReply: -1})
	if c.timeout != 30*time.Second || c.maxReply != 16<<20 || c.transport.MaxConnsPerHost != 64 ||
		c.transport.TLSHandshakeTimeout != 10*time.Second || c.transport.IdleConnTimeout != 90*time.Second {
		t.Errorf("the defaults are %+v", c)
	}
}

// BenchmarkDo makes calls in turn, over one connection of the loopback.
func BenchmarkDo(b *testing.B) {
	answer := []byte(`{"id":"v1"}`)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) }))
	defer srv.Close()
	c := New(Options{})
	defer c.CloseIdleConnections()
	body := []byte(`{"to":"+447700900123","text":"Hello Ada"}`)
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL, bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Do("POST messages", req); err != nil {
			b.Fatal(err)
		}
	}
}
