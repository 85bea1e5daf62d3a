// Package omnidesksim simulates Omnidesk for demos and tests: every endpoint that the connector knows, with both ways of
// authentication, permissions, the documented patterns and limits, the envelopes and error texts, the hooks of a chat, and failures.
//
// What the documents leave open is invented here: the hooks' fields (chatSessionID, ticketID and what the caller adds), the
// bodies of 401, 403 and 404, the texts of refusals besides the two documented ones, and an empty answer where none is described.
package omnidesksim

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The default credentials.
const (
	APIKey    = "simulatedApiKey0123456789"
	ChatToken = "simulatedChatToken0123456789"
)

const keep = 100_000 // requests and messages that are kept, the first ones

// Options configure a Sim. The zero value is an account without forms and files, whose key may do everything.
type Options struct {
	APIKey, ChatToken string
	Permissions       []string                             // of the key; nil is all
	Forms             []int                                // ids of the forms that exist
	Answers           map[string]string                    // what endpoints answer, by name, such as "GET ticket/{id}"
	Items             map[string][]string                  // what lists hold, by name, such as "GET ticket": JSON texts, given out in pages
	Bare              bool                                 // chat messages get an empty answer, as the specification says, instead of the guide's
	Script            func(session string, n int) Behavior // decides about a session's nth message or file; nil is Suffixes
	Pace              float64                              // multiplies every scripted delay; 0 is 1
}

// Request is one call as it came.
type Request struct {
	Name, Path, ContentType string // Name is the endpoint's, such as "GET ticket/{id}"
	Query, Form             url.Values
	File                    []byte // of a file part; its name stands in Form
}

// Message is one message or file that was taken from a chat.
type Message struct {
	Session, Text, File string
	TicketID            int
}

// Sim is the simulator, an http.Handler. Use it from many goroutines; Close ends it.
type Sim struct {
	opts   Options
	server *http.Server
	wg     sync.WaitGroup

	mu       sync.Mutex
	sessions map[string]*session
	forced   map[string][]Behavior // by endpoint
	requests []Request
	messages []Message
}

type session struct {
	server        string
	ticket, calls int
}

// New returns a simulator. It must be closed.
func New(o Options) *Sim {
	o.APIKey, o.ChatToken, o.Pace = cmp.Or(o.APIKey, APIKey), cmp.Or(o.ChatToken, ChatToken), cmp.Or(o.Pace, 1)
	if o.Script == nil {
		o.Script = Suffixes
	}
	return &Sim{opts: o, sessions: map[string]*session{}, forced: map[string][]Behavior{}}
}

// Start serves on a free loopback port and returns the account's base URL.
func (s *Sim) Start() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("omnidesksim: %w", err)
	}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.wg.Go(func() { _ = s.server.Serve(l) })
	return "http://" + l.Addr().String(), nil
}

// Close ends everything and waits for it. It may be called again.
func (s *Sim) Close() {
	if s.server != nil {
		_ = s.server.Close()
	}
	s.wg.Wait()
}

// Next makes the next calls of an endpoint, by its name, behave so, one after the other, whatever the script says.
func (s *Sim) Next(name string, b ...Behavior) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forced[name] = append(s.forced[name], b...)
}

// Seen returns the requests, and the messages taken from chats, oldest first: the first 100,000 of each.
func (s *Sim) Seen() ([]Request, []Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests), slices.Clone(s.messages)
}

// Hook calls a hook of a session's chat server, as an agent's doing would, and returns the body of the answer.
func (s *Sim) Hook(ctx context.Context, session, hook string, fields map[string]string) (string, error) {
	s.mu.Lock()
	known := *s.session(session)
	s.mu.Unlock()
	form := url.Values{"chatSessionID": {session}, "ticketID": {strconv.Itoa(known.ticket)}}
	for name, v := range fields {
		form.Set(name, v)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, known.server+"/"+hook, strings.NewReader(form.Encode()))
	if err != nil {
		return "", fmt.Errorf("omnidesksim: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return "", fmt.Errorf("omnidesksim: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("omnidesksim: the hook answered %s", res.Status)
	}
	return string(raw), err
}

// add writes a JSON value as forms have it.
func (in *Request) add(name string, v any) {
	switch v := v.(type) {
	case nil:
	case []any:
		for _, item := range v {
			in.add(name+"[]", item)
		}
	case map[string]any:
		for key, inner := range v {
			in.add(name+"["+key+"]", inner)
		}
	default:
		in.Form.Add(name, fmt.Sprint(v))
	}
}

// read takes the parameters of a request: as a form, and as JSON even below the header of multipart, as the specification prints it.
func read(r *http.Request) (Request, error) {
	in := Request{Path: r.URL.Path, ContentType: r.Header.Get("Content-Type"), Query: r.URL.Query(), Form: url.Values{}}
	body, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	var object map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err != nil || d.Decode(&object) == nil {
		for name, v := range object {
			in.add(name, v)
		}
		return in, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err := r.ParseMultipartForm(8 << 20); err != nil && err != http.ErrNotMultipart {
		return in, err
	}
	in.Form = r.PostForm
	f, part, err := r.FormFile("file")
	if err != nil {
		return in, nil
	}
	in.Form.Set("file", part.Filename)
	in.File, err = io.ReadAll(f)
	return in, err
}
