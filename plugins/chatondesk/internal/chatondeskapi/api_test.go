package chatondeskapi

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func FuzzReply(f *testing.F) {
	for _, s := range []string{`{"status":"success","description":"successfully sent"}`, `{"status":"error","description":{"desc":"Unknown structure id"}}`,
		`{"status":"success","description":[{"Chatlog":{"response":"[{}]"}}]}`, `{"status":"success","description":{"Wallet":{"balance":1}}}`,
		`{"status":"success","description":{"desc":"Code Matched successfully."},"profile_id":7}`, `{`, `null`, ``, `{"status":"success","description":7}`} {
		f.Add(200, []byte(s))
		f.Add(202, []byte(s))
		f.Add(500, []byte(s))
	}
	f.Fuzz(func(t *testing.T, status int, raw []byte) {
		r, err := open("x.json", status, raw)
		if err != nil {
			_, refused := errors.AsType[*Error](err)
			if none, ok := errors.AsType[*NoReplyError](err); !refused && (!ok || !none.Sent) {
				t.Fatalf("%v", err)
			}
			return
		}
		if status < 200 || status > 299 {
			t.Fatalf("HTTP status %d is taken for a success", status)
		}
		v, err := verification(r)
		if err != nil || v.Verified && !strings.Contains(strings.ToLower(string(raw)), "matched") && !strings.Contains(string(raw), `\u`) {
			t.Fatalf("%+v, %v", v, err)
		}
		_, _ = history(r)
		_, _ = balance(r)
		_, _ = list[Record](r)
	})
}

func FuzzForm(f *testing.F) {
	f.Add([]byte(`{"apikey":"k","data":{"name":"a&b","n":10000000000000001,"l":["x",{"y":null}]},"phone":"+447700900140"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		form, err := toForm(body)
		if err != nil {
			return
		}
		if _, err := url.ParseQuery(string(form)); err != nil {
			t.Fatalf("%s: %v", form, err)
		}
	})
}

// TestForm holds the names that PHP expects.
func TestForm(t *testing.T) {
	form, err := toForm([]byte(`{"apikey":"k","datas":{"name":"a & b","n":10000000000000001,"Chatuserchennelid":["whatsapp","smsalert"],"none":null}}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := url.ParseQuery(string(form))
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{"apikey": {"k"}, "datas[name]": {"a & b"}, "datas[n]": {"10000000000000001"}, "datas[Chatuserchennelid][0]": {"whatsapp"}, "datas[Chatuserchennelid][1]": {"smsalert"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]Text{`"12410"`: "12410", `12410`: "12410", `12.50`: "12.50", `null`: "", `true`: "true", `123456789012345678`: "123456789012345678"} {
		var got Text
		if err := json.Unmarshal([]byte(in), &got); err != nil || got != want {
			t.Errorf("%s gives %q, %v", in, got, err)
		}
	}
	var got Text
	if json.Unmarshal([]byte(`{}`), &got) == nil || json.Unmarshal([]byte(`[1]`), &got) == nil {
		t.Error("an object is taken for a text")
	}
}

func TestPlaceholders(t *testing.T) {
	for in, want := range map[string][]string{
		`{"header":{"message":"##file##"},"body":{"message":"Hi ##name##, ##test_2## and ##name##"}}`: {"file", "name", "test_2"},
		`none, ## none ##, #one#`: nil, `##a####b##`: {"a", "b"}, ``: nil,
	} {
		if got := (&Structuredtemplate{Template: in}).Placeholders(); !slices.Equal(got, want) {
			t.Errorf("%s gives %q, want %q", in, got, want)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{}, {User: "u"}, {Password: "p"}, {APIKey: "k", User: "u", Password: "p"}, {APIKey: "k", URL: "http://app.chatondesk.com/api"},
		{APIKey: "k", URL: "ftp://localhost"}, {APIKey: "k", ChatbotURL: "http://app.chatondesk.com"}, {APIKey: "k", URL: "://"}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	for in, want := range map[string][2]string{
		"":                           {"https://app.chatondesk.com/api", "https://app.chatondesk.com/chatbot/api"},
		"https://eu.chatondesk.com/": {"https://eu.chatondesk.com", "https://eu.chatondesk.com/chatbot/api"},
		"http://127.0.0.1:1/api/":    {"http://127.0.0.1:1/api", "http://127.0.0.1:1/chatbot/api"},
		"http://[::1]:1/api":         {"http://[::1]:1/api", "http://[::1]:1/chatbot/api"},
	} {
		c, err := New(Options{APIKey: "k", URL: in})
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]string{c.opts.URL, c.opts.ChatbotURL}; got != want {
			t.Errorf("%q gives %q", in, got)
		}
	}
}
