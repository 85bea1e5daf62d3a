// Package watch looks at what a connector leaves behind: text that must not be said, and goroutines that must not go on.
package watch

import (
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const maxKept = 16 << 20 // bytes of text that are kept

// Text gathers what a connector says. The zero value is ready; it may be used from several goroutines.
type Text struct {
	mu   sync.Mutex
	said map[string]*strings.Builder
	left int // bytes not kept
}

// Add keeps what was said somewhere, such as "its log".
func (t *Text) Add(where, text string) { t.add(where, text+"\n") }

func (t *Text) add(where, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.said == nil {
		t.said = map[string]*strings.Builder{}
	}
	b := t.said[where]
	if b == nil {
		b = &strings.Builder{}
		t.said[where] = b
	}
	if b.Len()+len(text) > maxKept {
		t.left += len(text)
		return
	}
	b.WriteString(text)
}

// Writer adds all that is written to one place.
func (t *Text) Writer(where string) Writer { return Writer{t, where} }

// Writer is an io.Writer into a [Text].
type Writer struct {
	text  *Text
	where string
}

// Write keeps p, which may end in the middle of a line.
func (w Writer) Write(p []byte) (int, error) {
	w.text.add(w.where, string(p))
	return len(p), nil
}

// Dropped returns how many bytes were not kept, for there was too much.
func (t *Text) Dropped() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.left
}

// Tail returns the end of what was said at a place, at most n bytes.
func (t *Text) Tail(where string, n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.said[where] == nil {
		return ""
	}
	s := strings.TrimSpace(t.said[where].String())
	return s[max(0, len(s)-n):]
}

// Find looks for forbidden values, named by what they are. It returns "PLACE holds NAME" for each find, never the value.
func (t *Text) Find(forbidden map[string]string) (found []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, where := range slices.Sorted(maps.Keys(t.said)) {
		text := t.said[where].String()
		for _, name := range slices.Sorted(maps.Keys(forbidden)) {
			if slices.ContainsFunc(forms(forbidden[name]), func(form string) bool { return strings.Contains(text, form) }) {
				found = append(found, where+" holds "+name)
			}
		}
	}
	return found
}

// forms are the ways in which a value may be written.
func forms(v string) []string {
	quoted := strconv.Quote(v)
	return append(inBase64(v), v, quoted[1:len(quoted)-1], url.QueryEscape(v), url.PathEscape(v))
}

// inBase64 returns what base64 makes of a value in the middle of another, as in the header of basic authentication: there are three ways, by
// how many bytes come before. The characters that depend on what is beside it are left out.
func inBase64(v string) (list []string) {
	for before := range min(3, len(v)-1) {
		coded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + v))
		list = append(list, coded[(8*before+5)/6:8*(before+len(v))/6])
	}
	return list
}
