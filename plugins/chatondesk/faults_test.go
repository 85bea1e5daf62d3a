package chatondesk

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/plugins/chatondesk/internal/chatondeskapi"
	"github.com/hermodhq/hermod/sdk/fault"
)

// TestFaultTable holds that every documented status and text has its row, and that there is no text beside them.
func TestFaultTable(t *testing.T) {
	raw, err := os.ReadFile("testdata/error_codes.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\| ([45]\d\d) \|`).FindAllStringSubmatch(string(raw), -1) {
		status, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := statuses[status]; !ok {
			t.Errorf("documented status %d is not in the table", status)
		}
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(.*)` \\|").FindAllStringSubmatch(string(raw), -1) {
		documented[strings.TrimSuffix(strings.ToLower(m[1]), ".")] = true
	}
	if len(documented) != len(texts) {
		t.Errorf("%d texts documented, %d in the table", len(documented), len(texts))
	}
	codes := map[string]string{}
	for text, r := range texts {
		if !documented[text] {
			t.Errorf("%q is not documented", text)
		}
		if twin, twice := codes[r.code]; twice {
			t.Errorf("%s names both %q and %q", r.code, text, twin)
		}
		codes[r.code] = text
		if !r.class.Known() || r.class.Taken() != fault.NotTaken {
			t.Errorf("%q: %+v", text, r)
		}
	}
	for status := 100; status < 600; status++ {
		r := statusRow(status, nil)
		if !r.class.Known() || r.code == "" || r.after != 0 && r.class.Action() != fault.Retry {
			t.Errorf("%d: %+v", status, r)
		}
		if status >= 500 && status != 503 && r.class != fault.OutcomeUnknown {
			t.Errorf("%d: %s, although nothing says how far the message came", status, r.class)
		}
	}
}

// TestWithoutValues holds that the vendor's text comes without the request's values.
func TestWithoutValues(t *testing.T) {
	in := chatondeskapi.TemplateRequest{StructureID: "25", Channel: "whatsapp", Phone: "+447700900140", Data: map[string]any{"name": "Ada", "all": "Ada Lovelace", "x": "a"}}
	for text, want := range map[string]string{
		"":                                    "",
		"template 25 of whatsapp failed":      "template 25 of whatsapp failed",
		"Ada Lovelace: +447700900140 is busy": "[all]: [phone] is busy",
		"a bad day for Ada":                   "a bad day for [name]",
	} {
		if got := withoutValues(text, in); got != want {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
}
