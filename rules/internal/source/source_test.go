package source_test

import (
	"strings"
	"testing"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/hermodhq/hermod/rules/internal/source"
)

// FuzzAt: every visible character of every scalar is found where it stands in the file.
func FuzzAt(f *testing.F) {
	for _, seed := range []string{
		"a: b c\n", "a: 'it''s  here'\n", "a: \"x\\ty \\u00e9\\\n   z\\x41\"\n", "a: |2-\n    x\n\n  y\n", "a: >+\n  x\n  y\n\n   z\n",
		"- one\n  two\n\n  three\n- {k: 'v\n\n    w'}\n", "\ufeffa: é\r\nb: |\r\n  x\r\n", "? a\n: b\n", "\"a\": \"\\\\ \\\" \\/\"\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, problems := source.Parse("f", []byte(text))
		if len(problems) > 0 || file.Root == nil || strings.ContainsAny(text, "\u0085\u2028\u2029\r") {
			return // other line breaks than \n are YAML's, and not an editor's
		}
		lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
		walk(file.Root, func(n *yaml.Node) {
			for i, r := range []rune(n.Value) {
				line, column := file.At(n, i)
				if line < 1 || line > len(lines) || column < 1 {
					t.Fatalf("%q: character %d of %q is at %d:%d", text, i, n.Value, line, column)
				}
				if unicode.IsSpace(r) || n.Style&(yaml.DoubleQuotedStyle) != 0 {
					continue
				}
				if got := []rune(lines[line-1]); column > len(got) || got[column-1] != r {
					t.Fatalf("%q: character %d of %q (style %d) is not at %d:%d", text, i, n.Value, n.Style, line, column)
				}
			}
		})
	})
}

func walk(n *yaml.Node, visit func(*yaml.Node)) {
	if n.Kind == yaml.ScalarNode {
		visit(n)
	}
	for _, child := range n.Content {
		walk(child, visit)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"when", "within", "whatsapp", "text", "Template"}
	for word, want := range map[string]string{"wen": "when", "whne": "when", "watsapp": "whatsapp", "template": "Template", "txt": "text", "pigeon": "", "": ""} {
		if got := source.Nearest(word, known); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

func TestExcerptCutsLongLines(t *testing.T) {
	file, _ := source.Parse("f", []byte("a: "+strings.Repeat("x", 200)+"Y"+strings.Repeat("z", 200)+"\n\tb"))
	line, caret, _ := strings.Cut(file.Excerpt(1, 204), "\n")
	if len(line) > 130 || line[len(caret)-1] != 'Y' {
		t.Errorf("got\n%s\n%s\nwant the caret under Y", line, caret)
	}
	if got := file.Excerpt(2, 2); got != "\tb\n\t^" {
		t.Errorf("got %q, want the tab kept", got)
	}
}
