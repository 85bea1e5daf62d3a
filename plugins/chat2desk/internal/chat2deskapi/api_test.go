package chat2deskapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, h http.HandlerFunc, o Options) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	o.URL, o.Token = srv.URL+"/v1", "token-of-the-company"
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestEnvelope holds every known shape of an answer.
func TestEnvelope(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		data   string // of a good answer
		text   string // of a refusal
	}{
		{"one", 200, `{"data":{"id":1},"status":"success"}`, `{"id":1}`, ""},
		{"list", 200, `{"data":[],"meta":{"total":0,"limit":20,"offset":0},"status":"success"}`, `[]`, ""},
		{"status ok", 200, `{"data":[{"id":1}],"status":"ok"}`, `[{"id":1}]`, ""},
		{"status only", 200, `{"status":"success"}`, ``, ""},
		{"no content", 204, ``, ``, ""},
		{"bare list", 200, ` [{"id":1}]`, `[{"id":1}]`, ""},
		{"bare object", 200, `{"whatsapp":{}}`, `{"whatsapp":{}}`, ""},
		{"no status", 200, `{"data":{"id":1}}`, `{"id":1}`, ""},
		{"null errors", 200, `{"data":1,"errors":null,"message":"well","status":"success"}`, `1`, ""},
		{"a message whose own status is error", 200, `{"data":{"id":1,"status":"error"},"status":"success"}`, `{"id":1,"status":"error"}`, ""},
		{"message", 200, `{"status":"error","message":"not_found"}`, "", "not_found"},
		{"message without status", 200, `{"message":"not_found"}`, "", "not_found"},
		{"errors by field", 200, `{"status":"error","errors":{"url":["is already used"],"order":["is odd","is low"]}}`, "", "order: is odd; order: is low; url: is already used"},
		{"errors text", 200, `{"status":"error","errors":"Dialog already has state closed","message":""}`, "", "Dialog already has state closed"},
		{"errors list", 200, `{"status":"error","errors":["a",{"b":"c"},7]}`, "", "a; b: c; 7"},
		{"error key", 200, `{"error":"no"}`, "", "no"},
		{"nested", 200, `{"data":{"status":"error","message":"Token is not correct"}}`, "", "Token is not correct"},
		{"nested below success", 200, `{"data":{"status":"error","message":"no"},"status":"success"}`, "", "no"},
		{"other status", 200, `{"status":"failed"}`, "", ""},
		{"bare not found", 200, `"not_found"`, "", "not_found"},
		{"plain not found", 404, `not_found`, "", "not_found"},
		{"http only", 502, `<html>`, "", ""},
		{"http and text", 422, `{"errors":{"phone":["is wrong"]}}`, "", "phone: is wrong"},
		{"http against status", 500, `{"status":"success"}`, "", ""},
		{"token", 200, `{"status":"error","message":"bad token-of-the-company"}`, "", "bad [token]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := open("GET x", tt.status, []byte(tt.body), "token-of-the-company")
			e, refused := errors.AsType[*Error](err)
			if good := tt.data != "" || tt.name == "status only" || tt.name == "no content"; good {
				if err != nil || string(r.Data) != tt.data {
					t.Errorf("got %s, %v", r.Data, err)
				}
			} else if !refused || e.Text != tt.text || e.Status != tt.status {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
	for _, body := range []string{"", "null", "7", `"text"`, "<html>", "{", "[1"} {
		_, err := open("GET x", 200, []byte(body), "t")
		if e, ok := errors.AsType[*NoReplyError](err); !ok || e.Reason != ReplyInvalid || !e.Sent {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// TestErrorsAreBounded holds that refusals are cut, and that no URL with its phone number shows.
func TestErrorsAreBounded(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"status":"error","message":"`+strings.Repeat("é", 1<<20)+`"}`)
	}, Options{})
	_, err := GetClient.Raw(t.Context(), c, IDRequest{ID: 1})
	if e, ok := errors.AsType[*Error](err); !ok || len(e.Text) > 4096 || !utf8.ValidString(e.Text) {
		t.Errorf("%.200v", err)
	}
	gone, err := New(Options{URL: "http://127.0.0.1:1/v1", Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = ListClients.Raw(t.Context(), gone, ClientsRequest{Phone: "447700900140"}); err == nil || strings.Contains(err.Error(), "447700900140") {
		t.Errorf("got %v", err)
	}
}

// TestTolerance holds the forms of numbers and texts.
func TestTolerance(t *testing.T) {
	var m Message
	raw := `{"id":"501","text":7,"dialog_id":null,"operator_id":"","client_id":{},"status":true,"extra_data":{"external_id":5},"channel_id":1.5,"request_id":99999999999,"attachments":[{"name":"x"}]}`
	if err := json.Unmarshal([]byte(raw), &m); err != nil {
		t.Fatal(err)
	}
	if m.ID.Int() != 501 || m.Text != "7" || m.DialogID != "" || m.ClientID != "" || m.Status != "true" || m.OwnID() != "5" || m.ChannelID.Int() != 0 || m.RequestID.Int() != 99999999999 || m.Attachments[0].Link != "" {
		t.Errorf("%+v", m)
	}
	m.ExternalID = "own"
	if m.OwnID() != "own" {
		t.Error("external_id at the top counts first")
	}
	var p Person
	if err := decode([]byte(`{"custom_fields":[],"external_id":5,"channels":null}`), &p); err != nil || p.ExternalID != "5" {
		t.Errorf("%+v %v", p, err)
	}
	var one struct{ ID Text }
	if err := decode([]byte(`[{"id":3}]`), &one); err != nil || one.ID != "3" {
		t.Errorf("a list of one: %+v %v", one, err)
	}
	if err := decode([]byte(`[{"id":3},{"id":4}]`), &one); err == nil {
		t.Error("a list of two is not one thing")
	}
}

func TestParseTime(t *testing.T) {
	want := time.Date(2020, 3, 8, 22, 24, 48, 0, time.UTC)
	for _, s := range []string{"2020-03-08T22:24:48 UTC", "2020-03-08T22:24:48Z", "2020-03-08T22:24:48.000Z", "2020-03-08T23:24:48+01:00", "2020-03-08 22:24:48", "1583706288"} {
		if got := ParseTime(s); !got.Equal(want) {
			t.Errorf("%s gives %s", s, got)
		}
	}
	for _, s := range []string{"", "soon", "0", "-5", "99999999999999"} {
		if got := ParseTime(s); !got.IsZero() {
			t.Errorf("%s gives %s", s, got)
		}
	}
}

// TestEnsureClient holds the three answers to POST clients.
func TestEnsureClient(t *testing.T) {
	var body string
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }, Options{})
	for _, tt := range []struct {
		body  string
		id    int64
		fails bool
	}{
		{`{"status":"success","data":{"id":5}}`, 5, false},
		{`{"status":"success","data":[{"id":"5"}]}`, 5, false},
		{`{"errors":{"client":["Client already exists","{\"id\":1001}"]},"status":"error"}`, 1001, false},
		{`{"errors":{"client":["client already exist","{\"id\":\"1001\"}"]},"status":"error"}`, 1001, false},
		{`{"errors":{"client":["Client already exists","{\"id\":1001,\"name\":\"Ada; {Bob}\"}"]},"status":"error"}`, 1001, false},
		{`{"errors":{"client":["{Client} already exists; see {","{\"id\":1001}"]},"status":"error"}`, 1001, false},
		{`{"errors":{"client":["Client already exists","{\"id\":null}"]},"status":"error"}`, 0, true},
		{`{"errors":{"client":["Client already exists","soon"]},"status":"error"}`, 0, true},
		{`{"errors":{"phone":["{\"id\":1001}"]},"status":"error"}`, 0, true},
		{`{"status":"success"}`, 0, true},
	} {
		body = tt.body
		id, err := EnsureClient(t.Context(), c, CreateClientRequest{Phone: "447700900140", Transport: "whatsapp"})
		if id != tt.id || (err != nil) != tt.fails {
			t.Errorf("%s: %d %v", tt.body, id, err)
		}
	}
}

// TestRequests holds how inputs become paths, queries and bodies.
func TestRequests(t *testing.T) {
	c, err := New(Options{Token: "t", URL: "https://host.example/v1/"})
	if err != nil {
		t.Fatal(err)
	}
	yes, zero := true, 0
	for _, tt := range []struct {
		e          endpoint
		in         any
		path, body string
	}{
		{GetMessage.endpoint, IDRequest{7}, "messages/7", ""},
		{GetTicket.endpoint, TicketRequest{ID: "TICK/9 1"}, "tickets/TICK%2F9%201", ""},
		{ListMessages.endpoint, MessagesRequest{Read: &zero}, "messages?read=0", ""},
		{Transfer.endpoint, TransferRequest{AssignRequest{ID: 1, OperatorID: 3}, &yes}, "messages/1/transfer?force=true&force_assign=true&operator_id=3", ""},
		{DeleteTag.endpoint, DeleteTagRequest{ID: 1, RequestID: 2}, "tags/1/delete_from", `{"request_id":2}`},
		{UpdateDialog.endpoint, UpdateDialogRequest{ID: 1, OperatorID: json.RawMessage("null")}, "dialogs/1", `{"operator_id":null}`},
		{SendMessage.endpoint, SendRequest{ClientID: 1, Text: `"fields":{}`}, "messages", `{"client_id":1,"text":"\"fields\":{}"}`},
		{UpdateWebhook.endpoint, UpdateWebhookRequest{1, WebhookRequest{Channels: []int64{}}}, "webhooks/1", `{"name":"","url":"","events":null,"channels":[]}`},
		{UpdateWebhook.endpoint, UpdateWebhookRequest{ID: 1}, "webhooks/1", `{"name":"","url":"","events":null}`},
		{CreateTicket.endpoint, FieldsRequest{map[string]any{"a": 1}}, "tickets", `{"a":1}`},
		{UpdateOperator.endpoint, UpdateOperatorRequest{ID: 1, StatusID: 2, Fields: map[string]any{"status_id": 9, "b": []int{1}}}, "operators/1", `{"b":[1],"status_id":2}`},
		{CreateClient.endpoint, CreateClientRequest{Phone: "1", Transport: "sms", CustomFields: map[string]any{"fields": 1}}, "clients", `{"phone":"1","transport":"sms","custom_fields":{"fields":1}}`},
	} {
		target, body, err := tt.e.request(c, tt.in)
		if err != nil || target != "https://host.example/v1/"+tt.path {
			t.Errorf("%s: %s %v", tt.e.Name(), target, err)
		}
		var got, want any
		_, _ = json.Unmarshal(body, &got), json.Unmarshal([]byte(tt.body), &want)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got): %s", tt.e.Name(), d)
		}
	}
	if _, _, err := GetMessage.request(c, IDRequest{}); err == nil {
		t.Error("no id would ask for the list")
	}
}

func TestOptions(t *testing.T) {
	c, err := New(Options{Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	if o := c.opts; o.URL != "https://api.chat2desk.com/v1" || o.Connections != 64 || o.Timeout != 15*time.Second || c.authorization != "t" {
		t.Errorf("the defaults are %s, %d connections, %s, and the token goes as %q", o.URL, o.Connections, o.Timeout, c.authorization)
	}
	for _, o := range []Options{{}, {Token: "t", URL: "http://api.chat2desk.com/v1"}, {Token: "t", URL: "ftp://localhost"}, {Token: "t", URL: "https://host/v1?x=1"}, {Token: "a\nb"},
		{Token: "t", Scheme: "Bearer\r\nX: y"}, {Token: "t", Timeout: -1}, {Token: "t", Connections: -1}, {Token: "t", MaxReply: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	for _, url := range []string{"", "https://api.chat24.io/v1", "https://api.chat2desk.com.mx/v1", "http://127.0.0.1:1/v1", "http://[::1]:1/v1", "http://localhost:1/v1"} {
		if _, err := New(Options{Token: "t", URL: url}); err != nil {
			t.Error(err)
		}
	}
}

// TestNoReply holds a reply that is too long, one that breaks off, and one that is late.
func TestNoReply(t *testing.T) {
	for name, tt := range map[string]struct {
		h      http.HandlerFunc
		reason Reason
	}{
		"too long": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat(" ", 2000)) }, ReplyTooLong},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			_, _ = io.WriteString(w, "{")
		}, ConnectionLost},
		"late": {func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }, Timeout},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, tt.h, Options{MaxReply: 1000, Timeout: 100 * time.Millisecond})
			_, err := Send(t.Context(), c, SendRequest{ClientID: 1, Text: "x"})
			if e, ok := errors.AsType[*NoReplyError](err); !ok || e.Reason != tt.reason || !e.Sent {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestTimeouts holds that statistics get three times as long as other calls: they are answered once a call that came after them is over.
func TestTimeouts(t *testing.T) {
	c, err := New(Options{Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	for e, want := range map[endpoint]time.Duration{Statistics.endpoint: 45 * time.Second, ListClients.endpoint: 15 * time.Second, SendMessage.endpoint: 15 * time.Second} {
		if got := e.timeout(c); got != want {
			t.Errorf("%s gets %s, want %s", e.Name(), got, want)
		}
	}
	asked, over := make(chan bool), make(chan bool)
	c = serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/clients") {
			<-r.Context().Done()
			return
		}
		asked <- true
		<-over
		_, _ = io.WriteString(w, `{"status":"success","data":[]}`)
	}, Options{Timeout: 300 * time.Millisecond})
	result := make(chan error)
	go func() {
		_, err := Statistics.Raw(t.Context(), c, StatisticsRequest{})
		result <- err
	}()
	<-asked
	_, err = ListClients.Raw(t.Context(), c, ClientsRequest{})
	close(over)
	if e, ok := errors.AsType[*NoReplyError](err); !ok || e.Reason != Timeout {
		t.Errorf("another call: %v", err)
	}
	if err := <-result; err != nil {
		t.Errorf("statistics: %v", err)
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{`{"data":{"id":1},"status":"success"}`, `{"status":"error","errors":{"client":["Client already exists","{\"id\":1}"]}}`, `[]`, `{`, `null`, `"not_found"`} {
		f.Add(200, []byte(s))
	}
	f.Fuzz(func(t *testing.T, status int, raw []byte) {
		r, err := open("POST clients", status, raw, "token")
		e, refused := errors.AsType[*Error](err)
		noReply, none := errors.AsType[*NoReplyError](err)
		if err != nil && !refused && (!none || !noReply.Sent) {
			t.Fatalf("%v", err)
		}
		if refused {
			if id, ok := ExistingClient(e); ok && id == 0 {
				t.Fatal("no id")
			}
		}
		var p Person
		_ = decode(r.Data, &p)
		for _, startID := range []bool{true, false} {
			w := walk{params: map[string]json.RawMessage{}, startID: startID}
			w.next(r)
			if known, more := w.next(r); more || slices.Contains(known, false) {
				t.Fatal("the same page again is taken for a new one")
			}
		}
	})
}

func FuzzTime(f *testing.F) {
	f.Add("2020-03-08T22:24:48 UTC")
	f.Fuzz(func(t *testing.T, s string) {
		if got := ParseTime(s); !got.IsZero() && got.Location() != time.UTC {
			t.Fatalf("%s", got)
		}
	})
}
