package process

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hermodhq/hermod/sdk/fault"
)

const (
	maxLine  = 64 << 10
	maxStack = 64 << 10
	tailKept = 12 // lines of standard error that go into an error
)

// relay passes a connector's standard error on to the host's log: JSON lines as records, a crash as one record with its
// stack, anything else at debug level. Everything is redacted.
type relay struct {
	mu     sync.Mutex
	logger *slog.Logger
	tail   []string
	crash  bytes.Buffer // the runtime's report of a crash, from its first line on
}

func (r *relay) use(logger *slog.Logger) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.logger = logger
}

// read relays until the stream ends.
func (r *relay) read(in io.Reader) {
	reader := bufio.NewReaderSize(in, maxLine)
	for {
		line, isPrefix, err := reader.ReadLine()
		if err != nil {
			r.flush()
			return
		}
		r.line(line)
		for isPrefix && err == nil { // what is beyond the limit is dropped
			_, isPrefix, err = reader.ReadLine()
		}
	}
}

func (r *relay) line(line []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.crash.Len() > 0 || bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: ")) {
		if r.crash.Len() == 0 {
			r.keep(string(line))
		}
		if r.crash.Len() < maxStack {
			r.crash.WriteString(fault.Redact(string(line)) + "\n")
		}
		return
	}
	var record map[string]any
	if len(line) > 0 && line[0] == '{' && json.Unmarshal(line, &record) == nil {
		r.record(record)
		return
	}
	if len(bytes.TrimSpace(line)) > 0 {
		r.keep(string(line))
		r.logger.Debug("connector wrote to standard error", "line", fault.Redact(string(line)))
	}
}

// flush logs a crash, once, with its stack.
func (r *relay) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.crash.Len() > 0 {
		r.logger.Error("connector crashed", "stack", r.crash.String())
		r.crash.Reset()
	}
}

func (r *relay) keep(line string) {
	r.tail = append(r.tail, fault.Redact(line))
	if len(r.tail) > tailKept {
		r.tail = r.tail[1:]
	}
}

// said returns the last lines of standard error.
func (r *relay) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.tail, "; ")
}

// record logs a line of slog's or hclog's JSON.
func (r *relay) record(m map[string]any) {
	text := func(keys ...string) string {
		for _, k := range keys {
			if s, ok := m[k].(string); ok {
				return s
			}
		}
		return ""
	}
	var level slog.Level
	if level.UnmarshalText([]byte(text("level", "@level"))) != nil {
		level = slog.LevelDebug // hclog's trace
	}
	msg := text("msg", "@message")
	if level >= slog.LevelWarn {
		r.keep(msg + " " + text("error", "err"))
	}
	if !r.logger.Enabled(context.Background(), level) {
		return
	}
	var attrs []slog.Attr
	for _, k := range slices.Sorted(maps.Keys(m)) {
		switch k {
		case "level", "@level", "msg", "@message", "time", "@timestamp", "@module":
		case "connector", "version": // the host's own words
			attrs = append(attrs, slog.Any("said_"+k, redacted(m[k])))
		default:
			attrs = append(attrs, slog.Any(k, redacted(m[k])))
		}
	}
	r.logger.LogAttrs(context.Background(), level, fault.Redact(msg), attrs...)
}

// redacted cleans a JSON value; long texts, stacks above all, line by line.
func redacted(v any) any {
	switch v := v.(type) {
	case string:
		lines := strings.Split(v, "\n")
		for i := range lines {
			lines[i] = fault.Redact(lines[i])
		}
		return strings.Join(lines, "\n")
	case bool, nil:
		return v
	case float64:
		if v < 1e6 && v > -1e6 {
			return v
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "[unreadable]"
	}
	return fault.Redact(string(b))
}
