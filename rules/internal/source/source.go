// Package source reads YAML text into nodes and maps every place in a decoded scalar back to its line and column.
package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// MaxBytes is the largest file that is read.
const MaxBytes = 1 << 20

// maxDepth bounds the nesting of a file, far above what the format needs.
const maxDepth = 50

// excerptWidth is how many characters of a long source line an excerpt shows.
const excerptWidth = 120

// File is one YAML file: its text, and its root node (nil when the file holds nothing but comments).
type File struct {
	Name  string
	Root  *yaml.Node
	lines []string
}

// Problem is something wrong at a place of a file. Line and Column count from 1, columns in characters;
// Feature says that the text is valid YAML of a kind that rule files do not use.
type Problem struct {
	Line, Column int
	Text         string
	Feature      bool
}

// Parse reads data as one YAML document without anchors, aliases and tags. The file is returned beside problems too,
// so that they can be shown with an excerpt.
func Parse(name string, data []byte) (*File, []Problem) {
	f := &File{Name: name, lines: splitLines(data)}
	if !utf8.Valid(data) {
		return f, []Problem{{Line: 1, Column: 1, Text: "the file is not UTF-8 text"}}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		return f, []Problem{f.syntax(err)}
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		return f, []Problem{{Line: max(second.Line, 1), Column: max(second.Column, 1), Feature: true,
			Text: "a second YAML document begins here; put it into a file of its own"}}
	} else if !errors.Is(err, io.EOF) {
		return f, []Problem{f.syntax(err)}
	}
	if len(doc.Content) == 1 && doc.Content[0].Tag != "!!null" {
		f.Root = doc.Content[0]
	}
	if problems := f.refuse(f.Root, 0, nil); len(problems) > 0 {
		return f, problems
	}
	return f, nil
}

// splitLines breaks lines where YAML does, so that its line numbers fit.
func splitLines(data []byte) []string {
	text := strings.TrimPrefix(string(data), "\ufeff")
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n").Replace(text)
	return strings.Split(text, "\n")
}

// syntax turns the parser's error into a problem at its place.
func (f *File) syntax(err error) Problem {
	p := Problem{Line: 1, Column: 1, Text: "the file is not valid YAML"}
	if e, ok := errors.AsType[*yaml.LoadError](err); ok {
		p.Text = e.Message
		if e.ContextMsg != "" {
			p.Text = fmt.Sprintf("%s (%s, which begins on line %d)", e.Message, e.ContextMsg, e.ContextMark.Line)
		}
		p.Line, p.Column = e.Mark.Line, e.Mark.Column
	}
	p.Line = min(max(p.Line, 1), len(f.lines))
	p.Column = max(p.Column, 1)
	return p
}

// refuse finds what rule files do not use: it would let one line of text mean something far away from it.
func (f *File) refuse(n *yaml.Node, depth int, problems []Problem) []Problem {
	if n == nil {
		return problems
	}
	at := func(text string) []Problem {
		return append(problems, Problem{Line: n.Line, Column: n.Column, Text: text, Feature: true})
	}
	switch {
	case depth > maxDepth:
		return at(fmt.Sprintf("nested deeper than %d levels", maxDepth))
	case n.Kind == yaml.AliasNode:
		return at("aliases (*name) are not supported in rule files; write the value out")
	case n.Anchor != "":
		return at("anchors (&name) are not supported in rule files; write the value out where it is used")
	case n.Style&yaml.TaggedStyle != 0 || f.rune(n.Line, n.Column) == '!':
		return at("tags (!name) are not supported in rule files; leave the tag out")
	}
	for _, child := range n.Content {
		problems = f.refuse(child, depth+1, problems)
	}
	return problems
}

// rune gives the character at a place, and 0 where there is none.
func (f *File) rune(line, column int) rune {
	if line < 1 || line > len(f.lines) {
		return 0
	}
	for i, r := range []rune(f.lines[line-1]) {
		if i == column-1 {
			return r
		}
	}
	return 0
}

// Excerpt gives the source line and below it a line with a caret under the column. Long lines are cut around it.
func (f *File) Excerpt(line, column int) string {
	if line < 1 || line > len(f.lines) {
		return ""
	}
	text := []rune(f.lines[line-1])
	column = min(max(column, 1), len(text)+1)
	before, after := "", ""
	if len(text) > excerptWidth {
		from := min(max(column-1-excerptWidth/2, 0), len(text)-excerptWidth)
		if from > 0 {
			before = "..."
		}
		if from+excerptWidth < len(text) {
			after = "..."
		}
		text, column = text[from:from+excerptWidth], column-from
	}
	var caret strings.Builder
	caret.WriteString(strings.Repeat(" ", len(before)))
	for _, r := range text[:column-1] {
		if r != '\t' {
			r = ' '
		}
		caret.WriteRune(r)
	}
	return before + string(text) + after + "\n" + caret.String() + "^"
}

// CommentAt reports whether a comment begins at a place or after white space behind it.
func (f *File) CommentAt(line, column int) bool {
	if line < 1 || line > len(f.lines) {
		return false
	}
	text := []rune(f.lines[line-1])
	return strings.HasPrefix(strings.TrimLeft(string(text[min(max(column-1, 0), len(text)):]), " \t"), "#")
}
