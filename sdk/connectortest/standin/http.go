package standin

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxRequest = 8 << 20         // bytes of a request that are read
	enoughRead = 2 * time.Second // without reading: a connector wants no more of an answer
)

// Options say which requests send messages, and what the vendor's own ways are. The zero value is a vendor to whom every
// request but GET and HEAD sends one message.
type Options struct {
	// Sends tells the requests that send a message from the others, which always go to the handler. nil: all but GET and HEAD.
	Sends func(r *http.Request, body []byte) bool
	// Taken tells how many messages the handler has taken so far. nil: one for each sending request that reached it.
	Taken func() int
	// Refuse answers a request in the vendor's own way for the behaviors that refuse or fail, and reports whether it did. nil: HTTP statuses.
	// For Echo the answer repeats body: the request's body, or its URL where it has none.
	Refuse func(b Behavior, w http.ResponseWriter, body []byte) bool
}

// HTTP is a [Vendor] on a loopback port in front of a handler that behaves well, such as a simulator: it misbehaves where the
// handler is not needed, and keeps the handler's answer back where it is.
type HTTP struct {
	accept http.Handler
	opts   Options
	done   chan struct{}

	flooding sync.Mutex // held by the oversized answer that is written

	mu       sync.Mutex
	behavior Behavior
	all      bool // whether every call is treated so
	nonsense int  // which of the garbage is next
	addr     string
	server   *http.Server // nil while unreachable
	serving  sync.WaitGroup
	counts   Counts
	passed   int
	now      int // calls under way
}

// NewHTTP starts a stand-in in front of accept. nil stands for a vendor whose calls nobody knows: it can only misbehave. Close it.
func NewHTTP(accept http.Handler, o Options) (*HTTP, error) {
	if o.Sends == nil {
		o.Sends = func(r *http.Request, _ []byte) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }
	}
	v := &HTTP{accept: accept, opts: o, behavior: Accept, addr: "127.0.0.1:0", done: make(chan struct{})}
	return v, v.listen()
}

// URL is where it serves, without a slash at the end.
func (v *HTTP) URL() string { return "http://" + v.addr }

// Behave implements [Vendor].
func (v *HTTP) Behave(b Behavior) error { return v.behave(b, false) }

// BehaveToAll implements [Vendor].
func (v *HTTP) BehaveToAll(b Behavior) error { return v.behave(b, true) }

func (v *HTTP) behave(b Behavior, toAll bool) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch b {
	case RateLimited, RateLimitFor, Down, Unauthorized, Echo, HangBefore, Unreachable:
	case Accept, HangAfter, DropAfter, FailAfter, Garbage, Empty, Oversized:
		if v.accept == nil {
			return fmt.Errorf("standin: %s needs a handler that takes messages", b)
		}
	default:
		return fmt.Errorf("standin: the behavior %q is not known", b)
	}
	v.behavior, v.all = b, toAll
	v.nonsense = (v.nonsense + 1) % len(garbage)
	v.counts.AtOnce, v.counts.Written = v.now, 0
	if b == Unreachable {
		v.close()
		return nil
	}
	return v.listen()
}

// Counts implements [Vendor].
func (v *HTTP) Counts() Counts {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := v.counts
	c.Taken, c.Now = v.passed, v.now
	if v.opts.Taken != nil {
		c.Taken = v.opts.Taken()
	}
	return c
}

// Close ends it and waits for the calls under way. Call it once.
func (v *HTTP) Close() {
	v.mu.Lock()
	close(v.done)
	v.close()
	v.mu.Unlock()
	v.serving.Wait()
}

// listen serves on the same port as before.
func (v *HTTP) listen() error {
	if v.server != nil {
		return nil
	}
	l, err := net.Listen("tcp", v.addr)
	if err != nil {
		return fmt.Errorf("standin: %w", err)
	}
	v.addr = l.Addr().String()
	server := &http.Server{Handler: v, ReadHeaderTimeout: 10 * time.Second}
	v.server = server
	v.serving.Go(func() { _ = server.Serve(l) })
	return nil
}

func (v *HTTP) close() {
	if v.server != nil {
		_ = v.server.Close()
		v.server = nil
	}
}

// ServeHTTP answers one call.
func (v *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !v.enter() {
		panic(http.ErrAbortHandler)
	}
	defer v.serving.Done()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return // MaxBytesReader has answered
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	sends := v.opts.Sends(r, body)
	v.mu.Lock()
	b := v.behavior
	if !sends && !v.all {
		v.counts.Other++
		v.mu.Unlock()
		v.pass(w, r)
		return
	}
	v.counts.Calls++
	v.now++
	v.counts.AtOnce = max(v.counts.AtOnce, v.now)
	v.mu.Unlock()
	defer func() {
		v.mu.Lock()
		v.now--
		v.mu.Unlock()
	}()
	v.misbehave(b, w, r, body)
}

// enter counts a call that Close has to wait for.
func (v *HTTP) enter() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	select {
	case <-v.done:
		return false
	default:
		v.serving.Add(1)
		return true
	}
}

func (v *HTTP) misbehave(b Behavior, w http.ResponseWriter, r *http.Request, body []byte) {
	switch b {
	case HangAfter, DropAfter, FailAfter, Garbage, Empty, Oversized:
		v.take(r)
	case Accept:
		v.count()
		v.pass(w, r)
		return
	}
	switch b {
	case HangBefore, HangAfter:
		select {
		case <-r.Context().Done():
		case <-v.done:
		}
		panic(http.ErrAbortHandler)
	case DropAfter:
		panic(http.ErrAbortHandler)
	case Empty:
	case Garbage:
		v.mu.Lock()
		answer := garbage[v.nonsense]
		v.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	case Oversized:
		v.flood(w)
	default:
		if len(body) == 0 {
			body = []byte(r.URL.RequestURI())
		}
		if v.opts.Refuse == nil || !v.opts.Refuse(b, w, body) {
			refuse(b, w, r, body)
		}
	}
}

// garbage are answers that are none.
var garbage = [GarbageAnswers]string{"<html><body>busy \x00\xff{[</body>", `{"`, `"busy"`, strings.Repeat("[", 100_000)}

func refuse(b Behavior, w http.ResponseWriter, r *http.Request, body []byte) {
	status := map[Behavior]int{RateLimited: http.StatusTooManyRequests, RateLimitFor: http.StatusTooManyRequests, Down: http.StatusServiceUnavailable,
		Unauthorized: http.StatusUnauthorized, FailAfter: http.StatusInternalServerError, Echo: http.StatusBadRequest}[b]
	if b == RateLimitFor {
		w.Header().Set("Retry-After", strconv.Itoa(RetryAfter))
	}
	if b != Echo {
		w.WriteHeader(status)
		return
	}
	said := strconv.Quote(r.URL.String() + " " + r.Header.Get("Authorization") + " " + string(body))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"ok":0,"status":"error","error":%s,"message":%s,"description":%s}`, said, said, said)
}

// flood writes until all is written or the connector has had enough. It writes one answer at a time, and no more once one was read whole: a
// connector that reads on and on may keep all of them in memory.
func (v *HTTP) flood(w http.ResponseWriter) {
	v.flooding.Lock()
	defer v.flooding.Unlock()
	if v.Counts().Written >= OversizedBytes {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Connection", "close")
	deadlines := http.NewResponseController(w)
	chunk := bytes.Repeat([]byte(" "), 256<<10)
	for written := int64(0); written < OversizedBytes; {
		_ = deadlines.SetWriteDeadline(time.Now().Add(enoughRead)) // without deadlines the connector's own time is over some day
		n, err := w.Write(chunk)
		written += int64(n)
		v.mu.Lock()
		v.counts.Written = max(v.counts.Written, written)
		v.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (v *HTTP) count() {
	v.mu.Lock()
	v.passed++
	v.mu.Unlock()
}

func (v *HTTP) pass(w http.ResponseWriter, r *http.Request) {
	if v.accept == nil {
		http.NotFound(w, r)
		return
	}
	v.accept.ServeHTTP(w, r)
}

// take gives the handler the call and keeps its answer back.
func (v *HTTP) take(r *http.Request) {
	v.count()
	v.pass(&unheard{header: http.Header{}}, r)
}

type unheard struct{ header http.Header }

// Header implements http.ResponseWriter.
func (u *unheard) Header() http.Header { return u.header }

// Write implements http.ResponseWriter.
func (u *unheard) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader implements http.ResponseWriter.
func (u *unheard) WriteHeader(int) {}
