package chat2desksim

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ask(t *testing.T, s *Sim, method, path, token, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	if strings.Contains(body, "=") {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

// TestEdges holds the token check, paths, forms and the shapes without an envelope.
func TestEdges(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	for _, tt := range []struct {
		method, path, token, body string
		status                    int
		want                      string
	}{
		{"GET", "/v1/clients", "", "", 200, "You need to auth"},
		{"GET", "/v1/clients", "Bearer " + Token, "", 200, "Token is not correct"},
		{"GET", "/v1/help/transports", "", "", 200, "success"},
		{"GET", "/v1/nothing", Token, "", 404, "Page not found"},
		{"DELETE", "/v1/clients", Token, "", 404, "Page not found"},
		{"GET", "/v1/dialogs/31/", Token, "", 200, `"status":"success"`},
		{"GET", "/v1/clients?limit=1&offset=1&nickname=x", Token, "", 200, `"meta":{"limit":1,"offset":1,"total":2}`},
		{"GET", "/v1/clients?limit=900", Token, "", 200, `"limit":200`},
		{"POST", "/v1/messages", Token, "{", 400, "not valid"},
		{"POST", "/v1/messages", Token, "client_id=100&text=hi", 200, `"message_id"`},
		{"POST", "/v1/clients?phone=447700900150&transport=whatsapp", Token, "", 200, `"id"`},
		{"GET", "/v1/requests/9/messages", Token, "", 200, `"not_found"`},
		{"GET", "/v1/operators/statuses", Token, "", 200, `[{"id":1`},
	} {
		if status, body := ask(t, s, tt.method, tt.path, tt.token, tt.body); status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, status, body)
		}
	}
}

// TestSameDialog holds that a client who goes on in a closed dialog starts a new request in it, and that a transfer changes its operator.
func TestSameDialog(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	ask(t, s, "GET", "/v1/messages/502/transfer?operator_id=3", Token, "")
	ask(t, s, "PUT", "/v1/dialogs/31", Token, `{"state":"closed"}`)
	_, body := ask(t, s, "POST", "/v1/messages", Token, `{"client_id":100,"text":"hi"}`)
	d := s.Rows("dialogs")
	if len(d) != 1 || d[0]["state"] != "open" || str(d[0]["last_request_id"]) == "88" || str(d[0]["operator_id"]) != "3" {
		t.Errorf("dialogs %v", d)
	}
	for _, want := range []string{`"dialog_id":31`, `"transport":"whatsapp"`, `"channel_id":7`} { // of the client's last message
		if !strings.Contains(body, want) {
			t.Errorf("%s lacks %s", body, want)
		}
	}
}

// TestRefusals holds the refusals of writing endpoints.
func TestRefusals(t *testing.T) {
	five := []Object{{"id": 1, "url": "a"}, {"id": 2, "url": "b"}, {"id": 3, "url": "c"}, {"id": 4, "url": "d"}, {"id": 5, "url": "e"}}
	s := New(Options{Data: map[string][]Object{"webhooks": five}})
	defer s.Close()
	for _, c := range [][4]string{
		{"POST", "messages", `{"client_id":100}`, "blank"},
		{"POST", "messages", `{"client_id":9,"text":"x"}`, "Client not found"},
		{"POST", "messages/inbox", `{"channel_id":9}`, "Channel not found"},
		{"POST", "messages/inbox", `{"channel_id":8,"body":"x","from_client":{}}`, "exactly one"},
		{"POST", "messages/inbox", `{"channel_id":8,"body":"x","from_client":{"id":"1","phone":"2"}}`, "exactly one"},
		{"POST", "messages/inbox", `{"channel_id":8,"from_client":{"id":"1"}}`, "blank"},
		{"POST", "messages/inbox", `{"channel_id":8,"image":"u","attachment_filename":"n","from_client":{"id":"1"}}`, "attachment is required"},
		{"POST", "clients", `{"phone":"+44","transport":"sms"}`, "Phone is incorrect"},
		{"POST", "webhooks", `{"name":"n","url":"f","events":["inbox"]}`, "5 webhooks"},
		{"PUT", "webhooks/1", `{"url":"b","events":["moon"]}`, "already used"},
		{"PUT", "webhooks/9", `{"url":"x"}`, "Webhook not found"},
		{"DELETE", "webhooks/9", ``, "Webhook not found"},
		{"PUT", "clients/9", `{}`, "Client not found"},
		{"PUT", "requests/close", `{"client_id":9}`, "request not found"},
		{"PUT", "dialogs/9", `{}`, "not_found"},
	} {
		if _, body := ask(t, s, c[0], "/v1/"+c[1], Token, c[2]); !strings.Contains(body, c[3]) || !strings.Contains(body, `"status":"error"`) {
			t.Errorf("%s %s: %s", c[0], c[1], body)
		}
	}
}

// TestWebhookRetries holds that a failed call is repeated, recorded, and that a webhook without success is switched off.
func TestWebhookRetries(t *testing.T) {
	var now, calls, good atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1); good.Load() == 0 {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer srv.Close()
	s := New(Options{Pace: 1e-7, Now: func() time.Time { return time.Unix(now.Load(), 0) }, Data: map[string][]Object{"webhooks": {
		{"id": 1, "url": srv.URL, "events": []string{"inbox"}, "status": "enable"}, {"id": 2, "url": srv.URL, "events": []string{"inbox"}, "channels": []int{9}, "status": "enable"}}}})
	defer s.Close()
	wait := func(what string, ok func(w Object) bool) {
		t.Helper()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for end := time.After(10 * time.Second); !ok(s.Rows("webhooks")[0]); {
			select {
			case <-end:
				t.Fatal(what, s.Rows("webhooks"))
			case <-tick.C:
			}
		}
	}
	failures := func(w Object) int { list, _ := w["errors"].([]any); return len(list) }
	s.Emit("inbox", Object{"message_id": 1, "channel_id": 7})
	wait("four calls", func(w Object) bool { return failures(w) == 4 })
	now.Store(int64(6 * time.Hour / time.Second))
	s.Emit("inbox", Object{"message_id": 2, "channel_id": 7})
	wait("switched off", func(w Object) bool { return w["status"] == "disable" && failures(w) == 8 })
	s.Emit("inbox", Object{"message_id": 3, "channel_id": 7})
	good.Store(1)
	if _, body := ask(t, s, "PUT", "/v1/webhooks/1", Token, `{"status":"enable"}`); !strings.Contains(body, "enable") {
		t.Fatal(body)
	}
	before := calls.Load()
	s.Emit("inbox", Object{"message_id": 4, "channel_id": 7})
	wait("one good call", func(Object) bool { return calls.Load() == before+1 })
}

// failingVendor notes when it is called, and refuses.
type failingVendor func()

func (f failingVendor) RoundTrip(*http.Request) (*http.Response, error) {
	f()
	return &http.Response{Status: "502 Bad Gateway", StatusCode: http.StatusBadGateway, Body: http.NoBody}, nil
}

// TestWebhookTimes holds the documented times: a failed call is repeated after 10 s, 5 min and 2 h, and five hours without success
// switch the webhook off.
func TestWebhookTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Data: map[string][]Object{"webhooks": {{"id": 1, "url": "http://host.example", "events": []string{"inbox"}, "status": "enable"}}}})
		defer s.Close()
		start, calls := time.Now(), []time.Duration{}
		s.client.Transport = failingVendor(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			calls = append(calls, time.Since(start))
		})
		s.Emit("inbox", Object{"message_id": 1})
		time.Sleep(5 * time.Hour)
		s.Emit("inbox", Object{"message_id": 2})
		synctest.Wait()
		if w := s.Rows("webhooks")[0]; w["status"] != "enable" {
			t.Errorf("switched off before five hours are over: %v", w)
		}
		first := []time.Duration{0, 10 * time.Second, 5*time.Minute + 10*time.Second, 2*time.Hour + 5*time.Minute + 10*time.Second, 5 * time.Hour}
		s.mu.Lock()
		if !slices.Equal(calls, first) {
			t.Errorf("calls after %v, want %v", calls, first)
		}
		s.mu.Unlock()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if w := s.Rows("webhooks")[0]; w["status"] != "disable" {
			t.Errorf("not switched off after five hours: %v", w)
		}
	})
}

// TestDefaults holds that the default rows are what they are read as.
func TestDefaults(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	for pattern := range routes {
		if _, ok := s.data[strings.TrimPrefix(pattern, "GET ")]; !ok && strings.HasPrefix(pattern, "GET help/") {
			t.Errorf("%s has no rows", pattern)
		}
	}
	raw, err := json.Marshal(s.Rows("clients"))
	if err != nil || !strings.Contains(string(raw), `"id":100`) {
		t.Errorf("%s %v", raw, err)
	}
}
