package omnidesk

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	api "github.com/hermodhq/hermod/plugins/omnidesk/internal/omnideskapi"
	"github.com/hermodhq/hermod/sdk/fault"
)

// TestFaultTable holds that every documented text and status is in the table, with known classes.
func TestFaultTable(t *testing.T) {
	raw, err := os.ReadFile("testdata/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	rows := regexp.MustCompile(`(?m)^\| (\d{3}) \| (.*?) ?\|`).FindAllStringSubmatch(string(raw), -1)
	for _, m := range rows {
		status, _ := strconv.Atoi(m[1])
		if _, ok := statuses[status]; !ok {
			t.Errorf("documented status %d is not in the table", status)
		}
		if _, ok := texts[m[2]]; !ok && m[2] != "" {
			t.Errorf("documented text %q is not in the table", m[2])
		}
		documented[m[2]] = true
	}
	if len(rows) != 14 {
		t.Errorf("%d rows, want 14", len(rows))
	}
	if len(statuses) != 12 {
		t.Errorf("%d statuses are in the table, and 12 in testdata/errors.md", len(statuses))
	}
	for text := range texts {
		if !documented[text] {
			t.Errorf("text %q is not documented", text)
		}
	}
	info := &api.Info{Path: "chat/x"}
	for status := 200; status < 600; status++ {
		r := statusRow(status, info)
		if !r.class.Known() || r.code == "" || r.after != 0 && r.class.Action() != fault.Retry {
			t.Errorf("%d: %+v", status, r)
		}
		if sure := status < 500 || status == 503; sure && status != 408 && r.class.Taken() != fault.NotTaken || !sure && r.class.Taken() != fault.MayTaken {
			t.Errorf("%d is %s", status, r.class)
		}
	}
}
