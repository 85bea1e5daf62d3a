package chat2desk_test

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

	"github.com/hermodhq/hermod/plugins/chat2desk/chat2desksim"
	"github.com/hermodhq/hermod/plugins/chat2desk/internal/chat2deskapi"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

func post(path string, body string) *connector.Request {
	return &connector.Request{Method: http.MethodPost, Path: path, Header: http.Header{}, Body: []byte(body)}
}

// TestPayloads holds the event of every payload, and that every event of the document has one.
func TestPayloads(t *testing.T) {
	_, url := startSim(t, chat2desksim.Options{})
	a := openAccount(t, url, nil)
	files, err := filepath.Glob("testdata/payloads/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("payloads are missing", err)
	}
	types := map[message.EventType]bool{}
	for _, name := range vendor().Describe().Events {
		types[name] = true
	}
	for _, name := range chat2deskapi.Events() {
		if _, err := os.Stat("testdata/payloads/" + name + ".json"); err != nil {
			t.Errorf("event %s has no payload: %v", name, err)
		}
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		res, events, err := a.Receive(t.Context(), post("/events", string(raw)))
		if err != nil || res != nil || len(events) != 1 {
			t.Fatalf("%s: %v %v %v", file, res, events, err)
		}
		e := events[0]
		if string(e.Vendor) != string(raw) || e.Time.IsZero() || !strings.HasPrefix(string(e.ID), "chat2desk-") || e.Account != "c2d" {
			t.Errorf("%s: event %+v", file, e)
		}
		if !types[e.Type] && !strings.HasSuffix(file, "event_unknown.json") && !strings.HasSuffix(file, "outbox_status_unknown.json") {
			t.Errorf("%s: type %s is not described", file, e.Type)
		}
		e.ID, e.Vendor = "", nil
		if time.Since(e.Time) < time.Hour {
			e.Time = time.Time{}
		}
		out, err := json.MarshalIndent(e, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("payloads", strings.TrimSuffix(filepath.Base(file), ".json")+".golden"), string(out)+"\n")
	}
}

// TestReceiptFields holds the settings for what outbox_status does not document, and the storage host.
func TestReceiptFields(t *testing.T) {
	_, url := startSim(t, chat2desksim.Options{})
	a := openAccount(t, url, map[string]any{"receipt_id": "mid", "receipt_status": "state", "receipt_error": "reason", "storage_url": "https://storage.example/"})
	_, events, err := a.Receive(t.Context(), post("/events", `{"hook_type":"outbox_status","data":{"mid":7,"state":"failed","reason":"attachment too large","message_id":8,"status":"read"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if r := events[0].Receipt; r.VendorID != "7" || r.Outcome != message.Failed || r.Fault.Class != fault.ContentRejected {
		t.Errorf("receipt %+v", r)
	}
	_, events, err = a.Receive(t.Context(), post("/events", `{"hook_type":"inbox","message_id":1,"video":"companies/c/v.mp4"}`))
	if err != nil || events[0].Inbound.Content.Media.URL != "https://storage.example/companies/c/v.mp4" {
		t.Errorf("%+v %v", events[0].Inbound, err)
	}
}

// TestReceiveRefused holds what is no event.
func TestReceiveRefused(t *testing.T) {
	_, url := startSim(t, chat2desksim.Options{})
	a := openAccount(t, url, nil)
	for name, body := range map[string]string{"empty": "", "garbage": "<html>", "array": "[]", "null": "null", "number": " 7", "text": `"x"`} {
		t.Run(name, func(t *testing.T) {
			_, events, err := a.Receive(t.Context(), post("/events", body))
			wantFault(t, err, fault.ContentRejected, "payload_invalid")
			if len(events) != 0 {
				t.Error("there are events beside the error")
			}
		})
	}
	for _, path := range []string{"/", "/other", ""} {
		if res, _, err := a.Receive(t.Context(), post(path, "")); err != nil || res.Status != 404 {
			t.Errorf("path %q: %v %v", path, res, err)
		}
	}
	const start, end = `{"hook_type":"inbox","text":"`, `"}`
	if _, events, err := a.Receive(t.Context(), post("/events", start+strings.Repeat("x", 1<<20-len(start+end))+end)); err != nil || len(events) != 1 {
		t.Errorf("1 MiB: %d events, %v", len(events), err)
	}
	if res, _, err := a.Receive(t.Context(), post("/events", strings.Repeat(" ", 1<<20+1))); err != nil || res.Status != 413 {
		t.Errorf("too long: %v %v", res, err)
	}
	if res, _, err := a.Receive(t.Context(), &connector.Request{Method: "GET", Path: "/events"}); err != nil || res.Status != 405 || res.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %v %v", res, err)
	}
}

// TestWebhookAuth holds the strict default, the settings of the signature, the secret in the path, and the mode without either.
func TestWebhookAuth(t *testing.T) {
	_, url := startSim(t, chat2desksim.Options{})
	const body = `{"hook_type":"inbox","message_id":1}`
	sha1base64 := map[string]any{"signature_header": "X-Sign", "signature_algorithm": "sha1", "signature_encoding": "base64", "signature_prefix": "sha1="}
	sign := func(s chat2deskapi.Signature) string {
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		return s.Sign(nil, []byte(body))
	}
	right := sign(chat2deskapi.Signature{Secret: secret})
	tests := []struct {
		name, auth, secret string
		settings           map[string]any
		path               string
		header             http.Header
		code               string
	}{
		{"signed", "", secret, nil, "/events", http.Header{"X-Chat2desk-Signature": {right}}, ""},
		{"set otherwise", "hmac", secret, sha1base64, "/events", http.Header{"X-Sign": {sign(chat2deskapi.Signature{Secret: secret, Algorithm: "sha1", Encoding: "base64", Prefix: "sha1="})}}, ""},
		{"no signature", "", secret, nil, "/events", http.Header{}, "webhook_signature"},
		{"empty signature", "", secret, nil, "/events", http.Header{"X-Chat2desk-Signature": {""}}, "webhook_signature"},
		{"two signatures", "", secret, nil, "/events", http.Header{"X-Chat2desk-Signature": {right, right}}, "webhook_signature"},
		{"wrong signature", "", secret, nil, "/events", http.Header{"X-Chat2desk-Signature": {"00" + right[2:]}}, "webhook_signature"},
		{"half a signature", "", secret, nil, "/events", http.Header{"X-Chat2desk-Signature": {right[:32]}}, "webhook_signature"},
		{"another secret", "", "other", nil, "/events", http.Header{"X-Chat2desk-Signature": {right}}, "webhook_signature"},
		{"without prefix", "", secret, sha1base64, "/events", http.Header{"X-Sign": {right}}, "webhook_signature"},
		{"no secret", "", "", nil, "/events", http.Header{"X-Chat2desk-Signature": {right}}, "webhook_secret_missing"},
		{"path", "path", secret, nil, "/events/" + secret, nil, ""},
		{"path without secret", "path", secret, nil, "/events", nil, "webhook_secret"},
		{"path not set", "path", "", nil, "/events/", nil, "webhook_secret_missing"},
		{"unsigned mode", "none", "", nil, "/events", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			settings := map[string]any{"webhook_auth": tt.auth, "webhook_secret": tt.secret}
			for k, v := range tt.settings {
				settings[k] = v
			}
			req := post(tt.path, body)
			req.Header = tt.header
			_, events, err := openAccount(t, url, settings).Receive(t.Context(), req)
			if tt.code == "" {
				if err != nil || len(events) != 1 {
					t.Error(err)
				}
				return
			}
			wantFault(t, err, fault.Unauthorized, tt.code)
			if strings.Contains(err.Error(), right[:8]) || strings.Contains(err.Error(), secret) {
				t.Errorf("the error hands out the answer: %v", err)
			}
		})
	}
	// What is not proved is not read.
	_, _, err := openAccount(t, url, map[string]any{"webhook_auth": "hmac", "webhook_secret": secret}).Receive(t.Context(), post("/events", "<html>"))
	wantFault(t, err, fault.Unauthorized, "webhook_signature")
}

// TestEventIDs holds that repeats have one id, and different happenings have different ones.
func TestEventIDs(t *testing.T) {
	_, url := startSim(t, chat2desksim.Options{})
	a := openAccount(t, url, nil)
	id := func(body string) message.EventID {
		_, events, err := a.Receive(t.Context(), post("/events", body))
		if err != nil {
			t.Fatal(err)
		}
		return events[0].ID
	}
	inbox := id(`{"hook_type":"inbox","type":"from_client","message_id":1,"text":"a"}`)
	for body, same := range map[string]bool{
		`{"hook_type":"inbox","type":"from_client","message_id":1,"text":"a","event_time":"2026-01-02T03:04:05Z"}`: true, // delivered again
		`{"hook_type":"outbox","type":"to_client","message_id":1}`:                                                 false,
		`{"hook_type":"inbox","type":"from_client","message_id":2,"text":"a"}`:                                     false,
	} {
		if (id(body) == inbox) != same {
			t.Errorf("%s: same is %v", body, !same)
		}
	}
	closed := `{"hook_type":"close_dialog","dialog_id":1,"event_time":"2026-01-02T03:04:05Z"}`
	if id(closed) != id(closed+"\n") || id(closed) == id(strings.Replace(closed, "05Z", "06Z", 1)) {
		t.Error("a payload with a time is its own id")
	}
	status := `{"hook_type":"outbox_status","data":{"message_id":1,"status":"read"},"event_time":"2026-01-02T03:04:05Z"}`
	if id(status) != id(strings.Replace(status, "05Z", "06Z", 1)) || id(status) == id(strings.Replace(status, "read", "sent", 1)) {
		t.Error("a state of a message is one happening")
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
		h.mu.Lock()
		defer h.mu.Unlock()
		_, events, err := h.a.Receive(r.Context(), &connector.Request{Method: r.Method, Path: r.URL.Path, Header: r.Header, Body: body})
		if err != nil {
			w.WriteHeader(http.StatusForbidden)
			return
		}
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

func (h *host) types() (list []message.EventType) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		list = append(list, e.Type)
	}
	return list
}

func (h *host) open(t *testing.T, url string, settings map[string]any) connector.Account {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.a = openAccount(t, url, settings)
	return h.a
}

// watched starts a simulator that signs and sends all its events to a host.
func watched(t *testing.T, data map[string][]object) (*chat2desksim.Sim, *host) {
	h := startHost(t)
	if data == nil {
		data = map[string][]object{}
	}
	data["webhooks"] = []object{{"id": 1, "name": "host", "url": h.URL + "/events", "events": chat2deskapi.Events(), "status": "enable"}}
	sim, url := startSim(t, chat2desksim.Options{Data: data, Signature: chat2desksim.Signature{Secret: secret}})
	h.open(t, url, map[string]any{"webhook_auth": "hmac", "webhook_secret": secret})
	return sim, h
}

// TestReceipts sends messages and waits for the simulator's own webhook calls, signed.
func TestReceipts(t *testing.T) {
	tests := map[string]struct {
		suffix string
		want   []message.Outcome
		class  fault.Class
	}{
		"not delivered": {"10", []message.Outcome{message.Accepted, message.Failed}, fault.Internal},
		"sent":          {"13", []message.Outcome{message.Accepted, message.Sent}, ""},
		"read":          {"15", []message.Outcome{message.Accepted, message.Sent, message.Delivered, message.Read}, ""},
		"fails later":   {"30", []message.Outcome{message.Accepted, message.Sent, message.Failed}, fault.InvalidRecipient},
		"out of order":  {"31", []message.Outcome{message.Accepted, message.Read, message.Sent, message.Delivered, message.Delivered}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, h := watched(t, people(tt.suffix))
			x := deliver(t, h.a, text("whatsapp", "+4477009001"+tt.suffix))
			if x.Err != nil {
				t.Fatal(x.Err)
			}
			eventually(t, "receipts", func() bool { return len(h.receipts()) >= len(tt.want) })
			for i, r := range h.receipts() {
				if r.Outcome != tt.want[i] || r.VendorID != x.Result.VendorID || r.At.IsZero() {
					t.Errorf("receipt %d: %+v, want %s", i, r, tt.want[i])
				}
				if i == 0 && (r.Message != "01HX" || r.Attempt != 1) {
					t.Errorf("the outbox does not name its attempt: %+v", r)
				}
				if r.Outcome == message.Failed && r.Fault.Class != tt.class {
					t.Errorf("fault %v, want %s", r.Fault, tt.class)
				}
			}
		})
	}
}

// TestReceiptAfterUnknown holds that a receipt names the attempt although the answer, and with it the vendor's id, was lost.
func TestReceiptAfterUnknown(t *testing.T) {
	sim, h := watched(t, people("24"))
	sim.Next("GET messages", chat2desksim.Behavior{Status: 500}) // the look for the message fails as well
	d := text("whatsapp", "+447700900124")
	d.Message, d.Attempt = "01LOST", 3
	wantFault(t, deliver(t, h.a, d).Err, fault.OutcomeUnknown, "connection_lost")
	eventually(t, "the outbox", func() bool { return len(h.receipts()) >= 1 })
	if r := h.receipts()[0]; r.Message != "01LOST" || r.Attempt != 3 || r.Outcome != message.Accepted || r.VendorID == "" {
		t.Errorf("receipt %+v", r)
	}
}

// TestWebhookEvents lets the simulator send its own events.
func TestWebhookEvents(t *testing.T) {
	_, h := watched(t, nil)
	for _, c := range [][2]string{
		{"message.inbox", `{"channel_id":8,"body":"hello","from_client":{"id":"u-1"}}`},
		{"client.update", `{"id":100,"nickname":"Ada L"}`},
		{"tag.assign", `{"tag_ids":[1],"assignee_type":"client","assignee_id":100}`},
		{"message.transfer", `{"id":502,"operator_id":3}`},
		{"dialog.update", `{"id":31,"state":"closed"}`},
		{"ticket.create", `{"fields":{"summary":"x"}}`},
		{"operator.update", `{"id":3,"status_id":2}`},
		{"message.send", `{"client_id":100,"text":"note","type":"comment","open_dialog":false}`},
	} {
		if _, err := h.a.Invoke(t.Context(), c[0], json.RawMessage(c[1])); err != nil {
			t.Fatal(err)
		}
	}
	want := []message.EventType{"contact.created", "chat2desk.new_request", "message.received", "contact.updated", "contact.updated", "chat2desk.dialog_transferred",
		"chat2desk.close_request", "conversation.closed", "ticket.created", "operator.status_changed", "chat2desk.comment"}
	eventually(t, "events", func() bool { return len(h.types()) >= len(want) })
	sameJSON(t, "the events", h.types(), want)
	if e := h.events[7]; e.User != "100" || e.Conversation != "31" {
		t.Errorf("conversation %+v", e)
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
		f.Add(string(raw))
	}
	_, url := startSim(f, chat2desksim.Options{})
	a := openAccount(f, url, nil)
	f.Fuzz(func(t *testing.T, body string) {
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
