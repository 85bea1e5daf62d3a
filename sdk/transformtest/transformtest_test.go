package transformtest

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

func text(s string) message.Message { return message.Message{Content: message.Content{Text: s}} }

// A case must fail for each thing that can be wrong.
func TestProblems(t *testing.T) {
	rejected := &fault.Fault{Class: fault.ContentRejected, Code: "no"}
	set := func(s string, err error) func(*message.Message) error {
		return func(m *message.Message) error {
			if s != "" {
				m.Content.Text = s
			}
			return err
		}
	}
	for name, c := range map[string]struct {
		c     Case
		apply func(*message.Message) error
		want  string
	}{
		"right":              {Case{In: text("a"), Want: text("b")}, set("b", nil), ""},
		"refused":            {Case{In: text("a"), Fault: rejected}, set("", rejected), ""},
		"wrong text":         {Case{In: text("a"), Want: text("b")}, set("c", nil), "want"},
		"unwanted failure":   {Case{In: text("a"), Want: text("a")}, set("", errors.New("oh")), "the transform failed: oh"},
		"missing failure":    {Case{In: text("a"), Fault: rejected}, set("", nil), "got error <nil>"},
		"other failure":      {Case{In: text("a"), Fault: rejected}, set("", errors.New("oh")), "got error oh"},
		"changed on failure": {Case{In: text("a"), Fault: rejected}, set("b", rejected), "changed the message"},
		"original changed": {Case{In: message.Message{Data: map[string]any{"a": 1}}, Want: message.Message{Data: map[string]any{"a": 2}}},
			func(m *message.Message) error { m.Data["a"] = 2; return nil }, "reached into the original"},
	} {
		got := strings.Join(c.c.problems(c.apply), "\n")
		if !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestBuildSaysWhatIsWrong(t *testing.T) {
	err := BuildTo(t.Context(), t.TempDir(), filepath.Join(t.TempDir(), "x.wasm"))
	if err == nil || !strings.Contains(err.Error(), "go.mod") {
		t.Errorf("building an empty directory: %v", err)
	}
}
