// Package transformtest runs a transform in a test, natively and as WebAssembly, and holds the results against each
// other and against what the test wants.
package transformtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
	"github.com/hermodhq/hermod/sdk/transform"
	"github.com/hermodhq/hermod/sdk/transform/guest"
)

// Case is one message and what the transform shall make of it.
type Case struct {
	Name  string
	In    message.Message
	Want  message.Message // compared as JSON; ignored when Fault is set
	Fault *fault.Fault    // the refusal that is wanted: class and code are compared. nil: none
}

// Run runs every case twice, each as a subtest: f natively, and the module that the Go toolchain builds from the package
// main in dir. Both must do what the case wants, and leave the case's own message as it was.
func Run(t *testing.T, f transform.Func, dir string, cases []Case) {
	t.Helper()
	if len(cases) == 0 {
		t.Fatal("transformtest.Run needs at least one case")
	}
	module := compile(t, Build(t, dir))
	for _, c := range cases {
		t.Run(c.Name+"/native", func(t *testing.T) {
			c.check(t, func(m *message.Message) error { return transform.Apply(f, m) })
		})
		t.Run(c.Name+"/wasm", func(t *testing.T) {
			c.check(t, func(m *message.Message) error { return apply(t, module, m) })
		})
	}
}

// check runs one case.
func (c Case) check(t *testing.T, apply func(*message.Message) error) {
	t.Helper()
	for _, problem := range c.problems(apply) {
		t.Error(problem)
	}
}

// problems says what is wrong with what apply does.
func (c Case) problems(apply func(*message.Message) error) (problems []string) {
	note := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	before, want := asJSON(&c.In), asJSON(&c.Want)
	m := c.In
	err := apply(&m)
	if after := asJSON(&c.In); after != before {
		note("the transform reached into the original message; it was\n%s\nand is\n%s", before, after)
	}
	switch got := asJSON(&m); {
	case c.Fault != nil && !errors.Is(err, c.Fault):
		note("got error %v, want %v", err, c.Fault)
	case c.Fault == nil && err != nil:
		note("the transform failed: %v", err)
	case c.Fault != nil && got != before:
		note("the transform failed, as it should, but changed the message to\n%s", got)
	case c.Fault == nil && got != want:
		note("got\n%s\nwant\n%s", got, want)
	}
	return problems
}

func asJSON(m *message.Message) string {
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return "a message without a JSON form: " + err.Error()
	}
	return string(raw)
}

// Build builds the package main in dir, as a transform, into a directory that goes with the test, and returns the file's path.
func Build(tb testing.TB, dir string) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "transform.wasm")
	if err := BuildTo(tb.Context(), dir, file); err != nil {
		tb.Fatal(err)
	}
	return file
}

// BuildTo builds the package main in dir, as a transform, with the go command, and writes the module to file.
func BuildTo(ctx context.Context, dir, file string) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return fmt.Errorf("build a transform: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-buildmode=c-shared", "-o", file, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the transform in %s: %w\n%s", dir, err, out)
	}
	return nil
}

// compile readies a module, which ends with the test.
func compile(t *testing.T, file string) *guest.Module {
	t.Helper()
	wasm, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	module, err := guest.Compile(t.Context(), wasm, guest.Options{
		Name:          "under-test",
		Deadline:      10 * time.Second, // generous: a test's machine may be busy
		StartDeadline: time.Minute,
		Logger:        slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := module.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return module
}

// apply runs a message through a fresh instance, so that no case depends on another.
func apply(t *testing.T, module *guest.Module, m *message.Message) error {
	t.Helper()
	in, err := module.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close(context.WithoutCancel(t.Context())) }()
	d := guest.NewDraft(m)
	if err := in.Call(t.Context(), d); err != nil {
		return fmt.Errorf("as WebAssembly: %w", err)
	}
	*m = d.Message()
	return nil
}
