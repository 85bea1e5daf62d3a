package chat2desk_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hermodhq/hermod/plugins/chat2desk/internal/chat2deskapi"
)

// literal is an exchange that somebody else wrote down: its source, and what the operation makes of the answer.
type literal struct {
	example
	Source string          `json:"source"`
	Status int             `json:"status"` // of HTTP; 0 is 200
	Output json.RawMessage `json:"output"` // as of TestDocumentExamples when absent
	Fault  string          `json:"fault"`  // code, where the answer refuses
}

// TestLiteralExamples holds every request and answer that a public source gives word for word, against a server that knows nothing else.
func TestLiteralExamples(t *testing.T) {
	files, err := filepath.Glob("testdata/literal/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no literal examples", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var e literal
			if err := json.Unmarshal(raw, &e); err != nil || e.Source == "" {
				t.Fatal("no source", err)
			}
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				want, err := url.Parse("/v1/" + e.Path)
				if err != nil {
					t.Error(err)
				}
				if r.Method != e.Method || r.URL.Path != want.Path || !cmp.Equal(r.URL.Query(), want.Query()) {
					t.Errorf("asks %s %s, want %s %s", r.Method, r.URL, e.Method, e.Path)
				}
				body, _ := io.ReadAll(r.Body)
				sameJSON(t, "the body", json.RawMessage(body), e.Body)
				if e.Status != 0 {
					w.WriteHeader(e.Status)
				}
				_, _ = w.Write(e.Response)
			}))
			defer srv.Close()
			out, err := openAccount(t, srv.URL+"/v1", nil).Invoke(t.Context(), e.Operation, e.Input)
			switch {
			case e.Fault != "":
				if f := faultOf(t, err); f.Code != e.Fault {
					t.Errorf("got %v, want %s", err, e.Fault)
				}
			case err != nil:
				t.Error(err)
			case e.Output != nil:
				sameJSON(t, "the output", json.RawMessage(out), e.Output)
			default:
				sameJSON(t, "the output", json.RawMessage(out), payload(t, e.Response))
			}
		})
	}
}

// TestLiteralClient holds how the client of the document reads: numbers among the custom fields, and no phone number in its phone.
func TestLiteralClient(t *testing.T) {
	raw, err := os.ReadFile("testdata/literal/client.get.json")
	if err != nil {
		t.Fatal(err)
	}
	var e literal
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(e.Response) }))
	defer srv.Close()
	c, err := chat2deskapi.New(chat2deskapi.Options{URL: srv.URL, Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	var p chat2deskapi.Person
	if err := chat2deskapi.GetClient.Do(t.Context(), c, chat2deskapi.IDRequest{ID: 31155394}, &p); err != nil {
		t.Fatal(err)
	}
	if p.ID.Int() != 31155394 || p.CustomFields["888"] != "268775" || p.CustomFields["6"] != "Ada" || p.ClientPhone != "" || p.Channels[0].Transports[0] != "widget" {
		t.Errorf("%+v", p)
	}
	hook := map[string]any{}
	var answer struct{ Data map[string]any }
	if err := json.Unmarshal(e.Response, &answer); err != nil {
		t.Fatal(err)
	}
	for k, v := range answer.Data {
		hook[k] = v
	}
	hook["hook_type"] = "client_updated"
	body, err := json.Marshal(hook)
	if err != nil {
		t.Fatal(err)
	}
	_, events, err := openAccount(t, srv.URL, nil).Receive(t.Context(), post("/events", string(body)))
	if err != nil || events[0].Contact.Phone != "" || events[0].Contact.Fields["custom_fields.892"] != "21" {
		t.Errorf("%+v %v", events, err)
	}
}

// TestEveryField holds that every field of every operation's input is sent by an example, and so reaches the vendor as it is documented.
func TestEveryField(t *testing.T) {
	sent := map[string]bool{}
	docs, err := filepath.Glob("testdata/doc/*.json")
	literals, err2 := filepath.Glob("testdata/literal/*.json")
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	for _, file := range append(docs, literals...) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var e struct {
			Operation string
			Input     map[string]any
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		for name := range e.Input {
			sent[e.Operation+" "+name] = true
		}
	}
	for _, op := range vendor().Describe().Operations {
		var schema struct{ Properties map[string]any }
		if err := json.Unmarshal(op.Input, &schema); err != nil {
			t.Fatal(err)
		}
		for name := range schema.Properties {
			if !sent[op.Name+" "+name] {
				t.Errorf("%s: no example sends %s", op.Name, name)
			}
		}
	}
}

// TestReadme holds that the README has a row for every operation, with its endpoint, and that every test it names exists.
func TestReadme(t *testing.T) {
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	inner, err2 := filepath.Glob("*/*/*_test.go")
	sims, err3 := filepath.Glob("chat2desksim/*_test.go")
	if err != nil || err2 != nil || err3 != nil || len(files)*len(inner)*len(sims) == 0 {
		t.Fatal("the tests are not found", err, err2, err3)
	}
	var code strings.Builder
	for _, file := range append(append(files, inner...), sims...) {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(src)
	}
	rows := map[string][2]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z]+ [^`]+)` \\| `([a-z_.]+)` \\| (.+) \\|$").FindAllStringSubmatch(string(raw), -1) {
		rows[m[2]] = [2]string{m[1], m[3]}
	}
	for _, op := range vendor().Describe().Operations {
		row := rows[op.Name]
		if delete(rows, op.Name); row[0] != op.Endpoint || row[1] == "" {
			t.Errorf("operation %s (%s) has the row %q", op.Name, op.Endpoint, row)
		}
		for name := range strings.SplitSeq(row[1], ", ") {
			if !strings.Contains(code.String(), "func "+name+"(t *testing.T)") {
				t.Errorf("operation %s is said to be tested by %s, which does not exist", op.Name, name)
			}
		}
	}
	for name := range rows {
		t.Errorf("the README has operation %s, which does not exist", name)
	}
	_, table, _ := strings.Cut(string(raw), "| reached by phone or user id | by user id only |\n|---|---|\n| ")
	table, _, _ = strings.Cut(table, " |\n")
	byPhone, byUserID, _ := strings.Cut(table, " | ")
	var listed [2][]string // as the README has them: by phone, by user id
	for _, c := range vendor().Describe().Channels {
		i := 0
		if c.NeedsUserID {
			i = 1
		}
		listed[i] = append(listed[i], "`"+string(c.Channel)+"`")
	}
	if strings.Join(listed[0], " ") != byPhone || strings.Join(listed[1], " ") != byUserID {
		t.Errorf("the README's table of channels is not what is described: %s", listed)
	}
	var schema struct{ Properties map[string]any }
	if err := json.Unmarshal(vendor().Describe().Config, &schema); err != nil {
		t.Fatal(err)
	}
	for name := range schema.Properties {
		if !strings.Contains(string(raw), "`"+name+"`") {
			t.Errorf("the README lacks the setting %s", name)
		}
	}
}
