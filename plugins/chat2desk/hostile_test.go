package chat2desk_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hermodhq/hermod/plugins/chat2desk"
	"github.com/hermodhq/hermod/plugins/chat2desk/chat2desksim"
	"github.com/hermodhq/hermod/plugins/chat2desk/internal/chat2deskapi"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// answering is a server that gives one answer to everything.
func answering(t *testing.T, body string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestEchoedRequest holds that a refusal which repeats the request, in whatever writing, tells nothing of the client.
func TestEchoedRequest(t *testing.T) {
	for _, body := range []string{
		`{"status":"error","message":"cannot send 'Dr. Ada \"A\" says hi' by sms"}`,
		`{"status":"error","message":"cannot send &#39;Dr. Ada &quot;A&quot; says hi&#39;"}`,
		`{"status":"error","errors":{"text":["Dr. Ada \u0022A\u0022 says hi"]}}`,
	} {
		d := text("sms", 1)
		d.Content.Text = `Dr. Ada "A" says hi`
		x := deliver(t, openAccount(t, answering(t, body), nil), d)
		f := fault.From(x.Err)
		if f == nil || strings.Contains(f.VendorText, "Ada") || !strings.Contains(f.VendorText, "[text]") {
			t.Errorf("%s gives %v", body, f)
		}
	}
}

// TestHostileAnswers holds what odd answers to a message mean: a message that was taken stays taken, and nothing is claimed that the
// answer does not say.
func TestHostileAnswers(t *testing.T) {
	deep := strings.Repeat(`{"data":`, 20_000) + "1" + strings.Repeat("}", 20_000)
	taken, unknown, refused := fault.Class(""), fault.OutcomeUnknown, fault.Internal
	for name, tt := range map[string]struct {
		body  string
		class fault.Class
	}{
		"html with 200":            {"<html><body>busy</body></html>", unknown},
		"html that says success":   {`<html>{"status":"success","data":{"message_id":1}}</html>`, unknown},
		"two objects":              {`{"status":"success","data":{"message_id":1}}{}`, unknown},
		"cut off":                  {`{"status":"success","data":{"message_id":1`, unknown},
		"deep":                     {deep, unknown},
		"empty array":              {`[]`, unknown},
		"data is an empty array":   {`{"status":"success","data":[]}`, unknown},
		"data is null":             {`{"status":"success","data":null}`, unknown},
		"id is null":               {`{"status":"success","data":{"message_id":null}}`, unknown},
		"id is an object":          {`{"status":"success","data":{"message_id":{}}}`, unknown},
		"huge id":                  {`{"status":"success","data":{"message_id":99999999999999999999999}}`, taken},
		"id as text":               {`{"status":"success","data":{"message_id":"8"}}`, taken},
		"nulls":                    {`{"status":"success","data":{"message_id":8,"client_id":null,"attachments":null,"extra_data":null},"meta":null,"errors":null,"message":null}`, taken},
		"meta is an array":         {`{"status":"success","data":{"message_id":8},"meta":[]}`, taken},
		"meta of texts":            {`{"status":"success","data":{"message_id":8},"meta":{"total":"1","limit":1e99,"offset":{}}}`, taken},
		"message is an object":     {`{"status":"success","data":{"message_id":8},"message":{"a":1}}`, taken},
		"attachments is an object": {`{"status":"success","data":{"message_id":8,"attachments":{}}}`, taken},
		"twice":                    {`{"status":"error","status":"success","data":{"message_id":8}}`, taken},
		"odd unicode":              {`{"status":"error","message":"\ud800 \u0000 \u202e"}`, refused},
		"status is null":           {`{"status":null,"errors":{"x":["y"]}}`, refused},
		"long refusal":             {`{"status":"error","message":"` + strings.Repeat("é", 1<<20) + `"}`, refused},
	} {
		t.Run(name, func(t *testing.T) {
			x := deliver(t, openAccount(t, answering(t, tt.body), nil), text("sms", 1))
			if tt.class == taken {
				if x.Err != nil || x.Result.VendorID == "" {
					t.Errorf("got %+v", x)
				}
				return
			}
			if f := faultOf(t, x.Err); f.Class != tt.class || len(f.Error()) > 2000 {
				t.Errorf("got %v, want %s", f, tt.class)
			}
		})
	}
}

// TestHostileHooks holds that a genuine call is an event whatever it holds, and that its text arrives as it was sent.
func TestHostileHooks(t *testing.T) {
	a := openAccount(t, answering(t, ""), nil)
	long := strings.Repeat(`{"name":"x"},`, 20_000)
	for name, tt := range map[string]struct {
		body string
		kind message.EventType
	}{
		"nulls":              {`{"hook_type":"inbox","message_id":1,"text":null,"client":null,"attachments":null,"extra_data":null,"event_time":null}`, "message.received"},
		"empty arrays":       {`{"hook_type":"inbox","message_id":1,"text":[],"client":[],"attachments":[],"extra_data":[],"event_time":[]}`, "message.received"},
		"attachments broken": {`{"hook_type":"inbox","message_id":1,"attachments":[null,7,"x",{"link":null},{"link":7}]}`, "message.received"},
		"many attachments":   {`{"hook_type":"inbox","message_id":1,"attachments":[` + long + `{}]}`, "message.received"},
		"huge numbers":       {`{"hook_type":"inbox","message_id":1e400,"client_id":99999999999999999999,"operator_id":-1}`, "message.received"},
		"client is a number": {`{"hook_type":"new_client","id":[1]}`, "contact.created"},
		"ticket is a text":   {`{"hook_type":"new_ticket","ticket":"TICK-1"}`, "ticket.created"},
		"no ticket":          {`{"hook_type":"ticket_deleted"}`, "ticket.deleted"},
		"status of a list":   {`{"hook_type":"outbox_status","data":[{"message_id":1,"status":"read"}]}`, "chat2desk.outbox_status"},
		"status of nothing":  {`{"hook_type":"outbox_status"}`, "chat2desk.outbox_status"},
		"hook is a number":   {`{"hook_type":7}`, "chat2desk.7"},
		"hook is an object":  {`{"hook_type":{},"message_id":1,"type":"from_client"}`, "message.received"},
		"no hook, no type":   {`{}`, "chat2desk.unnamed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, events, err := a.Receive(t.Context(), post("/events", tt.body))
			if err != nil || len(events) != 1 || events[0].Type != tt.kind || string(events[0].Vendor) != tt.body {
				t.Fatalf("got %v %v", events, err)
			}
			if _, err := json.Marshal(events); err != nil {
				t.Error(err)
			}
		})
	}
	const odd = "\u202eAda\u0000 👩‍👩‍👧 <b>Ada</b> &amp; \ufffd"
	body, err := json.Marshal(object{"hook_type": "inbox", "message_id": 1, "text": odd})
	if err != nil {
		t.Fatal(err)
	}
	_, events, err := a.Receive(t.Context(), post("/events", string(body)))
	if err != nil || events[0].Inbound.Content.Text != odd || events[0].Inbound.From != "client" {
		t.Errorf("%+v %v", events[0].Inbound, err)
	}
}

// TestForgedSignatures holds which spellings of a good signature count, and that no other does.
func TestForgedSignatures(t *testing.T) {
	const body = `{"hook_type":"inbox","message_id":1}`
	s := chat2desksim.Signature{Secret: secret}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	right := s.Sign(nil, []byte(body))
	sum, err := hex.DecodeString(right)
	if err != nil {
		t.Fatal(err)
	}
	a := openAccount(t, answering(t, ""), map[string]any{"webhook_auth": "hmac", "webhook_secret": secret})
	try := func(body string, values ...string) error {
		req := post("/events", body)
		for _, v := range values {
			req.Header.Add("X-Chat2Desk-Signature", v)
		}
		_, _, err := a.Receive(t.Context(), req)
		return err
	}
	for _, good := range []string{right, strings.ToUpper(right), " " + right + " "} {
		if err := try(body, good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	weak := chat2desksim.Signature{Secret: secret, Algorithm: "sha1"}
	if err := weak.Check(); err != nil {
		t.Fatal(err)
	}
	for name, forged := range map[string]string{
		"cut by one":      right[:63],
		"cut by a byte":   right[:62],
		"longer":          right + "00",
		"two in one":      right + ", " + right,
		"base64":          base64.StdEncoding.EncodeToString(sum),
		"raw":             string(sum),
		"prefixed":        "sha256=" + right,
		"sha1":            weak.Sign(nil, []byte(body)),
		"of no body":      s.Sign(nil, nil),
		"zeros":           strings.Repeat("0", 64),
		"not hexadecimal": strings.Repeat("x", 64),
	} {
		t.Run(name, func(t *testing.T) { wantFault(t, try(body, forged), fault.Unauthorized, "webhook_signature") })
	}
	for _, changed := range []string{strings.Replace(body, "1", "2", 1), body + " ", body + "\n", strings.ReplaceAll(body, ":", ": "), "", "<html>"} {
		wantFault(t, try(changed, right), fault.Unauthorized, "webhook_signature")
	}
}

// TestSignatureContent holds that what is signed can be set, and always holds the body.
func TestSignatureContent(t *testing.T) {
	const body = `{"hook_type":"inbox","message_id":1}`
	s := chat2desksim.Signature{Secret: secret, Content: "v1:{X-Timestamp}:{body}"}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	a := openAccount(t, answering(t, ""), map[string]any{"webhook_auth": "hmac", "webhook_secret": secret, "signature_content": "v1:{X-Timestamp}:{body}"})
	plainly := chat2desksim.Signature{Secret: secret}
	if err := plainly.Check(); err != nil {
		t.Fatal(err)
	}
	req := post("/events", body)
	req.Header.Set("X-Timestamp", "7")
	sign := s.Sign(req.Header, []byte(body))
	if want := plainly.Sign(nil, []byte("v1:7:"+body)); sign != want {
		t.Fatalf("signs %s, want %s", sign, want)
	}
	req.Header.Set(s.Header, sign)
	if _, _, err := a.Receive(t.Context(), req); err != nil {
		t.Error(err)
	}
	req.Header.Set("X-Timestamp", "8")
	_, _, err := a.Receive(t.Context(), req)
	wantFault(t, err, fault.Unauthorized, "webhook_signature")
	_, err = vendor().Open(t.Context(), connector.AccountConfig{Account: "c2d", Config: json.RawMessage(`{"token":"x","signature_content":"{X-Timestamp}"}`)})
	wantFault(t, err, fault.Misconfigured, "config_invalid")
}

// TestReplays holds that a call that comes again is one event, also where its bytes were changed on the way and nothing is signed.
func TestReplays(t *testing.T) {
	a := openAccount(t, answering(t, ""), nil)
	id := func(body string) message.EventID {
		_, events, err := a.Receive(t.Context(), post("/events", body))
		if err != nil {
			t.Fatal(err)
		}
		return events[0].ID
	}
	one := `{"hook_type":"inbox","type":"from_client","message_id":1,"text":"a"}`
	if id(one) != id(strings.Replace(one, `"a"`, `"b"`, 1)) {
		t.Error("a changed text makes a second event of one message")
	}
	if id(`{"hook_type":"new_client","name":"Ada"}`) == id(`{"hook_type":"new_client","name":"Bob"}`) {
		t.Error("clients without an id are one event")
	}
	if id(`{"hook_type":"new_client","id":1}`) != id(`{"hook_type":"new_client","id":"1","name":"Ada"}`) {
		t.Error("a client is new once")
	}
}

// TestReceiptsSpeakOfMessages holds that a messenger's words never pause the account, whatever they are.
func TestReceiptsSpeakOfMessages(t *testing.T) {
	a := openAccount(t, answering(t, ""), nil)
	for _, words := range chat2desk.KnownTexts() {
		body, err := json.Marshal(object{"hook_type": "outbox_status", "data": object{"message_id": 1, "error": words}})
		if err != nil {
			t.Fatal(err)
		}
		_, events, err := a.Receive(t.Context(), post("/events", string(body)))
		if err != nil || events[0].Receipt == nil || events[0].Receipt.Outcome != message.Failed {
			t.Fatalf("%q: %+v %v", words, events, err)
		}
		if f := events[0].Receipt.Fault; f.Class.Action() != fault.Next {
			t.Errorf("%q: %v", words, f)
		}
	}
}

// TestBothStates holds what a message's two states mean together.
func TestBothStates(t *testing.T) {
	for _, tt := range []struct {
		status, recipient any
		want              message.Outcome
	}{
		{"sent", "delivered", message.Delivered}, {"read", "delivered", message.Read}, {"sent", "not delivered", message.Failed}, {"failed", "read", message.Failed},
		{"pondering", "read", message.Read}, {"sent", "pondering", message.Sent}, {nil, nil, message.Accepted}, {"", "sent", message.Sent},
	} {
		_, url := startSim(t, chat2desksim.Options{Data: map[string][]object{"messages": {{"id": 1, "status": tt.status, "recipient_status": tt.recipient}}}})
		r, err := openAccount(t, url, nil).Query(t.Context(), connector.Query{VendorID: "1"})
		if err != nil || r.Outcome != tt.want {
			t.Errorf("%v and %v give %+v %v", tt.status, tt.recipient, r, err)
		}
	}
}

// TestLabelType holds the kinds of messages, and that a misspelt comment goes nowhere: the client would read it.
func TestLabelType(t *testing.T) {
	sim, url := startSim(t, chat2desksim.Options{})
	a := openAccount(t, url, nil)
	for _, kind := range []string{"to_client", "autoreply", "system", "comment"} {
		if x := deliver(t, a, labeled(text("sms", 100), map[string]string{"chat2desk.type": kind})); x.Err != nil {
			t.Error(x.Err)
		}
	}
	n := len(sim.Requests())
	wantFault(t, deliver(t, a, labeled(text("sms", 100), map[string]string{"chat2desk.type": "Coment"})).Err, fault.ContentRejected, "type_invalid")
	if len(sim.Requests()) != n {
		t.Error("it was sent")
	}
}

// TestMexico holds both ways in which Chat2Desk writes Mexican numbers on WhatsApp. No such number is set aside for tests, so these are
// zeros.
func TestMexico(t *testing.T) {
	number := "+52" + strings.Repeat("0", 10)
	with, without := "521"+number[3:], number[1:]
	for name, tt := range map[string]struct {
		phone   string
		channel message.Channel
		asked   int
	}{"with a 1": {with, "wa_direct", 1}, "without": {without, "whatsapp", 2}, "not on WhatsApp": {without, "sms", 1}} {
		t.Run(name, func(t *testing.T) {
			sim, url := startSim(t, chat2desksim.Options{Data: map[string][]object{"clients": {{"id": 5, "phone": tt.phone}},
				"channels": {{"id": 7, "transports": []string{"wa_direct", "whatsapp", "sms"}}}}})
			if x := deliver(t, openAccount(t, url, nil), text(tt.channel, number)); x.Err != nil || x.Result.User != "5" || len(requestsOf(sim, "GET clients")) != tt.asked {
				t.Errorf("%+v after %d questions", x, len(requestsOf(sim, "GET clients")))
			}
		})
	}
	sim, url := startSim(t, chat2desksim.Options{})
	if x := deliver(t, openAccount(t, url, map[string]any{"write_first": true}), text("whatsapp", number)); x.Err != nil {
		t.Fatal(x.Err)
	}
	sameJSON(t, "POST clients", requestsOf(sim, "POST clients")[0].Body, object{"phone": with, "transport": "whatsapp"})
	_, events, err := openAccount(t, url, nil).Receive(t.Context(), post("/events", `{"hook_type":"new_client","id":5,"phone":"`+with+`"}`))
	if err != nil || events[0].Contact.Phone != number {
		t.Errorf("%+v %v", events, err)
	}
}

// TestWidgetToken holds that the online chat's token is refused as the API refuses it.
func TestWidgetToken(t *testing.T) {
	_, url := startSim(t, chat2desksim.Options{})
	a := openAccount(t, url, map[string]any{"token": chat2desksim.WidgetToken})
	wantFault(t, deliver(t, a, text("sms", 100)).Err, fault.Unauthorized, "http_forbidden")
}

// TestCancelled holds that a call under way ends with its context, and says what is known of it.
func TestCancelled(t *testing.T) {
	arrived := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the end of the connection is not noticed
		arrived <- r.Method
		<-r.Context().Done()
	}))
	defer srv.Close()
	a := openAccount(t, srv.URL, map[string]any{"timeout": "1m"})
	for _, tt := range []struct {
		to    any
		class fault.Class
	}{{100, fault.OutcomeUnknown}, {ada, fault.Unavailable}} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			d := text("whatsapp", tt.to)
			d.Message, d.Attempt = "01HX", 1
			a.Deliver(ctx, []connector.Delivery{d}, func(x connector.Answer) { done <- x.Err })
		}()
		<-arrived
		cancel()
		select {
		case err := <-done:
			if f := faultOf(t, err); f.Class != tt.class {
				t.Errorf("to %v: %v, want %s", tt.to, err, tt.class)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("the call does not end")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d := text("whatsapp", 100)
	a.Deliver(ctx, []connector.Delivery{d}, func(x connector.Answer) {
		if f := faultOf(t, x.Err); f.Class != fault.Unavailable {
			t.Errorf("a call that never began: %v", f)
		}
	})
}

// TestOpenClose holds that accounts open and close beside each other, with calls under way and after the end.
func TestOpenClose(t *testing.T) {
	_, url := startSim(t, chat2desksim.Options{})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			a := openAccount(t, url, nil)
			var calls sync.WaitGroup
			for n := range 4 {
				calls.Go(func() {
					d := text("sms", 100)
					d.Message, d.Attempt = message.ID(fmt.Sprint(i, n)), 1
					a.Deliver(t.Context(), []connector.Delivery{d}, func(x connector.Answer) {
						if x.Err != nil {
							t.Error(x.Err)
						}
					})
				})
			}
			for range 2 {
				if err := a.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
			calls.Wait()
		})
	}
	wg.Wait()
}

// TestAllEvents holds that each event of the document has a type of ours that the connector describes.
func TestAllEvents(t *testing.T) {
	a := openAccount(t, answering(t, ""), nil)
	described := map[message.EventType]bool{}
	for _, e := range vendor().Describe().Events {
		described[e] = true
	}
	for _, name := range chat2deskapi.Events() {
		_, events, err := a.Receive(t.Context(), post("/events", `{"hook_type":"`+name+`","message_id":1,"status":"read"}`))
		if err != nil || !described[events[0].Type] {
			t.Errorf("%s: %v %v", name, events, err)
		}
	}
}
