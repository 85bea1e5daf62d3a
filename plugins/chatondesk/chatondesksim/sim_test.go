package chatondesksim

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func post(s *Sim, path, kind, body string) (int, string) {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

const (
	pushPath   = "/api/structuredpush.json"
	verifyPath = "/chatbot/api/mverify.json"
	jsonKind   = "application/json"
)

// TestRefusals holds what is refused, and how.
func TestRefusals(t *testing.T) {
	s := New(Options{Templates: []Structuredtemplate{{ID: "1"}, {ID: "2"}}, Unapproved: []string{"2"}, Channels: []string{"whatsapp"}})
	defer s.Close()
	const to = `"apikey":"` + APIKey + `","channel":"whatsapp","phone":"447700900140",`
	tests := []struct {
		path, body, want string
		status           int
	}{
		{pushPath, `{`, "malformed", 400},
		{pushPath, `{}`, badCredentials, 401},
		{pushPath, `{"apikey":"other"}`, badCredentials, 401},
		{pushPath, `{"user":"","pwd":""}`, badCredentials, 401},
		{pushPath, `{"apikey":"` + APIKey + `"}`, "phone is missing", 400},
		{pushPath, `{` + to + `"type":"letter"}`, "unknown type", 400},
		{pushPath, `{` + to + `"type":"message"}`, "message is missing", 400},
		{pushPath, `{` + to + `"type":"template"}`, unknownStructure, 200},
		{pushPath, `{` + to + `"type":"template","structureid":3}`, unknownStructure, 200},
		{pushPath, `{` + to + `"type":"template","structureid":2}`, notApproved, 200},
		{pushPath, `{` + strings.Replace(to, "4477", "4477x", 1) + `"type":"template","structureid":1}`, "not a number", 400},
		{pushPath, `{` + strings.Replace(to, "whatsapp", "smsalert", 1) + `"type":"template","structureid":1}`, "unknown channel", 400},
		{verifyPath, `{` + to + `"type":"template","structureid":3}`, unknownStructure, 200},
		{verifyPath, `{` + to + `"code":"1"}`, "Code does not match.", 200},
		{"/chatbot/api/structuredpush.json", `{` + to + `"type":"message","message":"x"}`, "unknown call", 404},
	}
	for _, tt := range tests {
		status, body := post(s, tt.path, jsonKind, tt.body)
		if status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s gives %d %s", tt.path, tt.body, status, body)
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, pushPath, strings.NewReader(`{}`)))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET gives %d", w.Code)
	}
	if n := len(s.Messages()); n != 0 {
		t.Errorf("%d messages were taken", n)
	}
}

// TestNoChannel holds the one text that is documented for the list of channels.
func TestNoChannel(t *testing.T) {
	s := New(Options{Channels: []string{}})
	defer s.Close()
	if _, body := post(s, "/chatbot/api/channellist.json", jsonKind, `{"apikey":"`+APIKey+`"}`); !strings.Contains(body, `{"desc":"`+noChannel+`"}`) {
		t.Error(body)
	}
}

// TestLimit holds the rate, which the document leaves open.
func TestLimit(t *testing.T) {
	now := time.Unix(0, 0)
	s := New(Options{PerSecond: 1, Now: func() time.Time { return now }})
	defer s.Close()
	body := `{"apikey":"` + APIKey + `","channel":"whatsapp","phone":"447700900140","type":"message","message":"x"}`
	for i, want := range []int{200, 429, 200} {
		if i == 2 {
			now = now.Add(time.Second)
		}
		if status, _ := post(s, pushPath, jsonKind, body); status != want {
			t.Errorf("call %d gives %d, want %d", i, status, want)
		}
	}
}

// TestSameSeedSameRun holds that two runs with one seed make the same codes.
func TestSameSeedSameRun(t *testing.T) {
	run := func(seed uint64) string {
		s := New(Options{Seed: seed})
		defer s.Close()
		for i := range 3 {
			_, _ = post(s, verifyPath, jsonKind, fmt.Sprintf(`{"apikey":"%s","channel":"whatsapp","phone":"44770090014%d","structureid":"1"}`, APIKey, i))
		}
		return fmt.Sprint(s.Messages())
	}
	first, again, other := run(7), run(7), run(8)
	if first != again || first == other {
		t.Errorf("runs differ or are all the same:\n%s\n%s\n%s", first, again, other)
	}
}

func FuzzCall(f *testing.F) {
	s := New(Options{Script: func(Call) Behavior { return Behavior{} }})
	defer s.Close()
	f.Add(pushPath, `{"apikey":"`+APIKey+`","channel":"whatsapp","phone":"447700900140","type":"template","data":{"name":"Ada"}}`, false)
	f.Add("/chatbot/api/chathistory.json", "apikey="+APIKey+"&profile_id=1&page=-1&limit=-7", true)
	f.Add("/chatbot/api/reminderlist.json", "apikey="+APIKey+"&page=99999999999&limit=99999999999&data[a][b]=1&data[a]=2&x[=3", true)
	f.Fuzz(func(t *testing.T, path, body string, form bool) {
		kind := jsonKind
		if form {
			kind = "application/x-www-form-urlencoded"
		}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.URL = &url.URL{Path: path}
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if raw, err := io.ReadAll(w.Body); err != nil || len(raw) == 0 || w.Code < 200 || w.Code > 499 {
			t.Fatalf("%d %s %v", w.Code, raw, err)
		}
	})
}
