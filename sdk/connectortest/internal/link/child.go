package link

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxHandshake = 8 << 10                // bytes of the first line of standard output
	maxShown     = 60                     // bytes of what a program wrote, in an error
	pipesWithin  = 500 * time.Millisecond // how long a dead child's pipes are read: a grandchild may hold them open
)

var errAbandoned = errors.New("the start was given up")

// child is the subprocess as go-plugin's runner.Runner. It has a process group of its own, which ends with it.
//
// go-plugin's own runner waits for as long as anybody holds the pipes, and gives the child this process's standard input, by whose
// end a connector would learn that its engine is gone.
type child struct {
	cmd    *exec.Cmd
	output io.Writer // gets all that is no handshake
	exited chan struct{}

	handshake *io.PipeReader // go-plugin's end of the first line
	line      *io.PipeWriter
	first     []byte // the first line of standard output, or its beginning
	read      bool   // the first line is whole

	mu     sync.Mutex
	killed bool
	pid    int
	err    error // how it ended; set before exited is closed
	left   bool  // processes that it started outlived it
}

func newChild(cmd *exec.Cmd, output io.Writer) *child {
	c := &child{cmd: cmd, output: output, exited: make(chan struct{})}
	c.handshake, c.line = io.Pipe()
	return c
}

// Start implements runner.Runner.
func (c *child) Start(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.killed {
		return errAbandoned
	}
	if _, err := c.cmd.StdinPipe(); err != nil { // it closes when the child has ended
		return fmt.Errorf("a pipe to the connector: %w", err)
	}
	c.cmd.Stdout, c.cmd.Stderr, c.cmd.WaitDelay = stdout{c}, c.output, pipesWithin
	ownGroup(c.cmd)
	if err := c.cmd.Start(); err != nil {
		return err
	}
	c.pid = c.cmd.Process.Pid
	go c.reap()
	return nil
}

// reap waits for the end, and ends what the child leaves behind.
func (c *child) reap() {
	err := c.cmd.Wait()
	c.mu.Lock()
	c.err, c.left = err, killGroup(c.cmd.Process) == nil && !c.killed
	c.mu.Unlock()
	_ = c.line.Close()
	close(c.exited)
}

// stdout gives go-plugin the first line, and the rest to the output: go-plugin's stream carries what a connector prints later.
type stdout struct{ c *child }

// Write never fails, for then the child could not write any more.
func (w stdout) Write(b []byte) (int, error) {
	c, n := w.c, len(b)
	if !c.read {
		line, _, whole := bytes.Cut(b, []byte("\n"))
		line = line[:min(len(line), maxHandshake-len(c.first))]
		c.first = append(c.first, line...)
		if c.read = whole || len(c.first) == maxHandshake; !c.read {
			return n, nil
		}
		_, _ = c.line.Write(append(c.first, '\n'))
		_ = c.line.Close()
		b = bytes.TrimPrefix(b[len(line):], []byte("\n"))
	}
	_, _ = c.output.Write(b)
	return n, nil
}

// Wait implements runner.Runner.
func (c *child) Wait(context.Context) error {
	<-c.exited
	return c.err
}

// Kill implements runner.Runner. It kills the child with those that it started; one that was not started never will be.
func (c *child) Kill(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.exited:
		return nil
	default:
	}
	c.killed = true
	if c.pid == 0 {
		return nil
	}
	if err := killGroup(c.cmd.Process); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// end kills the child and waits for its end.
func (c *child) end(ctx context.Context) {
	_ = c.Kill(ctx)
	if c.ID() != "" {
		<-c.exited
	}
}

// state tells how a child ended: whether by being killed, and whether others outlived it.
func (c *child) state() (killed, left bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.killed, c.left
}

// why says why a child that has ended did not come up. ctx is over if that took too long.
func (c *child) why(ctx context.Context, within time.Duration, err error) error {
	first := strings.TrimSpace(string(c.first))
	parts := strings.Split(first, "|")
	switch {
	case c.ID() == "":
		return fmt.Errorf("the program cannot be started: %w; build it for this system, or begin a script with a line such as #!/usr/bin/env node", err)
	case first == "" && ctx.Err() == nil:
		return fmt.Errorf("it ended (%s) without the handshake, which is the first line that a connector writes to standard output", c.cmd.ProcessState)
	case first == "":
		return fmt.Errorf("it wrote no handshake to standard output within %v", within)
	case len(parts) < 4 || parts[0] != "1":
		return fmt.Errorf("it wrote %q where the handshake was expected: is it a connector, and does it print nothing before?", first[:min(len(first), maxShown)])
	case ctx.Err() != nil:
		return fmt.Errorf("it wrote the handshake and gave no answer within %v: serve on the address that the handshake names", within)
	}
	return fmt.Errorf("it wrote the handshake and cannot be talked to: %w", err)
}

// Stdout implements runner.Runner.
func (c *child) Stdout() io.ReadCloser { return c.handshake }

// Stderr implements runner.Runner.
func (c *child) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name implements runner.Runner.
func (c *child) Name() string { return c.cmd.Path }

// ID implements runner.Runner.
func (c *child) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid == 0 {
		return ""
	}
	return strconv.Itoa(c.pid)
}

// Diagnose implements runner.Runner.
func (c *child) Diagnose(context.Context) string { return "" }

// PluginToHost implements runner.AddrTranslator.
func (c *child) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin implements runner.AddrTranslator.
func (c *child) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
