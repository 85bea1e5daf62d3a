//go:build unix

package link

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func script(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, []byte(text), 0o700); err != nil { //nolint:gosec // it is to be run
		t.Fatal(err)
	}
	return file
}

// notes keeps what a child writes.
type notes struct {
	mu sync.Mutex
	b  strings.Builder
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, _ = n.b.Write(p[:min(len(p), max(0, 100-n.b.Len()))])
	return len(p), nil
}

// TestNoConnector starts programs that are none. Each start ends soon, says why, and leaves nothing behind.
func TestNoConnector(t *testing.T) {
	const brief, ample = 300 * time.Millisecond, 20 * time.Second
	for name, x := range map[string]struct {
		program, says string
		within        time.Duration
	}{
		"ends":                     {"#!/bin/sh\nexit 7\n", "it ended (exit status 7) without the handshake", ample},
		"prints":                   {"#!/bin/sh\necho hello\nsleep 600\n", `it wrote "hello" where the handshake was expected`, ample},
		"hangs":                    {"#!/bin/sh\nexec sleep 600\n", "no handshake to standard output within 300ms", brief},
		"ignores signals":          {"#!/bin/sh\ntrap '' TERM INT\nwhile :; do sleep 600; done\n", "no handshake", brief},
		"closes its output":        {"#!/bin/sh\nexec sleep 600 >&- 2>&-\n", "no handshake", brief},
		"floods standard output":   {"#!/bin/sh\nexec cat /dev/zero\n", "where the handshake was expected", ample},
		"floods standard error":    {"#!/bin/sh\nexec yes >&2\n", "no handshake", brief},
		"prints garbage":           {"#!/bin/sh\nhead -c 9000 /dev/urandom\n", "where the handshake was expected", ample},
		"is no program":            {"hello\n", "cannot be started", ample},
		"speaks another version":   {"#!/bin/sh\necho '1|99|unix|/none|grpc|'\nsleep 600\n", "cannot be talked to", ample},
		"serves nothing":           {"#!/bin/sh\necho '1|1|unix|/none|grpc|'\nsleep 600\n", "cannot be talked to", ample},
		"leaves another behind":    {"#!/bin/sh\nsleep 600 &\necho hello\n", "where the handshake was expected", ample},
		"leaves another and hangs": {"#!/bin/sh\nsleep 600 &\nsleep 600\n", "no handshake", brief},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			held := filepath.Join(t.TempDir(), "held")
			if err := syscall.Mkfifo(held, 0o600); err != nil {
				t.Fatal(err)
			}
			// Whoever lives has the pipe open.
			pipe, err := os.OpenFile(held, os.O_RDONLY|syscall.O_NONBLOCK, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = pipe.Close() })
			program := strings.Replace(x.program, "#!/bin/sh\n", "#!/bin/sh\nexec 9>"+held+"\n", 1)
			began := time.Now()
			_, err = Start(t.Context(), Spec{Program: script(t, program), Version: Versions()[0], Output: &notes{}, Within: x.within})
			if err == nil || !strings.Contains(err.Error(), x.says) || len(err.Error()) > 500 {
				t.Errorf("the error is %v, want %q", err, x.says)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			if err := pipe.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(pipe); err != nil {
				t.Errorf("processes are left: %v", err)
			}
		})
	}
}

// TestGivenUp holds that a start ends with its context.
func TestGivenUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := Start(ctx, Spec{Program: script(t, "#!/bin/sh\nexec sleep 600\n"), Version: Versions()[0], Output: io.Discard})
	if took := time.Since(began); err == nil || took > 5*time.Second {
		t.Errorf("%v after %v", err, took)
	}
}

// TestFirstLine holds that go-plugin gets the first line whole, and the output the rest, however they are cut.
func TestFirstLine(t *testing.T) {
	for name, x := range map[string]struct {
		writes      []string
		first, rest string
	}{
		"at once":   {[]string{"1|1|x\nmore\n"}, "1|1|x", "more\n"},
		"in pieces": {[]string{"1|", "1|x", "\n", "mo", "re"}, "1|1|x", "more"},
		"alone":     {[]string{"1|1|x\n"}, "1|1|x", ""},
		"unending":  {[]string{strings.Repeat("a", maxHandshake-1), "bcd", "e"}, strings.Repeat("a", maxHandshake-1) + "b", "cde"},
	} {
		t.Run(name, func(t *testing.T) {
			out := &notes{}
			c := newChild(nil, out)
			got := make(chan string)
			go func() {
				raw, _ := io.ReadAll(c.handshake)
				got <- string(raw)
			}()
			for _, w := range x.writes {
				if n, err := (stdout{c}).Write([]byte(w)); n != len(w) || err != nil {
					t.Errorf("%d, %v", n, err)
				}
			}
			if first := <-got; first != x.first+"\n" || out.b.String() != x.rest {
				t.Errorf("%q and %q", first, out.b.String())
			}
		})
	}
}
