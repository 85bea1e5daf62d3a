package throughputtest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// toy posts each message's text to the vendor.
type toy struct {
	URL    string `json:"url"`
	client *http.Client
	before func() // each call
	header http.Header
}

// Send implements connector.Sender.
func (a *toy) Send(ctx context.Context, d connector.Delivery) (connector.Result, error) {
	a.before()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL+"/messages?to=ada", strings.NewReader(d.Content.Text))
	if err != nil {
		return connector.Result{}, err
	}
	for name, v := range a.header {
		req.Header[name] = v
	}
	res, err := a.client.Do(req)
	if err != nil {
		return connector.Result{}, fault.New(fault.OutcomeUnknown, "no_answer", "no answer: %w", err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		return connector.Result{}, fault.New(fault.ContentRejected, "refused", "the vendor answered %d", res.StatusCode)
	}
	return connector.Result{Outcome: message.Accepted}, nil
}

// Close implements connector.Closer.
func (a *toy) Close(context.Context) error {
	a.client.CloseIdleConnections()
	return nil
}

// toyCase is the toy and its vendor, which takes every text but "bad"; change may alter the toy when it is opened.
func toyCase(change func(*toy)) Case {
	return Case{
		Connector: connector.Define(connector.Spec{Name: "toy", Version: "1.0.0", Vendor: "Toy", Summary: "A toy."},
			func(_ context.Context, c struct {
				URL string `json:"url"`
			}, _ connector.Env) (*toy, error) {
				a := &toy{URL: c.URL, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, before: func() {}}
				if change != nil {
					change(a)
				}
				return a, nil
			}),
		Simulator: func() http.Handler { return vendor(func() {}) },
		Path:      "/api",
		Config:    func(url string) any { return map[string]string{"url": url} },
		Message:   func(int) connector.Delivery { return connector.Delivery{Content: message.Content{Text: "Hi Ada"}} },
	}
}

func vendor(before func()) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before()
		text, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/api/messages" || string(text) == "bad" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
}

// oneEach makes the toy open a connection for each message.
func oneEach(a *toy) { a.client.Transport.(*http.Transport).DisableKeepAlives = true }

// judged is a test that is expected to fail.
type judged struct {
	testing.TB
	failures []string
}

// Errorf implements testing.TB.
func (j *judged) Errorf(format string, _ ...any) { j.failures = append(j.failures, format) }

// fewIdle makes the toy keep 2 connections, as a transport does that nobody has set.
func fewIdle(a *toy) { a.client.Transport = &http.Transport{} }

func TestConnections(t *testing.T) {
	for _, c := range []struct {
		name     string
		toy      func(*toy)
		patience time.Duration
		want     int
	}{
		{"kept", nil, time.Minute, Senders},
		{"one each", oneEach, time.Minute, 100},
		{"two kept", fewIdle, time.Minute, 1 + 15 + 5*14 + 1}, // waves of 1, 6 times 16, and 3
		{"one at a time", func(a *toy) { a.client.Transport.(*http.Transport).MaxConnsPerHost = 1 }, 20 * time.Millisecond, 1},
	} {
		if n := connections(t, toyCase(c.toy), 100, c.patience); n != c.want {
			t.Errorf("%s: %d connections, want %d", c.name, n, c.want)
		}
	}
}

func TestReuse(t *testing.T) {
	Reuse(t, toyCase(nil))
	for name, change := range map[string]func(*toy){"one each": oneEach, "two kept": fewIdle} {
		j := &judged{TB: t}
		Reuse(j, toyCase(change))
		if len(j.failures) != 1 || !strings.Contains(j.failures[0], "to do: ") {
			t.Errorf("%s: failed with %q, want one finding that says what to do", name, j.failures)
		}
	}
}

func TestSendAllStopsAtTheFirstError(t *testing.T) {
	calls := make(chan struct{}, 1000)
	err := sendAll(1000, func() error {
		calls <- struct{}{}
		return errUnanswered
	})
	if err == nil || len(calls) > Senders {
		t.Errorf("after %d failing calls the error is %v", len(calls), err)
	}
}

// TestReplay holds that the bare client sends the connector's bytes, whatever the connector's headers are.
func TestReplay(t *testing.T) {
	for name, change := range map[string]func(*toy){
		"plain":         func(*toy) {},
		"no gzip":       func(a *toy) { a.client.Transport.(*http.Transport).DisableCompression = true },
		"no user agent": func(a *toy) { a.header = http.Header{"User-Agent": {""}} },
		"odd headers":   func(a *toy) { a.header = http.Header{"apiKey": {"k"}, "User-Agent": {"toy/1"}, "X-Two": {"a", "b"}} },
		"chunks": func(a *toy) {
			a.client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				r.ContentLength = -1
				return http.DefaultTransport.RoundTrip(r)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
			srv := httptest.NewServer(vendor(func() {}))
			defer srv.Close()
			c, said := toyCase(change), &said{TB: t}
			if err := c.bare(said, srv.URL)(); err != nil {
				t.Fatal(err)
			}
			if name == "chunks" != (len(said.lines) > 0) {
				t.Errorf("said: %q", said.lines)
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// said keeps what is logged.
type said struct {
	testing.TB
	lines []any
}

// Logf implements testing.TB.
func (s *said) Logf(_ string, args ...any) { s.lines = append(s.lines, args...) }

func TestParse(t *testing.T) {
	asked := "POST /a?b=c HTTP/1.1\r\nHost: x\r\napiKey: k\r\nContent-Length: 2\r\n\r\nhiGET /d HTTP/1.1\r\nHost: x\r\n\r\n"
	answered := "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
	got, err := parse([]byte(asked), []byte(answered))
	if err != nil {
		t.Fatal(err)
	}
	want := []request{
		{"POST", "/a?b=c", http.Header{"Host": {"x"}, "apiKey": {"k"}, "Content-Length": {"2"}}, []byte("hi"), 202},
		{"GET", "/d", http.Header{"Host": {"x"}}, nil, 404},
	}
	if d := difference(want, got); d != "" || got[0].status != 202 || got[1].status != 404 {
		t.Errorf("got %+v: %s", got, d)
	}
	for name, c := range map[string][2]string{
		"another protocol": {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""},
		"half a body":      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhi", ""},
		"no answer":        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ""},
	} {
		if got, err := parse([]byte(c[0]), []byte(c[1])); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"), []byte("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"))
	f.Add([]byte("GET"), []byte(""))
	f.Fuzz(func(t *testing.T, asked, answered []byte) {
		all, err := parse(asked, answered)
		if err != nil && all != nil {
			t.Errorf("requests beside an error: %+v", all)
		}
	})
}

func TestDifference(t *testing.T) {
	base := request{"POST", "/a", http.Header{"A": {"1"}, "Host": {"x"}}, []byte("b"), 200}
	for want, other := range map[string]request{
		"":                             {"POST", "/a", http.Header{"A": {"1"}, "Host": {"y"}}, []byte("b"), 200},
		"another request line or body": {"POST", "/a", base.header, []byte("c"), 200},
		"the header A":                 {"POST", "/a", http.Header{"a": {"1"}, "Host": {"x"}}, []byte("b"), 200},
		"the header B":                 {"POST", "/a", http.Header{"A": {"1"}, "B": {"1"}, "Host": {"x"}}, []byte("b"), 200},
	} {
		if got := difference([]request{base}, []request{other}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := difference([]request{base}, nil); got != "0 requests instead of 1" {
		t.Errorf("got %q", got)
	}
}

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		v       []float64
		q, want float64
	}{
		{[]float64{7}, 0.25, 7},
		{[]float64{3, 1}, 0.5, 2},
		{[]float64{5, 1, 3}, 0.5, 3},
		{[]float64{4, 1, 3, 2, 5}, 0.25, 2},
		{[]float64{4, 1, 3, 2, 5}, 0.75, 4},
		{[]float64{4, 1, 3, 2}, 0.75, 3.25},
	} {
		if got := quantile(c.v, c.q); got != c.want {
			t.Errorf("quantile %v of %v is %v, want %v", c.q, c.v, got, c.want)
		}
	}
}

func TestReport(t *testing.T) {
	f := &figures{messages: 1984, wall: 2 * time.Second, with: []float64{150, 130, 140}, without: []float64{100, 100, 110}, extra: []float64{50, 30, 40}, connections: 16}
	got := map[string]float64{}
	f.report(func(n float64, unit string) { got[unit] = n })
	for unit, want := range map[string]float64{"msg/s": 992, "cpu-us/msg": 140, "bare-cpu-us/msg": 100, "extra-cpu-us/msg": 40,
		"extra-cpu-us/msg-p25": 35, "extra-cpu-us/msg-p75": 45, "conns/1000msg": 8, "ns/op": 0} {
		if got[unit] != want {
			t.Errorf("%s is %v, want %v", unit, got[unit], want)
		}
		delete(got, unit)
	}
	if len(got) > 0 {
		t.Errorf("more is reported: %v", got)
	}
	for _, c := range []struct {
		extra       []float64
		connections int
		want        []string
	}{
		{[]float64{50, 30, 40}, 16, []string{"net/http: met: 40.0 us, quartiles 35.0 and 45.0, 3 rounds", "connections reused: 16 for 2000 messages"}},
		{[]float64{90, 70, 80}, 2000, []string{"net/http: missed: 80.0 us", "connections NOT reused: 2000"}},
		{[]float64{90, 50, 40}, 16, []string{"net/http: met within the noise: 50.0 us"}},
		{[]float64{90, 70, 40}, 16, []string{"net/http: missed within the noise: 70.0 us"}},
	} {
		f.extra, f.connections = c.extra, c.connections
		line := f.verdict()
		if slices.ContainsFunc(c.want, func(part string) bool { return !strings.Contains(line, part) }) || strings.Contains(line, "\n") {
			t.Errorf("the line is %q, want in it %q", line, c.want)
		}
	}
}
