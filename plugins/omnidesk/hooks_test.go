package omnidesk_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hermodhq/hermod/plugins/omnidesk/omnidesksim"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// form writes multipart with boundary b; a name with a file name in it is a file part: "file;a.png".
func form(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		name, file, is := strings.Cut(pairs[i], ";")
		b.WriteString("--b\r\nContent-Disposition: form-data; name=\"" + name + "\"")
		if is {
			b.WriteString("; filename=\"" + file + "\"")
		}
		b.WriteString("\r\n\r\n" + pairs[i+1] + "\r\n")
	}
	return b.String() + "--b--\r\n"
}

const parts = "multipart/form-data; boundary=b"

// TestSeveralFiles holds that every file of a call becomes an event of its own, always in the same order and with the same id, and that a
// file beside a text is not lost.
func TestSeveralFiles(t *testing.T) {
	_, url := startSim(t, omnidesksim.Options{})
	a := openAccount(t, url, nil)
	receive := func(hook, body string) []message.Event {
		res, events, err := a.Receive(t.Context(), call("/"+hook, parts, "", body))
		if err != nil || res.Status != 200 {
			t.Fatal(res, err)
		}
		return events
	}
	upload := form("chatSessionID", "visitor-000001", "messageID", "7", "one;a.png", "first", "two;b.pdf", "second", "two;c.pdf", "second", "two;c.pdf", "second")
	events := receive("uploadForCustomer", upload)
	var said []string
	ids := map[message.EventID]bool{}
	for _, e := range events {
		ids[e.ID] = true
		if e.Type != message.EventMessageReceived || e.Inbound.Content.Media == nil {
			t.Fatalf("%+v", e)
		}
		m := e.Inbound.Content.Media
		said = append(said, m.Type+" "+m.Name+" "+string(m.Data))
	}
	if want := []string{"image a.png first", "document b.pdf second", "document c.pdf second", "document c.pdf second"}; !slices.Equal(said, want) || len(ids) != 4 {
		t.Errorf("got %q with ids %v", said, ids)
	}
	for range 20 {
		if again := receive("uploadForCustomer", upload); len(again) != len(events) || again[0].ID != events[0].ID || again[1].ID != events[1].ID {
			t.Fatal("a repeat has other ids")
		}
	}
	both := receive("messageForCustomer", form("chatSessionID", "visitor-000001", "message", "See this.", "file;a.png", "first"))
	if len(both) != 1 || both[0].Inbound.Content.Text != "See this." || string(both[0].Inbound.Content.Media.Data) != "first" {
		t.Errorf("%+v", both)
	}
}

// TestHookDefaults holds the settings of hooks where they are left out: equal calls are one event within a minute, and times are UTC.
func TestHookDefaults(t *testing.T) {
	omnideskConnector() // what is made once must not be of the test's own time
	synctest.Test(t, func(t *testing.T) {
		event := func(settings map[string]any, body string) message.Event {
			_, events, err := openAccount(t, "https://account.omnidesk.com", settings).Receive(t.Context(), call("/messageForCustomer", "application/json", "", body))
			if err != nil || len(events) != 1 {
				t.Fatal(events, err)
			}
			return events[0]
		}
		const plain, timed = `{"chatSessionID":"visitor-000001","message":"ok"}`, `{"chatSessionID":"visitor-000001","message":"ok","createdAt":"2026-01-31 09:05:00"}`
		first := event(nil, plain).ID // at the beginning of a minute
		time.Sleep(59 * time.Second)
		if event(nil, plain).ID != first {
			t.Error("after 59 seconds the same call is another event")
		}
		time.Sleep(time.Second)
		if event(nil, plain).ID == first {
			t.Error("after a minute the same call is no other event")
		}
		for zone, hour := range map[string]int{"": 9, "Europe/Amsterdam": 8} {
			if at := event(map[string]any{"time_zone": zone}, timed).Time.UTC(); at.Hour() != hour || at.Minute() != 5 {
				t.Errorf("time_zone %q gives %s", zone, at)
			}
		}
	})
}

// TestHookRepeats holds that a call that comes again is the same event, though it may say when or how often it was sent, and that an edited
// message is another.
func TestHookRepeats(t *testing.T) {
	_, url := startSim(t, omnidesksim.Options{})
	id := func(settings map[string]any, body string) message.EventID {
		_, events, err := openAccount(t, url, settings).Receive(t.Context(), call("/messageForCustomer", "application/json", "", body))
		if err != nil || len(events) != 1 {
			t.Fatal(events, err)
		}
		return events[0].ID
	}
	first := id(nil, `{"chatSessionID":"visitor-000001","message":"ok","messageID":7,"attempt":1}`)
	if first != id(nil, `{"messageID":"7","attempt":2,"message":"ok","chatSessionID":"visitor-000001"}`) {
		t.Error("a repeat has another id")
	}
	for _, other := range []string{`{"chatSessionID":"visitor-000001","message":"ok!","messageID":7}`, `{"chatSessionID":"visitor-000002","message":"ok","messageID":7}`, `{"chatSessionID":"visitor-000001","message":"ok","messageID":8}`} {
		if first == id(nil, other) {
			t.Errorf("%s has the id of another message", other)
		}
	}
	plain := `{"chatSessionID":"visitor-000001","message":"ok"}`
	for window, same := range map[string]bool{"0s": false, "8760h": true} {
		settings := map[string]any{"hook_repeats": window}
		if one, two := id(settings, plain), id(settings, plain); (one == two) != same {
			t.Errorf("within %s equal calls have the ids %s and %s", window, one, two)
		}
	}
}

// TestSameNames holds that of names that differ in writing only, the same is always taken.
func TestSameNames(t *testing.T) {
	_, url := startSim(t, omnidesksim.Options{})
	a := openAccount(t, url, nil)
	for range 20 {
		for _, c := range [][2]string{{"", "chatSessionID=visitor-000001&Message=first&message=second&mess_age=third"}, {parts, form("chatSessionID", "visitor-000001", "message", "second", "Message", "first")},
			{"Multipart/Form-Data; boundary=b", form("chatSessionID", "visitor-000001", "Message", "", "message", "first")}} {
			_, events, err := a.Receive(t.Context(), call("/messageForCustomer", c[0], "", c[1]))
			if err != nil || events[0].Inbound == nil || events[0].Inbound.Content.Text != "first" {
				t.Fatalf("%s: %+v %v", c[1], events, err)
			}
		}
	}
	for _, contentType := range []string{"multipart/related; boundary=b", "multipart/form-data"} {
		_, _, err := a.Receive(t.Context(), call("/messageForCustomer", contentType, "", form("message", "Hi")))
		wantFault(t, err, fault.ContentRejected, "payload_invalid") // and not an event that holds nothing
	}
}

// TestHookAuth holds the strict default, and the stated mode without it.
func TestHookAuth(t *testing.T) {
	_, url := startSim(t, omnidesksim.Options{})
	for _, tt := range []struct{ auth, secret, path, code string }{
		{"", secret, "/" + secret + "/messageForCustomer", ""}, {"path", secret, "/" + secret + "/messageForCustomer", ""}, {"none", "", "/messageForCustomer", ""},
		{"", "", "/messageForCustomer", "hook_secret_missing"}, {"path", "", "//messageForCustomer", "hook_secret_missing"}, {"", secret, "/messageForCustomer", "hook_secret"},
		{"none", secret, "/messageForCustomer", "hook_secret"}, {"none", secret, "/" + secret + "/messageForCustomer", ""},
	} {
		a := openAccount(t, url, map[string]any{"hook_auth": tt.auth, "hook_secret": tt.secret})
		for _, body := range []string{"chatSessionID=visitor-000001&message=Hi", "{"} {
			_, events, err := a.Receive(t.Context(), call(tt.path, "", "", body))
			switch {
			case tt.code != "":
				wantFault(t, err, fault.Unauthorized, tt.code)
				silent(t, err.Error())
			case body == "{":
				wantFault(t, err, fault.ContentRejected, "payload_invalid")
			case err != nil || len(events) != 1:
				t.Errorf("%+v: %v", tt, err)
			}
		}
	}
}

// TestSettings holds what would fail at every call, and is refused when the account is opened instead.
func TestSettings(t *testing.T) {
	const url = "https://account.omnidesk.com"
	for name, s := range map[string]map[string]any{
		"prefix": {"session_prefix": "tel_"}, "long prefix": {"session_prefix": strings.Repeat("x", 51)}, "plus inside": {"session_prefix": "a+"}, "end hook": {"end_hook": "/end.php"}, "channel": {"channel_id": -1},
		"connections": {"connections": -1}, "auth of hooks": {"hook_auth": "hmac"}, "repeats": {"hook_repeats": "often"}, "negative repeats": {"hook_repeats": "-1s"},
		"path without id": {"paths": map[string]string{"DELETE customer/{id}": "customer"}}, "path with id": {"paths": map[string]string{"POST ticket": "ticket/{id}"}},
		"path up": {"paths": map[string]string{"POST ticket": "../ticket"}}, "path with query": {"paths": map[string]string{"POST ticket": "ticket?a=1"}}, "empty path": {"paths": map[string]string{"POST ticket": ""}},
	} {
		if a, err := tryOpen(t, url, s); a != nil || err == nil {
			t.Errorf("%s is accepted", name)
		} else {
			wantFault(t, err, fault.Misconfigured, "config_invalid")
		}
	}
	sim, base := startSim(t, omnidesksim.Options{})
	s := maps.Clone(documented)
	s["chat_server"] = "https://chat.example/hooks/" // Omnidesk puts a slash behind it
	if x := deliver(t, openAccount(t, base, s), text(ada)); x.Err != nil || last(t, sim).Form.Get("chatServer") != "https://chat.example/hooks" {
		t.Errorf("%+v, chatServer %s", x, last(t, sim).Form.Get("chatServer"))
	}
}
