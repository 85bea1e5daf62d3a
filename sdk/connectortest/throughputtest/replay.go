package throughputtest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// request is one HTTP request as it was sent, and its answer's status.
type request struct {
	method, uri string
	header      http.Header // as the sender spells the names
	body        []byte
	status      int
}

// unsaid are headers that a replay does not repeat as they were: net/http writes its own, and connections are kept.
var unsaid = []string{"Host", "Content-Length", "Transfer-Encoding", "Connection"}

// bare returns what sends, with a bare client, what the connector sends for one message.
func (c *Case) bare(tb testing.TB, url string) func() error {
	tb.Helper()
	host := strings.TrimPrefix(url, "http://")
	t, err := newTap(host)
	if err != nil {
		tb.Fatal(err)
	}
	defer t.close()
	send := c.open(tb, "http://"+t.address())
	record := func(send func() error) []request {
		t.forget()
		if err := send(); err != nil {
			tb.Fatalf("a message was not taken: %v", err)
		}
		said, err := t.said()
		if err != nil {
			tb.Fatal(err)
		}
		return said
	}
	record(send) // what is looked up once is looked up now
	want := record(send)
	if d := difference(want, record(replay(tb, want, t.address()))); d != "" {
		tb.Logf("the bare client does not send quite the same bytes: %s", d)
	}
	return replay(tb, want, host)
}

// replay returns what sends the requests, one after the other, and reads the answers.
func replay(tb testing.TB, requests []request, host string) func() error {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2: true, MaxIdleConns: 64, MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64, IdleConnTimeout: 90 * time.Second,
	}
	tb.Cleanup(transport.CloseIdleConnections)
	ready := make([]request, 0, len(requests))
	for _, r := range requests {
		r.header = r.header.Clone()
		maps.DeleteFunc(r.header, func(name string, _ []string) bool { return slices.Contains(unsaid, name) })
		switch encoding := r.header["Accept-Encoding"]; {
		case encoding == nil:
			transport.DisableCompression = true
		case encoding[0] == "gzip":
			delete(r.header, "Accept-Encoding") // the transport asks for it, and takes it
		}
		if r.header["User-Agent"] == nil {
			r.header["User-Agent"] = []string{""} // net/http sends its own otherwise
		}
		ready = append(ready, r)
	}
	client := &http.Client{Transport: transport}
	return func() error {
		for i := range ready {
			if err := ready[i].send(client, host); err != nil {
				return err
			}
		}
		return nil
	}
}

func (r *request) send(client *http.Client, host string) error {
	req, err := http.NewRequestWithContext(context.Background(), r.method, "http://"+host+r.uri, bytes.NewReader(r.body))
	if err != nil {
		return err
	}
	maps.Copy(req.Header, r.header)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.ReadAll(res.Body)
	_ = res.Body.Close() // it was read to its end
	if err == nil && res.StatusCode != r.status {
		err = fmt.Errorf("the simulator answered %s, and %d before", res.Status, r.status)
	}
	return err
}

// difference names the first difference between two lists of requests, and "" when there is none.
func difference(a, b []request) string {
	if len(a) != len(b) {
		return fmt.Sprintf("%d requests instead of %d", len(b), len(a))
	}
	for i := range a {
		x, y := &a[i], &b[i]
		if x.method != y.method || x.uri != y.uri || !bytes.Equal(x.body, y.body) {
			return "another request line or body"
		}
		for _, name := range slices.Sorted(maps.Keys(x.header)) {
			if name != "Host" && !slices.Equal(x.header[name], y.header[name]) {
				return "the header " + name
			}
		}
		for _, name := range slices.Sorted(maps.Keys(y.header)) {
			if x.header[name] == nil {
				return "the header " + name
			}
		}
	}
	return ""
}

// parse reads the requests of one connection and their answers.
func parse(asked, answered []byte) ([]request, error) {
	var all []request
	from, answers := bufio.NewReaderSize(bytes.NewReader(asked), len(asked)+1), bufio.NewReader(bytes.NewReader(answered))
	for {
		rest, _ := from.Peek(len(asked)) // all that is left
		if len(rest) == 0 {
			return all, nil
		}
		head, _, _ := strings.Cut(string(rest), "\r\n\r\n")
		req, err := http.ReadRequest(from)
		if err != nil {
			return nil, fmt.Errorf("the connector's request is not HTTP/1.1, which is all that can be measured: %w", err)
		}
		r := request{method: req.Method, uri: req.RequestURI, header: http.Header{}}
		for _, line := range strings.Split(head, "\r\n")[1:] {
			name, value, _ := strings.Cut(line, ":")
			r.header[name] = append(r.header[name], strings.TrimSpace(value))
		}
		if r.body, err = io.ReadAll(req.Body); err == nil {
			r.status, err = status(answers, req)
		}
		if err != nil {
			return nil, fmt.Errorf("the connector's call was not finished: %w", err)
		}
		all = append(all, r)
	}
}

// status reads the next answer that is not a provisional one.
func status(from *bufio.Reader, req *http.Request) (int, error) {
	for {
		res, err := http.ReadResponse(from, req)
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(io.Discard, res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil || res.StatusCode >= http.StatusOK {
			return res.StatusCode, err
		}
	}
}
