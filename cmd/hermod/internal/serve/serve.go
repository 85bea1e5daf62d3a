// Package serve is what `hermod run` offers over HTTP: webhooks, health and metrics; and how its servers start and drain.
package serve

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/message"
)

// MaxBody is the size of the largest request body, in bytes.
const MaxBody = 1 << 20

// Engine is what the public server needs of an engine.
type Engine interface {
	Webhooks() http.Handler
	Ready() error
	Accounts() []core.AccountStatus
}

// Public serves an engine to vendors and to those who watch it:
//
//	/webhooks/ACCOUNT/...   the vendors' webhooks
//	/healthz                200 while the process lives
//	/readyz                 200 while the engine can accept, else 503 with the reason; names accounts that want a person
//	/metrics                in Prometheus' format
//
// draining makes /readyz answer 503, so that a load balancer sends nothing more.
func Public(e Engine, metrics http.Handler, draining *atomic.Bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/webhooks/", http.StripPrefix("/webhooks", http.MaxBytesHandler(e.Webhooks(), MaxBody)))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { health(w, http.StatusOK, "alive") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		switch err := e.Ready(); {
		case draining.Load():
			health(w, http.StatusServiceUnavailable, "draining")
		case err != nil:
			health(w, http.StatusServiceUnavailable, err.Error())
		default:
			health(w, http.StatusOK, "ready", unusable(e.Accounts())...)
		}
	})
	mux.Handle("GET /metrics", metrics)
	return mux
}

// unready is an account that takes no calls until somebody has seen to it.
type unready struct {
	Account message.AccountID `json:"account"`
	State   string            `json:"state"`
	Reason  string            `json:"reason,omitempty"`
}

// unusable picks the accounts that are paused or not open. They do not make the host unready: it still stores every message and
// sends what other accounts take, and neither a restart nor a host without its traffic mends what one vendor refuses.
func unusable(all []core.AccountStatus) (out []unready) {
	for _, s := range all {
		if s.State == core.AccountPaused || s.State == core.AccountDown {
			out = append(out, unready{s.Account, s.State, s.Reason})
		}
	}
	return out
}

func health(w http.ResponseWriter, status int, text string, accounts ...unready) {
	body, err := json.Marshal(struct {
		OK       bool      `json:"ok"`
		Status   string    `json:"status"`
		Accounts []unready `json:"accounts,omitempty"`
	}{status == http.StatusOK, text, accounts})
	if err != nil {
		status, body = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the caller has left
}

// Server is one running HTTP server. Stop ends it.
type Server struct {
	http *http.Server
	stop context.CancelFunc
	done chan struct{}
	err  error
}

// Limits bound what one connection may hold up. Zero durations mean no bound.
type Limits struct {
	Read  time.Duration // of a whole request
	Write time.Duration // of a whole answer
}

// Start serves h on l until Stop. The requests' contexts end with ctx, or when Stop gives up waiting for them.
func Start(ctx context.Context, l net.Listener, h http.Handler, limits Limits, logger *slog.Logger) *Server {
	base, stop := context.WithCancel(ctx)
	s := &Server{stop: stop, done: make(chan struct{}), http: &http.Server{
		Handler: h, BaseContext: func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: limits.Read, WriteTimeout: limits.Write, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.err = err
		}
	}()
	return s
}

// Done is closed when the server has ended, by Stop or because it failed.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop takes no new requests and lets those under way finish until ctx ends; then it cuts them off. It returns why the
// server failed, if it did, or that requests were cut off. It may be called again.
func (s *Server) Stop(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	s.stop()
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.done
	return errors.Join(s.err, err)
}
