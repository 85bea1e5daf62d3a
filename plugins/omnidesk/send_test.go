package omnidesk_test

import (
	"bytes"
	"encoding/json"
	"fmt"

	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/hermodhq/hermod/plugins/omnidesk/omnidesksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

const server = webhooks // chatServer without a hook secret

// TestSend holds the exact requests of channel desk.
func TestSend(t *testing.T) {
	full := connector.Delivery{Channel: "desk", Labels: map[string]string{"message_number": "3"}, Content: message.Content{Subject: "Order 1042", Text: "It has not come."},
		To: message.Recipient{Phone: ada, Email: "name@gmail.com", Name: "Ada 2", Users: map[message.AccountID]message.VendorUserID{"omnidesk-nl": "visitor-000001", "other": "x"}}}
	link := text(ada)
	link.Content.Media = &message.Media{Type: "image", URL: "https://cdn.example/a.png"}
	file := text(ada)
	file.Content = message.Content{Media: &message.Media{Type: "document", Data: []byte("bytes"), Name: "a.pdf"}}
	mail := connector.Delivery{Channel: "desk", To: message.Recipient{Email: "Name@gmail.com", Name: "Zoë"}, Content: message.Content{Text: "Hi"}, Labels: map[string]string{"message_number": "51"}}
	fixed := map[string]string{"chatServer": server, "chatAccountToken": omnidesksim.ChatToken, "channelID": "8", "url": server}
	with := func(more map[string]string) map[string]string {
		for k, v := range fixed {
			more[k] = v
		}
		return more
	}
	tests := map[string]struct {
		d       connector.Delivery
		session string
		form    map[string]string
		query   map[string]string
	}{
		"all": {full, "visitor-000001", with(map[string]string{"chatSessionID": "visitor-000001", "message": "Order 1042\n\nIt has not come.", "messageNumber": "3", "customerName": "Ada 2",
			"emailAddress": "name@gmail.com", "phoneNumber": ada}), nil},
		"phone": {text(ada), "tel-447700900140", with(map[string]string{"chatSessionID": "tel-447700900140", "message": "My order has not come.", "phoneNumber": ada}), nil},
		"link":  {link, "tel-447700900140", with(map[string]string{"chatSessionID": "tel-447700900140", "message": "My order has not come.\nhttps://cdn.example/a.png", "phoneNumber": ada}), nil},
		"mail":  {mail, "mail-", with(map[string]string{"chatSessionID": "mail-", "message": "Hi", "emailAddress": "Name@gmail.com"}), nil},
		"file": {file, "tel-447700900140", map[string]string{"file": "Ynl0ZXM="},
			map[string]string{"chatServer": server, "chatAccountToken": omnidesksim.ChatToken, "chatSessionID": "tel-447700900140", "phoneNumber": ada}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sim, url := startSim(t, omnidesksim.Options{})
			x := deliver(t, openAccount(t, url, nil), tt.d)
			if x.Err != nil {
				t.Fatal(x.Err)
			}
			r := last(t, sim)
			if name == "mail" {
				tt.session = string(x.Result.User)
				tt.form["chatSessionID"] = tt.session
				if !strings.HasPrefix(tt.session, "mail-") || len(tt.session) != 37 {
					t.Errorf("session %s", tt.session)
				}
			}
			sameJSON(t, "form", joined(r.Form), tt.form)
			sameJSON(t, "query", joined(r.Query), orEmpty(tt.query))
			ticket := "12312"
			if name == "file" {
				ticket = "" // not in the answer
			}
			if x.Result.Outcome != message.Accepted || string(x.Result.User) != tt.session || x.Result.VendorID != "" || x.Result.Detail["ticketID"] != ticket {
				t.Errorf("answer %+v", x)
			}
		})
	}
}

// TestSessions holds that one recipient keeps one ticket, and the settings of sessions.
func TestSessions(t *testing.T) {
	sim, url := startSim(t, omnidesksim.Options{})
	a := openAccount(t, url, nil)
	for _, phone := range []string{ada, ada, "+447700900141"} {
		if x := deliver(t, a, text(phone)); x.Err != nil {
			t.Fatal(x.Err)
		}
	}
	_, messages := sim.Seen()
	if len(messages) != 3 || messages[0].TicketID != messages[1].TicketID || messages[0].TicketID == messages[2].TicketID {
		t.Errorf("tickets %+v", messages)
	}
	for prefix, want := range map[string]string{"+": ada, "": ada[1:], "shop-": "shop-" + ada[1:]} {
		b := openAccount(t, url, map[string]any{"session_prefix": prefix})
		if x := deliver(t, b, text(ada)); x.Err != nil || string(x.Result.User) != want {
			t.Errorf("prefix %q: %+v", prefix, x)
		}
	}
	byMail := func(address string) message.VendorUserID {
		d := text("")
		d.To.Email = address
		x := deliver(t, a, d)
		if x.Err != nil {
			t.Fatal(x.Err)
		}
		return x.Result.User
	}
	if lower := byMail("ada@gmail.com"); byMail("Ada@Gmail.COM") != lower || byMail("ada2@gmail.com") == lower {
		t.Error("an e-mail address is one session whatever its case, and another address is another")
	}
	if x := deliver(t, openAccount(t, url, map[string]any{"page_url": "https://shop.example/order", "channel_id": 9}), text(ada)); x.Err != nil {
		t.Fatal(x.Err)
	}
	if form := last(t, sim).Form; form.Get("url") != "https://shop.example/order" || form.Get("channelID") != "9" || form.Get("chatServer") != server {
		t.Errorf("the settings send %v", form)
	}
	_, bare := startSim(t, omnidesksim.Options{Bare: true})
	if x := deliver(t, openAccount(t, bare, nil), text(ada)); x.Err != nil || x.Result.Detail != nil {
		t.Errorf("without a body: %+v", x)
	}
}

// TestAttachments holds both ways of sending a file, and a text whose file did not follow.
func TestAttachments(t *testing.T) {
	d := text("+447700900140")
	d.Content.Media = &message.Media{Type: "image", Data: []byte("bytes"), Name: "a.png"}
	sim, url := startSim(t, omnidesksim.Options{})
	if x := deliver(t, openAccount(t, url, map[string]any{"attachment": "binary"}), d); x.Err != nil {
		t.Fatal(x.Err)
	}
	requests, messages := sim.Seen()
	if len(requests) != 2 || string(requests[1].File) != "bytes" || requests[1].Form.Get("file") != "a.png" || len(messages) != 2 || messages[1].TicketID != messages[0].TicketID {
		t.Errorf("%+v %+v", requests, messages)
	}
	sim.Next("POST chat/addAttachment", omnidesksim.Behavior{Status: 503}, omnidesksim.Behavior{Status: 503})
	a := openAccount(t, url, nil)
	wantFault(t, deliver(t, a, d).Err, fault.OutcomeUnknown, "attachment_failed")
	d.Content.Text = ""
	wantFault(t, deliver(t, a, d).Err, fault.Unavailable, "http_unavailable")
}

// TestSendRefused holds what is refused without asking the vendor.
func TestSendRefused(t *testing.T) {
	sim, url := startSim(t, omnidesksim.Options{})
	a := openAccount(t, url, nil)
	bare := openAccount(t, url, map[string]any{"chat_token": ""})
	digits := openAccount(t, url, map[string]any{"session_prefix": ""})
	email, template, short := text(ada), text(ada), text("+4477009")
	email.Channel = "email"
	template.Content = message.Content{Template: &message.Template{Name: "x"}}
	odd := text("")
	odd.To.Users = map[message.AccountID]message.VendorUserID{"omnidesk-nl": "visitor_00001"}
	tests := map[string]struct {
		a     connector.Account
		d     connector.Delivery
		class fault.Class
		code  string
	}{
		"channel": {a, email, fault.Unsupported, "kind_unsupported"}, "template": {a, template, fault.Unsupported, "kind_unsupported"},
		"empty":    {a, connector.Delivery{Channel: "desk", To: text(ada).To}, fault.Unsupported, "kind_unsupported"},
		"no token": {bare, text(ada), fault.Misconfigured, "chat_missing"}, "nobody": {a, text(""), fault.InvalidRecipient, "session_missing"},
		"too short": {digits, short, fault.InvalidRecipient, "session_invalid"}, "odd user": {a, odd, fault.InvalidRecipient, "session_invalid"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { wantFault(t, deliver(t, tt.a, tt.d).Err, tt.class, tt.code) })
	}
	if requests, _ := sim.Seen(); len(requests) != 0 {
		t.Errorf("the vendor was asked %d times", len(requests))
	}
}

// TestFailures drives every scripted way of failing, and compares what the fault claims with what the vendor really took.
func TestFailures(t *testing.T) {
	var log bytes.Buffer
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	tests := []struct {
		suffix string
		class  fault.Class
		code   string
		taken  int
	}{
		{"12", fault.ContentRejected, "refused", 0}, {"18", fault.Unauthorized, "permission_missing", 0}, {"19", fault.Unavailable, "http_unavailable", 0},
		{"21", fault.OutcomeUnknown, "timeout", 0}, {"22", fault.OutcomeUnknown, "timeout", 1}, {"23", fault.OutcomeUnknown, "connection_lost", 0},
		{"24", fault.OutcomeUnknown, "connection_lost", 1}, {"27", fault.OutcomeUnknown, "http_failed", 1}, {"28", fault.Unavailable, "http_unavailable", 0},
		{"29", fault.RateLimited, "rate", 0}, {"20", "", "", 1}, {"25", fault.OutcomeUnknown, "reply_invalid", 1}, {"40", "", "", 1},
	}
	sim, url := startSim(t, omnidesksim.Options{})
	for _, auth := range []string{"header", "query"} {
		a := openAccount(t, url, map[string]any{"timeout": "200ms", "auth": auth, "hook_secret": secret})
		for _, tt := range tests {
			_, before := sim.Seen()
			err := deliver(t, a, text("+4477009001"+tt.suffix)).Err
			if tt.class == "" {
				if err != nil {
					t.Errorf("%s: %v", tt.suffix, err)
				}
			} else {
				wantFault(t, err, tt.class, tt.code)
				if d := faultOf(t, err).RetryAfter.Seconds(); tt.suffix == "29" && d != 2 {
					t.Errorf("retry after %v s, want 2", d)
				}
				silent(t, err.Error())
			}
			if _, after := sim.Seen(); len(after)-len(before) != tt.taken {
				t.Errorf("%s: %d taken, want %d", tt.suffix, len(after)-len(before), tt.taken)
			}
		}
	}
	silent(t, log.String())
}

// silent holds that a text shows no secret, no phone number and no message.
func silent(t testing.TB, text string) {
	t.Helper()
	for _, s := range []string{omnidesksim.APIKey, omnidesksim.ChatToken, secret, "7700900", "My order", "apiKey="} {
		if strings.Contains(text, s) {
			t.Errorf("%q shows in: %s", s, text)
		}
	}
}

// TestUnreachable holds that what was never sent is known not to be taken, and that a redirect does not get the key.
func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, auth := range []string{"header", "query"} {
		err := deliver(t, openAccount(t, url, map[string]any{"auth": auth}), text(ada)).Err
		wantFault(t, err, fault.Unavailable, "unreachable")
		silent(t, err.Error())
	}
	followed := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	defer other.Close()
	redirect := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer redirect.Close()
	err = deliver(t, openAccount(t, redirect.URL, nil), text(ada)).Err
	if wantFault(t, err, fault.Misconfigured, "http_redirect"); followed {
		t.Error("the redirect was followed")
	}
}

// TestErrors holds the documented errors, wherever the envelope says so, and that reads are never unknown.
func TestErrors(t *testing.T) {
	sim, url := startSim(t, omnidesksim.Options{})
	a := openAccount(t, url, map[string]any{"timeout": "200ms"})
	next := func(name string, b omnidesksim.Behavior) { sim.Next(name, b) }
	var lines strings.Builder
	steps := []struct {
		op, in string
		name   string
		b      *omnidesksim.Behavior
	}{
		{"formfield.create", `{"form_id":9}`, "", nil}, {"formfield.update", `{"id":1,"form_id":9}`, "", nil}, {"file.download", `{"id":1}`, "", nil},
		{"chat.lists", `{}`, "GET chat/whitelistedDomainsAndBlacklistedIPs", &omnidesksim.Behavior{Error: "Anything else."}},
		{"chat.lists", `{}`, "GET chat/whitelistedDomainsAndBlacklistedIPs", &omnidesksim.Behavior{Body: `{"status":"error","message":"With status 200."}`}},
		{"chat.lists", `{}`, "GET chat/whitelistedDomainsAndBlacklistedIPs", &omnidesksim.Behavior{Body: `{"type":"error","message":"The other envelope."}`}},
		{"chat.lists", `{}`, "GET chat/whitelistedDomainsAndBlacklistedIPs", &omnidesksim.Behavior{Status: 404}},
		{"ticket.get", `{"id":1}`, "GET ticket/{id}", &omnidesksim.Behavior{Status: 404}},
		{"customer.get", `{"id":1}`, "GET customer/{id}", &omnidesksim.Behavior{Status: 404}},
		{"ticket.get", `{"id":1}`, "GET ticket/{id}", &omnidesksim.Behavior{Status: 500}},
		{"ticket.get", `{"id":1}`, "GET ticket/{id}", &omnidesksim.Behavior{Hang: true}},
		{"ticket.update", `{"id":1}`, "PUT ticket/{id}", &omnidesksim.Behavior{Hang: true}},
		{"ticket.get", `{"id":1}`, "GET ticket/{id}", &omnidesksim.Behavior{Status: 418}},
	}
	for _, status := range []int{401, 403, 405, 408, 413, 429, 500, 502, 503, 504} {
		steps = append(steps, steps[11])
		steps[len(steps)-1].b = &omnidesksim.Behavior{Status: status}
	}
	for _, s := range steps {
		if s.b != nil {
			next(s.name, *s.b)
		}
		_, err := a.Invoke(t.Context(), s.op, json.RawMessage(s.in))
		f := faultOf(t, err)
		fmt.Fprintf(&lines, "%s %s\n    %s\n", s.op, f.RetryAfter, f)
	}
	golden(t, "faults.golden", lines.String())
}

// TestAnswers holds every shape of answer that is taken for a good one.
func TestAnswers(t *testing.T) {
	for body, want := range map[string]string{
		``: `{}`, ` `: `{}`, `{"type":"item","item":{"id":1}}`: `{"type":"item","item":{"id":1}}`, `{"id":1}`: `{"item":{"id":1}}`, `[{"id":1},2]`: `{"items":[{"id":1},2]}`,
		`{"type":"items","itemStart":"0","itemTotal":1,"itemLimit":"15","items":[]}`: `{"type":"items","itemTotal":1,"itemLimit":15}`,
		`{"type":"result","message":"Done.","ticketID":"12"}`:                        `{"type":"result","message":"Done.","ticketID":12}`,
		`{"message":7}`: `{"item":{"message":7}}`, `7`: `{"item":7}`, `{"items":{"1":{}}}`: `{"item":{"items":{"1":{}}}}`, `{"items":null}`: `{"item":{"items":null}}`, `[]`: `{}`, "\ufeff[1]": `{"items":[1]}`,
	} {
		_, url := startSim(t, omnidesksim.Options{Answers: map[string]string{"GET ticket/{id}": body}})
		out, err := openAccount(t, url, nil).Invoke(t.Context(), "ticket.get", json.RawMessage(`{"id":1}`))
		if err != nil {
			t.Errorf("%q: %v", body, err)
			continue
		}
		sameJSON(t, body, out, json.RawMessage(want))
	}
}

// TestConfig holds what an account cannot be opened with, and that no setting shows in the error.
func TestConfig(t *testing.T) {
	const url = "https://account.omnidesk.com"
	for name, s := range map[string]map[string]any{
		"no key": {"api_key": ""}, "no base": {"base_url": "account"}, "plain http": {"base_url": "http://account.omnidesk.com"}, "query in base": {"base_url": url + "?apiKey=" + secret},
		"user in base": {"base_url": "https://" + secret + "@account.omnidesk.com"}, "auth": {"auth": "basic"}, "encoding": {"encoding": "xml"}, "attachment": {"attachment": "x"}, "paging": {"paging": "x"},
		"timeout": {"timeout": "soon"}, "negative": {"timeout": "-1s"}, "zone": {"time_zone": "Mars"}, "token": {"chat_token": secret}, "short token": {"chat_token": "abc"},
		"underscore": {"chat_server": "https://host.example/webhooks/omnidesk_nl"}, "hook secret": {"hook_secret": secret + "_"}, "hook field": {"hook_fields": map[string]string{"x": "y"}},
		"path": {"paths": map[string]string{"GET nothing": "x"}}, "json files": {"encoding": "json", "attachment": "binary"}, "unknown": {"colour": "red"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := tryOpen(t, url, s)
			if a != nil || err == nil {
				t.Fatal("it is accepted")
			}
			wantFault(t, err, fault.Misconfigured, "config_invalid")
			silent(t, err.Error())
		})
	}
	sim, base := startSim(t, omnidesksim.Options{})
	a := openAccount(t, base+"/", map[string]any{"paths": map[string]string{"GET customer/{id}": "customer/item/{id}"}})
	_, err := a.Invoke(t.Context(), "customer.get", json.RawMessage(`{"id":4}`))
	wantFault(t, err, fault.Misconfigured, "path_unknown")
	if p := last(t, sim).Path; p != "/api/v2/customer/item/4" {
		t.Errorf("asked %s", p)
	}
}

// TestManyAtOnce holds that an account serves many callers at once.
func TestManyAtOnce(t *testing.T) {
	sim, url := startSim(t, omnidesksim.Options{})
	a := openAccount(t, url, nil)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if x := deliver(t, a, text(fmt.Sprintf("+4477009009%02d", 40+i%10))); x.Err != nil {
				t.Error(x.Err)
			}
		})
	}
	wg.Wait()
	if _, messages := sim.Seen(); len(messages) != 50 {
		t.Errorf("%d messages", len(messages))
	}

}

// BenchmarkSend is one message over HTTP on loopback, the simulator's part included.
func BenchmarkSend(b *testing.B) {
	_, url := startSim(b, omnidesksim.Options{})
	a := openAccount(b, url, nil)
	d := text(ada)
	for b.Loop() {
		if x := deliver(b, a, d); x.Err != nil {
			b.Fatal(x.Err)
		}
	}
}
