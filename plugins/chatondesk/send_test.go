package chatondesk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hermodhq/hermod/plugins/chatondesk"
	"github.com/hermodhq/hermod/plugins/chatondesk/chatondesksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

const dynamicImage = `{"header":{"file_type":"dynamic","type":"image","message":"##file##"},"body":{"message":"Hello ##name##, ##test## and ##name##"}}`

// TestSend holds the exact request of each kind, and that nothing beyond accepted is claimed.
func TestSend(t *testing.T) {
	sim, url := startSim(t, chatondesksim.Options{User: "ada", Password: "p w&d", Channels: []string{"whatsapp", "smsalert", "website", "rcs"},
		Templates: []chatondesksim.Structuredtemplate{{ID: "25", Name: "image", Template: dynamicImage}}})
	onOther, misplaced := template(ada, map[string]any{"name": "Ada"}), labelled("website")
	onOther.Channel, onOther.Labels, misplaced.Channel = "other", misplaced.Labels, message.SMS
	header := template(ada, nil, "Ada", "thanks")
	header.Content.Template.Header = &message.Media{Type: "image", URL: "https://cdn.example/a.png"}
	tests := map[string]struct {
		settings map[string]any
		d        connector.Delivery
		want     string
	}{
		"template":         {nil, template(ada, map[string]any{"name": "Ada", "n": 1042.0, "big": 1e21, "ok": true}), `{"structureid":"25","phone":"+447700900140","channel":"whatsapp","type":"template","data":{"name":"Ada","n":"1042","big":"1000000000000000000000","ok":"true"}}`},
		"without data":     {nil, template(ada, nil), `{"structureid":"25","phone":"+447700900140","channel":"whatsapp","type":"template"}`},
		"by position":      {nil, template(ada, nil, "https://cdn.example/a.png", "Ada", "thanks"), `{"structureid":"25","phone":"+447700900140","channel":"whatsapp","type":"template","data":{"file":"https://cdn.example/a.png","name":"Ada","test":"thanks"}}`},
		"header":           {nil, header, `{"structureid":"25","phone":"+447700900140","channel":"whatsapp","type":"template","data":{"file":"https://cdn.example/a.png","name":"Ada","test":"thanks"}}`},
		"header key":       {map[string]any{"header_key": "test"}, header, `{"structureid":"25","phone":"+447700900140","channel":"whatsapp","type":"template","data":{"test":"https://cdn.example/a.png","file":"Ada","name":"thanks"}}`},
		"mixed":            {nil, template(ada, map[string]any{"file": "f"}, "Ada", "thanks"), `{"structureid":"25","phone":"+447700900140","channel":"whatsapp","type":"template","data":{"file":"f","name":"Ada","test":"thanks"}}`},
		"sms":              {nil, text("sms", ada), `{"phone":"+447700900140","channel":"smsalert","type":"message","message":"Dear Ada, your parcel waits"}`},
		"named":            {map[string]any{"channels": map[string]string{"webchat": "website"}}, text("webchat", ada), `{"phone":"+447700900140","channel":"website","type":"message","message":"Dear Ada, your parcel waits"}`},
		"labelled":         {nil, labelled("website"), `{"phone":"+447700900140","channel":"website","type":"message","message":"Dear Ada, your parcel waits"}`},
		"other":            {map[string]any{"channels": map[string]string{"other": "rcs"}}, text("other", ada), `{"phone":"+447700900140","channel":"rcs","type":"message","message":"Dear Ada, your parcel waits"}`},
		"label first":      {map[string]any{"channels": map[string]string{"other": "rcs"}}, labelled("website"), `{"phone":"+447700900140","channel":"website","type":"message","message":"Dear Ada, your parcel waits"}`},
		"other's template": {nil, onOther, `{"structureid":"25","phone":"+447700900140","channel":"website","type":"template","data":{"name":"Ada"}}`},
		"label elsewhere":  {nil, misplaced, `{"phone":"+447700900140","channel":"smsalert","type":"message","message":"Dear Ada, your parcel waits"}`},
		"digits":           {map[string]any{"phone_format": "digits"}, text("whatsapp", ada), `{"phone":"447700900140","channel":"whatsapp","type":"message","message":"Dear Ada, your parcel waits"}`},
	}
	for name, tt := range tests {
		for _, body := range []string{"json", "form"} {
			for _, user := range []any{nil, "ada"} {
				t.Run(fmt.Sprint(name, " ", body, " ", user), func(t *testing.T) {
					settings := map[string]any{"body": body}
					if user != nil {
						settings["api_key"], settings["user"], settings["password"] = nil, user, "p w&d"
					}
					for k, v := range tt.settings {
						settings[k] = v
					}
					x := deliver(t, openAccount(t, url, settings), tt.d)
					if x.Err != nil {
						t.Fatal(x.Err)
					}
					if x.Message != "01HX" || x.Attempt != 1 || x.Result.Outcome != message.Accepted || x.Result.VendorID != "" {
						t.Errorf("answer %+v", x)
					}
					var want map[string]any
					if err := json.Unmarshal([]byte(tt.want), &want); err != nil {
						t.Fatal(err)
					}
					want["apikey"] = chatondesksim.APIKey
					if user != nil {
						delete(want, "apikey")
						want["user"], want["pwd"] = "ada", "p w&d"
					}
					requests := sim.Requests()
					last := requests[len(requests)-1]
					sameJSON(t, "request", last.Fields, want)
					if form := body == "form"; strings.Contains(last.ContentType, "form") != form || json.Valid(last.Raw) == form {
						t.Errorf("%s: %s", last.ContentType, last.Raw)
					}
				})
			}
		}
	}
	if last := sim.Messages(); last[len(last)-1].Phone == "" || len(last) != 4*len(tests) {
		t.Errorf("%d messages taken", len(last))
	}
}

// TestSendRefused holds what is refused without sending anything.
func TestSendRefused(t *testing.T) {
	sim, url := startSim(t, chatondesksim.Options{Templates: []chatondesksim.Structuredtemplate{{ID: "25", Template: dynamicImage}, {ID: "26"}}})
	a := openAccount(t, url, map[string]any{"channels": map[string]string{"sms": ""}})
	never := openAccount(t, url, map[string]any{"template_ttl": "0s"})
	header, media := template(ada, nil), text("whatsapp", ada)
	header.Content.Template.Header = &message.Media{Type: "image", Data: []byte("x")}
	media.Content.Media = &message.Media{Type: "image"}
	twice := template(ada, map[string]any{"file": "f"})
	twice.Content.Template.Header = &message.Media{Type: "image", URL: "https://cdn.example/a.png"}
	unlisted := template(ada, nil, "Ada")
	unlisted.Content.Template.Name = "99"
	tests := map[string]struct {
		a     connector.Account
		d     connector.Delivery
		class fault.Class
		code  string
	}{
		"no phone":          {a, text("whatsapp", ""), fault.InvalidRecipient, "phone_missing"},
		"unnamed channel":   {a, text("telegram", ada), fault.Unsupported, "channel_unnamed"},
		"other unnamed":     {a, text("other", ada), fault.Unsupported, "channel_unnamed"},
		"other unlabelled":  {a, labelled(""), fault.Unsupported, "channel_unnamed"},
		"channel away":      {a, text("sms", ada), fault.Unsupported, "channel_unnamed"},
		"media":             {a, media, fault.Unsupported, "kind_unsupported"},
		"header bytes":      {a, header, fault.ContentRejected, "header_url_missing"},
		"header twice":      {a, twice, fault.ContentRejected, "header_twice"},
		"nested value":      {a, template(ada, map[string]any{"name": []any{"Ada"}}), fault.ContentRejected, "data_not_text"},
		"null":              {a, template(ada, map[string]any{"name": nil}), fault.ContentRejected, "data_not_text"},
		"too few":           {a, template(ada, nil, "a", "b"), fault.ContentRejected, "template_params"},
		"too many":          {a, template(ada, nil, "a", "b", "c", "d"), fault.ContentRejected, "template_params"},
		"unlisted template": {a, unlisted, fault.ContentRejected, "params_unordered"},
		"positional off":    {never, template(ada, nil, "Ada"), fault.ContentRejected, "params_positional"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { wantFault(t, deliver(t, tt.a, tt.d).Err, tt.class, tt.code) })
	}
	if n := len(sim.Messages()); n != 0 {
		t.Errorf("%d messages were taken", n)
	}
	if n := len(sim.Requests()); n != 1 {
		t.Errorf("%d requests, want one for the template list", n)
	}
	sim.Next("templatelist.json", chatondesksim.Behavior{Status: 500})
	other := openAccount(t, url, nil)
	wantFault(t, deliver(t, other, template(ada, nil, "a", "b", "c")).Err, fault.Unavailable, "http_failed")
	if x := deliver(t, other, template(ada, nil, "a", "b", "c")); x.Err != nil {
		t.Errorf("a failed lookup was remembered: %v", x.Err)
	}
}

// TestOtherChannels holds that errors say how any channel is reached, since the settings take none but ours.
func TestOtherChannels(t *testing.T) {
	_, err := chatondesk.New().Open(t.Context(), connector.AccountConfig{Account: "chatondesk-in", Config: json.RawMessage(`{"api_key":"k","channels":{"website":"website"}}`)})
	_, url := startSim(t, chatondesksim.Options{})
	for _, err := range []error{err, deliver(t, openAccount(t, url, nil), text("other", ada)).Err} {
		if err == nil || !strings.Contains(err.Error(), "channels.other") || !strings.Contains(err.Error(), "label chatondesk.channel") {
			t.Error(err)
		}
	}
}

// TestFailures drives every scripted way of failing, and compares what the fault claims with what the vendor really took.
func TestFailures(t *testing.T) {
	tests := []struct {
		suffix string
		class  fault.Class // empty: no fault
		code   string
		taken  int
	}{
		{"19", fault.Unavailable, "http_unavailable", 0},
		{"20", "", "", 1},
		{"21", fault.OutcomeUnknown, "timeout", 0},
		{"22", fault.OutcomeUnknown, "timeout", 1},
		{"23", fault.OutcomeUnknown, "connection_lost", 0},
		{"24", fault.OutcomeUnknown, "connection_lost", 1},
		{"25", fault.OutcomeUnknown, "reply_invalid", 1},
		{"26", fault.OutcomeUnknown, "reply_too_long", 1},
		{"27", fault.OutcomeUnknown, "http_failed", 1},
		{"28", fault.Unavailable, "http_unavailable", 0},
		{"29", fault.RateLimited, "http_rate", 0},
		{"30", fault.TemplateUnavailable, "template_unknown", 0},
		{"31", fault.TemplateUnavailable, "template_not_approved", 0},
		{"32", fault.Unauthorized, "account_dormant", 0},
		{"33", fault.Unauthorized, "credentials_refused", 0},
		{"34", fault.Misconfigured, "channel_none", 0},
		{"35", fault.Misconfigured, "sender_none", 0},
		{"36", fault.OutcomeUnknown, "error_unknown", 0},
		{"37", "", "", 1},
		{"38", "", "", 1},
		{"60", fault.ContentRejected, "http_bad_request", 0},
		{"61", fault.Unauthorized, "http_unauthorized", 0},
		{"62", fault.QuotaExhausted, "http_payment_required", 0},
		{"63", fault.Misconfigured, "http_forbidden", 0},
		{"64", fault.TemplateUnavailable, "http_not_found", 0},
		{"65", fault.Unavailable, "http_conflict", 0},
		{"66", fault.OutcomeUnknown, "http_failed", 0},
	}
	sim, url := startSim(t, chatondesksim.Options{})
	a := openAccount(t, url, map[string]any{"timeout": "1m"})
	hasty := openAccount(t, url, map[string]any{"timeout": "100ms"})
	for _, tt := range tests {
		before := len(sim.Messages())
		by := a
		if tt.code == "timeout" {
			by = hasty
		}
		err := deliver(t, by, template("+4477009001"+tt.suffix, map[string]any{"name": "Ada"})).Err
		if tt.class != "" {
			wantFault(t, err, tt.class, tt.code)
		} else if err != nil {
			t.Errorf("%s: %v", tt.suffix, err)
		}
		taken := len(sim.Messages()) - before
		if taken != tt.taken {
			t.Errorf("%s: %d messages taken, want %d", tt.suffix, taken, tt.taken)
		}
		if err != nil && taken > 0 && faultOf(t, err).Class.Taken() == fault.NotTaken {
			t.Errorf("%s: %s claims that the message was not taken, but it was", tt.suffix, err)
		}
	}
	if f := faultOf(t, deliver(t, a, template("+447700900129", nil)).Err); f.RetryAfter != 2*time.Second {
		t.Errorf("Retry-After gives %s, want 2s", f.RetryAfter)
	}
	for status, want := range map[int]time.Duration{429: time.Second, 409: 2 * time.Second, 503: 0} {
		sim.Next("structuredpush.json", chatondesksim.Behavior{Status: status})
		if f := faultOf(t, deliver(t, a, text("sms", ada)).Err); f.RetryAfter != want {
			t.Errorf("%d without Retry-After gives %s, want %s", status, f.RetryAfter, want)
		}
	}
	for range 3 {
		_ = deliver(t, a, template("+447700900219", nil))
	}
	if x := deliver(t, a, template("+447700900219", nil)); x.Err != nil {
		t.Errorf("after the outage: %v", x.Err)
	}
}

// TestUnreachable holds that a refused connection is certain, and an ended context too when nothing was written.
func TestUnreachable(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	a := openAccount(t, closed.URL+"/api", nil)
	wantFault(t, deliver(t, a, text("sms", ada)).Err, fault.Unavailable, "unreachable")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a.Deliver(ctx, []connector.Delivery{text("sms", ada)}, func(x connector.Answer) { wantFault(t, x.Err, fault.Unavailable, "timeout") })
}

// TestRedirect holds that credentials are not carried elsewhere.
func TestRedirect(t *testing.T) {
	var mu sync.Mutex
	var paths []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		paths = append(paths, r.URL.Path)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	wantFault(t, deliver(t, openAccount(t, srv.URL+"/api", nil), text("sms", ada)).Err, fault.Misconfigured, "http_redirect")
	if !slices.Equal(paths, []string{"/api/structuredpush.json"}) {
		t.Errorf("called %q", paths)
	}
}

// TestCodes holds the whole way of a one-time code: sent, wrong, right, used up.
func TestCodes(t *testing.T) {
	for _, body := range []string{"json", "form"} {
		sim, url := startSim(t, chatondesksim.Options{Seed: 7})
		a := openAccount(t, url, map[string]any{"body": body})
		invoke(t, a, "code.send", `{"structureid":"54","channel":"whatsapp","phone":"+447700900140"}`)
		code := sim.Messages()[0].Code
		check := func(code string) bool {
			return invoke(t, a, "code.check", fmt.Sprintf(`{"channel":"whatsapp","phone":"+447700900140","code":%q}`, code))["verified"].(bool)
		}
		if wrong := "x" + code; check(wrong) {
			t.Error("a wrong code is verified")
		}
		if !check(code) {
			t.Error("the right code is not verified")
		}
		if check(code) {
			t.Error("a code that was used is verified again")
		}
		if n := len(sim.Messages()); n != 1 {
			t.Errorf("%d messages, want 1: checking sends nothing", n)
		}
	}
}

// TestManyNumbers holds that one call reaches several numbers, on any channel by its system name.
func TestManyNumbers(t *testing.T) {
	sim, url := startSim(t, chatondesksim.Options{Channels: []string{"smsalert", "website", "rcs"}})
	for _, body := range []string{"json", "form"} {
		a := openAccount(t, url, map[string]any{"body": body})
		invoke(t, a, "template.send", `{"structureid":"25","channel":"smsalert","phone":"+447700900140,+447700900141","data":{"name":"Ada"},"schedule":"2026-01-02 10:00:00"}`)
		invoke(t, a, "text.send", `{"channel":"website","phone":"447700900142, 07700900143","message":"hello"}`)
		got := sim.Messages()
		got = got[len(got)-4:]
		want := []string{"+447700900140 smsalert 2026-01-02 10:00:00 Ada", "+447700900141 smsalert 2026-01-02 10:00:00 Ada", "447700900142 website  <nil>", "07700900143 website  <nil>"}
		for i, m := range got {
			if s := fmt.Sprintf("%s %s %s %v", m.Phone, m.Channel, m.Schedule, m.Data["name"]); s != want[i] {
				t.Errorf("%s: got %q, want %q", body, s, want[i])
			}
		}
		invoke(t, a, "template.send", `{"structureid":"25","channel":"rcs","phone":"+447700900140","data":{"order":12345678901234567890}}`)
		if all := sim.Messages(); fmt.Sprint(all[len(all)-1].Channel, all[len(all)-1].Data["order"]) != "rcs12345678901234567890" {
			t.Errorf("%s: digits were lost: %v", body, all[len(all)-1])
		}
	}
}

// TestOperations holds lists, profiles, reminders and the balance against an account with contents, in JSON and as forms.
func TestOperations(t *testing.T) {
	for _, settings := range []map[string]any{{}, {"body": "form"}, {"reminder_list": "post"}} {
		var history []chatondesksim.HistoryRecord
		for i := range 12 {
			history = append(history, chatondesksim.HistoryRecord{Profile: json.RawMessage("[]")})
			history[i].Chatlog.Date = fmt.Sprintf("2026-01-02 10:00:%02d", i)
		}
		sim, url := startSim(t, chatondesksim.Options{History: map[string][]chatondesksim.HistoryRecord{"34": history}, Balance: 2, Cost: 1,
			Templates: []chatondesksim.Structuredtemplate{{ID: "1", Name: "Order"}, {ID: "2", Name: "Other"}, {ID: "3", Name: "order two"}}})
		a := openAccount(t, url, settings)
		records := func(op, in string) []any { return invoke(t, a, op, in)["records"].([]any) }
		if n := len(records("chat.history", `{"profile_id":"34"}`)); n != 10 {
			t.Errorf("%d records on a page", n)
		}
		first := records("chat.history", `{"profile_id":"34","page":"2","limit":"5","order":"desc"}`)[0].(map[string]any)["Chatlog"].(map[string]any)
		if first["date"] != "2026-01-02 10:00:06" {
			t.Errorf("page 2 begins with %v", first["date"])
		}
		if n := len(records("template.list", `{"searchname":"order"}`)); n != 2 {
			t.Errorf("%d templates", n)
		}
		if n := len(records("channel.list", `{}`)); n != 3 {
			t.Errorf("%d channels", n)
		}
		id := invoke(t, a, "reminder.create", `{"profile_id":"34","message":"Call Ada","time":"2026-01-02 10:00:00","type":"one-time"}`)["reminder_id"]
		invoke(t, a, "reminder.update", fmt.Sprintf(`{"id":%q,"message":"Call"}`, id))
		if r := records("reminder.list", fmt.Sprintf(`{"id":%q}`, id)); len(r) != 1 || r[0].(map[string]any)["reminder_text"] != "Call" {
			t.Errorf("reminders %v", r)
		}
		method := sim.Requests()[len(sim.Requests())-1].Method
		if want := map[bool]string{true: "GET", false: "POST"}[len(settings) == 0]; method != want {
			t.Errorf("reminderlist by %s with %v", method, settings)
		}
		_, err := a.Invoke(t.Context(), "reminder.create", json.RawMessage(`{"profile_id":"34","message":"x","status":"soon"}`))
		wantFault(t, err, fault.ContentRejected, "http_bad_request")
		_, err = a.Invoke(t.Context(), "reminder.update", json.RawMessage(`{"id":"1"}`))
		wantFault(t, err, fault.ContentRejected, "http_not_found")
		invoke(t, a, "profile.create", `{"datas":{"name":"Ada","Chatuserchennelid":["whatsapp","smsalert"]}}`)
		invoke(t, a, "text.send", `{"channel":"whatsapp","phone":"+447700900140,+447700900141","message":"hello"}`)
		if w := invoke(t, a, "balance.get", `{}`)["Wallet"].(map[string]any); w["balance"] != "0" || w["currency"] != "INR" {
			t.Errorf("wallet %v", w)
		}
		wantFault(t, deliver(t, a, text("sms", ada)).Err, fault.QuotaExhausted, "http_payment_required")
	}
}

// TestNothingBeyondAccepted holds what the rule checker goes by when it refuses to wait for more: accepted is all that is known.
func TestNothingBeyondAccepted(t *testing.T) {
	d := chatondesk.New().Describe()
	if c := d.Capabilities; !c.Send || c.Query || c.Receive || c.Listen || len(d.Events) != 0 {
		t.Errorf("capabilities %+v, events %v", c, d.Events)
	}
	for _, c := range d.Channels {
		if c.Receipts != connector.NoReceipts || !slices.Equal(c.Outcomes, []message.Outcome{message.Accepted}) {
			t.Errorf("%s: receipts %s, outcomes %s", c.Channel, c.Receipts, c.Outcomes)
		}
	}
	_, url := startSim(t, chatondesksim.Options{})
	_, err := openAccount(t, url, nil).Query(t.Context(), connector.Query{Message: "01HX", Attempt: 1})
	wantFault(t, err, fault.Unsupported, "not_offered")
}

// TestTemplateListRemembered holds that one lookup serves many sends at once.
func TestTemplateListRemembered(t *testing.T) {
	sim, url := startSim(t, chatondesksim.Options{Templates: []chatondesksim.Structuredtemplate{{ID: "25", Template: `{"body":{"message":"Hi ##name##"}}`}}})
	a := openAccount(t, url, map[string]any{"connections": 4})
	batch := make([]connector.Delivery, 200)
	for i := range batch {
		batch[i] = template(ada, nil, "Ada")
		batch[i].Message, batch[i].Attempt = message.ID(fmt.Sprint(i)), 1
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
	if n := sim.Connections(); len(seen) != 200 || n > 4 {
		t.Errorf("%d answers over %d connections, want 200 over at most 4", len(seen), n)
	}
	lists := slices.DeleteFunc(sim.Requests(), func(r chatondesksim.Request) bool { return !strings.HasSuffix(r.Path, "templatelist.json") })
	if len(lists) != 1 || lists[0].Fields["limit"] != "100" {
		t.Errorf("%d lookups", len(lists))
	}
	if m := sim.Messages(); m[0].Text != "Hi Ada" {
		t.Errorf("sent %q", m[0].Text)
	}
}

// TestConfiguration holds what is refused at opening, and that no secret shows.
func TestConfiguration(t *testing.T) {
	const secret = "secret-that-must-not-show"
	tests := map[string]string{
		"no credentials": `{}`,
		"no password":    `{"user":"ada"}`,
		"no user":        `{"password":"` + secret + `"}`,
		"both":           `{"api_key":"` + secret + `","user":"ada","password":"x"}`,
		"plain http":     `{"api_key":"` + secret + `","base_url":"http://app.chatondesk.com/api"}`,
		"plain chatbot":  `{"api_key":"` + secret + `","chatbot_url":"http://app.chatondesk.com/chatbot/api"}`,
		"no url":         `{"api_key":"` + secret + `","base_url":"app.chatondesk.com"}`,
		"bad duration":   `{"api_key":"` + secret + `","timeout":"soon"}`,
		"bad choice":     `{"api_key":"` + secret + `","body":"xml"}`,
		"bad method":     `{"api_key":"` + secret + `","reminder_list":"put"}`,
		"bad format":     `{"api_key":"` + secret + `","phone_format":"national"}`,
		"few lines":      `{"api_key":"` + secret + `","connections":-1}`,
		"no channel":     `{"api_key":"` + secret + `","channels":{"whatapp":"whatsapp"}}`,
		"short list":     `{"api_key":"` + secret + `","template_list_size":-1}`,
		"unknown name":   `{"api_key":"` + secret + `","apikey":"` + secret + `"}`,
	}
	for name, cfg := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := chatondesk.New().Open(t.Context(), connector.AccountConfig{Account: "chatondesk-in", Config: json.RawMessage(cfg)})
			wantFault(t, err, fault.Misconfigured, "config_invalid")
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows the secret: %v", err)
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
	sim, url := startSim(t, chatondesksim.Options{User: "ada-user", Password: "pass-word"})
	note := func(x connector.Answer) {
		if x.Err != nil {
			raw, err := json.Marshal(x)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&logs, "%v\n%s\n%+v\n", x.Err, raw, x.Err)
		}
	}
	for _, settings := range []map[string]any{{}, {"body": "form", "phone_format": "digits", "api_key": nil, "user": "ada-user", "password": "pass-word"}} {
		settings["timeout"] = "100ms"
		a := openAccount(t, url, settings)
		for i := range 100 {
			phone := fmt.Sprintf("+4477009003%02d", i)
			note(deliver(t, a, template(phone, map[string]any{"name": "Ada Lovelace"})))
			note(deliver(t, a, text("sms", phone)))
		}
		own := chatondesksim.APIKey
		if settings["user"] != nil {
			own = "ada-user pass-word"
		}
		echo, err := json.Marshal(map[string]string{"status": "error", "description": "no " + dear + " to " + ada + " 447700900140 for " + own})
		if err != nil {
			t.Fatal(err)
		}
		sim.Next("structuredpush.json", chatondesksim.Behavior{Body: string(echo)}, chatondesksim.Behavior{Body: string(echo), Status: 400})
		note(deliver(t, a, text("sms", ada)))
		note(deliver(t, a, text("sms", ada)))
	}
	for _, what := range []string{chatondesksim.APIKey, "7700900", "Ada", "parcel", "pass-word", "ada-user"} {
		if i := strings.Index(logs.String(), what); i >= 0 {
			t.Errorf("%q shows: %s", what, logs.String()[max(0, i-200):i+len(what)])
		}
	}
	if logs.Len() < 1000 {
		t.Error("too little was collected for this test to mean anything")
	}
}

func BenchmarkSend(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"status":"success","description":"Template message sent successfully"}`)
	}))
	defer srv.Close()
	a := openAccount(b, srv.URL+"/api", nil)
	d := []connector.Delivery{template(ada, map[string]any{"name": "Ada", "order": "1042"})}
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
