package message_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hermodhq/hermod/sdk/message"
)

var update = flag.Bool("update", false, "write the golden files anew")

// verdict decodes and validates, and tells the result in one line.
func verdict(input string) string {
	m, err := message.Decode([]byte(input))
	if err == nil {
		err = m.Validate()
	}
	if err == nil {
		return "ok"
	}
	e, ok := errors.AsType[*message.Error](err)
	if !ok {
		return "not an *Error: " + err.Error()
	}
	return e.Code + " at " + e.Path + ": " + e.Error()
}

// Each block of testdata/errors.txt is an input and, below it, the verdict.
func TestErrorTexts(t *testing.T) {
	const file = "testdata/errors.txt"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var golden strings.Builder
	for i, block := range strings.Split(strings.TrimSpace(string(data)), "\n\n") {
		input, want, _ := strings.Cut(block, "\n")
		got := verdict(input)
		if got == "ok" {
			t.Errorf("%s: no error", input)
		}
		if got != want && !*update {
			t.Errorf("%s\n got  %s\n want %s", input, got, want)
		}
		if i > 0 {
			golden.WriteByte('\n')
		}
		golden.WriteString(input + "\n" + got + "\n")
	}
	if *update {
		if err := os.WriteFile(file, []byte(golden.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const full = `{
 "id": "0190", "key": "order-1042-shipped", "category": "order", "priority": "urgent",
 "to": {"phone": "+447700900123", "country": "GB", "email": "ada@example.com", "users": {"convrs-uk": "u1"}, "name": "Ada"},
 "content": {"text": "Hi \u0041da, \"quoted\" \\ done", "subject": "Order", "interactive": {"header": "h", "footer": "f", "menu": "m",
   "buttons": [{"type": "url", "text": "Track", "payload": "https://example.com/t", "color": "red"}],
   "sections": [{"title": "s", "rows": [{"id": "1", "title": "One", "description": "first"}]}]}},
 "data": {"name": "Ada", "order": 1042, "vip": true, "none": null, "items": [{"sku": "a", "price": -1.5e3}, []], "empty": {}},
 "labels": {"tenant": "acme"}, "send_at": "2030-01-31T09:00:00Z", "expires": "2030-01-31T10:00:00.5+01:00"
}`

func TestDecodeRoundTrip(t *testing.T) {
	for _, input := range []string{
		full,
		`{"to":{"phone":"+447700900123"}}`,
		`{"to":{"email":"ada@example.com"},"content":{"text":"c","media":{"type":"image","data":"AAEC","name":"a.png","mime":"image/png"}}}`,
		`{"to":{"users":{"convrs-uk":"u1"}},"content":{"template":{"name":"t","language":"en","params":["a"],"named":{"n":1},"header":{"type":"video","url":"https://example.com/v"}}}}`,
		" \n{\"to\":{\"phone\":\"+447700900123\"},\"content\":null,\"data\":null} \t\r\n",
	} {
		m, err := message.Decode([]byte(input))
		if err != nil {
			t.Errorf("%s: %v", input, err)
			continue
		}
		var plain message.Message
		if err := json.Unmarshal([]byte(input), &plain); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(plain, m); diff != "" {
			t.Errorf("%s: differs from encoding/json: %s", input, diff)
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		m2, err := message.Decode(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if diff := cmp.Diff(m, m2); diff != "" {
			t.Errorf("%s: changed on the way: %s", input, diff)
		}
	}
}

func TestDecodeBounds(t *testing.T) {
	nested := func(n int) string {
		return `{"to":{"phone":"+447700900123"},"data":{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}}`
	}
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(`,"k` + strings.Repeat("x", i) + `":1`)
		}
		return `{"data":{"k":1` + b.String()[len(`,"k":1`):] + `}}`
	}
	tests := []struct{ name, input, code string }{
		{"size", `{"content":{"text":"` + strings.Repeat("a", message.MaxJSON) + `"}}`, message.CodeJSONTooLarge},
		{"depth", nested(message.MaxDepth - 1), message.CodeJSONTooDeep},
		{"depth allowed", nested(message.MaxDepth - 2), ""},
		{"brackets in text", `{"content":{"text":"` + strings.Repeat(`[\"`, 100) + `"}}`, ""},
		{"members", many(257), message.CodeTooMany},
		{"members allowed", many(256), ""},
		{"utf-8", "{\"content\":{\"text\":\"\xff\"}}", message.CodeJSONInvalid},
		{"empty", " ", message.CodeJSONInvalid},
		{"unbalanced", "]]]", message.CodeJSONInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := message.Decode([]byte(tt.input))
			if tt.code == "" && err != nil || tt.code != "" && !errors.Is(err, &message.Error{Code: tt.code}) {
				t.Errorf("got %v, want %q", err, tt.code)
			}
		})
	}
}

// Whatever comes in: no panic, an error of the one type, and nothing that strict reading takes and plain reading does not.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(`{"to":{"phon":1}} x`))
	f.Add([]byte(`{"data":{"a":[1e999,{"b":null}]}}`))
	f.Add([]byte("{\"\\ud800\":\"\xff\"}"))
	f.Add([]byte(`{"expires":"2030-13-01T00:00:00Z","content":{"media":{"data":"="}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := message.Decode(data)
		if err != nil {
			if e, ok := errors.AsType[*message.Error](err); !ok || e.Code == "" || e.Text == "" {
				t.Fatalf("not a full *Error: %#v", err)
			}
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatalf("decoded, but cannot be encoded: %v", err)
		}
		if len(again) > message.MaxJSON {
			return // escaping can make it longer
		}
		if _, err := message.Decode(again); err != nil {
			t.Fatalf("%s does not decode again: %v", again, err)
		}
		if err := m.Validate(); err != nil {
			if _, ok := errors.AsType[*message.Error](err); !ok {
				t.Fatalf("not an *Error: %#v", err)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	data := []byte(full)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := message.Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}
