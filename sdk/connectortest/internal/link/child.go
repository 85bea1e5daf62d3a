package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
)

// child is the subprocess as go-plugin's runner.Runner. go-plugin's own gives the child this process's standard input, by whose
// end a connector would learn that its engine is gone.
type child struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout io.ReadCloser
	stderr io.ReadCloser
}

func newChild(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd}
	stdin, err := cmd.StdinPipe()
	if err == nil {
		c.stdin = stdin
		c.stdout, err = cmd.StdoutPipe()
	}
	if err == nil {
		c.stderr, err = cmd.StderrPipe()
	}
	if err != nil {
		return nil, fmt.Errorf("a pipe to the connector: %w", err)
	}
	return c, nil
}

// Start implements runner.Runner.
func (c *child) Start(context.Context) error { return c.cmd.Start() }

// Wait implements runner.Runner.
func (c *child) Wait(context.Context) error { return c.cmd.Wait() }

// Kill implements runner.Runner.
func (c *child) Kill(context.Context) error {
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Stdout implements runner.Runner.
func (c *child) Stdout() io.ReadCloser { return c.stdout }

// Stderr implements runner.Runner.
func (c *child) Stderr() io.ReadCloser { return c.stderr }

// Name implements runner.Runner.
func (c *child) Name() string { return c.cmd.Path }

// ID implements runner.Runner.
func (c *child) ID() string {
	if c.cmd.Process == nil {
		return ""
	}
	return strconv.Itoa(c.cmd.Process.Pid)
}

// Diagnose implements runner.Runner.
func (c *child) Diagnose(context.Context) string { return "see what it wrote to standard error" }

// PluginToHost implements runner.AddrTranslator.
func (c *child) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin implements runner.AddrTranslator.
func (c *child) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
