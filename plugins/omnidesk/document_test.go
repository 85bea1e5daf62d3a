package omnidesk_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/plugins/omnidesk/omnidesksim"
	"github.com/hermodhq/hermod/sdk/connector"
)

// example is one operation of the documents.
type example struct {
	Operation string
	Input     json.RawMessage
	Request   struct {
		Name, Path  string
		Query, Form map[string]string
	}
	Answer json.RawMessage
	Output any
	Sample map[string]any // of the document, as printed: it breaks the document's own limits
}

func examples(t testing.TB) []example {
	t.Helper()
	files, err := filepath.Glob("testdata/doc/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	var list []example
	for _, f := range files {
		var e example
		if err := json.Unmarshal(readFile(t, f), &e); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		list = append(list, e)
	}
	return list
}

// documented are the settings of an account with the chat server of the examples.
var documented = map[string]any{"chat_server": "https://chat.example/hooks"}

func joined(v url.Values) map[string]string {
	out := map[string]string{}
	for name, texts := range v {
		out[name] = strings.Join(texts, ",")
	}
	return out
}

// TestDocumentExamples sends the example of every operation, in each documented way of writing the body and of authentication.
func TestDocumentExamples(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range examples(t) {
		seen[e.Operation] = true
		t.Run(e.Operation, func(t *testing.T) {
			answers := map[string]string{}
			if len(e.Answer) > 0 {
				answers[e.Request.Name] = string(e.Answer)
				var file string
				if json.Unmarshal(e.Answer, &file) == nil {
					answers[e.Request.Name] = file
				}
			}
			sim, url := startSim(t, omnidesksim.Options{Answers: answers, Forms: []int{5}})
			for _, way := range []string{"", "query", "json"} {
				settings := map[string]any{"chat_server": "https://chat.example/hooks"}
				switch way {
				case "query":
					settings["auth"] = "query"
				case "json":
					settings["encoding"] = "json"
				}
				out, err := openAccount(t, url, settings).Invoke(t.Context(), e.Operation, e.Input)
				if e.Operation == "api.call" {
					wantFault(t, err, "misconfigured", "path_unknown") // the simulator does not know it
				} else if err != nil {
					t.Fatal(err)
				} else {
					sameJSON(t, "the operation's output", out, e.Output)
				}
				r := last(t, sim)
				if r.Name != e.Request.Name || r.Path != e.Request.Path {
					t.Errorf("asked %s at %s, want %s at %s", r.Name, r.Path, e.Request.Name, e.Request.Path)
				}
				if key := r.Query.Get("apiKey"); (key != "") != (way == "query") {
					t.Errorf("way %q: the query's key is %q", way, key)
				}
				r.Query.Del("apiKey")
				sameJSON(t, "query", joined(r.Query), orEmpty(e.Request.Query))
				media, _, _ := strings.Cut(r.ContentType, ";")
				if want := map[bool]string{true: "multipart/form-data"}[len(e.Request.Form) > 0]; way != "json" && media != want {
					t.Errorf("content type %q, want %q", r.ContentType, want)
				}
				if way != "json" {
					sameJSON(t, "form", joined(r.Form), orEmpty(e.Request.Form))
				}
			}
		})
	}
	for _, op := range omnideskConnector().Describe().Operations {
		if !seen[op.Name] {
			t.Errorf("operation %s has no example in testdata/doc", op.Name)
		}
	}
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// TestDocumentSamples sends the document's samples as they stand: placeholders that break the document's own limits. The
// connector refuses them before the call, and the simulator when it gets them.
func TestDocumentSamples(t *testing.T) {
	sim, base := startSim(t, omnidesksim.Options{})
	a := openAccount(t, base, documented)
	n := 0
	for _, e := range examples(t) {
		if e.Sample == nil {
			continue
		}
		n++
		raw, err := json.Marshal(e.Sample)
		if err != nil {
			t.Fatal(err)
		}
		if e.Operation == "chat.message" {
			raw = bytes.Replace(raw, []byte(`"usedPredefinedUserInput":false`), []byte(`"usedPredefinedUserInput":"false"`), 1)
		}
		before, _ := sim.Seen()
		_, err = a.Invoke(t.Context(), e.Operation, raw)
		wantFault(t, err, "content_rejected", "parameter_invalid")
		if after, _ := sim.Seen(); len(after) != len(before) {
			t.Errorf("%s: the vendor was asked", e.Operation)
		}
		query := url.Values{}
		if e.Operation == "chat.attach" {
			query = url.Values{"chatServer": {"text"}, "chatSessionID": {"text"}, "chatAccountToken": {"text"}}
		}
		if status, _ := postRaw(t, base+e.Request.Path+"?"+query.Encode(), "multipart/form-data", string(raw)); status != 400 {
			t.Errorf("%s: the simulator answers %d", e.Operation, status)
		}
	}
	if n != 8 {
		t.Errorf("%d samples, the document has 8", n)
	}
}

// postRaw posts to the simulator without the connector.
func postRaw(t testing.TB, url, contentType, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	req.Header["apiKey"] = []string{omnidesksim.APIKey}
	req.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(out)
}

// TestDocumentLimits holds every pattern and limit of the Chat page: what breaks it is refused before the call, and by the simulator.
func TestDocumentLimits(t *testing.T) {
	byPath := map[string]example{}
	for _, e := range examples(t) {
		byPath[strings.TrimPrefix(e.Request.Path, "/api/v2/chat/")] = e
	}
	sim, base := startSim(t, omnidesksim.Options{})
	a := openAccount(t, base, documented)
	rows := regexp.MustCompile(`(?m)^(\w+) +(\w+) +([RO]) (\w+) +(\S+) +(\S+) +(.+)$`).FindAllStringSubmatch(string(readFile(t, "testdata/chat_parameters.txt")), -1)
	if len(rows) != 34 {
		t.Fatalf("%d parameters, the page has 34", len(rows))
	}
	for _, row := range rows {
		e, name := byPath[row[1]], row[2]
		input := map[string]any{}
		if err := json.Unmarshal(e.Input, &input); err != nil {
			t.Fatal(err)
		}
		for value, good := range values(row[3] == "R", row[4], row[5], row[6], row[7], input[name]) {
			if value == "" && (name == "chatServer" || name == "chatAccountToken" || row[4] == "number") {
				continue // the account's own; no number
			}
			input[name] = value
			if n, err := strconv.Atoi(value); err == nil && row[4] == "number" {
				input[name] = n
			}
			raw, err := json.Marshal(input)
			if err != nil {
				t.Fatal(err)
			}
			before, _ := sim.Seen()
			_, err = a.Invoke(t.Context(), e.Operation, raw)
			after, _ := sim.Seen()
			if asked := len(after) > len(before); asked != good {
				t.Errorf("%s.%s = %q: the vendor was asked: %t", row[1], name, value, asked)
			}
			if !good {
				if f := faultOf(t, err); f.Code != "parameter_invalid" || f.VendorCode != name || strings.Contains(err.Error(), "must not show") {
					t.Errorf("%s.%s = %q: %v", row[1], name, value, err)
				}
			}
			form, query := url.Values{}, url.Values{}
			for _, part := range []struct {
				to   url.Values
				from map[string]string
			}{{form, e.Request.Form}, {query, e.Request.Query}} {
				for k, v := range part.from {
					if part.to.Set(k, v); k == name {
						part.to.Set(k, value)
					}
				}
			}
			if row[4] == "enum" || row[4] == "byte" && value != "" || name == "chatAccountToken" && good {
				continue // the simulator takes any word and any text, and one token only
			}
			status, body := postRaw(t, base+e.Request.Path+"?"+query.Encode(), "application/x-www-form-urlencoded", form.Encode())
			if (status == 200) != good {
				t.Errorf("%s.%s = %q: the simulator answers %d %s", row[1], name, value, status, body)
			}
		}
	}
}

// values returns texts that fit a documented parameter, and texts that do not.
func values(required bool, kind, low, high, pattern string, like any) map[string]bool {
	all := map[string]bool{"": !required}
	smallest, err1 := strconv.Atoi(low)
	largest, err2 := strconv.Atoi(high)
	re := regexp.MustCompile(pattern)
	switch kind {
	case "number":
		all["7"] = true
		if err1 == nil {
			all[strconv.Itoa(smallest)], all[strconv.Itoa(smallest-2)] = true, false
		}
		if err2 == nil {
			all[high], all[strconv.Itoa(largest+1)] = true, false
		}
		return all
	case "enum":
		return map[string]bool{"": false, "startedtyping": true, "stoppedtyping": true, "must not show": false}
	case "email":
		return map[string]bool{"": true, "name@gmail.com": true, "name": false, "a b@gmail.com": false, "a@b": false}
	case "byte":
		return map[string]bool{"": false, "Ynl0ZXM=": true, "must not show": false}
	}
	digit := func(n int) string { return strings.Repeat("4", max(n, 0)) }
	if strings.HasPrefix(pattern, `^\+[`) {
		digit = func(n int) string { return "+" + strings.Repeat("4", max(n-1, 1)) }
	}
	base := digit(max(smallest, 12))
	all[base] = true
	if err1 == nil {
		all[digit(smallest)] = true
		if smallest > 1 {
			all[digit(smallest-1)] = false
		}
	}
	if err2 == nil {
		all[digit(largest)], all[digit(largest+1)] = true, false
	}
	if pattern == "-" {
		all[base+"é!? "] = true
		return all
	}
	for _, c := range " !\"#%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~éß\u0664" { // in the middle and in front
		for _, s := range []string{base + string(c) + base, string(c) + base} {
			if err2 != nil || len([]rune(s)) <= largest {
				all[s] = re.MatchString(s)
			}
		}
	}
	all[base+"\n"] = false
	return all
}

// TestLists holds the documented maximum of every list, and both forms of paging.
func TestLists(t *testing.T) {
	sim, url := startSim(t, omnidesksim.Options{})
	a, pages := openAccount(t, url, nil), openAccount(t, url, map[string]any{"paging": "pages"})
	for op, limit := range map[string]int{"customer.list": 99, "user.list": 999, "ticket.list": 9999, "form.list": 9999, "formfield.list": 9999, "view.list": 9999} {
		if _, err := a.Invoke(t.Context(), op, fmt.Appendf(nil, `{"itemLimit":%d}`, limit)); err != nil {
			t.Errorf("%s: %v", op, err)
		}
		_, err := a.Invoke(t.Context(), op, fmt.Appendf(nil, `{"itemLimit":%d}`, limit+1))
		wantFault(t, err, "content_rejected", "parameter_invalid")
	}
	for input, want := range map[string]string{`{"itemStart":30,"itemLimit":15}`: "limit=15&page=3", `{"itemStart":15}`: "limit=15&page=2", `{"itemLimit":50}`: "limit=50&page=1", `{}`: ""} {
		if _, err := pages.Invoke(t.Context(), "user.list", json.RawMessage(input)); err != nil {
			t.Fatal(err)
		}
		if got := last(t, sim).Query.Encode(); got != want {
			t.Errorf("%s asks %s, want %s", input, got, want)
		}
	}
	_, err := pages.Invoke(t.Context(), "user.list", json.RawMessage(`{"itemStart":7}`))
	wantFault(t, err, "content_rejected", "parameter_invalid")
	for op, input := range map[string]string{"customer.list": `{"query":"Ada?"}`, "form.list": `{"query":"a-b"}`, "ticket.list": `{"applyView":"a"}`, "message.create": `{"ticketID":1,"type":"sms","message":"Hello"}`,
		"formfield.create": `{"input_type":"number"}`, "channel.create": `{"icon":"a b"}`, "customer.create": `{"channel_id":"fax"}`, "api.call": `{"method":"GET","path":"../chat"}`} {
		_, err := a.Invoke(t.Context(), op, json.RawMessage(input))
		wantFault(t, err, "content_rejected", "parameter_invalid")
	}
	_, err = a.Invoke(t.Context(), "message.create", json.RawMessage(`{"ticketID":1,"type":"1","message":"Hello","submitStatus":"done"}`))
	wantFault(t, err, "content_rejected", "parameter_invalid")
}

// TestPermissions holds that the simulator asks for the permission of each operation, and what its absence means.
func TestPermissions(t *testing.T) {
	sim, url := startSim(t, omnidesksim.Options{Permissions: []string{}, Answers: map[string]string{"GET file/{id}": "bytes"}})
	a := openAccount(t, url, documented)
	for _, e := range examples(t) {
		_, err := a.Invoke(t.Context(), e.Operation, e.Input)
		switch e.Operation {
		case "file.download", "recording.list":
			if err != nil {
				t.Errorf("%s has no documented permission: %v", e.Operation, err)
			}
		case "api.call":
			wantFault(t, err, "misconfigured", "path_unknown")
		default:
			wantFault(t, err, "unauthorized", "permission_missing")
		}
	}
	if requests, _ := sim.Seen(); len(requests) != len(examples(t)) {
		t.Errorf("%d requests", len(requests))
	}
	_, err := openAccount(t, url, map[string]any{"api_key": "another"}).Invoke(t.Context(), "chat.lists", nil)
	wantFault(t, err, "unauthorized", "key_refused")
}

// TestREADME holds the tables of operations and settings complete.
func TestREADME(t *testing.T) {
	raw := string(readFile(t, "README.md"))
	d := omnideskConnector().Describe()
	for _, op := range d.Operations {
		if !strings.Contains(raw, "| `"+op.Endpoint+"` | `"+op.Name+"` |") {
			t.Errorf("README.md has no row for %s, %s", op.Endpoint, op.Name)
		}
	}
	var cfg struct {
		Properties map[string]map[string]any `json:"properties"`
	}
	if err := json.Unmarshal(d.Config, &cfg); err != nil {
		t.Fatal(err)
	}
	for name, p := range cfg.Properties {
		if !strings.Contains(raw, "| `"+name+"` |") {
			t.Errorf("README.md has no row for the setting %s", name)
		}
		if secret := name == "api_key" || name == "chat_token" || name == "hook_secret"; (p["writeOnly"] == true) != secret {
			t.Errorf("%s: secret is %v", name, p["writeOnly"])
		}
	}
	if d.Limits != (connector.Limits{}) || d.Channels[0].Receipts != connector.NoReceipts {
		t.Errorf("described %+v", d)
	}
}
