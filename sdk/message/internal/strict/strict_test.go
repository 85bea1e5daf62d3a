package strict

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

type part struct {
	Name  string         `json:"name,omitempty"`
	Count int            `json:"count"`
	Open  bool           `json:"open"`
	At    time.Time      `json:"at"`
	Raw   []byte         `json:"raw"`
	List  []string       `json:"list"`
	Data  map[string]any `json:"data"`
}

func document() *Document {
	return &Document{
		Shape: Of(reflect.TypeFor[part]()),
		Bytes: 200, Depth: 4, Entries: 8,
		Redact: func(name string) string { return strings.ReplaceAll(name, "secret", "***") },
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		input string
		want  Finding // the text is what it begins with
	}{
		{` {"name":"a","count":-1.5e3,"open":true,"at":"2030-01-31T09:00:00Z","raw":"AAEC","list":["a"],"data":{"a":[{}]}} `, Finding{}},
		{`{"name":null,"data":null}`, Finding{}},
		{``, Finding{Invalid, "", "there is no JSON", ""}},
		{`{"name":`, Finding{Invalid, "", "invalid JSON at byte 8", ""}},
		{"{\"name\":\"\xff\"}", Finding{Invalid, "", "the JSON is not valid UTF-8", ""}},
		{`{} {}`, Finding{Trailing, "", "something stands after the message, at byte 4", ""}},
		{`{"name":"` + strings.Repeat("a", 200) + `"}`, Finding{TooLarge, "", "the JSON has 211 bytes, at most 200", ""}},
		{`{"data":{"a":[[[]]]}}`, Finding{TooDeep, "", "the JSON is nested deeper than 4 levels", ""}},
		{`{"data":{"1":1,"2":1,"3":1,"4":1,"5":1,"6":1,"7":1,"8":1,"9":1}}`, Finding{TooMany, "data", `"data" has more than 8 entries`, ""}},
		{`[]`, Finding{WrongType, "", "a message must be a JSON object, found a list", ""}},
		{`{"nam":"a"}`, Finding{Unknown, "nam", `unknown field "nam"`, "name"}},
		{`{"data":{"a":1,"\u0061":2}}`, Finding{Twice, "data.a", `"data.a" stands twice`, ""}},
		{`{"data":{"secret":{"x":1,"x":2}}}`, Finding{Twice, "data.[***].x", `"data.[***].x" stands twice`, ""}},
		{`{"list":["a",1]}`, Finding{WrongType, "list[1]", `"list[1]" must be text, found a number`, ""}},
		{`{"count":9007199254740993}`, Finding{Inexact, "count", `"count" is too large`, ""}},
		{`{"at":"2030-13-01T00:00:00Z"}`, Finding{BadTime, "at", `"at" must be an RFC 3339 time`, ""}},
		{`{"raw":"="}`, Finding{BadBytes, "raw", `"raw" must be base64`, ""}},
	}
	for _, tt := range tests {
		got := Finding{}
		if f := document().Check([]byte(tt.input)); f != nil {
			got = *f
		}
		if begins := strings.HasPrefix(got.Text, tt.want.Text); begins {
			got.Text = tt.want.Text
		}
		if got != tt.want {
			t.Errorf("%s\n got  %+v\n want %+v", tt.input, got, tt.want)
		}
	}
}

func TestNearest(t *testing.T) {
	fields := []string{"to", "text", "template", "Code"}
	for name, want := range map[string]string{
		"texte": "text", "TEXT": "text", "tmplate": "template", "code": "Code",
		"xx": "", "t": "to", "whatever": "", strings.Repeat("t", 65): "",
	} {
		if got := Nearest(name, fields); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(`{"name":"a","data":{"a":[1e999,{"b":null}]}}`))
	f.Add([]byte("{\"\\ud800\":\"\xff\"}"))
	f.Add([]byte(`{"at":"2030-13-01T00:00:00Z","raw":"="} x`))
	d := document()
	f.Fuzz(func(t *testing.T, data []byte) {
		if f := d.Check(data); f != nil && (f.Text == "" || !utf8.ValidString(f.Text)) {
			t.Errorf("a finding without a readable text: %+v", f)
		}
	})
}
