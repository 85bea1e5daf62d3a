// Package chat2desksim simulates Chat2Desk for demos and tests: every endpoint of its Public API, the envelope with all its known
// exceptions, both kinds of paging, webhooks with retries and signature, and every way of failing that the field knows.
//
// What no public document tells is invented here: HTTP status 200 for refusals (Options.Refusal), 404 for unknown pages, 403 for a
// widget token; the wording of refusals about missing fields; an attachment with "missing" in its URL cannot be loaded; start_id counts
// its own row; what tickets, operators, tags and access rights store; the fields of outbox_status (client_id, message_id, status, error),
// comment, operator and dialog events; all of several webhooks with one event fire; the signature (Options.Signature). The two older
// webhooks and changes of the company have no effect, and a request's messages do not follow from what is sent.
package chat2desksim

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hermodhq/hermod/plugins/chat2desk/internal/chat2deskapi"
)

// Token is the API token. With a WidgetToken, which belongs to the online chat, the API answers with HTTP status 403.
const (
	Token       = "0123456789abcdef0123456789abcdef"
	WidgetToken = "widget-0123456789abcdef"
)

const kept = 100_000

// Object is one thing as the API shows it.
type Object = map[string]any

// Signature says how webhook calls are signed.
type Signature = chat2deskapi.Signature

// Options configure a Sim. The zero value is a company with a few channels, operators and tags, without limits.
type Options struct {
	Data      map[string][]Object // rows by endpoint, such as "clients" or "help/api_modes", in the place of the default ones
	Refusal   int                 // HTTP status of refusals; 0 is 200
	Signature Signature           // of webhook calls; none without a secret
	Script    func(Call) Behavior // decides about POST messages; nil is Suffixes
	Pace      float64             // multiplies every delay; 0 is 1
	Now       func() time.Time    // nil is time.Now; delays do not go by it
}

// Request is one call as it came.
type Request struct {
	Name string // such as "POST messages"
	URL  string
	Body json.RawMessage
}

// Sim is the simulator, an http.Handler below /v1. Use it from many goroutines; Close ends it.
type Sim struct {
	opts   Options
	ctx    context.Context
	stop   context.CancelFunc
	client *http.Client
	wg     sync.WaitGroup
	mux    *http.ServeMux
	server *http.Server
	events chan job // waits for the dispatcher; a full one loses events

	mu       sync.Mutex
	data     map[string][]Object
	requests []Request
	sent     map[string]int // messages by client
	forced   map[string][]Behavior
	latest   map[string]Object    // message by client
	failing  map[string]time.Time // since when, by webhook
	last     int64                // id
}

// New returns a simulator that serves at once. It must be closed.
func New(o Options) *Sim {
	if o.Script == nil {
		o.Script = Suffixes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Pace, o.Refusal = cmp.Or(o.Pace, 1), cmp.Or(o.Refusal, http.StatusOK)
	s := &Sim{opts: o, events: make(chan job, 4096), client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
		mux: http.NewServeMux(), data: map[string][]Object{}, sent: map[string]int{}, forced: map[string][]Behavior{},
		latest: map[string]Object{}, failing: map[string]time.Time{}, last: 1000}
	s.ctx, s.stop = context.WithCancel(context.Background())
	all := map[string][]Object{}
	if err := json.Unmarshal([]byte(defaults), &all); err != nil {
		panic(err) // a defect of this package
	}
	maps.Copy(all, o.Data)
	s.data = copied(all)
	for _, m := range s.data["messages"] {
		s.latest[str(m["client_id"])] = m
	}
	for pattern, h := range routes {
		method, path, _ := strings.Cut(pattern, " ")
		s.mux.HandleFunc(method+" /v1/"+path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, pattern, h) })
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusNotFound, Object{"status": "error", "message": "Page not found"})
	})
	s.wg.Go(s.dispatch)
	return s
}

func copied[T any](v T) (out T) {
	if raw, err := json.Marshal(v); err == nil {
		_ = json.Unmarshal(raw, &out)
	}
	return out
}

// Start serves on a free loopback port and returns the endpoint's URL.
func (s *Sim) Start() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("chat2desksim: %w", err)
	}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.wg.Go(func() { _ = s.server.Serve(l) })
	return "http://" + l.Addr().String() + "/v1", nil
}

// Close ends everything and waits for it. It may be called again.
func (s *Sim) Close() {
	s.mu.Lock()
	s.stop() // under the lock: nothing new is started after
	s.mu.Unlock()
	if s.server != nil {
		_ = s.server.Close()
	}
	s.wg.Wait()
	s.client.CloseIdleConnections()
}

// Next makes the next calls of an endpoint, such as "POST messages", behave so, one after the other, whatever the script says.
func (s *Sim) Next(name string, b ...Behavior) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forced[name] = append(s.forced[name], b...)
}

// Requests returns the last 100,000 calls, oldest first.
func (s *Sim) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Rows returns what the simulator holds of one kind, such as "messages": the last 100,000.
func (s *Sim) Rows(name string) []Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copied(s.data[name])
}

// ServeHTTP takes paths with and without a slash at their end.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.URL.Path = strings.TrimRight(r.URL.Path, "/")
	s.mux.ServeHTTP(w, r)
}

// call is the parameters of one call, from path, query and body together.
type call struct {
	Object
	states []string
}

func (s *Sim) serve(w http.ResponseWriter, r *http.Request, name string, h handler) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	c := &call{Object: params(r, raw)}
	if err != nil || c.Object == nil {
		answer(w, http.StatusBadRequest, Object{"status": "error", "message": "JSON is not valid"})
		return
	}
	s.mu.Lock()
	s.requests = append(s.requests[max(0, len(s.requests)-kept):], Request{Name: name, URL: r.URL.String(), Body: raw})
	b := s.behave(name, c)
	s.mu.Unlock()
	var out any
	status := cmp.Or(b.Status, http.StatusOK)
	switch {
	case b.Error != "":
		out = Object{"status": "error", "message": b.Error}
	case b.Taken || b.Status == 0 && !b.Drop && !b.Hang && b.Body == "":
		s.mu.Lock()
		c.states = b.States
		v, code := s.run(r, c, h)
		if out = copied(v); b.Status == 0 { // rows change once the lock is gone
			status = code
		}
		s.mu.Unlock()
	}
	if b.Hang {
		<-r.Context().Done()
	}
	if b.RetryAfter != "" {
		w.Header().Set("Retry-After", b.RetryAfter)
	}
	switch {
	case b.Hang || b.Drop:
		panic(http.ErrAbortHandler)
	case b.Body != "" || b.Status != 0 && b.Error == "":
		w.WriteHeader(status)
		_, _ = io.WriteString(w, b.Body)
	default:
		answer(w, status, out)
	}
}

func (s *Sim) behave(name string, c *call) Behavior {
	if f := s.forced[name]; len(f) > 0 {
		s.forced[name] = f[1:]
		return f[0]
	}
	if name != "POST messages" {
		return Behavior{}
	}
	id := c.text("client_id")
	s.sent[id]++
	return s.opts.Script(Call{Phone: str(s.find("clients", id)["phone"]), N: s.sent[id]})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// params puts path, query and body together; nil when the body is neither JSON nor a form.
func params(r *http.Request, raw []byte) Object {
	out, form := Object{}, r.URL.Query()
	if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		form, _ = url.ParseQuery(string(raw) + "&" + r.URL.RawQuery) // what can be read
	} else if len(raw) > 0 && json.Unmarshal(raw, &out) != nil {
		return nil
	}
	for k := range form {
		out[k] = form.Get(k)
	}
	if id := r.PathValue("id"); id != "" {
		out["id"] = id
	}
	return out
}

func str(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

func (c *call) text(name string) string { return str(c.Object[name]) }

func (c *call) number(name string) int {
	n, _ := strconv.Atoi(c.text(name)) // absent is 0
	return n
}

// run checks the token, carries a call out, and puts the answer into its envelope.
func (s *Sim) run(r *http.Request, c *call, h handler) (any, int) {
	var v any
	switch token := r.Header.Get("Authorization"); {
	case token == "" && !strings.HasSuffix(r.URL.Path, "/help/transports"):
		v = refusal{message: "You need to auth"}
	case token == WidgetToken:
		return Object{"status": "error"}, http.StatusForbidden
	case token != "" && token != Token:
		v = refusal{message: "Token is not correct"}
	default:
		v = h(s, c)
	}
	switch v := v.(type) {
	case refusal:
		return Object{"status": "error", "message": v.message, "errors": v.errors}, s.opts.Refusal
	case bare:
		return v.any, http.StatusOK
	case page:
		return Object{"data": v.rows, "meta": Object{"total": v.total, "limit": v.limit, "offset": v.offset}, "status": cmp.Or(v.status, "success")}, http.StatusOK
	case nil:
		return Object{"status": "success"}, http.StatusOK
	}
	return Object{"data": v, "status": "success"}, http.StatusOK
}
