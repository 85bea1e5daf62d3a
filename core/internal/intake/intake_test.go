package intake_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/hermodhq/hermod/core/internal/intake"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// world is what the handler talks to.
type world struct {
	got    *connector.Request
	resp   *connector.Response
	events []message.Event
	err    error
	store  error
	ready  error
	stored int
	hold   chan struct{}
}

func (w *world) handler() http.Handler {
	var mu sync.Mutex
	return intake.Handler(intake.Config{
		Receive: func(_ context.Context, account message.AccountID, req *connector.Request) (*connector.Response, []message.Event, bool, error) {
			if w.hold != nil {
				<-w.hold
			}
			mu.Lock()
			defer mu.Unlock()
			w.got = req
			return w.resp, w.events, account == "one", w.err
		},
		Store: func(_ context.Context, _ message.AccountID, events []message.Event) error {
			mu.Lock()
			defer mu.Unlock()
			w.stored += len(events)
			return w.store
		},
		Ready: func() error { return w.ready }, Logger: slog.New(slog.DiscardHandler),
	})
}

func post(h http.Handler, path string, body io.Reader) *httptest.ResponseRecorder {
	r := httptest.NewRecorder()
	h.ServeHTTP(r, httptest.NewRequest(http.MethodPost, path, body))
	return r
}

func TestPassesOn(t *testing.T) {
	w := &world{resp: &connector.Response{Status: 202, Header: http.Header{"X-Vendor": {"yes"}}, Body: []byte("ok")}, events: make([]message.Event, 2)}
	r := post(w.handler(), "/one/hooks/x?a=1", strings.NewReader("body"))
	if r.Code != 202 || r.Body.String() != "ok" || r.Header().Get("X-Vendor") != "yes" || w.stored != 2 {
		t.Errorf("answered %d %s, %d events stored", r.Code, r.Body, w.stored)
	}
	if w.got.Method != http.MethodPost || w.got.Path != "/hooks/x" || w.got.Query != "a=1" || string(w.got.Body) != "body" {
		t.Errorf("the connector got %+v", w.got)
	}
	w.resp = nil
	if r := post(w.handler(), "/one", http.NoBody); r.Code != 200 || w.got.Path != "/" {
		t.Errorf("without an answer: %d, path %q", r.Code, w.got.Path)
	}
	w.resp = &connector.Response{Status: 7}
	if r := post(w.handler(), "/one/", http.NoBody); r.Code != 200 {
		t.Errorf("a status that is none: %d", r.Code)
	}
}

func TestRefuses(t *testing.T) {
	class := func(c fault.Class) error { return fault.New(c, "some_code", "secret detail") }
	tests := []struct {
		name, path string
		w          world
		body       io.Reader
		status     int
		code       string
	}{
		{"not ready", "/one/", world{ready: errors.New("stopped")}, http.NoBody, 503, "engine_not_ready"},
		{"unknown account", "/two/", world{}, http.NoBody, 404, "account_unknown"},
		{"no account", "/", world{}, http.NoBody, 404, "account_unknown"},
		{"too large", "/one/", world{}, strings.NewReader(strings.Repeat("x", intake.MaxBody+1)), 413, "body_too_large"},
		{"broken body", "/one/", world{}, broken{}, 400, "body_unreadable"},
		{"unauthorized", "/one/", world{err: class(fault.Unauthorized)}, http.NoBody, 401, "some_code"},
		{"malformed", "/one/", world{err: class(fault.ContentRejected)}, http.NoBody, 400, "some_code"},
		{"not offered", "/one/", world{err: class(fault.Unsupported)}, http.NoBody, 404, "some_code"},
		{"connector down", "/one/", world{err: class(fault.Unavailable)}, http.NoBody, 503, "some_code"},
		{"defect", "/one/", world{err: errors.New("secret detail")}, http.NoBody, 500, "unclassified"},
		{"code with quotes", "/one/", world{err: fault.New(fault.Internal, `a"}`, "x")}, http.NoBody, 500, ""},
		{"not stored", "/one/", world{events: make([]message.Event, 1), store: errors.New("disk full")}, http.NoBody, 503, "events_not_stored"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := post(tt.w.handler(), tt.path, tt.body)
			if r.Code != tt.status || !strings.Contains(r.Body.String(), tt.code) {
				t.Errorf("answered %d %s, want %d with the code %s", r.Code, r.Body, tt.status, tt.code)
			}
			if strings.Contains(r.Body.String(), "secret") {
				t.Errorf("the answer tells too much: %s", r.Body)
			}
		})
	}
}

// broken is a body that ends in the middle.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A flood is turned away instead of being queued.
func TestBusy(t *testing.T) {
	w := &world{hold: make(chan struct{})}
	h := w.handler()
	codes := make(chan int, 300)
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() { codes <- post(h, "/one/", http.NoBody).Code })
	}
	for range 300 - 256 {
		if code := <-codes; code != http.StatusServiceUnavailable {
			t.Errorf("answered %d before the others were", code)
		}
	}
	close(w.hold)
	wg.Wait()
	close(codes)
	for code := range codes {
		if code != http.StatusOK {
			t.Errorf("one of those that were taken was answered %d", code)
		}
	}
}
