package chat2desk_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/plugins/chat2desk"
	"github.com/hermodhq/hermod/plugins/chat2desk/chat2desksim"
	"github.com/hermodhq/hermod/sdk/fault"
)

// example is one call with its answer, and the operation that makes it.
type example struct {
	Operation string          `json:"operation"`
	Input     json.RawMessage `json:"input"`
	Method    string          `json:"method"`
	Path      string          `json:"path"`
	Body      json.RawMessage `json:"body"`
	Response  json.RawMessage `json:"response"`
}

// documented is a company that has what the examples name.
func documented() chat2desksim.Options {
	return chat2desksim.Options{Data: map[string][]object{
		"requests": {{"id": 88, "client_id": 100, "tags": []object{{"id": 1, "label": "vip"}}}},
		"webhooks": {{"id": 6, "name": "old", "url": "https://old.example/", "events": []string{"inbox"}, "status": "enable", "errors": []object{{"text": "500", "created_at": 1767322800}}, "channels": []int{}, "source": "client"}},
		"clients": {{"id": 100, "phone": "447700900140", "assigned_name": "Ada", "client_phone": nil, "custom_fields": object{"12": "gold"}, "external_id": nil, "tags": []any{}},
			{"id": 102, "phone": "[tg] 900100", "tags": []object{{"id": 1, "label": "vip"}}}},
	}}
}

// TestDocumentExamples sends every example as it stands and through its operation.
func TestDocumentExamples(t *testing.T) {
	files, err := filepath.Glob("testdata/doc/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var e example
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		seen[e.Operation] = true
		t.Run(filepath.Base(file), func(t *testing.T) {
			answer := direct(t, &e)
			if *update {
				e.Response = answer
				var out bytes.Buffer
				enc := json.NewEncoder(&out)
				enc.SetEscapeHTML(false)
				enc.SetIndent("", "  ")
				if err := enc.Encode(e); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			sameJSON(t, "the simulator's answer", answer, e.Response)

			sim, url := startSim(t, documented())
			out, err := openAccount(t, url, nil).Invoke(t.Context(), e.Operation, e.Input)
			if err != nil {
				t.Fatal(err)
			}
			r := sim.Requests()[0]
			method, _, _ := strings.Cut(r.Name, " ")
			if method != e.Method || r.URL != "/v1/"+e.Path {
				t.Errorf("the operation asks %s %s, want %s %s", method, r.URL, e.Method, e.Path)
			}
			sameJSON(t, "the operation's body", r.Body, e.Body)
			sameJSON(t, "the operation's output", json.RawMessage(out), payload(t, e.Response))
		})
	}
	for _, op := range vendor().Describe().Operations {
		if !seen[op.Name] {
			t.Errorf("operation %s has no example in testdata/doc", op.Name)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// direct makes an example's call without the connector.
func direct(t *testing.T, e *example) json.RawMessage {
	t.Helper()
	_, url := startSim(t, documented())
	var body io.Reader
	if p := plain(t, e.Body); p != nil {
		body = bytes.NewReader(e.Body)
	}
	req, err := http.NewRequestWithContext(t.Context(), e.Method, url+"/"+e.Path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", chat2desksim.Token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s %v", res.StatusCode, raw, err)
	}
	return bytes.TrimSpace(raw)
}

// payload is what an operation returns of an answer: data and meta, or the whole of an answer without an envelope.
func payload(t *testing.T, answer json.RawMessage) any {
	t.Helper()
	p, ok := plain(t, answer).(map[string]any)
	if !ok {
		return map[string]any{"data": plain(t, answer)}
	}
	delete(p, "status")
	return p
}

// provocations make the simulator refuse with each known text: an operation and its input. Where no input brings the text about,
// the simulator is told to give it.
var provocations = []struct{ text, op, in, told string }{
	{"Token is not correct", "company.info", `{}`, "Token is not correct"},
	{"You need to auth", "company.info", `{}`, "You need to auth"},
	{"You have to specify your token", "company.info", `{}`, "You have to specify your token in the request"},
	{"Page not found", "company.info", `{}`, "Page not found"},
	{"API calls exceeded API limit per month", "company.info", `{}`, "API calls exceeded API limit per month"},
	{"Number of API requests exceeded", "company.info", `{}`, "Number of API requests exceeded"},
	{"client already exist", "client.create", `{"phone":"447700900140","transport":"whatsapp"}`, "client already exists"}, // the id is missing
	{"already used", "webhook.create", `{"name":"x","url":"https://old.example/","events":["inbox"]}`, ""},
	{"already has state", "", "", ""}, // not a failure; see TestSettled
	{"client does not belong", "tag.assign", `{"tag_ids":[1],"assignee_type":"client","assignee_id":9}`, ""},
	{"request does not belong", "tag.assign", `{"tag_ids":[1],"assignee_type":"request","assignee_id":9}`, ""},
	{"tag does not exist", "tag.remove", `{"id":9,"client_id":100}`, ""},
	{"transport incorrect", "client.create", `{"phone":"447700900150","transport":"pigeon"}`, ""},
	{"channel not found", "client.create", `{"phone":"447700900150","transport":"whatsapp","channel_id":99}`, ""},
	{"operator group not found", "message.transfer_to_group", `{"id":502,"group_id":9}`, ""},
	{"operator not found", "message.transfer", `{"id":502,"operator_id":9}`, ""},
	{"client not found", "tag.remove", `{"id":1,"client_id":100}`, ""},
	{"request not found", "tag.remove", `{"id":1,"request_id":99}`, ""},
	{"tag not found", "tag.get", `{"id":9}`, ""},
	{"dialog not found", "dialog.update", `{"id":9,"state":"open"}`, "Dialog not found"},
	{"message not found", "message.read", `{"id":9}`, ""},
	{"not_found", "dialog.get", `{"id":9}`, ""},
	{"not found", "ticket.get", `{"id":"TICK-9"}`, ""},
	{"attachment", "message.send", `{"client_id":100,"attachment":"https://files.test/missing.png"}`, ""},
}

// TestDocumentErrors holds the fault of every text of the fault table, which TestFaultTable holds to be the document's, with HTTP status
// 200 and with another.
func TestDocumentErrors(t *testing.T) {
	known := map[string]bool{}
	for _, text := range chat2desk.KnownTexts() {
		known[text] = false
	}
	var out strings.Builder
	for _, p := range provocations {
		if _, ok := known[strings.ToLower(p.text)]; !ok {
			t.Errorf("%q is not in the fault table", p.text)
		}
		known[strings.ToLower(p.text)] = true
		if p.op == "" {
			continue
		}
		for _, status := range []int{0, 422} {
			o := documented()
			o.Refusal = status
			sim, url := startSim(t, o)
			a := openAccount(t, url, nil)
			if p.told != "" {
				for _, op := range vendor().Describe().Operations {
					if op.Name == p.op {
						sim.Next(op.Endpoint, chat2desksim.Behavior{Error: p.told, Status: status})
					}
				}
			}
			_, err := a.Invoke(t.Context(), p.op, json.RawMessage(p.in))
			f := faultOf(t, err)
			if f.Class == fault.Internal || f.Class == fault.OutcomeUnknown || strings.HasPrefix(f.Code, "http_") {
				t.Errorf("%q gives %v", p.text, err)
			}
			if status == 0 {
				fmt.Fprintf(&out, "%s: %s\n", p.op, err)
			}
		}
	}
	for text, provoked := range known {
		if !provoked {
			t.Errorf("%q is not provoked", text)
		}
	}
	golden(t, "faults.golden", out.String())
}

// TestSettled holds the refusals that say that what was wanted is so.
func TestSettled(t *testing.T) {
	for _, status := range []int{0, 422} {
		o := documented()
		o.Refusal = status
		_, url := startSim(t, o)
		a := openAccount(t, url, nil)
		for op, c := range map[string][2]string{
			"client.create": {`{"phone":"447700900140","transport":"whatsapp"}`, `{"data":{"id":100,"existing":true},"message":"the client exists already"}`},
			"dialog.update": {`{"id":31,"state":"open"}`, `{"message":"the dialog has this state already"}`},
		} {
			out, err := a.Invoke(t.Context(), op, json.RawMessage(c[0]))
			if err != nil {
				t.Fatal(err)
			}
			sameJSON(t, op, json.RawMessage(out), json.RawMessage(c[1]))
		}
	}
}

// TestTicketIDInBody holds the other place of a ticket's id.
func TestTicketIDInBody(t *testing.T) {
	sim, url := startSim(t, documented())
	a := openAccount(t, url, map[string]any{"ticket_id": "body"})
	for _, c := range [][3]string{
		{"ticket.update", `{"id":"TICK-910","fields":{"summary":"x"}}`, `{"id":"TICK-910","summary":"x"}`},
		{"ticket.delete", `{"id":"TICK-910"}`, `{"id":"TICK-910"}`},
	} {
		if _, err := a.Invoke(t.Context(), c[0], json.RawMessage(c[1])); err != nil {
			t.Fatal(err)
		}
		all := sim.Requests()
		r := all[len(all)-1]
		if r.URL != "/v1/tickets" {
			t.Errorf("%s asks %s", c[0], r.URL)
		}
		sameJSON(t, c[0], r.Body, json.RawMessage(c[2]))
	}
}

// TestInputRefused holds what is refused before it is sent.
func TestInputRefused(t *testing.T) {
	sim, url := startSim(t, documented())
	a := openAccount(t, url, nil)
	for op, in := range map[string]string{"client.get": `{"id":0}`, "ticket.get": `{"id":""}`, "message.send": `{"text":"no client"}`, "client.list": `{"nickname":"not a filter"}`} {
		_, err := a.Invoke(t.Context(), op, json.RawMessage(in))
		if f := faultOf(t, err); f.Class != fault.ContentRejected {
			t.Errorf("%s: %v", op, err)
		}
	}
	if n := len(sim.Requests()); n != 0 {
		t.Errorf("the vendor was asked %d times", n)
	}
}
