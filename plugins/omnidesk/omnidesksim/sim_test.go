package omnidesksim

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const chat = `{"chatServer":"https://chat.example/hooks","chatSessionID":"session-0001","chatAccountToken":"` + ChatToken + `","message":"Hi"}`

// TestShapes holds every way of writing a request, and both ways of authentication.
func TestShapes(t *testing.T) {
	form := "chatServer=https%3A%2F%2Fchat.example%2Fhooks&chatSessionID=session-0001&chatAccountToken=" + ChatToken + "&message=Hi"
	for name, tt := range map[string]struct {
		key, query, contentType, body string
		want                          int
	}{
		"json below multipart": {APIKey, "", "multipart/form-data", chat, 200}, "json": {APIKey, "", "application/json", chat, 200}, "form": {APIKey, "", "application/x-www-form-urlencoded", form, 200},
		"key in query": {"", "?apiKey=" + APIKey, "application/json", chat, 200}, "no key": {"", "", "application/json", chat, 401}, "another key": {"x", "?apiKey=y", "application/json", chat, 401},
		"another token": {APIKey, "", "application/json", strings.Replace(chat, ChatToken, "anotherToken", 1), 400}, "nothing": {APIKey, "", "", "", 400},
		"broken": {APIKey, "", "multipart/form-data; boundary=b", "--b", 400},
	} {
		s := New(Options{})
		r := httptest.NewRequest(http.MethodPost, "/api/v2/chat/notifyUserNewChatMessage"+tt.query, strings.NewReader(tt.body))
		r.Header.Set("Content-Type", tt.contentType)
		if tt.key != "" {
			r.Header.Set("apiKey", tt.key)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		var a struct {
			Type, Status, Message string
			TicketID              int
		}
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != tt.want {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if good := a.Type == "result" && a.Message == "Message sent." && a.TicketID == 12312; good != (tt.want == 200) || !good && (a.Status != "error" || a.Message == "") {
			t.Errorf("%s: %s", name, w.Body)
		}
		s.Close()
	}
}

// TestOutage holds that a session that ends in 19 is taken at its fourth call.
func TestOutage(t *testing.T) {
	for n := 1; n <= 5; n++ {
		if b := Suffixes("tel-447700900119", n); (b == Behavior{}) != (n > 3) {
			t.Errorf("call %d: %+v", n, b)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("multipart/form-data", chat)
	f.Add("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--b--")
	f.Add("application/x-www-form-urlencoded", "a=1&b[]=2")
	f.Fuzz(func(t *testing.T, contentType, body string) {
		s := New(Options{Script: func(string, int) Behavior { return Behavior{} }})
		r := httptest.NewRequest(http.MethodPost, "/api/v2/chat/notifyUserNewChatMessage", strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("apiKey", APIKey)
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != 200 && w.Code != 400 {
			t.Fatalf("%d", w.Code)
		}
	})
}
