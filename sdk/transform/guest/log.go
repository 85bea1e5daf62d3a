package guest

import (
	"bytes"
	"context"
	"log/slog"
	"strings"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/transform/internal/abi"
)

// maxLines is how many lines of one stream and one call are kept.
const maxLines = 32

// lines brings what a guest prints or logs to the engine's log, redacted and bounded.
type lines struct {
	logger *slog.Logger
	left   int // lines until the bound
	part   []byte
}

func newLines(logger *slog.Logger, stream string) *lines {
	return &lines{logger: logger.With("stream", stream), left: maxLines}
}

// reset begins a new call.
func (l *lines) reset() { l.left, l.part = maxLines, l.part[:0] }

// Write takes what the guest prints, in any pieces, and logs it line by line at debug.
func (l *lines) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		rest = after
		if room := maxLine - len(l.part); room > 0 {
			l.part = append(l.part, line[:min(len(line), room)]...)
		}
		if ended {
			l.line(context.Background(), slog.LevelDebug, l.part)
			l.part = l.part[:0]
		}
	}
	return len(p), nil
}

// line logs one line, unless the call has used up what it may log.
func (l *lines) line(ctx context.Context, level slog.Level, text []byte) {
	if l.left--; l.left < 0 || !l.logger.Enabled(ctx, level) {
		return
	}
	l.logger.Log(ctx, level, "a transform says", "text", fault.Redact(strings.ToValidUTF8(short(text), "?")))
	if l.left == 0 {
		l.logger.Log(ctx, level, "a transform says more than is kept; the rest of this call is dropped")
	}
}

// level is the engine's level for a guest's; an unknown number is debug.
func level(n int32) slog.Level {
	switch abi.Level(n) {
	case abi.Info:
		return slog.LevelInfo
	case abi.Warn:
		return slog.LevelWarn
	case abi.Error:
		return slog.LevelError
	}
	return slog.LevelDebug
}
