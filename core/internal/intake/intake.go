// Package intake takes vendors' webhook requests in. It bounds them, hands them to the account's connector, which verifies
// and parses them, makes the events durable, and only then answers the vendor.
package intake

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Limits of intake.
const (
	MaxBody  = 1 << 20 // bytes of one request's body
	atOnce   = 256     // requests under way
	jsonType = "application/json"
)

// Config is what the handler needs.
type Config struct {
	// Receive hands a request to an account's connector. known is false when there is no such account.
	Receive func(ctx context.Context, account message.AccountID, req *connector.Request) (resp *connector.Response, events []message.Event, known bool, err error)
	// Store makes events durable.
	Store  func(ctx context.Context, account message.AccountID, events []message.Event) error
	Ready  func() error
	Logger *slog.Logger
}

type handler struct {
	cfg   Config
	slots chan struct{}
}

// Handler serves /ACCOUNT/... : everything below the account's name is the connector's.
func Handler(cfg Config) http.Handler { return &handler{cfg: cfg, slots: make(chan struct{}, atOnce)} }

// ServeHTTP answers one request. Errors are JSON with a stable code.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.cfg.Ready(); err != nil {
		refuse(w, http.StatusServiceUnavailable, "engine_not_ready", "the engine takes nothing now; send the request again later")
		return
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		refuse(w, http.StatusServiceUnavailable, "webhooks_busy", "too many requests at once; send the request again later")
		return
	}
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	account := message.AccountID(name)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		h.unreadable(w, account, err)
		return
	}
	req := &connector.Request{Method: r.Method, Path: "/" + rest, Query: r.URL.RawQuery, Header: r.Header, Body: body}
	resp, events, known, err := h.cfg.Receive(r.Context(), account, req)
	switch {
	case !known:
		refuse(w, http.StatusNotFound, "account_unknown", "there is no such account; the path is /ACCOUNT/...")
		return
	case err != nil:
		h.rejected(w, account, err)
		return
	}
	if err := h.cfg.Store(r.Context(), account, events); err != nil {
		h.cfg.Logger.Error("a webhook's events could not be stored; the vendor is asked to send them again", "account", account, "error", err)
		refuse(w, http.StatusServiceUnavailable, "events_not_stored", "the events could not be stored; send the request again later")
		return
	}
	answer(w, resp)
}

func (h *handler) unreadable(w http.ResponseWriter, account message.AccountID, err error) {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		h.cfg.Logger.Warn("a webhook request was refused: its body is too large", "account", account, "limit", MaxBody)
		refuse(w, http.StatusRequestEntityTooLarge, "body_too_large", "the body may have at most 1 MiB")
		return
	}
	refuse(w, http.StatusBadRequest, "body_unreadable", "the body could not be read")
}

// rejected answers a request that the connector did not accept. The answer never says what would have been right.
func (h *handler) rejected(w http.ResponseWriter, account message.AccountID, err error) {
	f := fault.From(err)
	h.cfg.Logger.Warn("a webhook request was refused", "account", account, "class", f.Class, "code", f.Code, "error", f)
	status, code := http.StatusInternalServerError, f.Code
	switch f.Class {
	case fault.Unauthorized:
		status = http.StatusUnauthorized
	case fault.ContentRejected, fault.InvalidRecipient:
		status = http.StatusBadRequest
	case fault.Unsupported:
		status = http.StatusNotFound
	case fault.Unavailable, fault.OutcomeUnknown, fault.RateLimited:
		status = http.StatusServiceUnavailable
	}
	if code == "" {
		code = string(f.Class)
	}
	refuse(w, status, code, "the request was not accepted; the engine's log says why")
}

func refuse(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"error":{"code":"`+code+`","text":"`+text+`"}}`+"\n")
}

func answer(w http.ResponseWriter, resp *connector.Response) {
	if resp == nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	status := resp.Status
	if status < 100 || status > 599 {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(resp.Body)
}
