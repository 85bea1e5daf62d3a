//go:build !wasip1

package transform_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/sdk/message"
	"github.com/hermodhq/hermod/sdk/transform/internal/abi"
	"github.com/hermodhq/hermod/sdk/transform/internal/fields"
)

// Every path in ABI.md exists and may be set as the table says.
func TestPathsInABI(t *testing.T) {
	raw, err := os.ReadFile("ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(raw), "## Paths")
	table, _, _ = strings.Cut(table, "\n\nThe key")
	path := regexp.MustCompile("`([a-z_.]+(?:<[a-z]+>)?)`")
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.Contains(cells[1], "`") {
			continue
		}
		for _, found := range path.FindAllStringSubmatch(cells[1], -1) {
			rows++
			p := strings.NewReplacer("<n>", "0", "<account>", "a", "<name>", "x", "<key>", "x").Replace(found[1])
			m := message.Message{Content: message.Content{Template: &message.Template{Header: &message.Media{}}, Media: &message.Media{}, Interactive: &message.Interactive{}}}
			want := abi.OK
			if strings.TrimSpace(cells[2]) == "no" {
				want = abi.ReadOnly
			}
			if got := fields.New(&m).Set([]byte(p), "x"); got != want {
				t.Errorf("set %q: %v, ABI.md says %v", p, got, want)
			}
		}
	}
	if rows < 30 {
		t.Errorf("found only %d paths in ABI.md", rows)
	}
}
