package schema_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hermodhq/hermod/sdk/connector/internal/schema"
)

type secret string

type inner struct {
	Key  secret `json:"key"`
	Kind int    `json:"kind,omitempty"`
}

type config struct {
	Token  secret            `json:"token"`
	URL    string            `json:"url,omitempty"`
	Port   int               `json:"port,omitempty"`
	Inner  *inner            `json:"inner,omitempty"`
	List   []inner           `json:"list,omitempty"`
	Map    map[string]int    `json:"map,omitempty"`
	Since  time.Time         `json:"since,omitzero"`
	Labels map[string]string `json:"labels,omitempty"`
}

const hidden = "hunter2-hunter2"

func TestErrorsSayWhereAndNeverWhat(t *testing.T) {
	raw, resolved := schema.For[config]("configuration", reflect.TypeFor[secret]())
	if !strings.Contains(string(raw), `"writeOnly":true`) {
		t.Errorf("secrets are not marked: %s", raw)
	}
	for _, c := range []struct{ in, want string }{
		{`{}`, `the field "token" is missing`},
		{`{"token":["` + hidden + `"]}`, `token: has type "array", want "string"`},
		{`{"token":"x","port":"` + hidden + `"}`, `port: has type "string", want "integer"`},
		{`{"token":"x","port":424242.5}`, "port"},
		{`{"token":"x","inner":{"key":"` + hidden + `","kind":"` + hidden + `"}}`, "inner.kind"},
		{`{"token":"x","inner":{}}`, `inner: the field "key" is missing`},
		{`{"token":"x","list":[{"key":{"a":"` + hidden + `"}}]}`, "list.[].key"},
		{`{"token":"x","map":{"a":"` + hidden + `"}}`, "map"},
		{`{"token":"x","tokne":"` + hidden + `"}`, `the field "tokne" is unknown`},
		{`{"token":"x","` + hidden + hidden + hidden + `":1}`, "the field (not shown) is unknown"},
		{`{"token":"x","a":1,"b":2}`, `the fields "a", "b" are unknown`},
		{`["` + hidden + `"]`, `has type "array"`},
		{`{"token":"` + hidden, "not valid JSON"},
	} {
		err := schema.Validate(resolved, json.RawMessage(c.in))
		if err == nil {
			t.Errorf("%s passed", c.in)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), hidden) || strings.Contains(err.Error(), "424242") {
			t.Errorf("%s gave %q, want %q in it and no value", c.in, err, c.want)
		}
	}
	if err := schema.Validate(resolved, json.RawMessage(`{"token":"x","list":[{"key":"k"}]}`)); err != nil {
		t.Error(err)
	}
}

func TestDecodeNeverQuotes(t *testing.T) {
	for _, in := range []string{`{"port":98765432101234567890}`, `{"since":"` + hidden + `"}`, `{"port":"` + hidden + `"}`} {
		var c config
		err := schema.Decode(json.RawMessage(in), &c)
		if err == nil || strings.Contains(err.Error(), hidden) || strings.Contains(err.Error(), "9876543") {
			t.Errorf("%s gave %v", in, err)
		}
	}
}

// FuzzValidate holds that no text of a value comes back in an error.
func FuzzValidate(f *testing.F) {
	_, resolved := schema.For[config]("configuration", reflect.TypeFor[secret]())
	f.Add("token", hidden, 3)
	f.Add("port", hidden, 0)
	f.Add("inner", `want "x"] required: missing properties: ["`+hidden+`"]`, 1)
	f.Add("map", `validating /properties/`+hidden, 2)
	f.Fuzz(func(t *testing.T, field, value string, shape int) {
		marked := "s3cr3t" + value + "s3cr3t"
		var v any = marked
		switch shape {
		case 1:
			v = []string{marked}
		case 2:
			v = map[string]any{"kind": marked, "key": marked}
		case 3:
			v = []any{map[string]any{"key": 5, "kind": marked}}
		}
		raw, err := json.Marshal(map[string]any{field: v})
		if err != nil {
			t.Skip()
		}
		err = schema.Validate(resolved, raw)
		if err == nil {
			err = schema.Decode(raw, &config{})
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s gave %q", raw, err)
		}
	})
}
