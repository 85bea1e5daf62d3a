// Package throughputtest measures what a connector costs for each message, and counts the connections that it opens.
//
// A connector's benchmark and its test are one call each, on the same [Case]:
//
//	func load() throughputtest.Case {
//		return throughputtest.Case{
//			Connector: acme.New(),
//			Simulator: func() http.Handler { return acmesim.New() },
//			Config:    func(url string) any { return map[string]string{"base_url": url, "token": acmesim.Token} },
//			Message: func(int) connector.Delivery {
//				return connector.Delivery{Channel: message.SMS, To: message.Recipient{Phone: "+447700900140"}, Content: message.Content{Text: "Hi Ada"}}
//			},
//		}
//	}
//
//	func BenchmarkThroughput(b *testing.B) { throughputtest.Measure(b, load()) }
//
//	func TestConnectionsAreReused(t *testing.T) { throughputtest.Reuse(t, load()) }
//
// Run the benchmark with `go test -run xxx -bench Throughput -benchtime 5000x`. It needs a Unix and starts the test binary again; the test
// does neither.
package throughputtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

// Senders is how many messages are under way at once.
const Senders = 16

// Account is the name of the account that is opened.
const Account message.AccountID = "throughput"

// Case is a connector and the vendor that it is measured against. All fields but Path are needed.
type Case struct {
	// Connector is what is measured.
	Connector connector.Connector
	// Simulator plays the vendor over HTTP/1.1. It should have neither limits nor delays. It is closed at the end where it has a method Close.
	Simulator func() http.Handler
	// Path is where the vendor's API begins at the simulator, such as "/api".
	Path string
	// Config returns an account's configuration, which becomes JSON, for a vendor at a URL that ends in Path.
	Config func(url string) any
	// Message returns the nth message; all should have the same length and be taken by the vendor. Message and Attempt are filled in
	// where they are empty. It is called from many goroutines at once.
	Message func(n int) connector.Delivery
}

// Reuse fails the test when the connector opens more connections for 500 messages than messages are under way at once, and a few.
// It counts and times nothing, so that it finds the same on a busy machine.
func Reuse(tb testing.TB, c Case) {
	tb.Helper()
	const messages, most = 500, Senders + 4
	if n := Connections(tb, c, messages); n > most {
		tb.Errorf("%d messages, %d at once, opened %d connections, at most %d are right\n\tto do: keep one http.Client for each account, "+
			"read every answer to its end and close it, and set MaxIdleConnsPerHost of the transport: it is 2 otherwise", messages, Senders, n, most)
	}
}

// Connections sends messages to the simulator, [Senders] at once, and returns how many connections the connector opened for
// them, Open included. The vendor answers none of a wave before all of it have come. Connections fails the test when a message is refused.
func Connections(tb testing.TB, c Case, messages int) int {
	tb.Helper()
	return connections(tb, c, messages, 2*time.Second)
}

func connections(tb testing.TB, c Case, messages int, patience time.Duration) int {
	tb.Helper()
	c.check(tb)
	handler := c.Simulator()
	defer closeHandler(handler)
	g := newGate(handler, patience)
	s, err := serve(g)
	if err != nil {
		tb.Fatal(err)
	}
	defer s.close()
	send := c.open(tb, s.url())
	for wave := 1; messages > 0; wave = min(Senders, messages) { // the first alone: what is looked up once is looked up then
		g.next(wave)
		if err := sendAll(wave, send); err != nil {
			tb.Fatal(err)
		}
		messages -= wave
	}
	return int(s.opened.Load())
}

func (c *Case) check(tb testing.TB) {
	tb.Helper()
	if c.Connector == nil || c.Simulator == nil || c.Config == nil || c.Message == nil {
		tb.Fatal("throughputtest.Case needs Connector, Simulator, Config and Message")
	}
}

// open opens an account until the test ends, and returns what sends its next message.
func (c *Case) open(tb testing.TB, url string) func() error {
	tb.Helper()
	raw, err := json.Marshal(c.Config(url + c.Path))
	if err != nil {
		tb.Fatal(err)
	}
	ctx := context.Background() // as the bare client's: a context that can end costs CPU time
	a, err := c.Connector.Open(ctx, connector.AccountConfig{Account: Account, Config: raw})
	if err != nil {
		tb.Fatalf("the account cannot be opened: %v", err)
	}
	tb.Cleanup(func() {
		if err := a.Close(ctx); err != nil {
			tb.Error("the account cannot be closed:", err)
		}
	})
	var sent atomic.Int64
	return func() error {
		n := int(sent.Add(1))
		d := c.Message(n)
		if d.Message == "" {
			d.Message = message.ID(fmt.Sprintf("01HX%08d", n))
		}
		d.Attempt = max(d.Attempt, 1)
		err := errUnanswered
		a.Deliver(ctx, []connector.Delivery{d}, func(x connector.Answer) { err = x.Err })
		return err
	}
}

var errUnanswered = errors.New("throughputtest: Deliver returned without an answer")

// sendAll sends n messages, [Senders] at once, and stops at the first error.
func sendAll(n int, send func() error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range Senders {
		wg.Go(func() {
			for next.Add(1) <= int64(n) && failed.Load() == nil {
				if err := send(); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return fmt.Errorf("a message was not taken: %w", *err)
	}
	return nil
}

// server serves a handler on loopback and counts the connections.
type server struct {
	listener net.Listener
	http     http.Server
	opened   atomic.Int64
	serving  sync.WaitGroup
}

func serve(h http.Handler) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the simulator cannot listen: %w", err)
	}
	s := &server{listener: l}
	s.http.Handler, s.http.ReadHeaderTimeout = h, 10*time.Second
	s.http.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.opened.Add(1)
		}
	}
	s.serving.Go(func() { _ = s.http.Serve(l) })
	return s, nil
}

func (s *server) url() string { return "http://" + s.listener.Addr().String() }

func (s *server) close() {
	_ = s.http.Close()
	s.serving.Wait()
}

func closeHandler(h http.Handler) {
	switch h := h.(type) {
	case io.Closer:
		_ = h.Close() // it was played out already
	case interface{ Close() }:
		h.Close()
	}
}
