package front

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
)

// Entry is one line of the host's log.
type Entry map[string]any

// Text returns an attribute that is text; empty when there is none.
func (e Entry) Text(name string) string {
	s, _ := e[name].(string)
	return s
}

// Log takes the host's log, line by line, so that the demo can wait for what it says. Its methods are safe for
// concurrent use.
type Log struct {
	copy io.Writer

	mu      sync.Mutex
	partial []byte
	entries []Entry
	ended   bool
	changed chan struct{} // closed, and made anew, at each change
}

func newLog(copy io.Writer) *Log { return &Log{copy: copy, changed: make(chan struct{})} }

// Write takes what the host has written. Lines that are not JSON, such as a panic's, are kept under "text".
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, p...)
	for {
		line, rest, whole := bytes.Cut(l.partial, []byte("\n"))
		if !whole {
			break
		}
		e := Entry{}
		if json.Unmarshal(line, &e) != nil {
			e = Entry{"text": string(line)}
		}
		l.entries = append(l.entries, e)
		l.partial = bytes.Clone(rest)
	}
	l.tell()
	return l.copy.Write(p)
}

// end says that nothing more comes.
func (l *Log) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.tell()
}

func (l *Log) tell() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// Len returns how many lines there are.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

// Wait returns the first line that fits, from line number from on. It fails when the host ends first, with what the host
// said last.
func (l *Log) Wait(ctx context.Context, from int, fits func(Entry) bool) (Entry, error) {
	for {
		l.mu.Lock()
		for ; from < len(l.entries); from++ {
			if fits(l.entries[from]) {
				l.mu.Unlock()
				return l.entries[from], nil
			}
		}
		ended, changed, last := l.ended, l.changed, Entry{}
		if from > 0 {
			last = l.entries[from-1]
		}
		l.mu.Unlock()
		if ended {
			return nil, errors.New("the host has ended: " + last.Text("msg") + " " + last.Text("error") + last.Text("text"))
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}
