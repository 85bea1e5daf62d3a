package process

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os/exec"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hermodhq/hermod/internal/wire"
	"github.com/hermodhq/hermod/sdk/fault"
)

// classify says why a connector did not come up, from what was seen rather than from go-plugin's texts.
func (s *Spec) classify(ctx context.Context, c *child, err error) *fault.Fault {
	if c.ID() == "" {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, exec.ErrNotFound) {
			return fault.New(fault.Misconfigured, "plugin_missing", "connector %s: its program cannot be started: %w", s.Name, err)
		}
		return fault.New(fault.Unavailable, "plugin_exited", "connector %s: its program cannot be started: %w", s.Name, err)
	}
	line, isHandshake, spoken := c.handshake()
	switch {
	case c.wroteNothing():
		<-c.exited
		return fault.New(fault.Unavailable, "plugin_exited", "connector %s exited at once (%s); run its program by hand to see why", s.Name, c.lastWords())
	case line == "":
		return fault.New(fault.Unavailable, "plugin_timeout",
			"connector %s did not say that it is ready within %s%s", s.Name, s.Timeout, said(c))
	case !isHandshake:
		return fault.New(fault.Misconfigured, "plugin_handshake",
			"connector %s: its program wrote %q where a handshake was expected: is it a connector, and does main print before connector.Serve?%s",
			s.Name, short(line), said(c))
	case !spoken || status.Code(err) == codes.Unimplemented:
		return fault.New(fault.Misconfigured, "plugin_protocol",
			"connector %s speaks another protocol version than this engine's (version %d over gRPC): rebuild it with a matching SDK", s.Name, wire.Version)
	case c.endedByItself():
		<-c.exited
		return fault.New(fault.Unavailable, "plugin_exited", "connector %s exited before its first answer (%s)", s.Name, c.lastWords())
	case ctx.Err() != nil || status.Code(err) == codes.DeadlineExceeded:
		return fault.New(fault.Unavailable, "plugin_timeout",
			"connector %s said that it is ready, but gave no answer within %s%s", s.Name, s.Timeout, said(c))
	}
	return fault.New(fault.Unavailable, "plugin_handshake", "connector %s could not be connected to: %w", s.Name, err)
}

func said(c *child) string {
	if text := c.relay.said(); text != "" {
		return "; it said: " + text
	}
	return ""
}

func short(line string) string {
	if len(line) > 80 {
		line = line[:80]
	}
	return fault.Redact(line)
}

// bridge gives go-plugin a logger whose lines go to the host's at debug level: what matters is logged by the supervisor.
func bridge(logger *slog.Logger) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: lineLogger{logger, "go-plugin"}, DisableTime: true})
}

// lineLogger logs what is written to it at debug level, redacted.
type lineLogger struct {
	logger *slog.Logger
	origin string
}

func (l lineLogger) Write(b []byte) (int, error) {
	if l.logger.Enabled(context.Background(), slog.LevelDebug) {
		for line := range bytes.Lines(b) {
			l.logger.Debug("connector output", "origin", l.origin, "line", fault.Redact(string(bytes.TrimSpace(line))))
		}
	}
	return len(b), nil
}
