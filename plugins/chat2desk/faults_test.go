package chat2desk

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/plugins/chat2desk/internal/chat2deskapi"
	"github.com/hermodhq/hermod/sdk/fault"
)

// TestFaultTable holds that the table has every known text and status, with known classes and codes of their own.
func TestFaultTable(t *testing.T) {
	raw, err := os.ReadFile("testdata/error_texts.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([^|]+?) \|`).FindAllStringSubmatch(string(raw), -1)[1:] {
		documented[strings.ToLower(m[1])] = true
		if _, ok := textRow("errors: " + m[1]); !ok {
			t.Errorf("%q is not in the table", m[1])
		}
	}
	for _, status := range []int{400, 401, 403, 404, 405, 422, 429} {
		if _, ok := statuses[status]; !ok {
			t.Errorf("status %d is not in the table", status)
		}
	}
	names := map[string]string{}
	for _, r := range texts {
		words := strings.Join(r.words, " ")
		if !documented[words] {
			t.Errorf("%q is not documented", words)
		}
		if other, twice := names[r.row.code]; twice && r.row.code != "not_found" {
			t.Errorf("%s names both %q and %q", r.row.code, other, words)
		}
		if names[r.row.code] = words; !r.row.class.Known() || r.row.code == "" {
			t.Errorf("%q: %+v", words, r.row)
		}
		if r.row.after != 0 && r.row.class.Action() != fault.Retry {
			t.Errorf("%q waits although %s is not retried", words, r.row.class)
		}
	}
	for status, r := range statuses {
		if !r.class.Known() || !strings.HasPrefix(r.code, "http_") {
			t.Errorf("%d: %+v", status, r)
		}
	}
}

// TestWordsOfOnePart holds that words from two parts of a text do not make a refusal together, and that the first row counts.
func TestWordsOfOnePart(t *testing.T) {
	for text, code := range map[string]string{
		"channel: is busy; tag: 7 not found":      "tag_unknown",
		"Operator group not found":                "group_unknown",
		"message: x; transport: pigeon incorrect": "transport_incorrect",
		"":                                   "",
		"something else":                     "",
		"Page not found":                     "page_unknown",
		"client_id: CLIENT NOT FOUND, sorry": "client_unknown",
		"attachment: the file could not be fetched": "attachment_refused",
	} {
		if r, _ := textRow(text); r.code != code {
			t.Errorf("%q gives %q, want %q", text, r.code, code)
		}
	}
}

func TestClassifyOther(t *testing.T) {
	if f := classify(errors.New("x")); f.Class != fault.Internal {
		t.Error(f)
	}
	if f := classify(&chat2deskapi.NoReplyError{Call: "x", Reason: chat2deskapi.Timeout, Err: errors.New("y")}); f.Class != fault.Unavailable {
		t.Error(f)
	}
}

func FuzzText(f *testing.F) {
	f.Add("client: Client already exists; client: {\"id\":1}")
	f.Fuzz(func(t *testing.T, s string) {
		if r, ok := textRow(s); ok && r.code == "" {
			t.Fatal(s)
		}
		_ = digits(s)
		if id, n := attemptOf(s); (id == "") != (n == 0) {
			t.Fatal(s)
		}
	})
}
