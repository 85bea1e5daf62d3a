package fault_test

import (
	"bytes"
	"encoding/json"
	"html"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hermodhq/hermod/sdk/fault"
)

// The request's values are found however a vendor writes them.
func TestConceal(t *testing.T) {
	request := []byte(`{"token":"t0ken","cmd":"SendSMSMessage","botID":3942,"message":"Ad\u00e1 says \"hi\"\n& bye/","data":{"order":104212,"n":7}}`)
	want := "[token]: [message], 3942 7 [order]"
	for _, text := range []string{
		"t0ken: Ad\u00e1 says \"hi\"\n& bye/, 3942 7 104212",
		`t0ken: Ad\u00e1 says \"hi\"\n& bye\/, 3942 7 104212`,
		`t0ken: Ad\\u00e1 says \\\"hi\\\"\\n& bye/, 3942 7 104212`,
		"t0ken: Adá says &quot;hi&quot;\n&amp; bye/, 3942 7 104212",
		"t0ken: Ad%C3%A1+says+%22hi%22%0A%26+bye%2F, 3942 7 104212",
	} {
		if got := fault.ValuesOf(request, "cmd", "botID").Conceal(text); got != want {
			t.Errorf("%s gives %s", text, got)
		}
	}
	for request, text := range map[string]string{
		`{"message":"a &amp; b"}`:                   "a &amp; b",
		`{"message":"C:\\new"}`:                     `C:\new`,
		`{"message":["Ada","Ada Lovelace"]}`:        "Ada Lovelace",
		`{"x":{"message":"Ada"},"y":"A","n":12}`:    "Ada",
		`{"short":"Ada","message":"Ada L","n":1e1}`: "Ada L",
	} {
		if got := fault.ValuesOf([]byte(request)).Conceal(text); got != "[message]" {
			t.Errorf("%s in %s gives %s", text, request, got)
		}
	}
	long := fault.ValuesOf([]byte(`{"message":"Dear Ada, your order is here: é"}`))
	for text, want := range map[string]string{
		"'Dear Ada, your or...' is too long":       "'[message]...' is too long",
		"Dear Ada, your order is here: é: refused": "[message]: refused",
		"Dear Ada, your order is here: è: refused": "[message]: refused",
		"Dear Ada, you!": "Dear Ada, you!",
		"Dear Ada, your ordeal, Dear Ada, your or": "[message]al, [message]",
	} {
		if got := long.Conceal(text); got != want {
			t.Errorf("%s gives %s, want %s", text, got, want)
		}
	}
	if got := fault.ValuesOf([]byte("key=s3cret")).Conceal("bad request: key=s3cret"); got != "bad request: [request]" {
		t.Errorf("a request that is no JSON gives %s", got)
	}
	if got := fault.Values(nil).Conceal(strings.Repeat("é", 1<<20)); len(got) != 1<<20 {
		t.Errorf("%d bytes come back", len(got))
	}
}

// A vendor that repeats something without end does not keep the connector busy.
func TestConcealOften(t *testing.T) {
	said, often := "Hi Ada, your order", (1<<20)/18
	began := time.Now()
	got := fault.ValuesOf([]byte(`{"message":"Hi Ada, your order is here"}`)).Conceal(strings.Repeat(said, often))
	if got != strings.Repeat("[message]", often) {
		t.Errorf("%d bytes: %.100s", len(got), got)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// Whatever the value and however the vendor writes it, it does not come back.
func FuzzConceal(f *testing.F) {
	f.Add("Ada says \"hi\"")
	f.Add(`C:\new &amp; \u00e9`)
	f.Add("<b>%41+</b>")
	f.Fuzz(func(t *testing.T, value string) {
		value = strings.ToValidUTF8(value, "")
		if len(value) < 6 || strings.ContainsAny(value, "[]{}") {
			t.Skip("a short one may stand in the text by chance")
		}
		request, err := json.Marshal(map[string]string{"message": value})
		if err != nil {
			t.Fatal(err)
		}
		var sent struct{ Message string }
		if json.Unmarshal(request, &sent) != nil || sent.Message != value {
			t.Skip("JSON cannot carry it")
		}
		written := bytes.Trim(request[len(`{"message":`):], "}")
		for _, echo := range []string{value, string(written), html.EscapeString(value), url.QueryEscape(value), url.PathEscape(value)} {
			if got := fault.ValuesOf(request).Conceal("refused: " + echo); strings.Contains(got, value) {
				t.Errorf("%q is told as %q", value, got)
			}
		}
	})
}
