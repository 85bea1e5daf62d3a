package omnidesk_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/plugins/omnidesk/omnidesksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

const (
	page = "<!doctype html><title>Sign in</title>"
	chat = "POST chat/notifyUserNewChatMessage"
)

// TestHostileAnswers holds that an error is seen in whatever types its envelope comes, that odd numbers do no harm, and that a
// page is no answer.
func TestHostileAnswers(t *testing.T) {
	sim, url := startSim(t, omnidesksim.Options{})
	a := openAccount(t, url, nil)
	for _, body := range []string{`{"status":"error","message":["No.","x"]}`, `{"status":"error","message":{"chatServer":"bad"}}`, `{"status":"error","message":null,"ticketID":true}`,
		`{"status":"error","items":{},"itemTotal":[]}`, `{"type":"error","status":400}`, "\ufeff" + `{"status":"error","message":"x"}`} {
		sim.Next(chat, omnidesksim.Behavior{Body: body})
		err := deliver(t, a, text(ada)).Err
		wantFault(t, err, fault.ContentRejected, "refused")
		silent(t, err.Error())
	}
	file := text(ada)
	file.Content = message.Content{Media: &message.Media{Type: "image", Data: []byte("bytes")}}
	for number, want := range map[string]string{`12312`: "12312", `"12312"`: "12312", `99999999999999999999`: "", `""`: "", `null`: "", `-1.5`: "", `true`: "", `[1]`: "", `"x"`: ""} {
		sim.Next(chat, omnidesksim.Behavior{Body: `{"type":"result","message":null,"ticketID":` + number + `}`})
		if x := deliver(t, a, text(ada)); x.Err != nil || x.Result.Detail["ticketID"] != want {
			t.Errorf("ticketID %s: %+v", number, x)
		}
	}
	for body, unknown := range map[string]bool{`"busy"`: true, `7`: true, `true`: true, `{"ok":true}`: false, `[]`: false, ` `: false} {
		sim.Next(chat, omnidesksim.Behavior{Body: body})
		sim.Next("POST chat/addAttachment", omnidesksim.Behavior{Body: body})
		for _, d := range []connector.Delivery{text(ada), file} {
			if err := deliver(t, a, d).Err; unknown {
				wantFault(t, err, fault.OutcomeUnknown, "reply_invalid")
			} else if err != nil {
				t.Errorf("%q: %v", body, err)
			}
		}
	}
	sim.Next(chat, omnidesksim.Behavior{Body: " "})
	wantFault(t, deliver(t, openAccount(t, url, map[string]any{"empty_answer": "unknown"}), text(ada)).Err, fault.OutcomeUnknown, "reply_invalid")
	for _, body := range []string{page, "{", "\x00", `"busy"`, strings.Repeat("[", 20_000)} {
		sim.Next(chat, omnidesksim.Behavior{Body: body})
		wantFault(t, deliver(t, a, text(ada)).Err, fault.OutcomeUnknown, "reply_invalid")
		sim.Next("PUT ticket/{id}", omnidesksim.Behavior{Body: body})
		_, err := a.Invoke(t.Context(), "ticket.update", json.RawMessage(`{"id":1}`))
		wantFault(t, err, fault.OutcomeUnknown, "reply_invalid")
		sim.Next("GET ticket/{id}", omnidesksim.Behavior{Body: body})
		_, err = a.Invoke(t.Context(), "ticket.get", json.RawMessage(`{"id":1}`))
		wantFault(t, err, fault.Unavailable, "reply_invalid")
	}
	sim.Next("POST chat/addAttachment", omnidesksim.Behavior{Body: page})
	wantFault(t, deliver(t, a, file).Err, fault.OutcomeUnknown, "reply_invalid")
	sim.Next("GET file/{id}", omnidesksim.Behavior{Body: page})
	if out, err := a.Invoke(t.Context(), "file.download", json.RawMessage(`{"id":1}`)); err != nil || !strings.Contains(string(out), base64.StdEncoding.EncodeToString([]byte(page))) {
		t.Errorf("a file that is a page: %s %v", out, err)
	}
}

// TestEchoedKey holds that a vendor who repeats the key in its answer does not make us show it.
func TestEchoedKey(t *testing.T) {
	sim, url := startSim(t, omnidesksim.Options{})
	for _, auth := range []string{"header", "query"} {
		sim.Next("PUT ticket/{id}", omnidesksim.Behavior{Error: "The key " + omnidesksim.APIKey + " may not do this."})
		_, err := openAccount(t, url, map[string]any{"auth": auth}).Invoke(t.Context(), "ticket.update", json.RawMessage(`{"id":1}`))
		if silent(t, err.Error()); !strings.Contains(err.Error(), "The key [apiKey] may not do this.") {
			t.Error(err)
		}
	}
}

// TestPresence holds that what is given is sent or refused: zero, false and the empty text mean something where the vendor
// documents no other default, and are not taken for absent.
func TestPresence(t *testing.T) {
	sim, url := startSim(t, omnidesksim.Options{})
	a := openAccount(t, url, documented)
	const session = `"chatSessionID":"session-0001"`
	for _, tt := range []struct{ op, input, name, want string }{
		{"formfield.update", `{"id":6,"field_order":0}`, "field_order", "0"},
		{"channel.update", `{"id":9,"include_signature":false}`, "include_signature", "false"},
		{"channel.update", `{"id":9,"custom_channel_available_in_quick_ticket":false}`, "custom_channel_available_in_quick_ticket", "false"},
		{"channel.update", `{"id":9,"custom_channel_warning_en":"","custom_channel_secret":"x"}`, "custom_channel_warning_en", ""},
		{"channel.update", `{"id":9,"custom_channel_secret":"","icon":"x"}`, "custom_channel_secret", ""},
		{"customer.create", `{"noSync":false}`, "noSync", "false"},
		{"customer.update", `{"firstname":""}`, "firstname", ""},
		{"ticket.get", `{"id":1,"getTicketHistory":false}`, "getTicketHistory", "false"},
		{"user.list", `{"activeOnly":false,"itemStart":0}`, "activeOnly", "false"},
		{"ticket.list", `{"itemStart":0}`, "itemStart", "0"},
		{"chat.attach", `{` + session + `,"file":"Ynl0ZXM=","messageNumber":0}`, "messageNumber", "0"},
		{"chat.message", `{` + session + `,"message":"Hi","usedPredefinedUserInput":false}`, "usedPredefinedUserInput", "false"},
		{"chat.message", `{` + session + `,"message":"Hi","usedPredefinedUserInput":"yes"}`, "usedPredefinedUserInput", "yes"},
		{"ticket.batch", `{"fields":{"id":9007199254740993,"share":1e2}}`, "id", "9007199254740993"},
	} {
		if _, err := a.Invoke(t.Context(), tt.op, json.RawMessage(tt.input)); err != nil {
			t.Errorf("%s %s: %v", tt.op, tt.input, err)
			continue
		}
		r := last(t, sim)
		if sent := r.Form[tt.name]; len(sent) != 1 || sent[0] != tt.want {
			if sent = r.Query[tt.name]; len(sent) != 1 || sent[0] != tt.want {
				t.Errorf("%s %s: sent %v %v", tt.op, tt.input, r.Form, r.Query)
			}
		}
	}
	for _, tt := range []struct{ op, input, name string }{
		{"chat.message", `{` + session + `,"message":"Hi","messageNumber":0}`, "messageNumber"}, {"chat.message", `{` + session + `,"message":"Hi","channelID":0}`, "channelID"},
		{"chat.message", `{` + session + `,"message":"Hi","usedPredefinedUserInput":{"a":1}}`, "usedPredefinedUserInput"}, {"chat.message", `{` + session + `,"message":"Hi","usedPredefinedUserInput":[1]}`, "usedPredefinedUserInput"},
		{"ticket.list", `{"itemLimit":0}`, "itemLimit"}, {"ticket.list", `{"itemStart":-1}`, "itemStart"}, {"ticket.get", `{"id":0}`, "id"},
	} {
		_, err := a.Invoke(t.Context(), tt.op, json.RawMessage(tt.input))
		if f := faultOf(t, err); f.Code != "parameter_invalid" || f.VendorCode != tt.name {
			t.Errorf("%s %s: %v", tt.op, tt.input, err)
		}
	}
	for _, input := range []string{`{` + session + `,"message":"Hi","url":"","additionalData":"","usedPredefinedUserInput":""}`, `{` + session + `,"message":"Hi","usedPredefinedUserInput":null,"messageNumber":null}`} { // the documented defaults
		if _, err := a.Invoke(t.Context(), "chat.message", json.RawMessage(input)); err != nil {
			t.Error(err)
		}
		if f := last(t, sim).Form; f.Has("url") || f.Has("additionalData") || f.Has("usedPredefinedUserInput") || f.Has("messageNumber") {
			t.Errorf("sent %v", f)
		}
	}
}

// TestFileNames holds that odd names and large files arrive whole, and can break out of their part in neither way of sending.
func TestFileNames(t *testing.T) {
	sim, url := startSim(t, omnidesksim.Options{})
	binary := openAccount(t, url, map[string]any{"attachment": "binary", "chat_server": "https://chat.example/hooks"})
	large := strings.Repeat("0123456789abcdef", 200_000)
	for name, want := range map[string]string{"a.pdf": "a.pdf", `a"b.pdf`: `a"b.pdf`, "a\r\nX-Evil: 1\r\n\r\nb": "a%0D%0AX-Evil: 1%0D%0A%0D%0Ab", "Größe 日本.png": "Größe 日本.png", "../../etc/passwd": "passwd", strings.Repeat("n", 5000): strings.Repeat("n", 5000)} {
		input, err := json.Marshal(map[string]any{"chatSessionID": "session-0001", "file": base64.StdEncoding.EncodeToString([]byte(large)), "fileName": name})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := binary.Invoke(t.Context(), "chat.attach", input); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if r := last(t, sim); r.Form.Get("file") != want || string(r.File) != large || len(r.Form) != 1 {
			t.Errorf("%q arrived as %q, %d bytes", name, r.Form.Get("file"), len(r.File))
		}
	}
	if _, err := openAccount(t, url, documented).Invoke(t.Context(), "email.inbound", json.RawMessage(`{"fields":{"a\"\r\nb":"c\r\n--x","d":"\u0000é😀"}}`)); err != nil {
		t.Fatal(err)
	}
	if f := last(t, sim).Form; f.Get("d") != "\x00é😀" || f.Get("a\"%0D%0Ab") != "c\r\n--x" {
		t.Errorf("arrived as %q", f)
	}
}

// TestCancelled holds what is known of a call whose caller gave up: nothing, unless it only reads.
func TestCancelled(t *testing.T) {
	came, release := make(chan struct{}), make(chan struct{})
	vendor := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		came <- struct{}{}
		<-release
	}))
	defer vendor.Close()
	defer close(release)
	giveUp := func() context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-came; cancel() }()
		return ctx
	}
	a := openAccount(t, vendor.URL, nil)
	ctx := giveUp()
	_, err := a.Invoke(ctx, "ticket.update", json.RawMessage(`{"id":1,"fields":{"a":"b"}}`))
	wantFault(t, err, fault.OutcomeUnknown, "timeout")
	ctx = giveUp()
	_, err = a.Invoke(ctx, "ticket.get", json.RawMessage(`{"id":1}`))
	wantFault(t, err, fault.Unavailable, "timeout")
	_, err = a.Invoke(ctx, "ticket.update", json.RawMessage(`{"id":1}`)) // ended before it began
	wantFault(t, err, fault.Unavailable, "timeout")
}
