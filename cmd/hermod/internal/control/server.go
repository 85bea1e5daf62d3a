package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/hermodhq/hermod/cmd/hermod/internal/feed"
	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/sdk/message"
)

// maxInput is the size of the largest operation input, in bytes.
const maxInput = 16 << 20

// Handler serves the control API for an engine. Requests in JSON Lines are answered while they are read.
//
//	GET  /v1/status
//	POST /v1/messages?until=OUTCOME&timeout=30s&linger=true    JSON Lines in, JSON Lines out
//	GET  /v1/messages/{id}                                     the timeline
//	GET  /v1/messages/{id}/wait?until=OUTCOME&timeout=30s
//	POST /v1/messages/{id}/cancel
//	POST /v1/invoke/{account}/{operation}                      input in, result out
//	GET  /v1/accounts
//	POST /v1/accounts/{account}/resume                         the account's state then
//	GET  /v1/connectors
//	GET  /v1/events?subscriber=NAME                            JSON Lines out, until the caller leaves
func Handler(local Local) http.Handler {
	s := &server{local}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", reply(func(r *http.Request) (any, error) { return local.Status(r.Context()) }))
	mux.HandleFunc("POST /v1/messages", s.feed)
	mux.HandleFunc("GET /v1/messages/{id}", reply(func(r *http.Request) (any, error) { return local.Trace(r.Context(), id(r)) }))
	mux.HandleFunc("GET /v1/messages/{id}/wait", reply(s.wait))
	mux.HandleFunc("POST /v1/messages/{id}/cancel", reply(func(r *http.Request) (any, error) { return local.Cancel(r.Context(), id(r)) }))
	mux.HandleFunc("POST /v1/invoke/{account}/{operation}", reply(s.invoke))
	mux.HandleFunc("GET /v1/accounts", reply(func(*http.Request) (any, error) { return local.Accounts(), nil }))
	mux.HandleFunc("POST /v1/accounts/{account}/resume", reply(func(r *http.Request) (any, error) {
		return local.Resume(r.Context(), message.AccountID(r.PathValue("account")))
	}))
	mux.HandleFunc("GET /v1/connectors", reply(func(r *http.Request) (any, error) { return local.Connectors(r.Context()) }))
	mux.HandleFunc("GET /v1/events", s.events)
	return mux
}

type server struct{ local Local }

func id(r *http.Request) message.ID { return message.ID(r.PathValue("id")) }

// failure is the body of every answer that is not a success.
type failure struct {
	Error *problem.Problem `json:"error"`
}

func reply(answer func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := answer(r)
		status := http.StatusOK
		if err != nil {
			p := problem.From(Explain(err))
			v, status = failure{p}, statusOf(p)
		}
		writeJSON(w, status, v)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the caller has left
}

// options reads the query of requests that wait.
func options(r *http.Request) (feed.Options, error) {
	q := r.URL.Query()
	o := feed.Options{Until: message.Outcome(q.Get("until"))}
	if o.Until != "" && o.Until.Rank() == 0 {
		return o, problem.New(problem.ExitUsage, "value_invalid", "until must be one of accepted, sent, delivered, read, replied")
	}
	var err error
	if text := q.Get("timeout"); text != "" {
		if o.Timeout, err = time.ParseDuration(text); err != nil || o.Timeout < 0 {
			return o, problem.New(problem.ExitUsage, "value_invalid", "timeout must be a duration such as 30s")
		}
	}
	o.Linger, _ = strconv.ParseBool(q.Get("linger"))
	return o, nil
}

func (s *server) wait(r *http.Request) (any, error) {
	o, err := options(r)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Timeout)
		defer cancel()
	}
	return s.local.Wait(ctx, id(r), o.Until)
}

func (s *server) invoke(r *http.Request) (any, error) {
	input, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxInput))
	if err != nil {
		return nil, problem.New(problem.ExitUsage, "input_too_large", "the input cannot be read, or is larger than %d bytes", maxInput)
	}
	return s.local.Invoke(r.Context(), message.AccountID(r.PathValue("account")), r.PathValue("operation"), input)
}

// feed answers each line while the next ones are still read. An error of the feed itself is the last line, with no line number.
func (s *server) feed(w http.ResponseWriter, r *http.Request) {
	o, err := options(r)
	if err != nil {
		p := problem.From(err)
		writeJSON(w, statusOf(p), failure{p})
		return
	}
	out := lines(w)
	err = s.local.Feed(r.Context(), r.Body, o, func(res feed.Result) { out.Write(encode(res)) })
	if err != nil {
		p := problem.From(err)
		if errors.Is(err, context.Canceled) {
			p = stopping()
		}
		out.Write(encode(feed.Result{Error: p}))
	}
	_ = out.Close() // the caller has left: there is nobody to tell
}

func (s *server) events(w http.ResponseWriter, r *http.Request) {
	out := lines(w)
	out.Write([]byte("\n")) // the caller sees that it is subscribed
	err := s.local.Events(r.Context(), r.URL.Query().Get("subscriber"), func(_ context.Context, e message.Event) error {
		out.Write(encode(e))
		return nil
	})
	if err != nil && r.Context().Err() == nil {
		out.Write(encode(failure{problem.From(Explain(err))}))
	}
	_ = out.Close() // the caller has left: there is nobody to tell
}

// lines starts an answer in JSON Lines.
func lines(w http.ResponseWriter) *feed.Writer {
	c := http.NewResponseController(w)
	_ = c.EnableFullDuplex() // HTTP/1.1 can; anything else answers after the request
	w.Header().Set("Content-Type", "application/jsonl")
	w.WriteHeader(http.StatusOK)
	return feed.NewWriter(w, c.Flush)
}

// encode never fails: these types hold nothing that JSON cannot.
func encode(v any) []byte {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		return encode(failure{problem.New(problem.ExitFailed, "not_json", "%s", err.Error())})
	}
	return b.Bytes()
}

func stopping() *problem.Problem {
	return problem.New(problem.ExitEnvironment, "engine_stopping", "the engine is stopping").
		Advise("send the rest when it runs again; with keys, sending the whole file again is safe")
}
