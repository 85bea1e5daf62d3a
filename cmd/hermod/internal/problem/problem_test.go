package problem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

func TestFrom(t *testing.T) {
	_, decodeErr := message.Decode([]byte(`{"too":{}}`))
	for _, tt := range []struct {
		name string
		err  error
		code string
		exit int
	}{
		{"nothing", nil, "", ExitOK},
		{"a problem", fmt.Errorf("reading: %w", New(ExitUsage, "bad", "x")), "bad", ExitUsage},
		{"a fault", fault.New(fault.Unavailable, "down", "no answer"), "down", ExitFailed},
		{"a fault with no code", &fault.Fault{Class: fault.Internal}, "internal", ExitFailed},
		{"a refused account", fault.New(fault.Unauthorized, "token", "refused"), "token", ExitEnvironment},
		{"an unknown operation", fault.New(fault.Unsupported, "operation_unknown", "no"), "operation_unknown", ExitUsage},
		{"a message", decodeErr, message.CodeFieldUnknown, ExitUsage},
		{"a deadline", fmt.Errorf("waiting: %w", context.DeadlineExceeded), "timeout", ExitFailed},
		{"an interrupt", context.Canceled, "interrupted", ExitFailed},
		{"anything else", errors.New("odd"), "failed", ExitFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Exit(tt.err); got != tt.exit {
				t.Errorf("Exit = %d, want %d", got, tt.exit)
			}
			p := From(tt.err)
			if (p == nil) != (tt.err == nil) || p != nil && p.Code != tt.code {
				t.Errorf("From = %+v, want code %q", p, tt.code)
			}
		})
	}
}

func TestListKeepsTheHighestExit(t *testing.T) {
	l := List{New(ExitFailed, "a", "x"), New(ExitEnvironment, "b", "y"), New(ExitUsage, "c", "z")}
	err := fmt.Errorf("loading: %w", l)
	if got := Exit(err); got != ExitEnvironment {
		t.Errorf("Exit = %d, want %d", got, ExitEnvironment)
	}
	if got := len(All(err)); got != 3 {
		t.Errorf("All found %d problems, want 3", got)
	}
}

func TestPrint(t *testing.T) {
	p := New(ExitUsage, "key_unknown", "the key %q does not exist", "acounts").Advise("did you mean %q?", "accounts")
	p.File, p.Line, p.Column = "hermod.yaml", 7, 1
	evil := New(ExitFailed, "vendor", "a\x1b[31mred\x07")
	var b bytes.Buffer
	if err := Print(&b, List{p, evil}); err != nil {
		t.Fatal(err)
	}
	want := "hermod.yaml:7:1: the key \"acounts\" does not exist [key_unknown]\n  did you mean \"accounts\"?\na[31mred [vendor]\n"
	if b.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"accounts", "data", "durability", "http"}
	for word, want := range map[string]string{
		"acounts": "accounts", "dta": "data", "Http": "http", "zebra": "", "durabilty": "durability", "": "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
