package chatondesk_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/plugins/chatondesk"
	"github.com/hermodhq/hermod/plugins/chatondesk/chatondesksim"
)

// example is one request of the ChatOnDesk document with its answer. Methods are those of its label and of its curl line.
type example struct {
	Operation, Path   string
	Methods           []string
	Request, Response map[string]any
}

// documented is an account that holds what the document's answers show.
func documented(t *testing.T, e example) chatondesksim.Options {
	t.Helper()
	o := chatondesksim.Options{AsDocumented: true, Reminders: []chatondesksim.Reminder{{ID: "7", ProfileID: "34"}}}
	o.NewID = func() string {
		if id, ok := e.Response["profile_id"]; ok {
			return fmt.Sprint(id)
		}
		return fmt.Sprint(e.Response["reminder_id"])
	}
	raw, err := json.Marshal(e.Response["description"])
	if err != nil {
		t.Fatal(err)
	}
	switch e.Operation {
	case "chat.history":
		var records []chatondesksim.HistoryRecord
		err = json.Unmarshal(raw, &records)
		o.History = map[string][]chatondesksim.HistoryRecord{"34": records}
	case "channel.list":
		var records []struct {
			Structuredtemplate chatondesksim.Structuredtemplate
		}
		err = json.Unmarshal(raw, &records)
		o.Templates = append(o.Templates, records[0].Structuredtemplate)
	case "reminder.list":
		err = json.Unmarshal(raw, &o.Reminders)
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestDocumentExamples sends every example of the document as it stands, by every method that the document gives for it, and
// through its operation.
func TestDocumentExamples(t *testing.T) {
	files, err := filepath.Glob("testdata/doc/*.json")
	if err != nil || len(files) != 12 {
		t.Fatal(len(files), "examples, want 12", err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		var e example
		readJSON(t, file, &e)
		seen[e.Operation] = true
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			body, err := json.Marshal(e.Request)
			if err != nil {
				t.Fatal(err)
			}
			for _, method := range e.Methods {
				_, url := startSim(t, documented(t, e))
				sameJSON(t, method+", the simulator's answer", send(t, method, strings.TrimSuffix(url, "/api")+e.Path, body), asSimulated(e))
			}

			sim, url := startSim(t, documented(t, e))
			a := openAccount(t, url, nil)
			in := map[string]any{}
			for k, v := range e.Request {
				if k != "apikey" && (k != "type" || strings.HasPrefix(e.Operation, "reminder.")) {
					in[k] = v
				}
			}
			input, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			out := invoke(t, a, e.Operation, string(input))
			requests := sim.Requests()
			last := requests[len(requests)-1]
			sameJSON(t, "the operation's request", json.RawMessage(last.Raw), e.Request)
			if last.Path != e.Path || last.ContentType != "application/json" {
				t.Errorf("%s, %s", last.Path, last.ContentType)
			}
			sameJSON(t, "the operation's output", out, output(e))
		})
	}
	for _, op := range chatondesk.New().Describe().Operations {
		if !seen[op.Name] {
			t.Errorf("operation %s has no example in testdata/doc", op.Name)
		}
	}
}

// asSimulated is the example's answer; the simulator's wallet holds a number.
func asSimulated(e example) map[string]any {
	if e.Operation == "balance.get" {
		return map[string]any{"status": "success", "description": map[string]any{"Wallet": map[string]any{"balance": 1000, "currency": "INR"}}}
	}
	return e.Response
}

// output is what an operation makes of the example's answer.
func output(e example) map[string]any {
	out := map[string]any{}
	for k, v := range e.Response {
		if k != "status" {
			out[k] = v
		}
	}
	switch e.Operation {
	case "balance.get":
		return e.Response["description"].(map[string]any)
	case "code.check":
		out["verified"] = false
	case "template.list":
		out["records"] = []any{}
	case "chat.history":
		record := e.Response["description"].([]any)[0].(map[string]any)
		record["Chatlog"].(map[string]any)["messages"] = []any{map[string]any{"type": "text", "message": "hi"}}
		fallthrough
	case "channel.list", "reminder.list":
		return map[string]any{"records": e.Response["description"]}
	}
	return out
}

func send(t *testing.T, method, url string, body []byte) json.RawMessage {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
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
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res.Status, err)
	}
	return raw
}

// TestReplies holds what is made of every shape of answer, one file for each.
func TestReplies(t *testing.T) {
	files, err := filepath.Glob("testdata/replies/*.json")
	if err != nil || len(files) < 50 {
		t.Fatal(len(files), "replies", err)
	}
	var reply struct {
		Operation   string
		Input, Body json.RawMessage
		Text        string
		Status      int
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(reply.Status)
		_, _ = w.Write(append(reply.Body, reply.Text...))
	}))
	defer srv.Close()
	a := openAccount(t, srv.URL+"/api", nil)
	var lines strings.Builder
	for _, file := range files {
		reply.Body, reply.Text = nil, ""
		readJSON(t, file, &reply)
		out, err := a.Invoke(t.Context(), reply.Operation, reply.Input)
		fmt.Fprintf(&lines, "%s\n    ", strings.TrimSuffix(filepath.Base(file), ".json"))
		if err != nil {
			fmt.Fprintf(&lines, "%v\n", faultOf(t, err))
		} else {
			fmt.Fprintf(&lines, "%s\n", out)
		}
	}
	golden(t, "replies.golden", lines.String())
}

// TestDocumentErrors provokes every documented status and every known text in the simulator, and holds its fault word for word.
func TestDocumentErrors(t *testing.T) {
	table, err := os.ReadFile("testdata/error_codes.md")
	if err != nil {
		t.Fatal(err)
	}
	sim, url := startSim(t, chatondesksim.Options{})
	a := openAccount(t, url, nil)
	var lines strings.Builder
	provoke := func(what string, b chatondesksim.Behavior) {
		sim.Next("structuredpush.json", b)
		f := faultOf(t, deliver(t, a, template(ada, nil)).Err)
		fmt.Fprintf(&lines, "%s %s %s\n    %s\n", what, f.Class, f.RetryAfter, f)
	}
	rows := regexp.MustCompile("(?m)^\\| (?:([1-5]..)|`(.*)`) \\|").FindAllStringSubmatch(string(table), -1)
	if len(rows) != 16 {
		t.Fatalf("%d rows, want 10 statuses and 6 texts", len(rows))
	}
	for _, row := range rows {
		var status int
		switch {
		case row[2] != "":
			provoke(row[2], chatondesksim.Behavior{Error: row[2]})
			provoke(row[2]+" (desc)", chatondesksim.Behavior{Error: row[2], Desc: true})
		case row[1] == "5xx":
			for _, status := range []int{500, 501, 502, 503, 504, 599} {
				provoke(fmt.Sprint(status), chatondesksim.Behavior{Status: status})
			}
		case row[1][0] == '2':
			sim.Next("structuredpush.json", chatondesksim.Behavior{Status: 202, Taken: true})
			if x := deliver(t, a, template(ada, nil)); x.Err != nil {
				t.Error(row[1], x.Err)
			}
		default:
			if _, err := fmt.Sscan(row[1], &status); err != nil {
				t.Fatal(err)
			}
			provoke(row[1], chatondesksim.Behavior{Status: status, RetryAfter: "7"})
		}
	}
	golden(t, "faults.golden", lines.String())
}

// TestREADME holds the tables of operations and settings complete.
func TestREADME(t *testing.T) {
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	d := chatondesk.New().Describe()
	for _, op := range d.Operations {
		if !regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(op.Endpoint) + "`.* \\| `" + regexp.QuoteMeta(op.Name) + "` \\|").Match(raw) {
			t.Errorf("README.md has no row for %s, %s", op.Endpoint, op.Name)
		}
	}
	testedBy(t, string(raw))
	var cfg struct{ Properties map[string]map[string]any }
	if err := json.Unmarshal(d.Config, &cfg); err != nil {
		t.Fatal(err)
	}
	for name, p := range cfg.Properties {
		if !strings.Contains(string(raw), "| `"+name+"` |") {
			t.Errorf("README.md has no row for the setting %s", name)
		}
		if secret := name == "api_key" || name == "password"; (p["writeOnly"] == true) != secret {
			t.Errorf("setting %s: secret %t, marked %v", name, secret, p["writeOnly"])
		}
	}
}

// testedBy holds that each test that the README names exists.
func testedBy(t *testing.T, readme string) {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
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
	if len(names) < len(chatondesk.New().Describe().Operations) {
		t.Errorf("README.md names %d tests", len(names))
	}
}
