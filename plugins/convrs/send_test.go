package convrs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hermodhq/hermod/plugins/convrs"
	"github.com/hermodhq/hermod/plugins/convrs/convrssim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// TestSend holds the exact request of each channel.
func TestSend(t *testing.T) {
	sim, url := startSim(t, convrssim.Options{Users: []convrssim.User{{UID: "73-tel-615940546"}, {UID: "3941-wa3-447700900140"}}})
	a := openAccount(t, url, "https://host.example/webhooks/convrs-uk", map[string]any{"webhook_secret": secret})
	header := template(ada)
	header.Content.Template.Header = &message.Media{Type: "document", URL: "https://cdn.example/a.pdf", Name: "a.pdf"}
	route := text("route", ada, "")
	route.Content.Template = &message.Template{Name: "welcome", Named: map[string]any{"order": "1042"}}
	callback := `"webhookURL":"https://host.example/webhooks/convrs-uk/callback/` + secret + `","webhookPayload":{"message":"01HX","attempt":1}`
	tests := map[string]struct {
		d    connector.Delivery
		want string
		user message.VendorUserID
		mid  bool
	}{
		"template": {template(ada, "Ada", "1042"), `{"cmd":"SendWhatsAppTemplate","botID":3941,"phone":"+447700900140","language":"en","templateName":"order_update",
			"parameters":[{"type":"text","text":"Ada"},{"type":"text","text":"1042"}],` + callback + `}`, "3941-wa3-447700900140", true},
		"template with header": {header, `{"cmd":"SendWhatsAppTemplate","botID":3941,"phone":"+447700900140","language":"en","templateName":"order_update",
			"header":{"type":"document","document":{"link":"https://cdn.example/a.pdf","filename":"a.pdf"}},` + callback + `}`, "3941-wa3-447700900140", true},
		"sms":           {text("sms", ada, ""), `{"cmd":"SendSMSMessage","botID":3942,"phone":"+447700900140","message":"Hi Ada"}`, "3942-cms-447700900140", true},
		"telegram":      {text("telegram", "", "73-tel-615940546"), `{"cmd":"SendTextMessage","uid":"73-tel-615940546","message":"Hi Ada"}`, "73-tel-615940546", false},
		"whatsapp text": {text("whatsapp", ada, "3941-wa3-447700900140"), `{"cmd":"SendTextMessage","uid":"3941-wa3-447700900140","message":"Hi Ada"}`, "3941-wa3-447700900140", false},
		"route":         {route, `{"cmd":"SendMessage","phone":"+447700900140","route":"welcome","message":"Hi Ada","userdata":{"order":"1042"}}`, "", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			x := deliver(t, a, tt.d)
			if x.Err != nil {
				t.Fatal(x.Err)
			}
			requests := sim.State().Requests
			var want map[string]any
			if err := json.Unmarshal([]byte(tt.want), &want); err != nil {
				t.Fatal(err)
			}
			want["token"] = convrssim.Token
			sameJSON(t, "request", requests[len(requests)-1].Body, want)
			if x.Message != "01HX" || x.Attempt != 1 || x.Result.Outcome != message.Accepted || x.Result.User != tt.user || (x.Result.VendorID != "") != tt.mid {
				t.Errorf("answer %+v", x)
			}
		})
	}
}

// TestSendRefused holds what is refused without asking the vendor.
func TestSendRefused(t *testing.T) {
	sim, url := startSim(t, convrssim.Options{})
	a := openAccount(t, url, "", map[string]any{"template_header": "refuse"})
	bare := openAccount(t, url, "", map[string]any{"whatsapp_bot": 0, "sms_bot": 0})
	named, header, routeParams := template(ada), template(ada), template(ada)
	named.Content.Template.Named = map[string]any{"name": "Ada"}
	header.Content.Template.Header = &message.Media{Type: "image", URL: "https://cdn.example/a.png"}
	routeParams.Channel, routeParams.Content.Template.Params = "route", []string{"Ada"}
	tooLong := text("sms", ada, "")
	tooLong.Content.Text = long(2001)
	media := text("sms", ada, "")
	media.Content.Media = &message.Media{Type: "image"}
	route := text("route", "", "")
	tests := map[string]struct {
		a     connector.Account
		d     connector.Delivery
		class fault.Class
		code  string
	}{
		"no whatsapp bot":     {bare, template(ada), fault.Misconfigured, "bot_missing"},
		"no sms bot":          {bare, text("sms", ada, ""), fault.Misconfigured, "bot_missing"},
		"no phone":            {a, template(""), fault.InvalidRecipient, "phone_missing"},
		"named params":        {a, named, fault.ContentRejected, "params_named"},
		"header refused":      {a, header, fault.Unsupported, "header_refused"},
		"too long":            {a, tooLong, fault.ContentRejected, "text_too_long"},
		"media":               {a, media, fault.Unsupported, "kind_unsupported"},
		"no user id":          {a, text("telegram", ada, ""), fault.InvalidRecipient, "user_missing"},
		"no whatsapp user id": {a, text("whatsapp", ada, ""), fault.InvalidRecipient, "user_missing"},
		"user elsewhere":      {a, text("telegram", ada, "3941-wa3-447700900140"), fault.InvalidRecipient, "user_other_channel"},
		"unknown channel":     {a, text("email", ada, ""), fault.Unsupported, "kind_unsupported"},
		"route params":        {a, routeParams, fault.ContentRejected, "route_params"},
		"route without name":  {a, text("route", ada, ""), fault.ContentRejected, "route_missing"},
		"route without phone": {a, route, fault.InvalidRecipient, "phone_missing"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { wantFault(t, deliver(t, tt.a, tt.d).Err, tt.class, tt.code) })
	}
	if n := len(sim.State().Requests); n != 0 {
		t.Errorf("the vendor was asked %d times", n)
	}
}

// TestFailures drives every scripted way of failing, and compares what the fault claims with what the vendor really took.
func TestFailures(t *testing.T) {
	tests := []struct {
		suffix string
		class  fault.Class
		code   string
		taken  int
	}{
		{"12", fault.SessionClosed, "whatsapp_session", 0},
		{"17", fault.RecipientBusy, "agent_chatting", 0},
		{"18", fault.Unsubscribed, "unsubscribed", 0},
		{"19", fault.Unavailable, "http_unavailable", 0},
		{"21", fault.OutcomeUnknown, "timeout", 0},
		{"22", fault.OutcomeUnknown, "timeout", 1},
		{"23", fault.OutcomeUnknown, "connection_lost", 0},
		{"24", fault.OutcomeUnknown, "connection_lost", 1},
		{"25", fault.OutcomeUnknown, "reply_invalid", 1},
		{"27", fault.OutcomeUnknown, "http_failed", 1},
		{"28", fault.Unavailable, "http_unavailable", 0},
		{"29", fault.RateLimited, "http_rate", 0},
	}
	sim, url := startSim(t, convrssim.Options{})
	a := openAccount(t, url, "", map[string]any{"timeout": "200ms", "template_ttl": "0s"})
	var errs []string
	for _, tt := range tests {
		before := len(sim.State().Messages)
		err := deliver(t, a, template("+4477009001"+tt.suffix, "Ada")).Err
		wantFault(t, err, tt.class, tt.code)
		errs = append(errs, err.Error())
		taken := len(sim.State().Messages) - before
		if taken != tt.taken {
			t.Errorf("%s: %d messages taken, want %d", tt.suffix, taken, tt.taken)
		}
		if taken > 0 && faultOf(t, err).Class.Taken() == fault.NotTaken {
			t.Errorf("%s: %s claims that the message was not taken, but it was", tt.suffix, err)
		}
	}
	patient := openAccount(t, url, "", nil)
	wantFault(t, deliver(t, patient, template("+447700900126")).Err, fault.OutcomeUnknown, "reply_too_long")
	if f := faultOf(t, deliver(t, a, template("+447700900129")).Err); f.RetryAfter != 2*time.Second {
		t.Errorf("Retry-After gives %s, want 2s", f.RetryAfter)
	}
	for range 3 {
		_ = deliver(t, a, template("+447700900219"))
	}
	if x := deliver(t, a, template("+447700900219")); x.Err != nil {
		t.Errorf("after the outage: %v", x.Err)
	}
	for _, e := range errs {
		if strings.Contains(e, "4477009") || strings.Contains(e, "Ada") || strings.Contains(e, convrssim.Token) {
			t.Errorf("an error shows what it must not: %s", e)
		}
	}
}

// TestWhatsAppText holds the session of WhatsApp, and the user id made from the phone where the account says so.
func TestWhatsAppText(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	uid := "3941-wa3-447700900140"
	sim, url := startSim(t, convrssim.Options{Session: 24 * time.Hour, Now: func() time.Time { return now }, Users: []convrssim.User{{UID: uid}}})
	a := openAccount(t, url, "", map[string]any{"whatsapp_uid_from_phone": true})
	wantFault(t, deliver(t, a, text("whatsapp", ada, "")).Err, fault.SessionClosed, "whatsapp_session")
	sim.Say(convrssim.ConversationMessage{UID: uid, Sender: "client"})
	if x := deliver(t, a, text("whatsapp", ada, "")); x.Err != nil || string(x.Result.User) != uid {
		t.Errorf("in session: %+v", x)
	}
}

// TestReadsAreNeverUnknown holds that asking again is always allowed for what changes nothing.
func TestReadsAreNeverUnknown(t *testing.T) {
	sim, url := startSim(t, convrssim.Options{Users: []convrssim.User{{UID: "u"}}})
	a := openAccount(t, url, "", nil)
	sim.Next("GetUser", convrssim.Behavior{Drop: true}, convrssim.Behavior{Error: 2003}, convrssim.Behavior{Status: 500})
	for range 3 {
		_, err := a.Invoke(t.Context(), "user.get", json.RawMessage(`{"uid":"u"}`))
		if f := faultOf(t, err); f.Class != fault.Unavailable {
			t.Errorf("got %v", err)
		}
	}
	sim.Next("SetUserName", convrssim.Behavior{Drop: true, Taken: true})
	_, err := a.Invoke(t.Context(), "user.set_name", json.RawMessage(`{"uid":"u","name":"Ada"}`))
	wantFault(t, err, fault.OutcomeUnknown, "connection_lost")
}

// TestUnreachable holds that a refused connection is certain.
func TestUnreachable(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, transport := range []string{"post", "websocket"} {
		a := openAccount(t, closed.URL, "", map[string]any{"transport": transport})
		wantFault(t, deliver(t, a, text("sms", ada, "")).Err, fault.Unavailable, "unreachable")
	}
}

// TestStatuses holds the HTTP statuses, and that redirects are not followed.
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
	a := openAccount(t, srv.URL+"/api", "", nil)
	for want, class := range map[int]fault.Class{302: fault.Misconfigured, 307: fault.Misconfigured, 400: fault.Internal, 401: fault.Unauthorized, 403: fault.Unauthorized,
		404: fault.Misconfigured, 405: fault.Misconfigured, 408: fault.OutcomeUnknown, 413: fault.ContentRejected, 418: fault.Internal, 429: fault.RateLimited,
		500: fault.OutcomeUnknown, 502: fault.OutcomeUnknown, 503: fault.Unavailable, 504: fault.OutcomeUnknown} {
		status = want
		if f := faultOf(t, deliver(t, a, text("sms", ada, "")).Err); f.Class != class {
			t.Errorf("status %d gives %s, want %s", want, f.Class, class)
		}
	}
	status, body = 403, `{"ok":0,"error":"no","errorCode":2006}`
	wantFault(t, deliver(t, a, text("sms", ada, "")).Err, fault.Unsubscribed, "unsubscribed")
	if strings.Contains(followed, "elsewhere") {
		t.Error("a redirect was followed")
	}
	status = 200
	var code string
	for body, code = range map[string]string{`{}`: "reply_invalid", `{"ok":"1"}`: "reply_invalid", `[]`: "reply_invalid", ``: "reply_invalid", `{"ok":1,"mid":7}`: "reply_invalid",
		`{"ok":0}`: "code_unknown", `{"ok":0,"error":"Unknown user"}`: "code_unknown", `{"ok":0,"errorCode":2099}`: "code_unknown"} {
		wantFault(t, deliver(t, a, text("sms", ada, "")).Err, fault.OutcomeUnknown, code)
	}
	body = `{"ok":0,"errorCode":1099}`
	wantFault(t, deliver(t, a, text("sms", ada, "")).Err, fault.Internal, "code_unknown")
}

// TestTemplates holds that wrong templates are refused before they are sent, with the reason.
func TestTemplates(t *testing.T) {
	body := `[{"type":"HEADER","format":"IMAGE"},{"type":"BODY","text":"Hi {{1}}, {{2}} and {{1}}"}]`
	sim, url := startSim(t, convrssim.Options{Templates: []convrssim.Template{
		{Name: "order_update", Language: "en", Status: "APPROVED", Components: json.RawMessage(`[{"type":"BODY","text":"Hi {{1}}"},{"type":"FOOTER","text":"Bye"}]`)},
		{Name: "order_update", Language: "de", Status: "PAUSED"},
		{Name: "order_update", Language: "fr", Status: "APPROVED", Components: json.RawMessage(body)},
		{Name: "order_update", Language: "nl", Status: "APPROVED", Components: json.RawMessage(`"odd"`)},
	}})
	a := openAccount(t, url, "", nil)
	in := func(language, header string, params ...string) connector.Delivery {
		d := template(ada, params...)
		d.Content.Template.Language = language
		if header != "" {
			d.Content.Template.Header = &message.Media{Type: header, URL: "https://cdn.example/x"}
		}
		return d
	}
	tests := map[string]struct {
		d     connector.Delivery
		class fault.Class
		code  string
	}{
		"fits":              {in("en", "", "Ada"), "", ""},
		"fits with header":  {in("fr", "image", "a", "b"), "", ""},
		"unknown shape":     {in("nl", "", "a", "b", "c"), "", ""},
		"too few":           {in("en", ""), fault.ContentRejected, "template_params"},
		"too many":          {in("fr", "image", "a", "b", "c"), fault.ContentRejected, "template_params"},
		"header missing":    {in("fr", "", "a", "b"), fault.ContentRejected, "template_header"},
		"header wrong":      {in("fr", "video", "a", "b"), fault.ContentRejected, "template_header"},
		"header not wanted": {in("en", "image", "a"), fault.ContentRejected, "template_header"},
		"paused":            {in("de", ""), fault.TemplateUnavailable, "template_not_approved"},
		"unknown":           {in("xx", ""), fault.TemplateUnavailable, "template_unknown"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second time from memory
				err := deliver(t, a, tt.d).Err
				if tt.class == "" && err == nil {
					continue
				}
				wantFault(t, err, tt.class, tt.code)
			}
		})
	}
	if n := len(commandsOf(sim, "GetWhatsAppTemplate")); n != 5 {
		t.Errorf("%d lookups for five templates", n)
	}
	if n := len(commandsOf(sim, "SendWhatsAppTemplate")); n != 6 {
		t.Errorf("%d templates sent, want 6", n)
	}
}

// TestTemplateLookupFails holds that trouble with the lookup is not taken for a verdict about the template.
func TestTemplateLookupFails(t *testing.T) {
	sim, url := startSim(t, convrssim.Options{})
	a := openAccount(t, url, "", nil)
	sim.Next("GetWhatsAppTemplate", convrssim.Behavior{Drop: true}, convrssim.Behavior{Error: 1001}, convrssim.Behavior{Error: 1004})
	wantFault(t, deliver(t, a, template(ada)).Err, fault.Unavailable, "connection_lost")
	wantFault(t, deliver(t, a, template(ada)).Err, fault.Unauthorized, "token_invalid")
	if x := deliver(t, a, template(ada)); x.Err != nil {
		t.Fatal(x.Err)
	}
}

// TestDigitsKept holds that numbers of customers go out as they are, however long.
func TestDigitsKept(t *testing.T) {
	sim, url := startSim(t, convrssim.Options{Users: []convrssim.User{{UID: "u"}}})
	a := openAccount(t, url, "", nil)
	for op, in := range map[string]string{
		"user.set_data":          `{"uid":"u","data":{"a":[{"id":12345678901234567890}]}}`,
		"route.send":             `{"phone":"+447700900140","route":"r","userdata":{"id":12345678901234567890}}`,
		"whatsapp.send_template": `{"botID":3941,"phone":"+447700900140","language":"en","templateName":"x","header":{"id":12345678901234567890},"webhookPayload":{"id":12345678901234567890},"webhookHeaders":[{"name":"X-Id","value":"12345678901234567890"}]}`,
	} {
		if _, err := a.Invoke(t.Context(), op, json.RawMessage(in)); err != nil {
			t.Error(err)
		}
		requests := sim.State().Requests
		if got := string(requests[len(requests)-1].Body); strings.Count(got, "12345678901234567890") != strings.Count(in, "12345678901234567890") {
			t.Errorf("%s sent %s", op, got)
		}
	}
}

// TestConnectionsReused holds that concurrent sends share a bounded set of connections.
func TestConnectionsReused(t *testing.T) {
	sim, url := startSim(t, convrssim.Options{})
	a := openAccount(t, url, "", map[string]any{"connections": 4})
	var batch []connector.Delivery
	for i := range 200 {
		d := template(fmt.Sprintf("+447700900%03d", 100+i%100), "Ada")
		d.Message, d.Attempt, d.To.Phone = message.ID(fmt.Sprint(i)), 1, ada
		batch = append(batch, d)
	}
	var mu sync.Mutex
	seen := map[message.ID]bool{}
	a.Deliver(t.Context(), batch, func(x connector.Answer) {
		mu.Lock()
		defer mu.Unlock()
		if x.Err != nil || seen[x.Message] {
			t.Errorf("answer %+v", x)
		}
		seen[x.Message] = true
	})
	if n := sim.State().Connections; len(seen) != 200 || n > 4 {
		t.Errorf("%d answers over %d connections, want 200 over at most 4", len(seen), n)
	}
}

// TestConfiguration holds what is refused at opening, and that no secret shows.
func TestConfiguration(t *testing.T) {
	tests := map[string]string{
		"no token":     `{}`,
		"empty token":  `{"token":""}`,
		"plain http":   `{"token":"` + secret + `","base_url":"http://data.conv.rs/api"}`,
		"plain ws":     `{"token":"` + secret + `","websocket_url":"ws://data.conv.rs/api"}`,
		"no url":       `{"token":"` + secret + `","base_url":"data.conv.rs"}`,
		"bad duration": `{"token":"` + secret + `","timeout":"soon"}`,
		"few lines":    `{"token":"` + secret + `","connections":-1}`,
		"bad choice":   `{"token":"` + secret + `","transport":"pigeon"}`,
		"unknown name": `{"token":"` + secret + `","tokn":"x"}`,
	}
	for name, cfg := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := convrs.New().Open(t.Context(), connector.AccountConfig{Account: "convrs-uk", Config: json.RawMessage(cfg)})
			wantFault(t, err, fault.Misconfigured, "config_invalid")
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
}

// TestNothingShows runs every failure and searches logs and errors for secrets, numbers and texts.
func TestNothingShows(t *testing.T) {
	var logs bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(old)
	sim, url := startSim(t, convrssim.Options{})
	a := openAccount(t, url, "https://host.example/w", map[string]any{"timeout": "100ms", "webhook_secret": secret})
	for i := range 22 {
		for _, d := range []connector.Delivery{template(fmt.Sprintf("+4477009001%02d", i+10), "Ada Lovelace"), text("sms", fmt.Sprintf("+4477009001%02d", i+10), "")} {
			if x := deliver(t, a, d); x.Err != nil {
				raw, err := json.Marshal(x)
				if err != nil {
					t.Fatal(err)
				}
				logs.WriteString(x.Err.Error() + "\n" + string(raw) + "\n" + fmt.Sprintf("%+v", x.Err) + "\n")
			}
		}
	}
	for _, status := range []int{200, 400} {
		echo := `{"ok":0,"errorCode":1006,"error":"bad phone +447700900140 token ` + convrssim.Token + `: Dear\\u0020Ada,\\n \\\"hi\\\" &amp; bye"}`
		sim.Next("SendSMSMessage", convrssim.Behavior{Body: echo, Status: status})
		d := text("sms", ada, "")
		d.Content.Text = "Dear Ada,\n \"hi\" & bye"
		err := deliver(t, a, d).Err
		wantFault(t, err, fault.InvalidRecipient, "phone_invalid")
		logs.WriteString(err.Error())
	}
	_, _, err := a.Receive(t.Context(), &connector.Request{Method: "POST", Path: "/events/wrong", Body: []byte(`{"uid":"+447700900140"}`)})
	logs.WriteString(err.Error())
	for _, what := range []string{convrssim.Token, secret, "7700900", "Ada", "bye"} {
		if i := strings.Index(logs.String(), what); i >= 0 {
			t.Errorf("%q shows: %s", what, logs.String()[max(0, i-200):i+len(what)])
		}
	}
	if logs.Len() < 1000 {
		t.Error("too little was collected for this test to mean anything")
	}
}

func BenchmarkSend(b *testing.B) {
	_, url := startSim(b, convrssim.Options{Script: func(convrssim.Call) convrssim.Behavior { return convrssim.Behavior{} }, Keep: 1})
	a := openAccount(b, url, "https://host.example/w", nil)
	d := []connector.Delivery{template(ada, "Ada", "1042")}
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
