// Package convrssim simulates Convrs for demos and tests: all commands of its document over POST and websocket, its limits,
// events and delivery callbacks, and every way of failing that the document or the field knows.
//
// What the document leaves open is invented here: HTTP status 200 for answers with ok 0, and no body beside another status; dates of
// GetConversationsFlat as startDate and endDate; the order of checks (JSON, token, command, fields, limits,
// script); an unknown agent is one not in Options.Agents; any 7 to 15 digits not starting with 0 are a mobile number; a
// country table of a few prefixes; webhookHeaders as [{"name","value"}]; whatsappErrorCode in callbacks with acknowledgement
// -1; commands of one websocket served in order; webhook calls are made once; a template that is not approved fails with 3001.
package convrssim

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"

	"github.com/hermodhq/hermod/plugins/convrs/internal/convrsapi"
)

// Token is the default API token, the one of the document's samples.
const Token = "2730b3490cf32a1c16ac8b91e034aa9f073996f7"

// The API's own objects.
type (
	User                = convrsapi.User                // a user
	Template            = convrsapi.Template            // a WhatsApp template
	ConversationMessage = convrsapi.ConversationMessage // a message of a conversation
	OpenConversation    = convrsapi.OpenConversation    // a conversation that no agent has closed
)

// Options configure a Sim. The zero value is an organization with the document's bots and rates.
type Options struct {
	Token                string
	Bots                 map[int]string // botID to platforms; default 73 Telegram, 3941 WA3 and CMS, 3942 CMS
	Templates            []Template     // nil means that every template exists, approved and without components
	Users                []User
	Tags, Routes, Agents []string            // what exists; no Routes means that every route does
	UserTags             map[string][]string // by uid
	Conversations        []ConversationMessage
	Open                 []OpenConversation
	Details              []Message           // messages sent earlier
	WebhookURL           string              // where events go beside the websocket
	PerNumber, PerToken  float64             // messages a second; 0 is the document's 1 and 10, negative is no limit
	Session              time.Duration       // how long after a user's last message free WhatsApp text is taken; 0 is for ever
	Script               func(Call) Behavior // decides about sending commands; nil is Suffixes
	Pace                 float64             // multiplies every scripted delay; 0 is 1
	Seed                 uint64              // of ids and rolls
	Keep                 int                 // requests and messages that are kept; 0 is 100,000
	NewMID               func() string       // makes message ids; nil makes 24 hex digits from the seed
	Now                  func() time.Time    // nil is time.Now; limits and dates go by it, scripted delays do not
}

// Request is one command as it came.
type Request struct {
	Cmd, Phone, UID string
	Body            json.RawMessage
}

// Message is one message that was taken.
type Message struct {
	MID, Cmd, UID, Phone, Text, Template string
	BotID, Ack                           int
}

// State is what a simulator has seen.
type State struct {
	Requests    []Request // those kept, oldest first
	Messages    []Message // those taken and kept, oldest first, with their highest acknowledgement
	Connections int       // how many connections requests came on
	Listening   bool      // whether a websocket is connected
}

// person is a user with what belongs to them.
type person struct {
	User
	data map[string]any
	tags []string
	said time.Time // their last message
}

// Sim is the simulator, an http.Handler at any path. Use it from many goroutines; Close ends it.
type Sim struct {
	opts   Options
	ctx    context.Context
	stop   context.CancelFunc
	client *http.Client
	wg     sync.WaitGroup
	server *http.Server
	events chan []byte   // waits for the dispatcher; a full one loses events, as a vendor may
	posts  chan struct{} // bounds callbacks under way

	mu       sync.Mutex
	rng      *rand.Rand
	users    map[string]*person
	messages map[string]*Message
	order    []*Message // oldest first
	requests []Request
	conns    map[string]bool
	calls    map[string]int
	sent     map[string]time.Time // last message to a phone or uid
	forced   map[string][]Behavior
	socket   *websocket.Conn
	token    *rate.Limiter
}

// New returns a simulator that serves at once. It must be closed.
func New(o Options) *Sim {
	if len(o.Bots) == 0 {
		o.Bots = map[int]string{73: "Telegram", 3941: "WA3 CMS", 3942: "CMS"}
	}
	if o.Script == nil {
		o.Script = Suffixes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Token, o.Keep = cmp.Or(o.Token, Token), cmp.Or(o.Keep, 100_000)
	o.PerNumber, o.PerToken, o.Pace = cmp.Or(o.PerNumber, 1), cmp.Or(o.PerToken, 10), cmp.Or(o.Pace, 1)
	s := &Sim{opts: o, events: make(chan []byte, 4096), posts: make(chan struct{}, 64), rng: rand.New(rand.NewPCG(o.Seed, 1)),
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
		users:  map[string]*person{}, messages: map[string]*Message{}, conns: map[string]bool{}, calls: map[string]int{},
		sent: map[string]time.Time{}, forced: map[string][]Behavior{}, token: rate.NewLimiter(rate.Limit(o.PerToken), int(max(o.PerToken, 1)))}
	s.ctx, s.stop = context.WithCancel(context.Background())
	for _, u := range o.Users {
		s.users[u.UID] = &person{User: u, tags: append([]string{}, o.UserTags[u.UID]...)}
	}
	for _, m := range o.Details {
		s.messages[m.MID] = &m
	}
	s.wg.Go(s.dispatch)
	return s
}

// Start serves on a free loopback port and returns the endpoint's URL.
func (s *Sim) Start() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("convrssim: %w", err)
	}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.wg.Go(func() { _ = s.server.Serve(l) })
	return "http://" + l.Addr().String() + "/api", nil
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

// Next makes the next calls of a command behave so, one after the other, whatever the script says.
func (s *Sim) Next(cmd string, b ...Behavior) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forced[cmd] = append(s.forced[cmd], b...)
}

// State returns a copy of what the simulator has seen so far.
func (s *Sim) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := State{Requests: slices.Clone(s.requests), Connections: len(s.conns), Listening: s.socket != nil}
	for _, m := range s.order {
		st.Messages = append(st.Messages, *m)
	}
	return st
}

// ServeHTTP takes commands by POST, and websockets.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.ctx.Err() != nil {
		s.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	s.wg.Add(1)
	s.mu.Unlock()
	defer s.wg.Done()
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		s.serveSocket(w, r)
		return
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if r.Method != http.MethodPost || err != nil {
		http.Error(w, "POST one JSON object", http.StatusMethodNotAllowed)
		return
	}
	b, out := s.handle(r.Context(), raw, r.RemoteAddr)
	if b.Hang {
		select {
		case <-r.Context().Done():
		case <-s.ctx.Done():
		}
	}
	switch {
	case b.Hang || b.Drop:
		panic(http.ErrAbortHandler)
	case b.Status != 0:
		if b.RetryAfter != "" {
			w.Header().Set("Retry-After", b.RetryAfter)
		}
		w.WriteHeader(b.Status)
		_, _ = w.Write(out)
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(out)
	}
}

// handle runs one command and returns how to answer it.
func (s *Sim) handle(ctx context.Context, raw []byte, conn string) (Behavior, []byte) {
	var c command
	invalid := json.Unmarshal(raw, &c)
	c.normalize()
	b := s.behavior(&c, raw, conn)
	if b.Delay > 0 && !s.sleep(ctx, b.Delay) {
		return Behavior{Drop: true}, nil
	}
	replaced := b.Status != 0 || b.Drop || b.Hang || b.Body != ""
	if replaced && !b.Taken {
		return b, []byte(b.Body)
	}
	out, err := json.Marshal(s.run(&c, &b, invalid))
	switch {
	case err != nil:
		return Behavior{Status: http.StatusInternalServerError}, nil
	case replaced:
		return b, []byte(b.Body)
	case b.Spaces > 0:
		out = append([]byte(strings.Repeat(" ", b.Spaces)), out...)
	}
	return b, out
}

// behavior records the request and decides about it.
func (s *Sim) behavior(c *command, raw []byte, conn string) Behavior {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[conn] = true
	if len(s.requests) < s.opts.Keep {
		s.requests = append(s.requests, Request{Cmd: c.Cmd, Phone: c.phone, UID: c.UID, Body: raw})
	}
	if f := s.forced[c.Cmd]; len(f) > 0 {
		s.forced[c.Cmd] = f[1:]
		return f[0]
	}
	if !strings.HasPrefix(c.Cmd, "Send") {
		return Behavior{}
	}
	to := cmp.Or(c.phone, c.UID)
	s.calls[to]++
	return s.opts.Script(Call{Cmd: c.Cmd, Phone: to, BotID: c.BotID, N: s.calls[to], Roll: roll(s.opts.Seed, to, s.calls[to])})
}

// sleep waits for a scripted time and reports whether it passed.
func (s *Sim) sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(time.Duration(float64(d) * s.opts.Pace))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
	return false
}
