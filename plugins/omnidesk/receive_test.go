package omnidesk_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hermodhq/hermod/plugins/omnidesk/omnidesksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

func call(path, contentType, query, body string) *connector.Request {
	return &connector.Request{Method: http.MethodPost, Path: path, Query: query, Body: []byte(body), Header: http.Header{"Content-Type": {contentType}}}
}

// TestHooks holds the event of every captured hook call.
func TestHooks(t *testing.T) {
	_, url := startSim(t, omnidesksim.Options{})
	a := openAccount(t, url, map[string]any{"time_zone": "Europe/Amsterdam"})
	named := openAccount(t, url, map[string]any{"hook_fields": map[string]string{"session": "visitor", "message": "says"}})
	files, err := filepath.Glob("testdata/hooks/*.json")
	if err != nil || len(files) < 20 {
		t.Fatal("hook calls are missing", err)
	}
	for _, file := range files {
		var c struct{ Path, ContentType, Query, Body string }
		if err := json.Unmarshal(readFile(t, file), &c); err != nil {
			t.Fatal(err)
		}
		to := a
		if strings.Contains(file, "named_by_setting") {
			to = named
		}
		res, events, err := to.Receive(t.Context(), call(c.Path, c.ContentType, c.Query, c.Body))
		if err != nil || res == nil || res.Status != 200 || string(res.Body) != "ok" || len(events) != 1 {
			t.Fatalf("%s: %+v %+v %v", file, res, events, err)
		}
		e := events[0]
		if e.Time.IsZero() || !strings.HasPrefix(string(e.ID), "omnidesk-") || strings.HasPrefix(c.Body, "{") && string(e.Vendor) != c.Body {
			t.Errorf("%s: event %+v", file, e)
		}
		if e.Inbound != nil && !e.Inbound.At.IsZero() && !e.Time.Equal(e.Inbound.At) {
			t.Errorf("%s: the event is of %s, and its message of %s", file, e.Time, e.Inbound.At)
		}
		e.ID, e.Time = "", time.Time{}
		out, err := json.MarshalIndent(e, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("hooks", strings.TrimSuffix(filepath.Base(file), ".json")+".golden"), string(out)+"\n")
	}
}

// TestReceiveRefused holds what is no event.
func TestReceiveRefused(t *testing.T) {
	_, url := startSim(t, omnidesksim.Options{})
	a := openAccount(t, url, nil)
	for body, contentType := range map[string]string{"{": "application/json", "[1,": "", `{"a":1} x`: "application/json", "%zz": "application/x-www-form-urlencoded", "x": "multipart/form-data; boundary=b", "y": "multipart/form-data", "z": "MULTIPART/form-data"} {
		_, events, err := a.Receive(t.Context(), call("/messageForCustomer", contentType, "", body))
		wantFault(t, err, fault.ContentRejected, "payload_invalid")
		if len(events) != 0 {
			t.Error("there are events beside the error")
		}
	}
	_, _, err := a.Receive(t.Context(), call("/messageForCustomer", "", "%zz", "{}"))
	wantFault(t, err, fault.ContentRejected, "payload_invalid")
	for path, want := range map[string]int{"/": 404, "": 404, "/a/b/c": 404, "/x/": 200, "/message.php": 404, "/messageForCustomer/": 200} {
		res, _, err := a.Receive(t.Context(), call(path, "", "", ""))
		if err != nil || res.Status != want {
			t.Errorf("path %q: %+v %v", path, res, err)
		}
	}
	if res, _, err := a.Receive(t.Context(), &connector.Request{Method: "GET", Path: "/messageForCustomer"}); err != nil || res.Status != 405 || res.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %v %v", res, err)
	}
	large := `{"chatSessionID":"visitor-000001","file":"` + strings.Repeat("AAAA", message.MaxMediaData/3+1) + `"}`
	if res, events, err := a.Receive(t.Context(), call("/uploadForCustomer", "application/json", "", large)); err != nil || res.Status != 413 || len(events) != 0 {
		t.Errorf("a large file: %v %v", res, err)
	}
}

// TestHookSecret holds that the secret is asked for before the body is looked at.
func TestHookSecret(t *testing.T) {
	_, url := startSim(t, omnidesksim.Options{})
	a := openAccount(t, url, map[string]any{"hook_secret": secret})
	for path, ok := range map[string]bool{"/" + secret + "/messageForCustomer": true, "/messageForCustomer": false, "/" + secret: false, "//messageForCustomer": false, "/x/messageForCustomer": false, "/" + secret + "x/messageForCustomer": false} {
		_, _, err := a.Receive(t.Context(), call(path, "", "", "chatSessionID=visitor-000001&message=Hi"))
		if ok && err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if !ok {
			wantFault(t, err, fault.Unauthorized, "hook_secret")
			silent(t, err.Error())
			_, _, err = a.Receive(t.Context(), call(path, "application/json", "", "{"))
			wantFault(t, err, fault.Unauthorized, "hook_secret")
		}
	}
}

// TestEventIDs holds that repeats have one id, whatever the boundary between their parts, and different happenings different ones.
func TestEventIDs(t *testing.T) {
	_, url := startSim(t, omnidesksim.Options{})
	a := openAccount(t, url, nil)
	id := func(path, contentType, body string) message.EventID {
		_, events, err := a.Receive(t.Context(), call(path, contentType, "", body))
		if err != nil {
			t.Fatal(err)
		}
		return events[0].ID
	}
	part := func(boundary, file string) string {
		return "--" + boundary + "\r\nContent-Disposition: form-data; name=\"createdAt\"\r\n\r\n2026-01-31 09:05:00\r\n--" + boundary +
			"\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n" + file + "\r\n--" + boundary + "--\r\n"
	}
	first := id("/uploadForCustomer", "multipart/form-data; boundary=a", part("a", "bytes"))
	if first != id("/uploadForCustomer", "multipart/form-data; boundary=b", part("b", "bytes")) {
		t.Error("a repeat has another id")
	}
	if first == id("/uploadForCustomer", "multipart/form-data; boundary=a", part("a", "other")) || first == id("/messageForCustomer", "multipart/form-data; boundary=a", part("a", "bytes")) {
		t.Error("another file, or another hook, has the same id")
	}
}

// TestConversation goes all the way round: the customer's message, the agent's typing, answer and file, and the end.
func TestConversation(t *testing.T) {
	sim, url := startSim(t, omnidesksim.Options{})
	var a connector.Account
	events := make(chan message.Event, 10)
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		res, list, err := a.Receive(r.Context(), &connector.Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header, Body: body})
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		for _, e := range list {
			events <- e
		}
		w.WriteHeader(res.Status)
		_, _ = w.Write(res.Body)
	}))
	defer host.Close()
	a = openAccount(t, url, map[string]any{"chat_server": host.URL + "/" + secret, "hook_secret": secret})
	x := deliver(t, a, text(ada))
	if x.Err != nil {
		t.Fatal(x.Err)
	}
	session := string(x.Result.User)
	for hook, want := range map[string]message.EventType{"typingIndicatorForCustomer": "operator.typing", "messageForCustomer": message.EventMessageReceived,
		"uploadForCustomer": message.EventMessageReceived, "endChatForCustomer": message.EventConversationClosed} {
		body, err := sim.Hook(t.Context(), session, hook, map[string]string{"message": "It ships today.", "userName": "Grace", "file": "https://cdn.example/a.pdf"})
		if err != nil || body != "ok" {
			t.Fatal(hook, body, err)
		}
		e := <-events
		if e.Type != want || e.User != x.Result.User || e.Conversation != message.ConversationID(session) || e.Contact.Phone != ada || e.Account != "omnidesk-nl" || !strings.Contains(string(e.Data), `"ticketID":"12312"`) {
			t.Errorf("%s: %+v", hook, e)
		}
	}
	if _, err := sim.Hook(t.Context(), "nobody", "messageForCustomer", nil); err == nil {
		t.Error("a session that nobody has begun has a chat server")
	}
	if d := omnideskConnector().Describe(); len(d.Events) != 3 || !d.Capabilities.Send || !d.Capabilities.Receive || d.Capabilities.Listen || d.Capabilities.Query {
		t.Errorf("described %+v", d.Capabilities)
	}
}
