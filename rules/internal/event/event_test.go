package event

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hermodhq/hermod/sdk/message"
)

// TestData holds how vendors' JSON is seen. Ids are numbers at some vendors, so whole numbers keep their value and their digits.
func TestData(t *testing.T) {
	none := map[string]any{}
	for text, want := range map[string]any{
		`{"id": 1234567}`:                map[string]any{"id": 1234567},
		`{"id": [9007199254740993, -5]}`: map[string]any{"id": []any{9007199254740993, -5}},
		`{"id": 18446744073709551616}`:   map[string]any{"id": "18446744073709551616"},
		`{"n": {"a": 5.5, "b": 1e3}}`:    map[string]any{"n": map[string]any{"a": 5.5, "b": 1000.0}},
		`{"n": 1e400, "b": true}`:        map[string]any{"n": "1e400", "b": true},
		`"text"`:                         "text",
		``:                               none,
		`null`:                           none,
		`{"a": `:                         none,
		strings.Repeat("[", 20_000):      none,
	} {
		if diff := cmp.Diff(want, Of(&message.Event{Data: json.RawMessage(text)}).Data); diff != "" {
			t.Errorf("%.40s: %s", text, diff)
		}
	}
}
