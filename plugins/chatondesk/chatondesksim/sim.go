// Package chatondesksim simulates ChatOnDesk for demos and tests: all calls of its document and the balance, every error that
// is known, and the ways of failing that any vendor has.
//
// What the documents leave open is invented here: error bodies have HTTP status 200, as the vendor's own plugin expects, except refused
// credentials (401), missing or wrong fields and unknown channels (400), unknown profiles and reminders (404) and an empty wallet (402);
// a bare status has no body. Lists are answered in the shape that the plugin reads; Options.AsDocumented gives the document's. Codes have four
// digits, can be used once and do not age. Templates not in Options.Templates are unknown, but nil means that all exist. The order of checks is
// method, credentials, limit, script, fields. Schedules are kept and nothing is ever sent.
package chatondesksim

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/hermodhq/hermod/plugins/chatondesk/internal/chatondeskapi"
)

// APIKey is the default API key, the one of the document's examples.
const APIKey = "63b03725e6646"

// The API's own objects.
type (
	Structuredtemplate = chatondeskapi.Structuredtemplate // a template
	HistoryRecord      = chatondeskapi.HistoryRecord      // one exchange of a conversation
	Reminder           = chatondeskapi.Reminder           // a reminder
)

// Options configure a Sim. The zero value is an account that has every template.
type Options struct {
	APIKey         string
	User, Password string               // taken beside the API key, where set
	Templates      []Structuredtemplate // nil means that every template exists
	Unapproved     []string             // ids of templates that are not approved
	Channels       []string             // system names; nil is whatsapp, smsalert, website
	History        map[string][]HistoryRecord
	Reminders      []Reminder
	AsDocumented   bool                // templatelist and channellist answer as in the document's examples
	Balance, Cost  float64             // of the wallet, and of each message; 0 is 1000 and free
	Currency       string              // INR unless set
	PerSecond      float64             // messages a second before 429; 0 is no limit, since none is documented
	Script         func(Call) Behavior // decides about calls that send; nil is Suffixes
	Pace           float64             // multiplies every scripted delay; 0 is 1
	Seed           uint64              // of one-time codes and rolls
	Keep           int                 // requests and messages that are kept; 0 is 100,000
	NewID          func() string       // makes ids of profiles and reminders; nil counts
	Now            func() time.Time    // nil is time.Now; the limit and dates go by it, scripted delays do not
}

// Request is one call as it came.
type Request struct {
	Method, Path, ContentType string
	Fields                    map[string]any // credentials included
	Raw                       []byte
}

// Message is one message that was taken, for one number.
type Message struct {
	Call, Type, Channel, Phone, Text, StructureID, Schedule string
	Data                                                    map[string]any
	Code                                                    string // the one-time code, of mverify
}

// Sim is the simulator, an http.Handler. Use it from many goroutines; Close ends it.
type Sim struct {
	opts    Options
	done    chan struct{}
	closing sync.Once
	server  *http.Server
	wg      sync.WaitGroup

	mu        sync.Mutex
	rng       *rand.Rand
	ids       int
	balance   float64
	limit     *rate.Limiter // nil without a limit
	reminders []Reminder
	messages  []Message
	requests  []Request
	codes     map[string]string // by channel and phone
	conns     map[string]bool
	calls     map[string]int
	forced    map[string][]Behavior
}

// New returns a simulator.
func New(o Options) *Sim {
	if o.Script == nil {
		o.Script = Suffixes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Channels == nil {
		o.Channels = []string{"whatsapp", "smsalert", "website"}
	}
	o.APIKey, o.Keep, o.Pace = orElse(o.APIKey, APIKey), orElse(o.Keep, 100_000), orElse(o.Pace, 1)
	o.Balance, o.Currency = orElse(o.Balance, 1000), orElse(o.Currency, "INR")
	s := &Sim{opts: o, done: make(chan struct{}), rng: rand.New(rand.NewPCG(o.Seed, 1)), balance: o.Balance, reminders: slices.Clone(o.Reminders),
		codes: map[string]string{}, conns: map[string]bool{}, calls: map[string]int{}, forced: map[string][]Behavior{}}
	if o.PerSecond > 0 {
		s.limit = rate.NewLimiter(rate.Limit(o.PerSecond), int(max(o.PerSecond, 1)))
	}
	return s
}

func orElse[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}

// Start serves on a free loopback port and returns the base of sending, for base_url.
func (s *Sim) Start() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("chatondesksim: %w", err)
	}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.wg.Go(func() { _ = s.server.Serve(l) })
	return "http://" + l.Addr().String() + "/api", nil
}

// Close ends everything and waits for it. It may be called again.
func (s *Sim) Close() {
	s.closing.Do(func() { close(s.done) })
	if s.server != nil {
		_ = s.server.Close()
	}
	s.wg.Wait()
}

// Next makes the next calls of a name (structuredpush.json) behave so, one after the other, whatever the script says.
func (s *Sim) Next(name string, b ...Behavior) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forced[name] = append(s.forced[name], b...)
}

// Requests returns the requests kept, oldest first.
func (s *Sim) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Messages returns the messages that were taken, oldest first, one for each number.
func (s *Sim) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Connections returns how many connections requests came on.
func (s *Sim) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// ServeHTTP answers one call.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, "the body is too long", http.StatusRequestEntityTooLarge)
		return
	}
	c := newCall(r, raw)
	b := s.behavior(c, r.RemoteAddr)
	if b.Delay > 0 && !s.sleep(r.Context(), b.Delay) {
		panic(http.ErrAbortHandler)
	}
	out := answer{}
	replaced := b.Drop || b.Hang || b.Body != "" || b.Status != 0 && b.Error == ""
	if b.Error != "" {
		out = refuse(orElse(b.Status, http.StatusOK), b.Error)
	} else if !replaced || b.Taken {
		out = s.run(c)
	}
	if b.Hang {
		select {
		case <-r.Context().Done():
		case <-s.done:
		}
	}
	if b.Hang || b.Drop {
		panic(http.ErrAbortHandler)
	}
	if b.RetryAfter != "" {
		w.Header().Set("Retry-After", b.RetryAfter)
	}
	if replaced {
		w.WriteHeader(orElse(b.Status, http.StatusOK))
		_, _ = io.WriteString(w, b.Body)
		return
	}
	out.write(w, &b)
}

// behavior records the request and decides about it.
func (s *Sim) behavior(c *call, conn string) Behavior {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[conn] = true
	if len(s.requests) < s.opts.Keep {
		s.requests = append(s.requests, c.Request)
	}
	if f := s.forced[c.name]; len(f) > 0 {
		s.forced[c.name] = f[1:]
		return f[0]
	}
	if !c.sends() || !s.known(c) {
		return Behavior{}
	}
	if s.limit != nil && !s.limit.AllowN(s.opts.Now(), 1) {
		return Behavior{Status: http.StatusTooManyRequests, RetryAfter: "1"}
	}
	phone := "+" + strings.Trim(strings.Split(c.get("phone"), ",")[0], "+ ")
	s.calls[phone]++
	return s.opts.Script(Call{Name: c.name, Type: c.get("type"), Phone: phone, N: s.calls[phone], Roll: roll(s.opts.Seed, phone, s.calls[phone])})
}

// sleep waits for a scripted time and reports whether it passed.
func (s *Sim) sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(time.Duration(float64(d) * s.opts.Pace))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-s.done:
	}
	return false
}

// call is one request with its fields.
type call struct {
	Request
	name    string
	invalid error
}

func newCall(r *http.Request, raw []byte) *call {
	c := &call{Request: Request{Method: r.Method, Path: r.URL.Path, ContentType: r.Header.Get("Content-Type"), Raw: raw}, name: path.Base(r.URL.Path)}
	if strings.HasPrefix(c.ContentType, "application/x-www-form-urlencoded") {
		var form url.Values
		form, c.invalid = url.ParseQuery(string(raw))
		c.Fields = fromForm(form)
	} else {
		c.Fields, c.invalid = fromJSON(raw)
	}
	return c
}
