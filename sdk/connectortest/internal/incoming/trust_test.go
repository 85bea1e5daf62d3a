package incoming

import (
	"slices"
	"testing"
)

// TestChanged holds where one byte is changed, so that a signature over a part of the body shows, and that what can be read stays readable.
func TestChanged(t *testing.T) {
	for body, want := range map[string][]string{
		`{"id":"a9z","n":-9}`: {`{"jd":"a9z","n":-9}`, `{"id":"a8z","n":-9}`, `{"id":"a9z","n":-8}`},
		"t=AZ":                {"u=AZ", "t=BZ", "t=AY"},
		"[1]":                 {"[2]"},
		"[1,2]":               {"[2,2]", "[1,3]"},
		"{}":                  nil,
		"":                    nil,
	} {
		var got []string
		for _, b := range changed([]byte(body)) {
			got = append(got, string(b))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}
