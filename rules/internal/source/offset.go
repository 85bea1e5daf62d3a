package source

import (
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// At gives the line and column where character offset of scalar n stands in the file, whatever the scalar's style.
// An offset past the end gives the place after the last character. Where no mapping is found, it gives the scalar's start.
//
// YAML folding, indentation and quoting change white space only. So the n-th visible character of the value is the n-th
// visible character of the source, once quotes and escapes are read.
func (f *File) At(n *yaml.Node, offset int) (line, column int) {
	w := &walker{lines: f.lines, line: n.Line - 1, column: n.Column - 1, style: n.Style}
	if !w.open() {
		return n.Line, n.Column
	}
	line, column = n.Line, n.Column
	i := -1
	for _, want := range n.Value {
		i++
		if unicode.IsSpace(want) {
			continue
		}
		got, l, c, ok := w.next()
		if !ok || got != want {
			return n.Line, n.Column
		}
		if i >= offset {
			return l + 1, c + 1
		}
		line, column = w.line+1, w.column+1
	}
	return line, column
}

// walker reads the visible characters of one scalar's source.
type walker struct {
	lines        []string
	line, column int // from 0
	style        yaml.Style
	text         []rune // the current line
	loaded       int    // which line text holds, plus one
}

// open steps over what stands before the scalar's first character.
func (w *walker) open() bool {
	switch {
	case w.style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		r, ok := w.peek()
		w.line, w.column = w.line+1, 0
		return ok && (r == '|' || r == '>')
	case w.style&yaml.DoubleQuotedStyle != 0:
		r, ok := w.peek()
		w.column++
		return ok && r == '"'
	case w.style&yaml.SingleQuotedStyle != 0:
		r, ok := w.peek()
		w.column++
		return ok && r == '\''
	}
	return true
}

func (w *walker) peek() (rune, bool) {
	if w.line < 0 || w.line >= len(w.lines) {
		return 0, false
	}
	if w.loaded != w.line+1 {
		w.text, w.loaded = []rune(w.lines[w.line]), w.line+1
	}
	if w.column < 0 || w.column >= len(w.text) {
		return '\n', true
	}
	return w.text[w.column], true
}

func (w *walker) step(r rune) {
	if r == '\n' {
		w.line, w.column = w.line+1, 0
		return
	}
	w.column++
}

// next returns the next visible character and where it stands.
func (w *walker) next() (r rune, line, column int, ok bool) {
	for {
		r, ok = w.peek()
		if !ok {
			return 0, 0, 0, false
		}
		line, column = w.line, w.column
		w.step(r)
		switch {
		case r == '\\' && w.style&yaml.DoubleQuotedStyle != 0:
			r, ok = w.escape()
			if !ok {
				return 0, 0, 0, false
			}
		case r == '\'' && w.style&yaml.SingleQuotedStyle != 0:
			w.column++ // a quote inside single quotes is written twice
		}
		if !unicode.IsSpace(r) {
			return r, line, column, true
		}
	}
}

// escape reads what follows a backslash inside double quotes.
func (w *walker) escape() (rune, bool) {
	r, ok := w.peek()
	if !ok {
		return 0, false
	}
	w.step(r)
	switch r {
	case 'x':
		return w.hex(2)
	case 'u':
		return w.hex(4)
	case 'U':
		return w.hex(8)
	}
	const codes, values = "0abevtnrfN_LP", "\x00\a\b\x1b\v\t\n\r\f\u0085\u00a0\u2028\u2029"
	if i := strings.IndexRune(codes, r); i >= 0 {
		return []rune(values)[i], true
	}
	return r, true
}

func (w *walker) hex(digits int) (rune, bool) {
	if w.column+digits > len(w.text) {
		return 0, false
	}
	v, err := strconv.ParseUint(string(w.text[w.column:w.column+digits]), 16, 32)
	w.column += digits
	return rune(v), err == nil
}
