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
	"slices"
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
				want := map[string]string{"": "multipart/form-data", "query": "multipart/form-data", "json": "application/json"}[way]
				if len(e.Request.Form) == 0 {
					want = ""
				}
				if media != want {
					t.Errorf("content type %q, want %q", r.ContentType, want)
				}
				sameJSON(t, "form", joined(r.Form), orEmpty(e.Request.Form))
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

// sendRaw asks the simulator without the connector.
func sendRaw(t testing.TB, method, url, contentType, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
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

// TestPaging reads a list to its end in both forms of paging.
func TestPaging(t *testing.T) {
	items := make([]string, 40)
	for i := range items {
		items[i] = fmt.Sprintf(`{"id":%d}`, i)
	}
	sim, url := startSim(t, omnidesksim.Options{Items: map[string][]string{"GET user": items}})
	for form, want := range map[string]string{"items": "itemLimit=15&itemStart=30", "pages": "limit=15&page=3"} {
		a := openAccount(t, url, map[string]any{"paging": form})
		var got []string
		for start, total := 0, 1; start < total; {
			out, err := a.Invoke(t.Context(), "user.list", fmt.Appendf(nil, `{"itemStart":%d,"itemLimit":15}`, start))
			if err != nil {
				t.Fatal(err)
			}
			var page struct {
				ItemStart, ItemTotal, ItemLimit int
				Items                           []json.RawMessage
			}
			if err := json.Unmarshal(out, &page); err != nil || page.ItemStart != start || page.ItemLimit != 15 {
				t.Fatalf("%s %v", out, err)
			}
			for _, item := range page.Items {
				got = append(got, string(item))
			}
			start, total = start+len(page.Items), page.ItemTotal
		}
		if !slices.Equal(got, items) || last(t, sim).Query.Encode() != want {
			t.Errorf("%s: got %v, asked %s", form, got, last(t, sim).Query.Encode())
		}
	}
	pages := openAccount(t, url, map[string]any{"paging": "pages"})
	for input, want := range map[string]string{`{"itemStart":15}`: "limit=15&page=2", `{"itemLimit":50}`: "limit=50&page=1", `{}`: ""} {
		if _, err := pages.Invoke(t.Context(), "user.list", json.RawMessage(input)); err != nil {
			t.Fatal(err)
		}
		if got := last(t, sim).Query.Encode(); got != want {
			t.Errorf("%s asks %s, want %s", input, got, want)
		}
	}
	_, err := pages.Invoke(t.Context(), "user.list", json.RawMessage(`{"itemStart":7}`))
	wantFault(t, err, "content_rejected", "parameter_invalid")
	_, err = pages.Invoke(t.Context(), "api.call", json.RawMessage(`{"method":"GET","path":"../chat"}`))
	wantFault(t, err, "content_rejected", "parameter_invalid")
}

// TestSubmitStatus holds the values that are known of an enum whose values are hidden.
func TestSubmitStatus(t *testing.T) {
	_, url := startSim(t, omnidesksim.Options{})
	own := openAccount(t, url, map[string]any{"submit_statuses": []string{"done"}})
	for status, a := range map[string]connector.Account{"open": openAccount(t, url, nil), "done": own} {
		input := fmt.Appendf(nil, `{"ticketID":1,"type":"calllog","message":"Hello","submitStatus":%q,"toAddress":null}`, status)
		if _, err := a.Invoke(t.Context(), "message.create", input); err != nil {
			t.Error(err)
		}
		_, err := a.Invoke(t.Context(), "message.create", bytes.Replace(input, []byte(status), []byte("x"), 1))
		wantFault(t, err, "content_rejected", "parameter_invalid")
	}
}

// TestREADME holds the tables of operations and settings complete.
func TestREADME(t *testing.T) {
	raw := string(readFile(t, "README.md"))
	d := omnideskConnector().Describe()
	sources := ""
	files, err := filepath.Glob("*_test.go")
	for _, f := range files {
		sources += string(readFile(t, f))
	}
	tests := regexp.MustCompile(`\bTest[A-Z]\w+`)
	for _, name := range tests.FindAllString(raw, -1) {
		if !strings.Contains(sources, "\nfunc "+name+"(t *testing.T) {") {
			t.Errorf("README.md names %s, which does not exist: %v", name, err)
		}
	}
	for _, op := range d.Operations {
		_, row, _ := strings.Cut(raw, "| `"+op.Endpoint+"` | `"+op.Name+"` |")
		if row, _, _ = strings.Cut(row, "\n"); len(tests.FindAllString(row, -1)) == 0 {
			t.Errorf("README.md has no row for %s, %s, or it names no test", op.Endpoint, op.Name)
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
