package convrs_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hermodhq/hermod/plugins/convrs/convrssim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

func post(path string, body []byte) *connector.Request {
	return &connector.Request{Method: http.MethodPost, Path: path, Body: body}
}

// TestPayloads holds the event of every captured payload, on both paths.
func TestPayloads(t *testing.T) {
	sim, url := startSim(t, convrssim.Options{Users: []convrssim.User{{UID: "73-tel-615940546", Name: "Ada", Phone: ada, Bot: "Telegram"}}})
	a := openAccount(t, url, "", nil)
	files, err := filepath.Glob("testdata/payloads/*.json")
	if err != nil || len(files) < 14 {
		t.Fatal("payloads are missing", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/events", "/callback"} {
			res, events, err := a.Receive(t.Context(), post(path, raw))
			if err != nil || res != nil || len(events) != 1 {
				t.Fatalf("%s: %v %v %v", file, res, events, err)
			}
			e := events[0]
			if string(e.Vendor) != string(raw) || e.Time.IsZero() || !strings.HasPrefix(string(e.ID), "convrs-") {
				t.Errorf("%s: event %+v", file, e)
			}
			e.ID, e.Vendor, e.Time = "", nil, time.Time{}
			out, err := json.MarshalIndent(e, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("payloads", strings.TrimSuffix(filepath.Base(file), ".json")+".golden"), string(out)+"\n")
		}
	}
	sim.Next("GetUser", convrssim.Behavior{Status: 500})
	raw, err := os.ReadFile("testdata/payloads/onUserConversation.json")
	if err != nil {
		t.Fatal(err)
	}
	_, events, err := a.Receive(t.Context(), post("/events", raw))
	if err != nil || events[0].Contact.User != "73-tel-615940546" || events[0].Contact.Phone != "" {
		t.Errorf("without a lookup: %+v %v", events, err)
	}
}

// TestContactLookupIsBounded holds that the answer to a webhook call does not wait for a Convrs that is slow, and that what is known then
// goes into the event.
func TestContactLookupIsBounded(t *testing.T) {
	body := []byte(`{"cmd":"onUserConversation","ok":1,"uid":"u","data":[{"uid":"u","msg":"Hi","type":"text","sender":"client"}]}`)
	for name, tt := range map[string]struct {
		lookup any
		hang   bool
		most   time.Duration
		name   string
	}{
		"usual":   {nil, true, time.Second, ""},
		"none":    {"0s", true, 200 * time.Millisecond, ""},
		"patient": {"10s", false, 10 * time.Second, "Ada"},
	} {
		sim, url := startSim(t, convrssim.Options{Users: []convrssim.User{{UID: "u", Name: "Ada"}}})
		a := openAccount(t, url, "", map[string]any{"contact_lookup": tt.lookup})
		sim.Next("GetUser", convrssim.Behavior{Hang: tt.hang})
		began := time.Now()
		_, events, err := a.Receive(t.Context(), post("/events", body))
		if took := time.Since(began); took > tt.most {
			t.Errorf("%s: the answer took %s", name, took)
		}
		if err != nil || len(events) != 1 || len(events[0].Messages) != 1 || events[0].Contact.User != "u" || events[0].Contact.Name != tt.name {
			t.Errorf("%s: %+v, %v", name, events, err)
		}
		if asked := len(commandsOf(sim, "GetUser")); (asked == 0) != (tt.lookup == "0s") {
			t.Errorf("%s: asked %d times", name, asked)
		}
	}
}

// TestReceiveRefused holds what is no event.
func TestReceiveRefused(t *testing.T) {
	_, url := startSim(t, convrssim.Options{})
	a := openAccount(t, url, "", nil)
	for name, body := range map[string]string{"empty": "", "garbage": "<html>", "array": "[]", "null": "null", "neither": `{"ok":1}`, "no ack": `{"mid":"m"}`,
		"unknown ack": `{"mid":"m","ack":7}`, "ack as text": `{"mid":"m","ack":"x"}`, "user not an object": `{"cmd":"onUserCreate","data":[]}`,
		"rows not a list": `{"cmd":"onUserConversation","uid":"u","data":{}}`, "null user": `{"cmd":"onUserCreate","ok":1,"data":null}`,
		"nobody created": `{"cmd":"onUserCreate","ok":1,"data":{"name":"Ada"}}`, "nobody updated": `{"cmd":"onUserUpdate","ok":1,"data":{"update":{}}}`,
		"nobody deleted": `{"cmd":"onUserDelete","ok":1}`, "nobody's conversation": `{"cmd":"onUserConversation","ok":1,"uid":null,"data":[]}`,
		"no data": `{"cmd":"onUserUpdate"}`} {
		t.Run(name, func(t *testing.T) {
			_, events, err := a.Receive(t.Context(), post("/events", []byte(body)))
			wantFault(t, err, fault.ContentRejected, "payload_invalid")
			if len(events) != 0 {
				t.Error("there are events beside the error")
			}
		})
	}
	for path, want := range map[string]int{"/": 404, "/other": 404, "": 404} {
		if res, _, err := a.Receive(t.Context(), post(path, nil)); err != nil || res.Status != want {
			t.Errorf("path %q: %v %v", path, res, err)
		}
	}
	if res, _, err := a.Receive(t.Context(), &connector.Request{Method: "GET", Path: "/events"}); err != nil || res.Status != 405 || res.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %v %v", res, err)
	}
}

// TestWebhookSecret holds the two places of the secret, and that nothing else opens the door.
func TestWebhookSecret(t *testing.T) {
	_, url := startSim(t, convrssim.Options{})
	a := openAccount(t, url, "", map[string]any{"webhook_secret": secret})
	body := []byte(`{"cmd":"onUserDelete","ok":1,"uid":"u"}`)
	odd := "sécret/with %25 & +?"
	_, _, err := openAccount(t, url, "", map[string]any{"webhook_secret": odd}).Receive(t.Context(), &connector.Request{Method: "POST", Path: "/callback/" + odd, Body: body})
	if err != nil {
		t.Errorf("a secret of odd characters: %v", err)
	}
	tests := []struct {
		path, query string
		ok          bool
	}{
		{"/events/" + secret, "", true}, {"/callback/" + secret, "", true}, {"/events", "secret=" + secret, true},
		{"/events", "", false}, {"/events/", "secret=", false}, {"/events/" + secret + "x", "", false}, {"/events/x", "secret=" + secret, false}, {"/events", "secret=%zz", false},
	}
	for _, tt := range tests {
		_, _, err := a.Receive(t.Context(), &connector.Request{Method: "POST", Path: tt.path, Query: tt.query, Body: body})
		if tt.ok && err != nil {
			t.Errorf("%+v: %v", tt, err)
		}
		if !tt.ok {
			wantFault(t, err, fault.Unauthorized, "webhook_secret")
		}
	}
}

// TestWebhooksUnchecked holds that webhook calls are believed only where that is asked for.
func TestWebhooksUnchecked(t *testing.T) {
	_, url := startSim(t, convrssim.Options{})
	for name, tt := range map[string]struct {
		settings map[string]any
		path     string
		code     string // of the refusal
	}{
		"nothing said":        {map[string]any{"webhook_auth": nil}, "/events", "webhook_secret_missing"},
		"an empty secret":     {map[string]any{"webhook_auth": nil}, "/events/", "webhook_secret_missing"},
		"path, and no secret": {map[string]any{"webhook_auth": "path"}, "/callback/x", "webhook_secret_missing"},
		"path, and a secret":  {map[string]any{"webhook_auth": "path", "webhook_secret": secret}, "/events", "webhook_secret"},
		"none":                {map[string]any{"webhook_auth": "none"}, "/events", ""},
		"none, and a secret":  {map[string]any{"webhook_auth": "none", "webhook_secret": secret}, "/events", ""},
	} {
		_, events, err := openAccount(t, url, "", tt.settings).Receive(t.Context(), post(tt.path, []byte(`{"cmd":"onUserDelete","ok":1,"uid":"u"}`)))
		if tt.code == "" && (err != nil || len(events) != 1) {
			t.Errorf("%s: %v %v", name, events, err)
		}
		if tt.code != "" {
			wantFault(t, err, fault.Unauthorized, tt.code)
		}
	}
}

// TestEventIDs holds that repeats have one id, and different happenings have different ones.
func TestEventIDs(t *testing.T) {
	_, url := startSim(t, convrssim.Options{})
	a := openAccount(t, url, "", nil)
	id := func(body string) message.EventID {
		_, events, err := a.Receive(t.Context(), post("/callback", []byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		return events[0].ID
	}
	read := `{"mid":"m","ack":3,"timestamp":"2024-11-14T14:28:08"}`
	if id(read) != id(read+"\n") {
		t.Error("a repeat has another id")
	}
	if id(read) == id(`{"mid":"m","ack":2,"timestamp":"2024-11-14T14:28:08"}`) {
		t.Error("two acknowledgements have one id")
	}
}

// host is what the engine is to an account: it takes the vendor's webhook calls.
type host struct {
	*httptest.Server
	mu     sync.Mutex
	a      connector.Account
	events []message.Event
}

func startHost(t *testing.T) *host {
	h := &host{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, events, err := h.a.Receive(r.Context(), &connector.Request{Method: r.Method, Path: strings.TrimPrefix(r.URL.Path, "/webhooks"), Query: r.URL.RawQuery, Body: body})
		if err != nil {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events = append(h.events, events...)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *host) receipts() (list []message.Receipt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if e.Receipt != nil {
			list = append(list, *e.Receipt)
		}
	}
	return list
}

// TestCallbacks sends templates and waits for the simulator's own callbacks.
func TestCallbacks(t *testing.T) {
	tests := map[string]struct {
		phone string
		want  []message.Outcome
		class fault.Class
	}{
		"delivered":       {"+447700900114", []message.Outcome{message.Accepted, message.Sent, message.Delivered}, ""},
		"replied":         {"+447700900116", []message.Outcome{message.Accepted, message.Sent, message.Delivered, message.Read, message.Replied}, ""},
		"not on whatsapp": {"+447700900110", []message.Outcome{message.Failed}, fault.InvalidRecipient},
		"fails later":     {"+447700900130", []message.Outcome{message.Accepted, message.Sent, message.Failed}, fault.InvalidRecipient},
		"out of order":    {"+447700900131", []message.Outcome{message.Read, message.Sent, message.Delivered, message.Delivered, message.Accepted}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, url := startSim(t, convrssim.Options{})
			h := startHost(t)
			h.a = openAccount(t, url, h.URL+"/webhooks", map[string]any{"webhook_secret": secret})
			x := deliver(t, h.a, template(tt.phone, "Ada"))
			if x.Err != nil {
				t.Fatal(x.Err)
			}
			eventually(t, "callbacks", func() bool { return len(h.receipts()) >= len(tt.want) })
			for i, r := range h.receipts() {
				if r.Outcome != tt.want[i] || r.Message != "01HX" || r.Attempt != 1 || r.VendorID != x.Result.VendorID || r.At.IsZero() {
					t.Errorf("receipt %d: %+v, want %s", i, r, tt.want[i])
				}
				if r.Outcome == message.Failed && r.Fault.Class != tt.class {
					t.Errorf("fault %v, want %s", r.Fault, tt.class)
				}
			}
		})
	}
}

// TestCallbackAfterUnknown holds that a receipt names the attempt although the answer, and with it the vendor's id, was lost.
func TestCallbackAfterUnknown(t *testing.T) {
	_, url := startSim(t, convrssim.Options{})
	h := startHost(t)
	h.a = openAccount(t, url, h.URL+"/webhooks", nil)
	d := template("+447700900124")
	d.Message, d.Attempt = "01LOST", 3
	wantFault(t, deliver(t, h.a, d).Err, fault.OutcomeUnknown, "connection_lost")
	eventually(t, "callbacks", func() bool { return len(h.receipts()) >= 3 })
	if r := h.receipts()[2]; r.Message != "01LOST" || r.Attempt != 3 || r.Outcome != message.Delivered {
		t.Errorf("receipt %+v", r)
	}
}

// TestQuery holds the polled receipts of every acknowledgement code.
func TestQuery(t *testing.T) {
	var details []convrssim.Message
	want := map[int]message.Outcome{-2: message.Failed, -1: message.Failed, 0: message.Accepted, 1: message.Sent, 2: message.Delivered, 3: message.Read, 10: message.Replied}
	for ack := range want {
		details = append(details, convrssim.Message{MID: string(rune('a' + ack + 2)), Ack: ack})
	}
	sim, url := startSim(t, convrssim.Options{Details: append(details, convrssim.Message{MID: "odd", Ack: 7})})
	a := openAccount(t, url, "", nil)
	for ack, outcome := range want {
		r, err := a.Query(t.Context(), connector.Query{VendorID: message.VendorMessageID(rune('a' + ack + 2)), Message: "01HX", Attempt: 2, Channel: "sms"})
		if err != nil || r.Outcome != outcome || r.Message != "01HX" || r.Attempt != 2 || (outcome == message.Failed) != (r.Fault != nil) {
			t.Errorf("ack %d: %+v %v", ack, r, err)
		}
	}
	for vendorID, code := range map[message.VendorMessageID]string{"": "vendor_id_missing", "none": "message_id_unknown", "odd": "ack_unknown"} {
		if _, err := a.Query(t.Context(), connector.Query{VendorID: vendorID}); faultOf(t, err).Code != code {
			t.Errorf("%q: %v", vendorID, err)
		}
	}
	sim.Next("GetMessageDetails", convrssim.Behavior{Body: `{"ok":1,"cmd":"GetMessageDetails","uid":"u","botID":1,"ack":null}`},
		convrssim.Behavior{Body: `{"ok":0,"error":"no idea","errorCode":2042}`})
	for _, code := range []string{"ack_missing", "code_unknown"} {
		_, err := a.Query(t.Context(), connector.Query{VendorID: "a"})
		wantFault(t, err, fault.Internal, code)
	}
	x := deliver(t, a, text("sms", "+447700900114", ""))
	eventually(t, "delivery of the SMS", func() bool {
		r, err := a.Query(t.Context(), connector.Query{VendorID: x.Result.VendorID, Channel: "sms"})
		return err == nil && r.Outcome == message.Delivered
	})
}

// TestWebhookEvents lets the simulator send its own events.
func TestWebhookEvents(t *testing.T) {
	h := startHost(t)
	sim, url := startSim(t, convrssim.Options{WebhookURL: h.URL + "/webhooks/events"})
	h.a = openAccount(t, url, h.URL+"/webhooks", nil)
	if x := deliver(t, h.a, text("sms", ada, "")); x.Err != nil {
		t.Fatal(x.Err)
	}
	uid := "3942-cms-447700900140"
	if _, err := h.a.Invoke(t.Context(), "user.set_email", json.RawMessage(`{"uid":"`+uid+`","email":"ada@example.org"}`)); err != nil {
		t.Fatal(err)
	}
	for _, cmd := range []string{"onUserDisable", "onUserEnable"} {
		sim.Emit(map[string]any{"cmd": cmd, "ok": 1, "uid": uid})
	}
	sim.Say(convrssim.ConversationMessage{UID: uid, MID: "m1", Msg: "Hello", Type: "text", Sender: "client", Bot: "CMS", Date: "2020-12-15T10:30:00.000Z"})
	sim.CloseConversation(uid)
	sim.Emit(map[string]any{"cmd": "onUserDelete", "ok": 1, "uid": uid})
	want := []message.EventType{message.EventContactCreated, message.EventContactUpdated, message.EventContactBlocked, message.EventContactUnblocked, message.EventConversationClosed, message.EventContactDeleted}
	eventually(t, "events", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return len(h.events) >= len(want) })
	for i, e := range h.events {
		if e.Type != want[i] || string(e.User) != uid {
			t.Errorf("event %d is %s of %s, want %s", i, e.Type, e.User, want[i])
		}
	}
	if c := h.events[4]; c.Contact.Email != "ada@example.org" || c.Contact.Phone != ada || c.Messages[0].Content.Text != "Hello" || c.Messages[0].Channel != message.SMS {
		t.Errorf("conversation %+v", c)
	}
}

func FuzzReceive(f *testing.F) {
	files, err := filepath.Glob("testdata/payloads/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	_, url := startSim(f, convrssim.Options{})
	a := openAccount(f, url, "", map[string]any{"contact_lookup": "0s"})
	f.Fuzz(func(t *testing.T, body []byte) {
		_, events, err := a.Receive(t.Context(), post("/events", body))
		if (err == nil) != (len(events) == 1) {
			t.Fatalf("%d events, error %v", len(events), err)
		}
		for _, e := range events {
			if _, err := json.Marshal(e); err != nil || e.Type == "" || e.ID == "" {
				t.Fatalf("event %+v: %v", e, err)
			}
		}
	})
}
