package fields_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
	"github.com/hermodhq/hermod/sdk/transform/internal/abi"
	"github.com/hermodhq/hermod/sdk/transform/internal/fields"
)

func templateMessage() message.Message {
	return message.Message{
		ID: "m1", Key: "k1", Priority: message.Urgent, Category: "order",
		To: message.Recipient{Phone: "+447700900123", Country: "GB", Email: "ada@example.com", Name: "Ada",
			Users: map[message.AccountID]message.VendorUserID{"a.b": "u1"}},
		SendAt: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		Content: message.Content{Text: "t", Template: &message.Template{
			Name: "n", Language: "en", Params: []string{"p0", ""}, Named: map[string]any{"s": "v", "n": 1.5},
			Header: &message.Media{Type: "image", URL: "https://example.com/a.png"}}},
		Data:   map[string]any{"order": "1042", "dotted.key": "d", "n": 7.0, "deep": map[string]any{"x": true}, "nil": nil, "empty": ""},
		Labels: map[string]string{"tenant": "a"},
	}
}

func mediaMessage() message.Message {
	return message.Message{To: message.Recipient{Phone: "+447700900123"},
		Content: message.Content{Media: &message.Media{Type: "image", URL: "https://example.com/a.png", Name: "a.png", MIME: "image/png"}}}
}

func interactiveMessage() message.Message {
	return message.Message{To: message.Recipient{Phone: "+447700900123"},
		Content: message.Content{Text: "b", Interactive: &message.Interactive{Header: "h", Footer: "f", Menu: "m"}}}
}

func TestGet(t *testing.T) {
	for _, c := range []struct {
		m    message.Message
		path string
		want string
		st   abi.Status
	}{
		{templateMessage(), "id", "m1", abi.OK},
		{templateMessage(), "key", "k1", abi.OK},
		{templateMessage(), "priority", "urgent", abi.OK},
		{templateMessage(), "category", "order", abi.OK},
		{templateMessage(), "send_at", "2026-01-02T03:04:05.000000006Z", abi.OK},
		{templateMessage(), "expires", "", abi.Missing},
		{templateMessage(), "to.phone", "+447700900123", abi.OK},
		{templateMessage(), "to.country", "GB", abi.OK},
		{templateMessage(), "to.email", "ada@example.com", abi.OK},
		{templateMessage(), "to.name", "Ada", abi.OK},
		{templateMessage(), "to.users.a.b", "u1", abi.OK},
		{templateMessage(), "to.users.other", "", abi.Missing},
		{templateMessage(), "content.kind", "template", abi.OK},
		{templateMessage(), "content.text", "t", abi.OK},
		{templateMessage(), "content.subject", "", abi.Missing},
		{templateMessage(), "content.template.name", "n", abi.OK},
		{templateMessage(), "content.template.language", "en", abi.OK},
		{templateMessage(), "content.template.params.0", "p0", abi.OK},
		{templateMessage(), "content.template.params.1", "", abi.OK},
		{templateMessage(), "content.template.params.2", "", abi.Missing},
		{templateMessage(), "content.template.named.s", "v", abi.OK},
		{templateMessage(), "content.template.named.n", "1.5", abi.OK},
		{templateMessage(), "content.template.header.url", "https://example.com/a.png", abi.OK},
		{templateMessage(), "content.media.url", "", abi.Missing},
		{mediaMessage(), "content.media.type", "image", abi.OK},
		{mediaMessage(), "content.media.url", "https://example.com/a.png", abi.OK},
		{mediaMessage(), "content.media.name", "a.png", abi.OK},
		{mediaMessage(), "content.media.mime", "image/png", abi.OK},
		{mediaMessage(), "content.template.params.0", "", abi.Missing},
		{interactiveMessage(), "content.interactive.header", "h", abi.OK},
		{interactiveMessage(), "content.interactive.footer", "f", abi.OK},
		{interactiveMessage(), "content.interactive.menu", "m", abi.OK},
		{templateMessage(), "data.order", "1042", abi.OK},
		{templateMessage(), "data.dotted.key", "d", abi.OK},
		{templateMessage(), "data.n", "7", abi.OK},
		{templateMessage(), "data.deep", `{"x":true}`, abi.OK},
		{templateMessage(), "data.nil", "null", abi.OK},
		{templateMessage(), "data.empty", "", abi.OK},
		{templateMessage(), "data.none", "", abi.Missing},
		{mediaMessage(), "data.none", "", abi.Missing},
		{templateMessage(), "labels.tenant", "a", abi.OK},
		{templateMessage(), "labels.none", "", abi.Missing},
		{templateMessage(), "data", "", abi.Invalid},
		{templateMessage(), "content.template", "", abi.Invalid},
		{templateMessage(), "", "", abi.Invalid},
	} {
		d := fields.New(&c.m)
		if got, st := d.Get([]byte(c.path)); got != c.want || st != c.st {
			t.Errorf("Get(%q) = %q, %v; want %q, %v", c.path, got, st, c.want, c.st)
		}
	}
}

func TestUnknownPaths(t *testing.T) {
	for _, path := range []string{
		"nothing", "id.x", "category.x", "to", "to.x", "to.users", "to.users.", "content.x", "content.text.x", "content.kind.x", "content.template.x",
		"content.template.name.x", "content.template.params.x", "content.template.params.-1", "content.template.params.70000",
		"content.template.named.", "content.template.header.x", "content.media.x", "content.media.data", "content.interactive.x", "data.", "labels.", ".", "content.",
	} {
		for _, m := range []message.Message{templateMessage(), mediaMessage(), interactiveMessage(), {}} {
			d := fields.New(&m)
			_, get := d.Get([]byte(path))
			_, getJSON := d.GetJSON([]byte(path))
			for _, st := range []abi.Status{get, getJSON, d.Set([]byte(path), "x"), d.SetJSON([]byte(path), []byte(`"x"`)), d.Delete([]byte(path))} {
				if st != abi.UnknownPath {
					t.Errorf("%q: %v", path, st)
				}
			}
		}
	}
}

// edit is one change to a draft.
type edit struct {
	do, path, value string
	want            abi.Status
}

func (e edit) apply(d *fields.Draft) abi.Status {
	switch e.do {
	case "set":
		return d.Set([]byte(e.path), e.value)
	case "json":
		return d.SetJSON([]byte(e.path), []byte(e.value))
	}
	return d.Delete([]byte(e.path))
}

func TestEdits(t *testing.T) {
	long := strings.Repeat("x", abi.MaxWritten)
	for name, c := range map[string]struct {
		in    message.Message
		edits []edit
		want  func(*message.Message)
	}{
		"text": {templateMessage(), []edit{{"set", "content.text", "new", 0}, {"set", "content.subject", "s", 0}, {"set", "category", "c", 0}},
			func(m *message.Message) { m.Content.Text, m.Content.Subject, m.Category = "new", "s", "c" }},
		"delete text": {templateMessage(), []edit{{"delete", "content.text", "", 0}, {"json", "category", "null", 0}, {"delete", "content.subject", "", 0}},
			func(m *message.Message) { m.Content.Text, m.Category = "", "" }},
		"template": {templateMessage(), []edit{{"set", "content.template.name", "n2", 0}, {"json", "content.template.language", `"de"`, 0}},
			func(m *message.Message) { m.Content.Template.Name, m.Content.Template.Language = "n2", "de" }},
		"params": {templateMessage(), []edit{
			{"set", "content.template.params.0", "new", 0}, {"set", "content.template.params.2", "added", 0}, {"set", "content.template.params.9", "far", abi.Invalid},
			{"delete", "content.template.params.0", "", abi.Invalid}, {"delete", "content.template.params.7", "", 0}},
			func(m *message.Message) { m.Content.Template.Params = []string{"new", "", "added"} }},
		"last param": {templateMessage(), []edit{{"delete", "content.template.params.1", "", 0}},
			func(m *message.Message) { m.Content.Template.Params = []string{"p0"} }},
		"whole params": {templateMessage(), []edit{{"json", "content.template.params", `["a","b","c"]`, 0}, {"set", "content.template.params.2", "d", 0}},
			func(m *message.Message) { m.Content.Template.Params = []string{"a", "b", "d"} }},
		"named": {templateMessage(), []edit{{"set", "content.template.named.s", "w", 0}, {"json", "content.template.named.o", `{"a":1}`, 0}, {"delete", "content.template.named.n", "", 0}},
			func(m *message.Message) {
				m.Content.Template.Named = map[string]any{"s": "w", "o": map[string]any{"a": 1}}
			}},
		"header": {templateMessage(), []edit{{"set", "content.template.header.url", "https://example.com/b", 0}, {"set", "content.template.header.name", "b", 0}},
			func(m *message.Message) {
				m.Content.Template.Header.URL, m.Content.Template.Header.Name = "https://example.com/b", "b"
			}},
		"no header": {templateMessage(), []edit{{"delete", "content.template.header", "", 0}, {"set", "content.template.header.url", "x", abi.Missing}},
			func(m *message.Message) { m.Content.Template.Header = nil }},
		"media": {mediaMessage(), []edit{{"set", "content.media.url", "u", 0}, {"set", "content.media.mime", "m", 0}},
			func(m *message.Message) { m.Content.Media.URL, m.Content.Media.MIME = "u", "m" }},
		"interactive": {interactiveMessage(), []edit{{"set", "content.interactive.header", "H", 0}, {"json", "content.interactive", `{"menu":"M"}`, 0}},
			func(m *message.Message) { m.Content.Interactive = &message.Interactive{Menu: "M"} }},
		"another kind": {mediaMessage(), []edit{
			{"json", "content.template", `{"name":"n"}`, abi.Invalid}, {"delete", "content.media", "", 0}, {"json", "content.template", `{"name":"n"}`, 0}},
			func(m *message.Message) { m.Content = message.Content{Template: &message.Template{Name: "n"}} }},
		"content": {mediaMessage(), []edit{{"json", "content", `{"text":"x"}`, 0}, {"json", "content", `{"template":{"name":"n"},"media":{"type":"image"}}`, abi.Invalid}},
			func(m *message.Message) { m.Content = message.Content{Text: "x"} }},
		"absent template": {mediaMessage(), []edit{{"set", "content.template.name", "n", abi.Missing}, {"delete", "content.template.name", "", 0}}, nil},
		"data": {templateMessage(), []edit{{"set", "data.order", "7", 0}, {"json", "data.n", "8", 0}, {"delete", "data.deep", "", 0}, {"delete", "data.none", "", 0}, {"json", "data.nil", "null", 0}},
			func(m *message.Message) {
				m.Data = map[string]any{"order": "7", "n": 8, "dotted.key": "d", "empty": ""}
			}},
		"first data": {mediaMessage(), []edit{{"set", "data.a", "1", 0}, {"set", "labels.b", "2", 0}},
			func(m *message.Message) {
				m.Data, m.Labels = map[string]any{"a": "1"}, map[string]string{"b": "2"}
			}},
		"all data": {templateMessage(), []edit{{"json", "data", `{"a":1}`, 0}, {"delete", "labels", "", 0}},
			func(m *message.Message) { m.Data, m.Labels = map[string]any{"a": 1}, nil }},
		"labels": {templateMessage(), []edit{{"set", "labels.tenant", "b", 0}, {"json", "labels.x", `"y"`, 0}, {"json", "labels.x", "1", abi.Invalid}},
			func(m *message.Message) { m.Labels = map[string]string{"tenant": "b", "x": "y"} }},
		"read-only": {templateMessage(), []edit{{"set", "id", "x", abi.ReadOnly}, {"set", "to.phone", "x", abi.ReadOnly}, {"delete", "key", "", abi.ReadOnly},
			{"json", "priority", `"bulk"`, abi.ReadOnly}, {"set", "content.kind", "x", abi.ReadOnly}, {"json", "", `{"id":"m2"}`, abi.ReadOnly}}, nil},
		"invalid": {templateMessage(), []edit{{"set", "content.text", "\xff", abi.Invalid}, {"json", "content.text", `"\`, abi.Invalid}, {"json", "content.text", "1", abi.Invalid},
			{"json", "data.x", "1 2", abi.Invalid}, {"json", "content", `{"txt":"x"}`, abi.Invalid}, {"set", "content", "x", abi.Invalid}, {"set", "data.\xff", "x", abi.Invalid},
			{"json", "content.template.params", `[1]`, abi.Invalid}}, nil},
		"too large": {templateMessage(), []edit{{"set", "content.text", long, abi.TooLarge}, {"set", "data." + strings.Repeat("k", abi.MaxPath), "x", abi.TooLarge}}, nil},
		"too much": {templateMessage(), []edit{{"set", "data.a", long[:len(long)-100], 0}, {"set", "data.b", long[:100], abi.TooLarge}},
			func(m *message.Message) { m.Data["a"] = long[:len(long)-100] }},
	} {
		t.Run(name, func(t *testing.T) { checkEdits(t, c.in, c.edits, c.want) })
	}
}

// checkEdits makes the edits on a draft of in, and wants what want makes of a copy of in.
func checkEdits(t *testing.T, in message.Message, edits []edit, change func(*message.Message)) {
	t.Helper()
	d, before, want := fields.New(&in), asJSON(t, in), copyOf(t, in)
	for _, e := range edits {
		if st := e.apply(d); st != e.want {
			t.Errorf("%s %q: %v, want %v", e.do, e.path, st, e.want)
		}
	}
	if change != nil {
		change(&want)
	}
	if diff := cmp.Diff(asJSON(t, want), asJSON(t, d.Message())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if asJSON(t, in) != before {
		t.Error("the original changed")
	}
}

func asJSON(t *testing.T, m message.Message) string {
	t.Helper()
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func copyOf(t *testing.T, m message.Message) (c message.Message) {
	t.Helper()
	if err := json.Unmarshal([]byte(asJSON(t, m)), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestGetJSON(t *testing.T) {
	m := templateMessage()
	d := fields.New(&m)
	for path, want := range map[string]string{
		"content.text": `"t"`, "data.deep": `{"x":true}`, "data.nil": "null", "content.template.params": `["p0",""]`, "content.template.named": `{"n":1.5,"s":"v"}`,
		"content.template.header": `{"type":"image","url":"https://example.com/a.png"}`, "labels": `{"tenant":"a"}`, "": asJSON(t, m), "to.country": `"GB"`,
	} {
		if got, st := d.GetJSON([]byte(path)); st != abi.OK || string(got) != want {
			t.Errorf("GetJSON(%q) = %s, %v; want %s", path, got, st, want)
		}
	}
	empty := fields.New(&message.Message{})
	for _, path := range []string{"content.text", "content.template", "content.template.params", "content.media", "content.interactive", "data", "data.x", "labels"} {
		if got, st := empty.GetJSON([]byte(path)); st != abi.Missing {
			t.Errorf("GetJSON(%q) = %s, %v", path, got, st)
		}
	}
	if st := d.SetJSON(nil, []byte(asJSON(t, m))); st != abi.OK || asJSON(t, d.Message()) != asJSON(t, m) {
		t.Errorf("what came out does not go in again: %v", st)
	}
}

func TestRejected(t *testing.T) {
	for _, c := range []struct {
		class, code string
		want        fault.Class
		wantCode    string
	}{
		{"content_rejected", "blocked_word", fault.ContentRejected, "blocked_word"},
		{"rate_limited", "later", fault.RateLimited, "later"},
		{"unauthorized", "x", fault.Internal, "x"},
		{"outcome_unknown", "x", fault.Internal, "x"},
		{"", "", fault.Internal, "transform_rejected"},
		{"nonsense", "Not Snake", fault.Internal, "transform_rejected"},
		{"unsupported", "1st", fault.Unsupported, "transform_rejected"},
	} {
		if f := fields.Rejected(c.class, c.code, "call +447700900123"); f.Class != c.want || f.Code != c.wantCode || strings.Contains(f.Text, "900") {
			t.Errorf("Rejected(%q, %q) = %v", c.class, c.code, f)
		}
	}
}

func TestCheck(t *testing.T) {
	bad := message.Message{}
	d := fields.New(&bad)
	if f := d.Check("x"); f != nil {
		t.Errorf("an untouched draft: %v", f)
	}
	d.Set([]byte("content.text"), "x")
	if f := d.Check("x"); f == nil || f.Code != "transform_result_invalid" {
		t.Errorf("a message without a recipient: %v", f)
	}
}

// Whatever is done to a draft, the message it came from stays as it was, and text that was set can be read.
func FuzzDraft(f *testing.F) {
	for _, path := range []string{"content.text", "data.x", "labels.y", "content.template.params.1", "content.template.header.url", "content.media.url", "", "content", "to.phone"} {
		f.Add(path, "value", "data.z", `{"a":1}`)
		f.Add(path, "v", path, "null")
	}
	f.Fuzz(func(t *testing.T, path1, value1, path2, value2 string) {
		for _, m := range []message.Message{templateMessage(), mediaMessage(), interactiveMessage()} {
			before := asJSON(t, m)
			d := fields.New(&m)
			d.GetJSON([]byte(path1))
			if d.Set([]byte(path1), value1) == abi.OK {
				if got, _ := d.Get([]byte(path1)); got != value1 {
					t.Errorf("set %q to %q, got %q", path1, value1, got)
				}
			}
			d.SetJSON([]byte(path2), []byte(value2))
			d.Set([]byte(path1), value2)
			d.Delete([]byte(path2))
			d.Delete([]byte(path1))
			asJSON(t, d.Message())
			if after := asJSON(t, m); after != before {
				t.Errorf("the original changed from\n%s\nto\n%s", before, after)
			}
		}
	})
}
