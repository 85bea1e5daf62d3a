package serve

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/hermodhq/hermod/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type engine struct {
	ready    error
	accounts []core.AccountStatus
}

func (e engine) Ready() error                   { return e.ready }
func (e engine) Accounts() []core.AccountStatus { return e.accounts }
func (engine) Webhooks() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		_, _ = io.WriteString(w, r.URL.Path+" "+string(body))
	})
}

func start(t *testing.T, h http.Handler) (*Server, string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := Start(context.WithoutCancel(t.Context()), l, h, Limits{}, slog.New(slog.DiscardHandler))
	return s, "http://" + l.Addr().String()
}

func call(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestPublic(t *testing.T) {
	meters, metrics, err := Metrics()
	if err != nil {
		t.Fatal(err)
	}
	counter, err := meters.Meter("hermod").Int64Counter("hermod.messages")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 3)
	var draining atomic.Bool
	good, url := start(t, Public(engine{}, metrics, &draining))
	bad, badURL := start(t, Public(engine{ready: errors.New("no rules")}, metrics, &draining))
	some, someURL := start(t, Public(engine{accounts: []core.AccountStatus{
		{Account: "a", State: core.AccountPaused, Reason: "unauthorized"}, {Account: "b", State: core.AccountClosed}, {Account: "c", State: core.AccountOpen},
		{Account: "d", State: core.AccountDown, Reason: "unavailable", Text: "kept back"},
	}}, metrics, &draining))
	for _, tt := range []struct {
		method, url, body string
		status            int
		want              string
	}{
		{"GET", url + "/readyz", "", 200, `{"ok":true,"status":"ready"}`},
		{"GET", someURL + "/readyz", "", 200, `{"ok":true,"status":"ready","accounts":[{"account":"a","state":"paused","reason":"unauthorized"},{"account":"d","state":"down","reason":"unavailable"}]}`},
		{"POST", url + "/webhooks/convrs-uk/in", "hello", 200, "/convrs-uk/in hello"},
		{"POST", url + "/webhooks/convrs-uk/in", strings.Repeat("x", MaxBody+1), 413, ""},
		{"GET", url + "/healthz", "", 200, "alive"},
		{"GET", url + "/readyz", "", 200, "ready"},
		{"GET", badURL + "/healthz", "", 200, "alive"},
		{"GET", badURL + "/readyz", "", 503, "no rules"},
		{"GET", url + "/metrics", "", 200, "hermod_messages_total{"},
		{"GET", url + "/metrics", "", 200, "go_goroutines"},
		{"GET", url + "/v1/status", "", 404, ""},
		{"POST", url + "/healthz", "", 405, ""},
	} {
		if status, text := call(t, tt.method, tt.url, tt.body); status != tt.status || !strings.Contains(text, tt.want) {
			t.Errorf("%s %s: %d %.200s", tt.method, tt.url, status, text)
		}
	}
	draining.Store(true)
	if status, text := call(t, "GET", url+"/readyz", ""); status != 503 || !strings.Contains(text, "draining") {
		t.Errorf("draining: %d %s", status, text)
	}
	for _, s := range []*Server{good, some, bad} {
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Stop(t.Context()); err != nil {
			t.Error("stopping again:", err)
		}
	}
}

func TestStopCutsOffWhatDoesNotEnd(t *testing.T) {
	entered := make(chan struct{})
	s, url := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	}))
	left := make(chan struct{})
	go func() {
		defer close(left)
		req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, url, nil)
		if err != nil {
			return
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Stop = %v", err)
	}
	<-left
	http.DefaultClient.CloseIdleConnections()
}

func TestAFailedListenerIsReported(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := Start(t.Context(), l, http.NotFoundHandler(), Limits{}, slog.New(slog.DiscardHandler))
	<-s.Done()
	if err := s.Stop(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Stop = %v", err)
	}
}
