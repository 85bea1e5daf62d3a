package wasmhost_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hermodhq/hermod/core/internal/wasmhost"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

func asJSON(t *testing.T, m message.Message) string {
	t.Helper()
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestApply(t *testing.T) {
	template := func(m message.Message) message.Message {
		m.Content = message.Content{Template: &message.Template{Name: "t1", Language: "en", Params: []string{"a", "b"}}}
		return m
	}
	written := hello("write")
	written.Category = "c2"
	written.Labels = map[string]string{"tenant": "a", "new": "1"}
	written.Data = map[string]any{"do": "write", "order": "7", "list": []any{1, "two"}}
	writtenTemplate := written
	writtenTemplate.Content = message.Content{Template: &message.Template{
		Name: "t2", Language: "de", Params: []string{"p0", "b", "added"}, Named: map[string]any{"n": "v"}}}
	text := func(do, s string) message.Message {
		m := hello(do)
		m.Content.Text = s
		return m
	}
	long := hello("long")
	long.Data["long"] = "yyy"

	s := load(t, patient(), map[string][]byte{"go.wasm": goGuest, "same.wasm": doing(bodyOK).wasm()})
	for _, c := range []struct {
		in, want message.Message
		names    []string
	}{
		{hello("upper"), text("upper", "HELLO"), []string{"same", "go", "same"}},
		{hello("upper"), hello("upper"), nil},
		{hello(""), hello(""), []string{"go"}},
		{hello("write"), written, []string{"go"}},
		{template(hello("write")), writtenTemplate, []string{"go"}},
		{hello("json"), text("json", "Goodbye"), []string{"go"}},
		{hello("long"), long, []string{"go", "go"}},
	} {
		t.Run(c.in.Data["do"].(string), func(t *testing.T) {
			m, before := c.in, asJSON(t, c.in)
			if err := s.Apply(t.Context(), c.names, &m); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(asJSON(t, c.want), asJSON(t, m)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if after := asJSON(t, c.in); after != before {
				t.Errorf("the original message changed from\n%s\nto\n%s", before, after)
			}
		})
	}
}

// failures are transforms that do not do their work: what they are, and the class and code they shall fail with.
type failure struct {
	file  string // a transform of the set
	do    string // what the Go guest is asked to do
	class fault.Class
	code  string
}

var failures = []failure{
	{"go", "loop", fault.Internal, "transform_deadline"},
	{"go", "grow", fault.Internal, "transform_memory"},
	{"go", "panic", fault.Internal, "transform_trapped"},
	{"go", "exit", fault.Internal, "transform_trapped"},
	{"go", "stack", fault.Internal, "transform_memory"},
	{"go", "reject", fault.ContentRejected, "blocked_word"},
	{"go", "pause", fault.Internal, "transform_rejected"},
	{"go", "error", fault.Internal, "transform_error"},
	{"go", "readonly", fault.Internal, "transform_field"},
	{"go", "invalid", fault.Internal, "transform_result_invalid"},
	{"trap", "", fault.Internal, "transform_trapped"},
	{"recurse", "", fault.Internal, "transform_trapped"},
	{"loop", "", fault.Internal, "transform_deadline"},
	{"grow", "", fault.Internal, "transform_memory"},
	{"pointer", "", fault.Internal, "transform_trapped"},
	{"status", "", fault.Internal, "transform_status"},
	{"table", "", fault.Internal, "transform_status"},
	{"absent", "", fault.Internal, "transform_missing"},
}

// failing is a set whose transforms fail in all the ways there are, beside one that works.
func failing(t *testing.T, cfg wasmhost.Config) *wasmhost.Set {
	t.Helper()
	table := doing(bodyTableGrow)
	table.table = openTable
	pointer := doing(bodyPointer)
	pointer.imports = []tinyImport{getField}
	return load(t, cfg, map[string][]byte{
		"go.wasm": goGuest, "trap.wasm": doing(bodyTrap).wasm(), "loop.wasm": doing(bodyLoop).wasm(), "grow.wasm": doing(bodyGrow).wasm(),
		"recurse.wasm": doing(bodyRecurse).wasm(),
		"ask.wasm":     doing(bodyAsk).wasm(), "pointer.wasm": pointer.wasm(), "status.wasm": doing(bodyStatus).wasm(), "table.wasm": table.wasm(),
	})
}

// Whatever a transform does wrong: the error says so, the message is as it was, and everything else goes on working, the
// same transform included.
func TestApplyFails(t *testing.T) {
	soon := patient()
	soon.Deadline = 200 * time.Millisecond
	calm, hurried := failing(t, patient()), failing(t, soon)
	var texts strings.Builder
	for _, f := range failures {
		s := calm
		if f.code == "transform_deadline" {
			s = hurried
		}
		m := hello(f.do)
		err := s.Apply(t.Context(), []string{"ask", f.file}, &m)
		if got := fault.From(err); got == nil || got.Class != f.class || got.Code != f.code {
			t.Errorf("%s %s: got %v, want %s [%s]", f.file, f.do, err, f.class, f.code)
			continue
		}
		if got, want := asJSON(t, m), asJSON(t, hello(f.do)); got != want {
			t.Errorf("%s %s: the message became\n%s", f.file, f.do, got)
		}
		fmt.Fprintf(&texts, "%s %s\n    %v\n", f.file, f.do, err)
		m = hello("upper")
		if err := s.Apply(t.Context(), []string{"go"}, &m); err != nil || m.Content.Text != "HELLO" {
			t.Errorf("after %s %s: %v, text %q", f.file, f.do, err, m.Content.Text)
		}
	}
	golden(t, "call_errors.golden", texts.String())
}

// Memory that was refused in one call is no reason for the end of another.
func TestRefusedMemoryIsForgotten(t *testing.T) {
	cfg := patient()
	cfg.Workers = 1
	s := load(t, cfg, map[string][]byte{"a.wasm": doing(bodyAskTrap).wasm()})
	for _, want := range []string{"", "transform_trapped"} {
		m := hello("")
		if err := s.Apply(t.Context(), []string{"a"}, &m); (err == nil) != (want == "") || err != nil && fault.From(err).Code != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestApplyInParallel(t *testing.T) {
	cfg := patient()
	cfg.Workers = 2
	s := failing(t, cfg)
	var g sync.WaitGroup
	for w := range 6 {
		g.Go(func() {
			for i := range 40 {
				m := hello("upper")
				m.Content.Text = fmt.Sprintf("w%d-%d", w, i)
				want := strings.ToUpper(m.Content.Text)
				if err := s.Apply(t.Context(), []string{"go"}, &m); err != nil || m.Content.Text != want {
					t.Errorf("got %q, %v; want %q", m.Content.Text, err, want)
				}
				m = hello("exit")
				if err := s.Apply(t.Context(), []string{"trap"}, &m); fault.From(err).Code != "transform_trapped" {
					t.Errorf("trap: %v", err)
				}
			}
		})
	}
	g.Wait()
}

func TestClose(t *testing.T) {
	cfg := patient()
	cfg.Workers = 1
	texts := make(chan string, 1)
	cfg.Logger = slog.New(signals{texts})
	s := load(t, cfg, map[string][]byte{"go.wasm": goGuest})

	running, stop := context.WithCancel(t.Context())
	first, second := make(chan error), make(chan error)
	go func() {
		m := hello("wait")
		first <- s.Apply(running, []string{"go"}, &m)
	}()
	if got := <-texts; got != "waiting" {
		t.Fatalf("the guest says %q", got)
	}
	go func() { // has to wait for the only instance
		m := hello("upper")
		second <- s.Apply(t.Context(), []string{"go"}, &m)
	}()

	ended, end := context.WithCancel(t.Context())
	end()
	if err := s.Close(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Close while a call is under way: %v", err)
	}
	if err := <-second; fault.From(err).Code != wasmhost.CodeClosed {
		t.Errorf("a call that waited: %v", err)
	}
	m := hello("upper")
	if err := s.Apply(t.Context(), []string{"go"}, &m); fault.From(err).Code != wasmhost.CodeClosed {
		t.Errorf("a call after Close: %v", err)
	}
	stop()
	if err := <-first; fault.From(err).Code != "transform_canceled" || !errors.Is(err, context.Canceled) {
		t.Errorf("the call under way: %v", err)
	}
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestApplyWaitsNoLongerThanItsContext(t *testing.T) {
	s := load(t, patient(), map[string][]byte{"loop.wasm": doing(bodyLoop).wasm()})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	m := hello("")
	if err := s.Apply(ctx, []string{"loop"}, &m); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := s.Apply(ctx, []string{"loop"}, &m); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

// What guests say reaches the log bounded, and without numbers that could be a phone's.
func TestLog(t *testing.T) {
	var buf strings.Builder
	cfg := patient()
	cfg.Workers = 1
	cfg.Logger = slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := load(t, cfg, map[string][]byte{"go.wasm": goGuest})
	for _, do := range []string{"log", "panic"} {
		m := hello(do)
		if err := s.Apply(t.Context(), []string{"go"}, &m); (err != nil) != (do == "panic") {
			t.Fatal(err)
		}
	}
	got := buf.String()
	for text, want := range map[string]int{
		"level=WARN": 33, `text="for [number]"`: 32, "the rest of this call is dropped": 1,
		"stream=stderr text=printed": 1, "panic: a defect": 1, "transform=go": strings.Count(got, "\n"), "7700900123": 0,
	} {
		if n := strings.Count(got, text); n != want {
			t.Errorf("%q stands %d times, want %d, in:\n%s", text, n, want, got)
		}
	}
}

// A guest has neither a clock nor randomness of its own: two instances see the same.
func TestGuestIsDeterministic(t *testing.T) {
	seen := map[string]bool{}
	for range 2 {
		s := load(t, patient(), map[string][]byte{"go.wasm": goGuest})
		m := hello("world")
		if err := s.Apply(t.Context(), []string{"go"}, &m); err != nil {
			t.Fatal(err)
		}
		seen[m.Content.Text] = true
	}
	if len(seen) != 1 {
		t.Errorf("instances see different worlds: %q", slices.Collect(maps.Keys(seen)))
	}
}
