package connector

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"

	"github.com/hermodhq/hermod/sdk/message"
)

type accountKey struct{}
type loggerKey struct{}

// withAccount marks a context, so that what is logged with it names the account.
func withAccount(ctx context.Context, id message.AccountID, logger *slog.Logger) context.Context {
	return context.WithValue(context.WithValue(ctx, accountKey{}, id), loggerKey{}, logger)
}

// logHandler writes JSON lines that the engine reads from the connector's standard error.
type logHandler struct{ slog.Handler }

func newLogHandler(w io.Writer, level string) slog.Handler {
	var l slog.Level
	if l.UnmarshalText([]byte(level)) != nil {
		l = slog.LevelInfo
	}
	return logHandler{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l, ReplaceAttr: withUnit})}
}

// withUnit writes durations as text: JSON would have them as bare nanoseconds.
func withUnit(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if id, ok := ctx.Value(accountKey{}).(message.AccountID); ok {
		r.AddAttrs(slog.String("account", string(id)))
	}
	return h.Handler.Handle(ctx, r)
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}

func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.Handler.WithGroup(name)} }

// reportPanic logs a panic of the author's code once, at error level, with its stack and without its value's text, which
// might hold a customer's data.
func reportPanic(ctx context.Context, p any) {
	logger, ok := ctx.Value(loggerKey{}).(*slog.Logger)
	if !ok {
		logger = slog.Default()
	}
	logger.ErrorContext(ctx, "connector panicked", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
}
