package convrs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/hermodhq/hermod/plugins/convrs"
	"github.com/hermodhq/hermod/plugins/convrs/convrssim"
	"github.com/hermodhq/hermod/sdk/fault"
)

// example is one request of the Convrs document with its answer.
type example struct {
	Operation         string
	Request, Response map[string]any
}

// send posts the example's request as it stands and returns the answer.
func (e *example) send(t *testing.T, url string) (answer map[string]any) {
	t.Helper()
	body, err := json.Marshal(e.Request)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// input is the example's request without what the client adds.
func (e *example) input(t *testing.T) json.RawMessage {
	t.Helper()
	input := maps.Clone(e.Request)
	delete(input, "token")
	delete(input, "cmd")
	raw, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func examples(t *testing.T, folder string) map[string]example {
	t.Helper()
	files, err := filepath.Glob("testdata/" + folder + "/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	list := map[string]example{}
	for _, f := range files {
		var e example
		readJSON(t, f, &e)
		list[strings.TrimSuffix(filepath.Base(f), ".json")] = e
	}
	return list
}

// documented is an organization that holds what the document's answers show.
func documented(t *testing.T, e example) convrssim.Options {
	t.Helper()
	o := convrssim.Options{
		Users: []convrssim.User{{UID: "73-tel-615940546", Name: "Billy Bob", BotID: 73, Created: "2020-04-28T17:48:15.000Z"},
			{UID: "73-tel-615940547", Name: "Jane Doe", BotID: 73, Created: "2020-04-29T17:48:15.000Z"}},
		Tags: []string{"Customer"}, Routes: []string{"welcome", "welcome_verified"},
		UserTags: map[string][]string{"73-tel-615940546": {"customer", "vip", "newsletter"}},
		Details:  []convrssim.Message{{MID: "6462d3d8c8b0b08fddc34ca8", UID: "3941-wa3-44151999999", BotID: 3941, Ack: 3}},
		NewMID:   func() string { return fmt.Sprint(e.Response["mid"]) },
	}
	data := func(v any) { // what the answer lists, the simulator holds
		raw, _ := json.Marshal(e.Response["data"])
		if err := json.Unmarshal(raw, v); err != nil {
			t.Fatal(err)
		}
	}
	switch e.Request["cmd"] {
	case "GetUser":
		data(&o.Users[0])
	case "GetConversation", "GetConversationsFlat":
		data(&o.Conversations)
	case "GetOpenConversations":
		data(&o.Open)
	case "GetWhatsAppTemplate":
		raw, _ := json.Marshal(e.Response["template"])
		o.Templates = make([]convrssim.Template, 1)
		if err := json.Unmarshal(raw, &o.Templates[0]); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// TestDocumentExamples sends every example of the document as it stands and through its operation.
func TestDocumentExamples(t *testing.T) {
	seen := map[string]bool{}
	for name, e := range examples(t, "doc") {
		seen[e.Operation] = true
		t.Run(name, func(t *testing.T) {
			sim, url := startSim(t, documented(t, e))
			sameJSON(t, "the simulator's answer", shown(e.send(t, url), e.Response), e.Response)

			a := openAccount(t, url, "", nil)
			out, err := a.Invoke(t.Context(), e.Operation, e.input(t))
			if err != nil {
				t.Fatal(err)
			}
			requests := sim.State().Requests
			sameJSON(t, "the operation's request", requests[len(requests)-1].Body, e.Request)
			sameJSON(t, "the operation's output", shown(plain(t, out), payload(e.Response)), payload(e.Response))
		})
	}
	for _, op := range convrs.New().Describe().Operations {
		if !seen[op.Name] {
			t.Errorf("operation %s has no example of the document in testdata/doc", op.Name)
		}
	}
}

// TestDocumentErrorAnswers holds the document's own examples of errors.
func TestDocumentErrorAnswers(t *testing.T) {
	classes := map[string]fault.Class{"GetUser": fault.InvalidRecipient, "SendWhatsAppTemplate": fault.SessionClosed}
	for name, e := range examples(t, "doc_errors") {
		t.Run(name, func(t *testing.T) {
			sim, url := startSim(t, convrssim.Options{})
			for range 2 {
				sim.Next("SendWhatsAppTemplate", convrssim.Behavior{Error: 3002, WhatsAppError: 131047})
			}
			sameJSON(t, "the simulator's answer", e.send(t, url), e.Response)
			_, err := openAccount(t, url, "", nil).Invoke(t.Context(), e.Operation, e.input(t))
			f := faultOf(t, err)
			if f.Class != classes[name] || !strings.HasPrefix(f.VendorText, fmt.Sprint(e.Response["error"])) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestDocumentSocket holds the document's own examples of the websocket, and that connect must come first.
func TestDocumentSocket(t *testing.T) {
	_, url := startSim(t, convrssim.Options{Now: func() time.Time { return time.Date(2020, 4, 29, 14, 34, 34, 376e6, time.UTC) }})
	frames := examples(t, "socket")
	ask := func(ws *websocket.Conn, frame string) (answer map[string]any) {
		t.Helper()
		if err := wsjson.Write(t.Context(), ws, frames[frame].Request); err != nil {
			t.Fatal(err)
		}
		if err := wsjson.Read(t.Context(), ws, &answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	for _, order := range [][]string{{"connect", "heartbeat"}, {"heartbeat"}} {
		ws, _, err := websocket.Dial(t.Context(), "ws"+url[len("http"):], nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, frame := range order {
			want := frames[frame].Response
			if len(order) == 1 {
				want = map[string]any{"ok": 0.0, "error": "connect expected", "errorCode": 1019.0}
			}
			sameJSON(t, frame, ask(ws, frame), want)
		}
		_ = ws.CloseNow()
	}
}

// payload is what an operation returns of an answer.
func payload(answer map[string]any) any {
	for _, k := range []string{"data", "template"} {
		if v, ok := answer[k]; ok {
			return v
		}
	}
	rest := map[string]any{}
	for k, v := range answer {
		if k != "ok" && k != "cmd" {
			rest[k] = v
		}
	}
	return rest
}

// shown reduces got to the fields that the document shows: it abbreviates with dots in places.
func shown(got, want any) any {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return got
		}
		out := map[string]any{}
		for k, v := range w {
			if x, ok := g[k]; ok {
				out[k] = shown(x, v)
			}
		}
		return out
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return got
		}
		out := []any{}
		for i := range w {
			out = append(out, shown(g[i], w[i]))
		}
		return out
	}
	return got
}

// provocations make the simulator answer with each documented code: an operation and its input. Where only a state of the
// vendor brings the code about, the simulator is told to give it.
var provocations = map[int]struct {
	op, in string
	told   bool
}{
	1000: {"user.get", `{"uid":"u"}`, true},
	1001: {"user.get", `{"uid":"u"}`, true},
	1002: {"conversation.closed", `{"end":"soon"}`, false},
	1003: {"conversation.closed", `{"start":"soon"}`, false},
	1004: {"user.get", `{"uid":"u"}`, true},
	1005: {"user.get", `{"uid":"73-tel-1"}`, false},
	1006: {"sms.send", `{"botID":3942,"phone":"call me","message":"hi"}`, false},
	1007: {"sms.send", `{"botID":3942,"phone":"+4477","message":"hi"}`, false},
	1008: {"sms.send", `{"botID":0,"phone":"+447700900140","message":"hi"}`, false},
	1009: {"route.send", `{"phone":"","route":"welcome"}`, false},
	1010: {"sms.send", `{"botID":3942,"phone":"+447700900140","message":""}`, false},
	1011: {"route.send", `{"phone":"+447700900140","route":""}`, false},
	1012: {"route.send", `{"phone":"+447700900140","route":"nowhere"}`, false},
	1013: {"text.send", `{"uid":"73-tel-615940546","message":"` + long(2001) + `"}`, false},
	1014: {"route.send", `{"phone":"+447700900140","route":"` + long(257) + `"}`, false},
	1015: {"sms.send", `{"botID":9,"phone":"+447700900140","message":"hi"}`, false},
	1016: {"sms.send", `{"botID":73,"phone":"+447700900140","message":"hi"}`, false},
	1017: {"user.get", `{"uid":"u"}`, true},
	1018: {"text.send", `{"uid":"73-tel-615940546","message":"hi"}`, true},
	1019: {"user.get", `{"uid":"u"}`, true},
	1020: {"message.get", `{"mid":"none"}`, false},
	1021: {"conversation.closed", `{"start":"2024-02-01","end":"2024-01-01"}`, false},
	1022: {"user.set_name", `{"uid":"73-tel-615940546","name":"Bo"}`, false},
	1023: {"user.set_notes", `{"uid":"73-tel-615940546","notes":"` + long(1025) + `"}`, false},
	1024: {"user.set_email", `{"uid":"73-tel-615940546","email":"nobody"}`, false},
	1025: {"user.get", `{"uid":""}`, false},
	2000: {"sms.send", `{"botID":3942,"phone":"+447700900140","message":"hi"}`, true},
	2001: {"sms.send", `{"botID":3942,"phone":"+447700900117","message":"hi"}`, false},
	2002: {"sms.send", `{"botID":3942,"phone":"+447700900140","message":"hi","agentEmail":"x@y.example"}`, false},
	2003: {"sms.send", `{"botID":3942,"phone":"+447700900140","message":"hi"}`, true},
	2004: {"sms.send", `{"botID":3942,"phone":"+447700900140","message":"hi"}`, true},
	2005: {"sms.send", `{"botID":3942,"phone":"+447700900140","message":"hi"}`, true},
	2006: {"sms.send", `{"botID":3942,"phone":"+447700900118","message":"hi"}`, false},
	2007: {"sms.send", `{"botID":3942,"phone":"+447700900140","message":"hi"}`, true},
	2008: {"sms.send", `{"botID":3942,"phone":"+447700900140","message":"hi"}`, true},
	2009: {"whatsapp.send_template", `{"botID":3941,"phone":"+447700900140","templateName":"order_update","language":"en"}`, true},
	3000: {"whatsapp.get_template", `{"botID":3941,"templateName":"order_update","language":"en"}`, true},
	3001: {"whatsapp.get_template", `{"botID":3941,"templateName":"other","language":"en"}`, false},
	3002: {"whatsapp.send_template", `{"botID":3941,"phone":"+447700900112","templateName":"order_update","language":"en"}`, false},
	3003: {"whatsapp.get_template", `{"botID":3941,"templateName":"","language":"en"}`, false},
	3004: {"whatsapp.get_template", `{"botID":3941,"templateName":"order_update","language":""}`, false},
	3050: {"tag.create", `{"tag":"x"}`, false},
	3051: {"tag.create", `{"tag":"Premium","color":"gold"}`, false},
	3052: {"tag.create", `{"tag":"Premium","description":"` + long(101) + `"}`, false},
	3053: {"user.tag", `{"uid":"73-tel-615940546","tag":"absent"}`, false},
}

// TestDocumentErrors provokes every code of the document's table and holds its fault, word for word.
func TestDocumentErrors(t *testing.T) {
	table, err := os.ReadFile("testdata/error_codes.md")
	if err != nil {
		t.Fatal(err)
	}
	o := convrssim.Options{Users: []convrssim.User{{UID: "73-tel-615940546", BotID: 73}}, Routes: []string{"welcome"},
		Templates: []convrssim.Template{{Name: "order_update", Language: "en", Status: "APPROVED"}}}
	sim, url := startSim(t, o)
	a := openAccount(t, url, "", nil)
	var lines strings.Builder
	documented := regexp.MustCompile(`(?m)^\| (\d{4}) \| (.*) \|$`).FindAllStringSubmatch(string(table), -1)
	for _, row := range documented {
		var code int
		if _, err := fmt.Sscan(row[1], &code); err != nil {
			t.Fatal(err)
		}
		p, ok := provocations[code]
		if !ok {
			t.Errorf("code %d (%s) is not provoked", code, row[2])
			continue
		}
		if p.told {
			for _, op := range convrs.New().Describe().Operations {
				if op.Name == p.op {
					sim.Next(op.Endpoint, convrssim.Behavior{Error: code})
				}
			}
		}
		_, err := a.Invoke(t.Context(), p.op, json.RawMessage(p.in))
		f := faultOf(t, err)
		if v, _, _ := strings.Cut(f.VendorCode, ":"); v != row[1] {
			t.Errorf("provoking %d brought %s: %v", code, f.VendorCode, err)
		}
		fmt.Fprintf(&lines, "%d %s %s\n    %s\n", code, f.Class, f.RetryAfter, f)
	}
	if len(documented) != 45 {
		t.Errorf("the table has %d rows, the document 45", len(documented))
	}
	golden(t, "faults.golden", lines.String())
}

// TestLimits holds the documented rates.
func TestLimits(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	_, url := startSim(t, convrssim.Options{PerNumber: 1, PerToken: 10, Now: func() time.Time { return now }})
	a := openAccount(t, url, "", nil)
	if x := deliver(t, a, text("sms", ada, "")); x.Err != nil {
		t.Fatal(x.Err)
	}
	err := deliver(t, a, text("sms", ada, "")).Err
	wantFault(t, err, "rate_limited", "rate_phone")
	if f := faultOf(t, err); f.RetryAfter != time.Second {
		t.Errorf("retry after %s, want 1s", f.RetryAfter)
	}
	for i := range 8 {
		if x := deliver(t, a, text("sms", fmt.Sprintf("+4477009002%02d", i+40), "")); x.Err != nil {
			t.Fatal(i, x.Err)
		}
	}
	wantFault(t, deliver(t, a, text("sms", "+447700900299", "")).Err, "rate_limited", "rate_token")
	now = now.Add(time.Second)
	if x := deliver(t, a, text("sms", ada, "")); x.Err != nil {
		t.Fatal("a second later:", x.Err)
	}
	if l := convrs.New().Describe().Limits; l.PerSecond != 10 || l.PerRecipientPerSecond != 1 {
		t.Errorf("described limits %+v", l)
	}
}

// TestREADME holds the table of operations complete.
func TestREADME(t *testing.T) {
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	ops := convrs.New().Describe().Operations
	if len(ops) != 20 {
		t.Errorf("%d operations, the document has 20 commands", len(ops))
	}
	for _, op := range ops {
		if !strings.Contains(string(raw), "| `"+op.Endpoint+"` | `"+op.Name+"` |") {
			t.Errorf("README.md has no row for %s, %s", op.Endpoint, op.Name)
		}
	}
	var cfg struct {
		Properties map[string]any `json:"properties"`
	}
	if err := json.Unmarshal(convrs.New().Describe().Config, &cfg); err != nil {
		t.Fatal(err)
	}
	for name := range cfg.Properties {
		if !strings.Contains(string(raw), "| `"+name+"` |") {
			t.Errorf("README.md has no row for the setting %s", name)
		}
	}
	testedBy(t, string(raw), len(ops))
	for _, name := range []string{"token", "webhook_secret"} {
		if m, ok := cfg.Properties[name].(map[string]any); !ok || m["writeOnly"] != true {
			t.Errorf("%s is not marked as a secret", name)
		}
	}
}

// testedBy holds that each test that the README names exists.
func testedBy(t *testing.T, readme string, least int) {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, "internal/convrsapi/api_test.go")
	var code []byte
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code = append(code, raw...)
	}
	names := regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(readme, -1)
	for _, name := range names {
		if !strings.Contains(string(code), "\nfunc "+name+"(t *testing.T)") {
			t.Errorf("README.md names %s, which does not exist", name)
		}
	}
	if len(names) < least {
		t.Errorf("README.md names %d tests", len(names))
	}
}
