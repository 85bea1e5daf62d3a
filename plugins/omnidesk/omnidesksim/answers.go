package omnidesksim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/hermodhq/hermod/plugins/omnidesk/internal/omnideskapi"
)

// Behavior says what becomes of one call. The zero value is a good answer at once.
type Behavior struct {
	Delay      time.Duration // before the answer, times Options.Pace
	Status     int           // answer with this HTTP status
	Error      string        // and with an error envelope that says so; its status is 400 where Status is 0
	RetryAfter string        // header beside Status
	Drop       bool          // close the connection instead of answering
	Hang       bool          // never answer
	Body       string        // answer with this
	Taken      bool          // with any of these: the call is taken all the same
}

// suffixes is what the last two characters of a session bring about.
var suffixes = map[string]Behavior{
	"12": {Error: "This chat account is closed."},           // refused
	"18": {Status: 403, Error: "API_CHAT is not permitted"}, // permission taken away
	"19": {Status: 503},                                     // down for three calls
	"20": {Delay: 2 * time.Second},                          // slow
	"21": {Hang: true},                                      // no answer, not taken
	"22": {Hang: true, Taken: true},                         // no answer, but taken
	"23": {Drop: true},                                      // connection lost, not taken
	"24": {Drop: true, Taken: true},                         // connection lost, but taken
	"25": {Body: "<html>busy</html>", Taken: true},          // an answer that is not described, taken
	"27": {Status: 500, Taken: true},                        // failed after taking
	"28": {Status: 503},                                     // unavailable
	"29": {Status: 429, RetryAfter: "2"},                    // too fast
}

// Suffixes is the default script: the last two characters of the session decide, which are those of a phone number that it was
// made from; see the README.
func Suffixes(session string, n int) Behavior {
	last := session[max(0, len(session)-2):]
	if last == "19" && n > 3 {
		return Behavior{}
	}
	return suffixes[last]
}

// described are the documented messages of results.
var described = map[string]string{"POST customer": "User created and channel linked.", "PUT customer/updateCustomer": "Customer updated.",
	"POST formfield": "Form field created", "PUT formfield/{id}": "Form updated", "DELETE formfield/{id}": "Form deleted"}

// ServeHTTP answers one call.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in, err := read(r)
	info := in.route(r.Method)
	b := s.behavior(&in)
	wait := time.NewTimer(time.Duration(float64(b.Delay) * s.opts.Pace))
	defer wait.Stop()
	ready := wait.C
	if b.Hang {
		ready = nil
	}
	status, body := b.Status, b.Body
	if replaced := b.Status != 0 || b.Error != "" || b.Drop || b.Hang || b.Body != ""; !replaced {
		status, body = s.run(r, &in, info, err)
	} else if b.Taken {
		s.run(r, &in, info, err)
	}
	select {
	case <-ready:
	case <-r.Context().Done():
	}
	switch {
	case b.Hang || b.Drop:
		panic(http.ErrAbortHandler)
	case b.Error != "":
		status, body = max(b.Status, 400), failure(b.Error)
	}
	if b.RetryAfter != "" {
		w.Header().Set("Retry-After", b.RetryAfter)
	}
	w.WriteHeader(max(status, 200))
	_, _ = w.Write([]byte(body))
}

// session finds a session, or begins it; the lock is held. The first ticket is the guide's.
func (s *Sim) session(id string) *session {
	if s.sessions[id] == nil {
		s.sessions[id] = &session{ticket: 12312 + len(s.sessions)}
	}
	return s.sessions[id]
}

// behavior records the request and decides about it.
func (s *Sim) behavior(in *Request) Behavior {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) < keep {
		s.requests = append(s.requests, *in)
	}
	if f := s.forced[in.Name]; len(f) > 0 {
		s.forced[in.Name] = f[1:]
		return f[0]
	}
	if in.Name != api.NotifyUserNewChatMessage.Name() && in.Name != api.AddAttachment.Name() {
		return Behavior{}
	}
	session := s.session(in.value("chatSessionID"))
	session.calls++
	return s.opts.Script(in.value("chatSessionID"), session.calls)
}

// route finds the endpoint of a path and names the request after it.
func (in *Request) route(method string) *api.Info {
	path := strings.TrimPrefix(in.Path, "/api/v2/")
	slash := strings.LastIndex(path, "/") + 1
	if _, err := strconv.Atoi(path[slash:]); err == nil {
		path = path[:slash] + "{id}"
	}
	in.Name = method + " " + path
	for _, i := range api.Endpoints() {
		if i.Name() == in.Name {
			return i
		}
	}
	return nil
}

// value is a parameter, wherever it stands.
func (in *Request) value(name string) string { return in.Form.Get(name) + in.Query.Get(name) }

func failure(text string) string {
	raw, _ := json.Marshal(map[string]string{"status": "error", "message": text}) // texts always marshal
	return string(raw)
}

// run answers a call that nothing was scripted for.
func (s *Sim) run(r *http.Request, in *Request, info *api.Info, unreadable error) (int, string) {
	token := in.value("chatAccountToken")
	switch {
	case r.Header.Get("apiKey") != s.opts.APIKey && in.Query.Get("apiKey") != s.opts.APIKey:
		return 401, failure("The API key is missing or unknown.")
	case unreadable != nil:
		return 400, failure("The body cannot be read.")
	case info == nil:
		return 404, failure("This endpoint does not exist.")
	case s.opts.Permissions != nil && info.Permission != "" && !slices.Contains(s.opts.Permissions, info.Permission):
		return 403, failure("The API key lacks the permission " + info.Permission + ".")
	case token != "" && token != s.opts.ChatToken:
		return 400, failure("The chat account token is unknown.")
	}
	values := maps.Clone(in.Query)
	maps.Copy(values, in.Form)
	form, _ := strconv.Atoi(in.Form.Get("form_id"))
	if err := info.Check(values); err != nil {
		return 400, failure("The parameter " + err.Param + " is invalid.")
	}
	answer := s.opts.Answers[info.Name()]
	switch items, list := s.opts.Items[info.Name()]; {
	case list:
		return 200, listed(items, in.Query)
	case info == api.NotifyUserNewChatMessage.Info || info == api.AddAttachment.Info:
		return 200, s.take(in, info)
	case in.Form.Has("form_id") && !slices.Contains(s.opts.Forms, form):
		return 400, failure(api.TextFormUnknown)
	case info == api.DownloadFile.Info && answer == "":
		return 400, failure(api.TextFileUnknown)
	case described[info.Name()] != "" && answer == "":
		return 200, `{"type":"result","message":"` + described[info.Name()] + `"}`
	}
	return 200, answer
}

// listed is one page of a list, in either form of paging.
func listed(items []string, query url.Values) string {
	whole := func(name string) int {
		n, _ := strconv.Atoi(query.Get(name))
		return max(n, 0)
	}
	limit := cmp.Or(whole("itemLimit"), whole("limit"), 15)
	start := cmp.Or(whole("itemStart"), max(whole("page")-1, 0)*limit)
	from := min(start, len(items))
	to := min(from+limit, len(items))
	return fmt.Sprintf(`{"type":"items","itemStart":%d,"itemTotal":%d,"itemLimit":%d,"items":[%s]}`, start, len(items), limit, strings.Join(items[from:to], ","))
}

// take keeps a message or file of a chat; a session's first one makes its ticket.
func (s *Sim) take(in *Request, info *api.Info) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	session := s.session(in.value("chatSessionID"))
	session.server = in.value("chatServer")
	if len(s.messages) < keep {
		s.messages = append(s.messages, Message{Session: in.value("chatSessionID"), Text: in.value("message"), File: in.value("file"), TicketID: session.ticket})
	}
	if s.opts.Bare || info == api.AddAttachment.Info {
		return ""
	}
	return `{"type":"result","message":"Message sent.","ticketID":` + strconv.Itoa(session.ticket) + `}`
}
