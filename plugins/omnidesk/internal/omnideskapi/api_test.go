package omnideskapi

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hermodhq/hermod/sdk/vendorhttp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestDefaults holds what the options are where they are left out.
func TestDefaults(t *testing.T) {
	got := Options{}.withDefaults()
	want := Options{Encoding: "multipart", ChannelID: 8, Events: []string{"startedtyping", "stoppedtyping"}, SubmitStatuses: []string{"open", "pending", "holding", "solved"},
		Timeout: 15 * time.Second, Connections: 64, MaxReply: 16 << 20}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{`{"type":"items","items":[{}]}`, `{"status":"error","message":"x"}`, `{"type":"result","ticketID":"12"}`, `[`, `null`, `{"item":1}`, "\xff"} {
		f.Add(200, s)
		f.Add(400, s)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		r, err := open("GET ticket", &vendorhttp.Reply{Status: status, Body: []byte(body)}, len(body)%2 == 0)
		_, refused := errors.AsType[*Error](err)
		if _, odd := errors.AsType[*NoReplyError](err); err != nil && !refused && !odd {
			t.Fatal(err)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzParameters(f *testing.F) {
	f.Add("tel-447700900140", "https://chat.example/hooks", "Hi", 3)
	f.Fuzz(func(t *testing.T, session, server, text string, number int) {
		c, err := New(Options{URL: "https://account.omnidesk.com", APIKey: "k", ChatAccountToken: "simulatedChatToken"})
		if err != nil {
			t.Fatal(err)
		}
		in := ChatMessage{ChatSessionID: session, Message: text, MessageNumber: &number}
		in.ChatServer = server
		r, err := c.read(NotifyUserNewChatMessage.Info, reflect.ValueOf(in))
		fits := Allowed("session", session) && Allowed("server", server) && len(session) >= 10 && len(session) <= 65 && len(server) >= 5 && text != "" && number >= 1 && number <= 50
		if (err == nil) != fits {
			t.Fatalf("%+v: %v", in, err)
		}
		if err == nil {
			if _, _, err := c.encode(r); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestEndpoints holds that names are unique, and every rule of a parameter names a pattern that exists.
func TestEndpoints(t *testing.T) {
	names := map[string]bool{}
	for _, e := range Endpoints() {
		if names[e.Name()] || e.Summary == "" {
			t.Errorf("%s stands twice, or says nothing", e.Name())
		}
		names[e.Name()] = true
		for _, p := range e.params {
			if p.re != "" && patterns[p.re] == nil {
				t.Errorf("%s: %s has the unknown pattern %s", e.Name(), p.name, p.re)
			}
		}
	}
	if len(names) != 71 {
		t.Errorf("%d endpoints", len(names))
	}
}
