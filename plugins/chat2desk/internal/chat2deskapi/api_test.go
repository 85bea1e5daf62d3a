package chat2deskapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

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

// rows answers with rows of the ids from..to as Chat2Desk pages them.
func rows(total int, startID, after bool, asked *[]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.RawQuery)
		q := r.URL.Query()
		limit, _ := strconv.Atoi(q.Get("limit"))
		first, _ := strconv.Atoi(q.Get("offset"))
		first++
		step := 1
		if startID {
			first, _ = strconv.Atoi(q.Get("start_id"))
			back := q.Get("direction_reverse") == "true"
			if back {
				step = -1
			}
			switch {
			case first == 0:
				first = 1
			case after:
				first += step
			}
		}
		var list []string
		for id := first; id >= 1 && id <= total && len(list) < min(limit, 200); id += step {
			list = append(list, fmt.Sprintf(`{"id":%d}`, id))
		}
		_, _ = fmt.Fprintf(w, `{"data":[%s],"meta":{"total":%d,"limit":%d},"status":"success"}`, strings.Join(list, ","), total, min(limit, 200))
	}
}

// TestPaging walks lists of both kinds, and start_id with and without its own row.
func TestPaging(t *testing.T) {
	for _, total := range []int{0, 1, 199, 200, 201, 400, 401} {
		var asked []string
		c := serve(t, rows(total, false, false, &asked), Options{})
		n := 0
		for p, err := range All[Person](t.Context(), c, ListClients, ClientsRequest{Phone: "44"}) {
			if n++; err != nil || int(p.ID.Int()) != n {
				t.Fatalf("row %d is %s, %v", n, p.ID, err)
			}
		}
		if n != total || len(asked) != max(1, (total+199)/200) || !strings.Contains(asked[0], "phone=44") {
			t.Errorf("%d of %d rows in %d pages", n, total, len(asked))
		}
		for _, after := range []bool{false, true} {
			c := serve(t, rows(total, true, after, &asked), Options{})
			n := 0
			for m, err := range All[Message](t.Context(), c, ListMessages, MessagesRequest{Page: Page{Limit: 100}}) {
				if n++; err != nil || int(m.ID.Int()) != n {
					t.Fatalf("row %d is %s, %v", n, m.ID, err)
				}
			}
			for m, err := range All[Message](t.Context(), c, ListMessages, MessagesRequest{StartID: int64(total), DirectionReverse: true, Page: Page{Limit: 50}}) {
				if err != nil || !after && int(m.ID.Int()) != n || after && int(m.ID.Int()) != n-1 {
					t.Fatalf("backwards: row %d is %s, %v", n, m.ID, err)
				}
				n--
			}
			if left := map[bool]int{false: 0, true: min(total, 1)}[after]; n != left {
				t.Errorf("%d rows left of %d", n, total)
			}
		}
	}
}

// TestPagingEnds holds that a walk ends when its user leaves, at an error, and when the vendor repeats itself for ever.
func TestPagingEnds(t *testing.T) {
	var asked []string
	c := serve(t, rows(1000, false, false, &asked), Options{})
	for range All[Person](t.Context(), c, ListTags, Page{Limit: 10}) {
		break
	}
	if len(asked) != 1 {
		t.Errorf("%d pages", len(asked))
	}
	calls := 0
	c = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls > 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, `{"data":[{"id":1}],"meta":{"total":9,"limit":1},"status":"success"}`)
	}, Options{})
	var errs, n int
	for _, err := range All[Person](t.Context(), c, ListTags, Page{Limit: 1}) {
		if n++; err != nil {
			errs++
		}
	}
	if n != 2 || errs != 1 {
		t.Errorf("%d rows, %d errors", n, errs)
	}
	c = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":[{"id":1},{"id":2}],"meta":{"limit":2},"status":"success"}`)
	}, Options{})
	n = 0
	for range All[Message](t.Context(), c, ListMessages, MessagesRequest{}) {
		n++
	}
	if n != 2 {
		t.Errorf("%d rows of a list that repeats itself", n)
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
		{Transfer.endpoint, TransferRequest{ID: 1, OperatorID: 3, ForceAssign: &yes}, "messages/1/transfer?force=true&force_assign=true&operator_id=3", ""},
		{DeleteTag.endpoint, DeleteTagRequest{ID: 1, RequestID: 2}, "tags/1/delete_from", `{"request_id":2}`},
		{UpdateDialog.endpoint, UpdateDialogRequest{ID: 1, OperatorID: json.RawMessage("null")}, "dialogs/1", `{"operator_id":null}`},
		{SendMessage.endpoint, SendRequest{ClientID: 1, Text: `"fields":{}`}, "messages", `{"client_id":1,"text":"\"fields\":{}"}`},
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
	for _, o := range []Options{{}, {Token: "t", URL: "http://api.chat2desk.com/v1"}, {Token: "t", URL: "ftp://localhost"}, {Token: "t", URL: "https://host/v1?x=1"}, {Token: "a\nb"}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	for _, url := range []string{"", "https://api.chat24.io/v1", "http://127.0.0.1:1/v1", "http://[::1]:1/v1", "http://localhost:1/v1"} {
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
			if id, ok := e.ExistingClient(); ok && id == 0 {
				t.Fatal("no id")
			}
		}
		var p Person
		_ = decode(r.Data, &p)
		w := walk{params: map[string]json.RawMessage{}, startID: true}
		w.next(r)
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
