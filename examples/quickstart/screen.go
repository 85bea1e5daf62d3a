package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

const columns = 100

// screen is where the demo prints. It wraps lines and, on a terminal only, uses bold text and a line of progress.
type screen struct {
	w        io.Writer
	terminal bool
	drawn    bool
}

func newScreen(w io.Writer) *screen {
	f, ok := w.(*os.File)
	return &screen{w: w, terminal: ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == ""}
}

// act announces an act.
func (s *screen) act(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.terminal {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	s.say("\n%s", text)
}

// say prints lines.
func (s *screen) say(format string, args ...any) {
	if s.drawn {
		fmt.Fprint(s.w, "\r\x1b[K")
		s.drawn = false
	}
	for line := range strings.Lines(fmt.Sprintf(format, args...) + "\n") {
		fmt.Fprint(s.w, wrap(strings.TrimSuffix(line, "\n")))
	}
}

// progress draws a line over the last one, on a terminal.
func (s *screen) progress(format string, args ...any) {
	if s.terminal {
		fmt.Fprintf(s.w, "\r\x1b[K"+format, args...)
		s.drawn = true
	}
}

// table prints rows of a name, a value and a remark.
func (s *screen) table(rows [][3]string) {
	width := 0
	for _, r := range rows {
		width = max(width, len(r[0]))
	}
	for _, r := range rows {
		s.say("  %-*s  %5s  %s", width, r[0], r[1], r[2])
	}
}

// wrap breaks a long line at spaces. What follows is indented to the line's last column, so that tables stay readable.
func wrap(line string) string {
	indent := hang(line)
	var b strings.Builder
	for utf8.RuneCountInString(line) > columns {
		at := len(string([]rune(line)[:columns+1]))
		at = strings.LastIndexByte(line[:at], ' ')
		if at <= indent {
			break
		}
		b.WriteString(strings.TrimRight(line[:at], " ") + "\n")
		line = strings.Repeat(" ", indent) + strings.TrimLeft(line[at:], " ")
	}
	return b.String() + strings.TrimRight(line, " ") + "\n"
}

// hang returns where the last column of a line begins, within its left part.
func hang(line string) int {
	gap := strings.LastIndex(line[:min(len(line), columns/2)], "  ")
	if gap < 0 {
		return 0
	}
	return gap + 2
}
