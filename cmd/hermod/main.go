// Command hermod runs a messaging engine and is the tool of those who operate one: it sends messages, shows what became of
// them, checks rules, and looks for what is wrong.
//
// It is one file: the vendors are linked in and run as subprocesses of it.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/sdk/connector"
)

func main() {
	connector.ServeIfAsked(vendors()...)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes one command line and returns the exit code. Results go to stdout; progress, logs and errors to stderr, except
// that with --json errors are a document on stdout. When ctx ends, the command ends in order.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{in: stdin, out: stdout, err: stderr, linked: vendors()}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if code, ok := err.(exit); ok { //nolint:errorlint // made below and never wrapped
		return int(code)
	}
	if err == nil {
		return problem.ExitOK
	}
	err = explain(err)
	a.complain(err)
	return problem.Exit(err)
}

// exit is an exit code of a command that has said everything itself.
type exit int

func (exit) Error() string { return "the command has reported its failure" }
