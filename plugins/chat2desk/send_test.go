package chat2desk_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hermodhq/hermod/plugins/chat2desk/chat2desksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

func interactive(channel message.Channel, i message.Interactive) connector.Delivery {
	d := text(channel, 100)
	d.Content.Interactive = &i
	return d
}

func media(m message.Media) connector.Delivery {
	d := text("telegram", 100)
	d.Content.Media = &m
	return d
}

func labeled(d connector.Delivery, labels map[string]string) connector.Delivery {
	d.Labels = labels
	return d
}

var (
	yesNo = message.Interactive{Buttons: []message.Button{{Text: "Yes", Payload: "y", Color: "green"}, {Type: "url", Text: "Track", Payload: "https://example.org/t"}}}
	menu  = message.Interactive{Menu: "Open", Header: "H", Footer: "F", Sections: []message.Section{{Title: "S", Rows: []message.Row{{ID: "1", Title: "One", Description: "first"}}}}}
)

// TestSend holds the exact request of each kind of content.
func TestSend(t *testing.T) {
	sim, url := startSim(t, chat2desksim.Options{})
	const end = `,"client_id":100,"text":"Hi Ada","external_id":"hermod/01HX/1"}`
	const buttons = `[{"type":"reply","text":"Yes","payload":"y","color":"green"},{"type":"url","text":"Track","url":"https://example.org/t"}]`
	const list = `{"type":"list","header":{"type":"text","text":"H"},"body":{"text":"Hi Ada"},"footer":{"text":"F"},` +
		`"action":{"button":"Open","sections":[{"title":"S","rows":[{"id":"1","title":"One","description":"first"}]}]}}`
	const pressed = `"body":{"text":"Hi Ada"},"action":{"buttons":[{"type":"reply","reply":{"id":"y","title":"Yes"}}]}}`
	yes := message.Interactive{Buttons: yesNo.Buttons[:1]}
	quoted := strconv.Quote(`{"action":{"button":"Open","sections":[{"title":"S","rows":[{"id":"1","title":"One","description":"first"}]}]},"body":{"text":"Hi Ada"},` +
		`"footer":{"text":"F"},"header":{"text":"H","type":"text"},"type":"list"}`)
	tests := map[string]struct {
		d        connector.Delivery
		settings map[string]any
		want     string
	}{
		"text":               {text("whatsapp", ada), nil, `{"transport":"whatsapp"` + end},
		"by user id":         {text("telegram", 100), nil, `{"transport":"telegram"` + end},
		"messenger":          {text("messenger", 100), nil, `{"transport":"facebook"` + end},
		"instagram":          {text("instagram", 100), nil, `{"transport":"insta_direct"` + end},
		"webchat":            {text("webchat", 100), nil, `{"transport":"widget"` + end},
		"system":             {text("system", 100), nil, `{"type":"system"` + end},
		"settings":           {text("sms", 100), map[string]any{"channel_id": 7, "operator_id": 3, "without_dialog": true}, `{"transport":"sms","channel_id":7,"operator_id":3,"open_dialog":false` + end},
		"quote":              {labeled(text("sms", 100), map[string]string{"chat2desk.reply_message_id": "501"}), nil, `{"transport":"sms","reply_message_id":501` + end},
		"comment":            {labeled(text("sms", 100), map[string]string{"chat2desk.type": "comment"}), nil, `{"transport":"sms","type":"comment"` + end},
		"media":              {media(message.Media{Type: "image", URL: "https://files.test/a.png", Name: "a.png"}), nil, `{"transport":"telegram","attachment":"https://files.test/a.png","attachment_filename":"a.png"` + end},
		"buttons":            {interactive("telegram", yesNo), nil, `{"transport":"telegram","inline_buttons":` + buttons + end},
		"link on wa_dialog":  {interactive("wa_dialog", yesNo), nil, `{"transport":"wa_dialog","inline_buttons":` + buttons + end},
		"keyboard":           {interactive("viber", yesNo), map[string]any{"buttons": "keyboard"}, `{"transport":"viber","keyboard":{"buttons":` + buttons + `}` + end},
		"list":               {interactive("wa_dialog", menu), nil, `{"transport":"wa_dialog","interactive":` + list + end},
		"list as text":       {interactive("wa_dialog", menu), map[string]any{"interactive_form": "text", "buttons": "inline"}, `{"transport":"wa_dialog","interactive":` + quoted + end},
		"whatsapp buttons":   {interactive("wa_dialog", yes), nil, `{"transport":"wa_dialog","interactive":{"type":"buttons",` + pressed + end},
		"whatsapp's wording": {interactive("wa_dialog", yes), map[string]any{"interactive_buttons": "button"}, `{"transport":"wa_dialog","interactive":{"type":"button",` + pressed + end},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			x := deliver(t, openAccount(t, url, tt.settings), tt.d)
			if x.Err != nil {
				t.Fatal(x.Err)
			}
			all := requestsOf(sim, "POST messages")
			sameJSON(t, "request", all[len(all)-1].Body, json.RawMessage(tt.want))
			if x.Message != "01HX" || x.Attempt != 1 || x.Result.Outcome != message.Accepted || x.Result.User != "100" || x.Result.VendorID == "" {
				t.Errorf("answer %+v", x)
			}
		})
	}
}

// TestChannels holds that every described channel is sent on, under its own transport.
func TestChannels(t *testing.T) {
	var transports []string
	seen := map[string]bool{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Transport string }
		if err := json.NewDecoder(r.Body).Decode(&in); err == nil {
			transports = append(transports, in.Transport)
		}
		_, _ = io.WriteString(w, `{"status":"success","data":[{"message_id":7}]}`)
	}))
	defer srv.Close()
	a := openAccount(t, srv.URL, nil)
	channels := vendor().Describe().Channels
	for _, c := range channels {
		if x := deliver(t, a, text(c.Channel, 1)); x.Err != nil || x.Result.VendorID != "7" {
			t.Errorf("%s: %+v", c.Channel, x)
		}
	}
	for _, name := range transports {
		if seen[name] {
			t.Errorf("transport %q is two channels", name)
		}
		seen[name] = true
	}
	if len(transports) != len(channels) || len(channels) != 33 {
		t.Errorf("%d channels, %d transports", len(channels), len(transports))
	}
}

// TestSendRefused holds what is refused without asking the vendor.
func TestSendRefused(t *testing.T) {
	sim, url := startSim(t, chat2desksim.Options{})
	a := openAccount(t, url, nil)
	template, wordless := text("whatsapp", ada), interactive("telegram", yesNo)
	template.Content = message.Content{Template: &message.Template{Name: "x"}}
	wordless.Content.Text = ""
	tests := map[string]struct {
		d     connector.Delivery
		class fault.Class
		code  string
	}{
		"unknown channel":  {text("pigeon", ada), fault.Unsupported, "channel_unsupported"},
		"template":         {template, fault.Unsupported, "kind_unsupported"},
		"bytes":            {media(message.Media{Type: "image", Data: []byte{1}}), fault.Unsupported, "media_url_missing"},
		"list elsewhere":   {interactive("telegram", menu), fault.Unsupported, "interactive_unsupported"},
		"buttons alone":    {wordless, fault.ContentRejected, "text_missing"},
		"quote of nothing": {labeled(text("sms", ada), map[string]string{"chat2desk.reply_message_id": "x"}), fault.ContentRejected, "reply_invalid"},
		"no address":       {text("whatsapp", ""), fault.InvalidRecipient, "client_missing"},
		"odd user id":      {text("whatsapp", message.VendorUserID("[tg] 1")), fault.InvalidRecipient, "user_invalid"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { wantFault(t, deliver(t, a, tt.d).Err, tt.class, tt.code) })
	}
	always := openAccount(t, url, map[string]any{"buttons": "interactive"})
	wantFault(t, deliver(t, always, interactive("wa_dialog", yesNo)).Err, fault.Unsupported, "interactive_unsupported")
	headed := message.Interactive{Header: "H", Buttons: yesNo.Buttons}
	wantFault(t, deliver(t, a, interactive("viber", headed)).Err, fault.Unsupported, "interactive_unsupported")
	if n := len(sim.Requests()); n != 0 {
		t.Errorf("the vendor was asked %d times", n)
	}
}

// TestFindClient holds how a phone number becomes a client, and that clients are made only where the account says so.
func TestFindClient(t *testing.T) {
	several := map[string][]object{"clients": {
		{"id": 1, "phone": "[chat] 447700900150"}, {"id": 2, "phone": "[tg] 1", "client_phone": "+44 7700 900150", "channels": []object{{"id": 7, "transports": []string{"telegram"}}}},
		{"id": 3, "phone": "447700900150", "channels": []object{{"id": 7, "transports": []string{"sms"}}}}, {"id": 4, "phone": "447700900151"}}}
	for name, tt := range map[string]struct {
		channel message.Channel
		phone   string
		user    message.VendorUserID
	}{"by transport": {"sms", "+447700900150", "3"}, "the first": {"whatsapp", "+447700900151", "4"}} {
		t.Run(name, func(t *testing.T) {
			sim, url := startSim(t, chat2desksim.Options{Data: several})
			a := openAccount(t, url, nil)
			for range 2 {
				if x := deliver(t, a, text(tt.channel, tt.phone)); x.Err != nil || x.Result.User != tt.user {
					t.Errorf("got %+v", x)
				}
			}
			if n := len(requestsOf(sim, "GET clients")); n != 1 {
				t.Errorf("%d lookups, want one and then memory", n)
			}
		})
	}
	sim, url := startSim(t, chat2desksim.Options{})
	wantFault(t, deliver(t, openAccount(t, url, nil), text("whatsapp", "+447700900160")).Err, fault.InvalidRecipient, "client_unknown")
	a := openAccount(t, url, map[string]any{"write_first": true, "channel_id": 7})
	made := deliver(t, a, text("whatsapp", "+447700900160"))
	if made.Err != nil || made.Result.User == "" {
		t.Fatal(made.Err)
	}
	sameJSON(t, "POST clients", requestsOf(sim, "POST clients")[0].Body, object{"phone": "447700900160", "transport": "whatsapp", "channel_id": 7})
	if x := deliver(t, a, text("sms", ada)); x.Err != nil || x.Result.User != "100" {
		t.Errorf("the client that exists: %+v", x)
	}
	wantFault(t, deliver(t, a, text("wa_cm", ada)).Err, fault.Unsupported, "transport_incorrect")
	// A filter that is ignored must not lead to somebody else.
	ignoring := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"status":"success","data":[{"id":1,"phone":"447700900199"}]}`)
	}))
	defer ignoring.Close()
	wantFault(t, deliver(t, openAccount(t, ignoring.URL, nil), text("whatsapp", ada)).Err, fault.InvalidRecipient, "client_unknown")
}

// TestForgottenClient holds that a client who is gone is looked up anew.
func TestForgottenClient(t *testing.T) {
	sim, url := startSim(t, chat2desksim.Options{})
	a := openAccount(t, url, nil)
	sim.Next("POST messages", chat2desksim.Behavior{Error: "Client not found"})
	wantFault(t, deliver(t, a, text("whatsapp", ada)).Err, fault.InvalidRecipient, "client_unknown")
	if x := deliver(t, a, text("whatsapp", ada)); x.Err != nil || len(requestsOf(sim, "GET clients")) != 2 {
		t.Errorf("%+v", x)
	}
}

// TestPacing holds the described limit, and how many calls a message is: the limit counts messages.
func TestPacing(t *testing.T) {
	if got := vendor().Describe().Limits; got != (connector.Limits{PerSecond: 5}) {
		t.Errorf("described %+v, want 300 a minute", got)
	}
	sim, url := startSim(t, chat2desksim.Options{})
	a := openAccount(t, url, nil)
	for _, tt := range []struct {
		what  string
		d     connector.Delivery
		lost  bool
		calls int
	}{
		{"by user id", text("whatsapp", 100), false, 1}, {"first to a number", text("whatsapp", ada), false, 2}, {"second to a number", text("whatsapp", ada), false, 1},
		{"with its answer lost", text("whatsapp", ada), true, 2}, {"first, with its answer lost", text("sms", ada), true, 3},
	} {
		before := len(sim.Requests())
		if tt.lost {
			sim.Next("POST messages", chat2desksim.Behavior{Drop: true, Taken: true})
		}
		x := deliver(t, a, tt.d)
		if got := len(sim.Requests()) - before; got != tt.calls || x.Err != nil {
			t.Errorf("%s: %d calls, want %d: %v", tt.what, got, tt.calls, x.Err)
		}
	}
}

// TestFailures drives every scripted way of failing, and compares what the fault claims with what the vendor really took. Where the
// answer was lost although the message was taken, the message is found.
func TestFailures(t *testing.T) {
	tests := []struct {
		suffix string
		class  fault.Class
		code   string
		taken  int
	}{
		{"17", fault.RateLimited, "requests_exceeded", 0},
		{"18", fault.QuotaExhausted, "quota_month", 0},
		{"19", fault.OutcomeUnknown, "http_failed", 0},
		{"21", fault.OutcomeUnknown, "timeout", 0},
		{"22", "", "", 1},
		{"23", fault.OutcomeUnknown, "connection_lost", 0},
		{"24", "", "", 1},
		{"25", "", "", 1},
		{"27", "", "", 1},
		{"28", fault.OutcomeUnknown, "http_failed", 0},
		{"29", fault.RateLimited, "http_rate", 0},
	}
	var suffixes []string
	for _, tt := range tests {
		suffixes = append(suffixes, tt.suffix)
	}
	sim, url := startSim(t, chat2desksim.Options{Data: people(suffixes...)})
	a := openAccount(t, url, map[string]any{"timeout": "200ms"})
	for _, tt := range tests {
		before := len(sim.Rows("messages"))
		x := deliver(t, a, text("whatsapp", "+4477009001"+tt.suffix))
		taken := len(sim.Rows("messages")) - before
		switch {
		case taken != tt.taken:
			t.Errorf("%s: %d messages taken, want %d", tt.suffix, taken, tt.taken)
		case tt.code == "" && (x.Err != nil || x.Result.VendorID == ""):
			t.Errorf("%s: the message was not found: %+v", tt.suffix, x)
		case tt.code != "":
			wantFault(t, x.Err, tt.class, tt.code)
			if taken > 0 && faultOf(t, x.Err).Class.Taken() == fault.NotTaken {
				t.Errorf("%s: %s claims that the message was not taken, but it was", tt.suffix, x.Err)
			}
		}
	}
	if f := faultOf(t, deliver(t, a, text("whatsapp", "+447700900129")).Err); f.RetryAfter != 90*time.Second {
		t.Errorf("Retry-After gives %s", f.RetryAfter)
	}
	if f := faultOf(t, deliver(t, a, text("whatsapp", "+447700900117")).Err); f.RetryAfter != 15*time.Minute {
		t.Errorf("the long backoff is %s", f.RetryAfter)
	}
	for range 2 {
		_ = deliver(t, a, text("whatsapp", "+447700900119"))
	}
	if x := deliver(t, a, text("whatsapp", "+447700900119")); x.Err != nil {
		t.Errorf("after the outage: %v", x.Err)
	}
}

// TestReadsAreNeverUnknown holds that asking again is always allowed for what changes nothing, and that GETs that change something count.
func TestReadsAreNeverUnknown(t *testing.T) {
	sim, url := startSim(t, chat2desksim.Options{Data: people("50")})
	a := openAccount(t, url, nil)
	failures := []chat2desksim.Behavior{{Status: 500}, {Body: "<html>"}}
	sim.Next("GET clients/{id}", failures...)
	sim.Next("GET clients", failures...)
	for range failures {
		_, err := a.Invoke(t.Context(), "client.get", json.RawMessage(`{"id":1}`))
		if f := faultOf(t, err); f.Class != fault.Unavailable {
			t.Errorf("got %v", err)
		}
		// A message whose client could not be found did not go out.
		if f := faultOf(t, deliver(t, a, text("whatsapp", "+447700900150")).Err); f.Class != fault.Unavailable {
			t.Errorf("got %v", f)
		}
	}
	for op, in := range map[string]string{"message.transfer": `{"id":502,"operator_id":3}`, "client.update": `{"id":1,"nickname":"Ada"}`} {
		for _, o := range vendor().Describe().Operations {
			if o.Name == op {
				sim.Next(o.Endpoint, chat2desksim.Behavior{Status: 502, Taken: true})
			}
		}
		_, err := a.Invoke(t.Context(), op, json.RawMessage(in))
		wantFault(t, err, fault.OutcomeUnknown, "http_failed")
	}
}

// TestUnreachable holds that a refused connection is certain.
func TestUnreachable(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	wantFault(t, deliver(t, openAccount(t, closed.URL, nil), text("sms", 1)).Err, fault.Unavailable, "unreachable")
}

// TestStatuses holds the HTTP statuses, with and without an envelope, and that redirects are not followed.
func TestStatuses(t *testing.T) {
	var status int
	var body, followed string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		followed += r.URL.Path
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	defer srv.Close()
	a := openAccount(t, srv.URL, nil)
	for want, class := range map[int]fault.Class{302: fault.Misconfigured, 400: fault.ContentRejected, 401: fault.Unauthorized, 403: fault.Unauthorized, 404: fault.Misconfigured,
		405: fault.Misconfigured, 408: fault.OutcomeUnknown, 413: fault.ContentRejected, 418: fault.Internal, 422: fault.ContentRejected, 429: fault.RateLimited,
		500: fault.OutcomeUnknown, 502: fault.OutcomeUnknown, 503: fault.OutcomeUnknown, 504: fault.OutcomeUnknown} {
		status = want
		for _, body = range []string{"", "<html>", `{"status":"error","message":"something else"}`, fmt.Sprintf(`{"status":%d,"error":"Something"}`, want)} {
			if f := faultOf(t, deliver(t, a, text("sms", 1)).Err); f.Class != class {
				t.Errorf("status %d with %s gives %s, want %s", want, body, f.Class, class)
			}
		}
	}
	status, body = 404, "<html>"
	_, err := a.Invoke(t.Context(), "client.get", json.RawMessage(`{"id":1}`))
	wantFault(t, err, fault.ContentRejected, "http_not_found")
	if strings.Contains(followed, "elsewhere") {
		t.Error("a redirect was followed")
	}
	status = 200
	for _, c := range [][2]string{{"", "reply_invalid"}, {"7", "reply_invalid"}, {`{"status":"success"}`, "reply_invalid"}, {`{"status":"success","data":{"message_id":null}}`, "reply_invalid"}, {`[]`, "reply_invalid"}} {
		body = c[0]
		wantFault(t, deliver(t, a, text("sms", 1)).Err, fault.OutcomeUnknown, c[1])
	}
	for _, body = range []string{`{"status":"error"}`, `{"status":"fail","message":"no"}`, `{"data":{"status":"error","message":"no"}}`, `{"error":"no"}`, `{"errors":{"text":["no"]}}`} {
		wantFault(t, deliver(t, a, text("sms", 1)).Err, fault.Internal, "text_unknown")
	}
}

// TestQuery holds the states that public clients know.
func TestQuery(t *testing.T) {
	want := map[string]message.Outcome{"": message.Accepted, "sending": message.Accepted, "pending": message.Accepted, "sent": message.Sent, "delivered": message.Delivered, "Success": message.Delivered,
		"read": message.Read, "failed": message.Failed, "error": message.Failed, "not_delivered": message.Failed, "not delivered": message.Failed, "undelivered": message.Failed}
	data := map[string][]object{"messages": {{"id": 1, "status": "pondering"}}}
	var states []string
	for s := range want {
		states = append(states, s)
		data["messages"] = append(data["messages"], object{"id": len(states) + 1, "status": nil, "recipient_status": s})
	}
	_, url := startSim(t, chat2desksim.Options{Data: data})
	a := openAccount(t, url, nil)
	for i, s := range states {
		r, err := a.Query(t.Context(), connector.Query{VendorID: message.VendorMessageID(fmt.Sprint(i + 2)), Message: "01HX", Attempt: 2})
		if err != nil || r.Outcome != want[s] || r.Message != "01HX" || r.Attempt != 2 || (r.Outcome == message.Failed) != (r.Fault != nil) {
			t.Errorf("%q: %+v %v", s, r, err)
		}
	}
	for id, code := range map[message.VendorMessageID]string{"": "message_id_missing", "99": "message_unknown", "1": "status_unknown"} {
		if _, err := a.Query(t.Context(), connector.Query{VendorID: id}); faultOf(t, err).Code != code {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func BenchmarkSend(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"status":"success","data":{"message_id":7,"client_id":100}}`)
	}))
	defer srv.Close()
	a := openAccount(b, srv.URL, nil)
	d := []connector.Delivery{text("whatsapp", 100)}
	d[0].Message, d[0].Attempt = "01HX", 1
	b.ReportAllocs()
	for b.Loop() {
		a.Deliver(context.Background(), d, func(x connector.Answer) {
			if x.Err != nil {
				b.Fatal(x.Err)
			}
		})
	}
}
