package convrssim

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestPhoneForms holds the four documented forms, and what is none.
func TestPhoneForms(t *testing.T) {
	for in, want := range map[string]struct {
		phone string
		code  int
	}{
		"+447700900123": {"+447700900123", 0}, "447700900123": {"+447700900123", 0}, "+44 770 090 0123": {"+447700900123", 0}, "44-770-090-0123": {"+447700900123", 0},
		"": {"", 1009}, "07700900123": {"", 1006}, "++447700900123": {"", 1006}, "call me": {"", 1006}, "+44": {"", 1007}, "+4477009001234567": {"", 1007},
	} {
		c := command{Phone: in}
		if c.normalize(); c.phone != want.phone || c.badPhone != want.code {
			t.Errorf("%q gives %q, %d", in, c.phone, c.badPhone)
		}
	}
}

func FuzzPhone(f *testing.F) {
	f.Add("+44 770 090 0123")
	f.Fuzz(func(t *testing.T, s string) {
		c := command{Phone: s}
		if c.normalize(); (c.phone == "") == (c.badPhone == 0) || c.badPhone == 0 && country(c.phone) == "" {
			t.Fatalf("%q gives %q, %d", s, c.phone, c.badPhone)
		}
	})
}

// TestSameSeedSameRun holds that two runs with one seed agree in ids and outcomes.
func TestSameSeedSameRun(t *testing.T) {
	run := func(seed uint64) string {
		s := New(Options{Seed: seed, PerNumber: -1, PerToken: -1})
		defer s.Close()
		var all bytes.Buffer
		for _, phone := range []string{"+447700900140", "+447700900141", "+447700900112"} {
			body, err := json.Marshal(map[string]any{"token": Token, "cmd": "SendSMSMessage", "botID": 3942, "phone": phone, "message": "hi"})
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api", bytes.NewReader(body)))
			all.Write(w.Body.Bytes())
		}
		return all.String()
	}
	if first, again := run(7), run(7); first != again || first == run(8) {
		t.Errorf("runs of one seed differ, or those of two do not:\n%s\n%s", first, again)
	}
}

// TestBadRequests holds what the token check and the parser refuse.
func TestBadRequests(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	for body, want := range map[string]int{`{`: 1017, `{"cmd":"GetUser"}`: 1000, `{"cmd":"GetUser","token":"x"}`: 1001, `{"cmd":"getuser","token":"` + Token + `"}`: 1004} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api", bytes.NewReader([]byte(body))))
		var a struct{ OK, ErrorCode int }
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || a.OK != 0 || a.ErrorCode != want {
			t.Errorf("%s gives %s", body, w.Body)
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET gives %d", w.Code)
	}
}

// TestUsersBound holds the documented bound of GetUsers.
func TestUsersBound(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	for i := range 5001 {
		s.users[strconv.Itoa(i)] = &person{}
	}
	if n := len(s.list(&command{})); n != 5000 {
		t.Errorf("%d users, want 5000", n)
	}
}

// TestFlat holds the dates and the documented bound of GetConversationsFlat.
func TestFlat(t *testing.T) {
	var rows []ConversationMessage
	for i := range 2002 { // two messages in each of 1001 conversations
		rows = append(rows, ConversationMessage{CID: json.RawMessage(strconv.Itoa(i / 2)), Date: "2024-01-01T00:00:00.000Z"})
	}
	rows = append(rows, ConversationMessage{CID: json.RawMessage(`"late"`), Date: "2024-03-01T00:00:00.000Z"})
	s := New(Options{Conversations: rows})
	defer s.Close()
	for dates, want := range map[string]int{``: 2000, `,"startDate":"2024-02-01"`: 1, `,"startDate":"2024-02-01","endDate":"2024-02-02"`: 0, `,"endDate":"2024-01-01"`: 2000} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api", strings.NewReader(`{"token":"`+Token+`","cmd":"GetConversationsFlat"`+dates+`}`)))
		var a struct{ Data []ConversationMessage }
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || len(a.Data) != want {
			t.Errorf("%q gives %d rows, want %d; %v", dates, len(a.Data), want, err)
		}
	}
}
