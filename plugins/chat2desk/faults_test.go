package chat2desk

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/plugins/chat2desk/internal/chat2deskapi"
	"github.com/hermodhq/hermod/sdk/fault"
)

// KnownTexts are the rows of the fault table, for the tests beside this package.
func KnownTexts() []string {
	var list []string
	for _, r := range texts {
		list = append(list, strings.Join(r.words, " "))
	}
	return list
}

// documentedErrors reads the copied tables: the texts, as the fault table writes them, and the HTTP statuses, each with the class that
// the table gives it ("" in the table of tags, which has none).
func documentedErrors(t *testing.T) (byText map[string]string, byStatus map[int]string) {
	t.Helper()
	raw, err := os.ReadFile("testdata/vendor_errors.md")
	if err != nil {
		t.Fatal(err)
	}
	byText, byStatus = map[string]string{}, map[int]string{}
	quoted, number := regexp.MustCompile(`"([^"]+)"`), regexp.MustCompile(`\b[45](\d\d|xx)\b`)
	for line := range strings.Lines(string(raw)) {
		cells := strings.Split(strings.ReplaceAll(line, `\|`, "/"), "|")
		if len(cells) < 4 || strings.Contains(line, "---") {
			continue
		}
		sign, where, class := cells[1], cells[2], cells[3]
		if len(cells) == 6 { // of tags
			sign, where, class = cells[3], "", ""
		}
		found := quoted.FindAllStringSubmatch(sign, -1)
		switch {
		case strings.HasPrefix(sign, " HTTP"):
			for _, n := range number.FindAllString(sign, -1) {
				status, _ := strconv.Atoi(strings.ReplaceAll(n, "x", "0"))
				byStatus[status] = class
			}
			continue
		case len(found) == 0 && len(cells) == 5 && !strings.Contains(sign, "text / sign"): // described: its first word
			byText[strings.Fields(sign)[0]] = class
		}
		for _, m := range found {
			text := strings.ToLower(strings.Join(strings.Fields(strings.ReplaceAll(m[1], "…", " ")), " "))
			byText[text] = class
			for what := range strings.SplitSeq(where, ",") {
				if text == "not found" && what != "" {
					byText[strings.TrimSuffix(strings.Trim(what, ` "`), "s")+" not found"] = class
				}
			}
		}
	}
	if len(byText) < 20 || len(byStatus) < 7 {
		t.Fatalf("the tables are not read: %d texts, %d statuses", len(byText), len(byStatus))
	}
	return byText, byStatus
}

// fits holds what the document's class of an error means for ours.
func fits(class string, f row) bool {
	switch {
	case strings.Contains(class, "config"):
		return f.class == fault.Unauthorized || f.class == fault.Misconfigured
	case strings.Contains(class, "month"):
		return f.class == fault.QuotaExhausted
	case strings.Contains(class, "for reads"):
		return f.class == fault.OutcomeUnknown
	case strings.Contains(class, "retry"):
		return f.class == fault.RateLimited && f.after > 0
	}
	return f.class.Action() == fault.Next || f.class.Action() == fault.Pause // also the two that count as success; see TestSettled
}

// TestFaultTable holds that the table has every text and status of the document, as it classifies them, and no others, with known
// classes and codes of their own.
func TestFaultTable(t *testing.T) {
	documented, documentedStatuses := documentedErrors(t)
	for text, class := range documented {
		if !slices.Contains(KnownTexts(), text) {
			t.Errorf("%q is not in the table", text)
		}
		if r, ok := textRow("errors: " + text); !ok || !fits(class, r) {
			t.Errorf("%q is %s, but the document says %s", text, r.class, class)
		}
	}
	for status, class := range documentedStatuses {
		if _, ok := statuses[status]; !ok && status < 500 || !fits(class, statusRow("POST messages", status)) {
			t.Errorf("status %d is %s, but the document says %s", status, statusRow("POST messages", status).class, class)
		}
	}
	for status := range statuses {
		if _, ok := documentedStatuses[status]; !ok && status != 408 && status != 413 { // which speak for themselves
			t.Errorf("status %d is not documented", status)
		}
	}
	names := map[string]string{}
	for _, r := range texts {
		words := strings.Join(r.words, " ")
		if _, ok := documented[words]; !ok {
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
