package convrsapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func FuzzReply(f *testing.F) {
	for _, s := range []string{`{"ok":1,"data":{"uid":"u"}}`, `{"ok":0,"errorCode":1005}`, `{"ok":1,"template":null}`, `{`, `null`, `{"ok":1,"data":7}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, from := range []place{beside, inData, inTemplate} {
			_, err := open("GetUser", raw, from)
			_, refused := errors.AsType[*Error](err)
			noReply, none := errors.AsType[*NoReplyError](err)
			if err != nil && !refused && (!none || !noReply.Sent) {
				t.Fatalf("%v", err)
			}
		}
		if p, err := ParsePush(raw); err == nil && p.IsCallback() && (p.MID == "" || p.Ack == nil) {
			t.Fatalf("%+v", p)
		}
	})
}

func FuzzTime(f *testing.F) {
	f.Add("2024-11-14T14:28:08")
	f.Add("2020-04-23T16:15:24.000Z")
	f.Fuzz(func(t *testing.T, s string) {
		if got := ParseTime(s); !got.IsZero() && got.Location() != time.UTC {
			t.Fatalf("%s", got)
		}
	})
}

func TestParseTime(t *testing.T) {
	want := time.Date(2024, 11, 14, 14, 28, 8, 0, time.UTC)
	for _, s := range []string{"2024-11-14T14:28:08", "2024-11-14T14:28:08Z", "2024-11-14T14:28:08.000Z", "2024-11-14T15:28:08+01:00", "2024-11-14 14:28:08"} {
		if got := ParseTime(s); !got.Equal(want) {
			t.Errorf("%s gives %s", s, got)
		}
	}
	if !ParseTime("soon").IsZero() {
		t.Error("soon is no time")
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{}, {Token: "t", URL: "http://data.conv.rs/api"}, {Token: "t", URL: "ftp://localhost"}, {Token: "t", SocketURL: "ws://data.conv.rs/api"}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	for _, url := range []string{"", "https://eu.conv.rs/api", "http://127.0.0.1:1/api", "http://[::1]:1/api", "http://localhost:1/api"} {
		c, err := New(Options{Token: "t", URL: url})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestHeartbeat holds that heartbeats are sent, and that a silent connection is given up.
func TestHeartbeat(t *testing.T) {
	beats := make(chan string, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = ws.CloseNow() }()
		for first := true; ; first = false {
			_, raw, err := ws.Read(r.Context())
			if err != nil {
				return
			}
			if first && ws.Write(r.Context(), websocket.MessageText, []byte(`{"cmd":"connected","ok":1}`)) != nil {
				return
			}
			select {
			case beats <- string(raw):
			default:
			}
		}
	}))
	defer srv.Close()
	c, err := New(Options{Token: "t", URL: srv.URL, Heartbeat: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Listen(t.Context(), nil)
	if err == nil || err.Error() != "convrs: the websocket fell silent" {
		t.Errorf("got %v", err)
	}
	if first, second := <-beats, <-beats; first != `{"cmd":"connect","token":"t"}` || second != `{"cmd":"heartbeat"}` {
		t.Errorf("sent %s, %s", first, second)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Listen(t.Context(), nil); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestEventBeforeConnected holds that an event which comes before the answer to connect is neither lost nor taken for it.
func TestEventBeforeConnected(t *testing.T) {
	event := `{"cmd":"onUserDelete","ok":1,"uid":"u"}`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = ws.CloseNow() }()
		for _, frame := range []string{event, `{"cmd":"connected","ok":1}`} {
			if ws.Write(r.Context(), websocket.MessageText, []byte(frame)) != nil {
				return
			}
		}
		for err == nil {
			_, _, err = ws.Read(r.Context())
		}
	}))
	defer srv.Close()
	c, err := New(Options{Token: "t", URL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	var got []string
	enough := errors.New("enough")
	err = c.Listen(t.Context(), func(_ context.Context, push json.RawMessage) error {
		got = append(got, string(push))
		return enough
	})
	if !errors.Is(err, enough) || len(got) != 1 || got[0] != event {
		t.Errorf("heard %q, %v", got, err)
	}
}
