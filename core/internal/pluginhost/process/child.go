package process

import (
	"bufio"
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

	"github.com/hermodhq/hermod/internal/wire"
)

const (
	maxHandshake = 8 << 10                // bytes of the first line of standard output
	pipesWithin  = 500 * time.Millisecond // how long a dead child's pipes are read; a grandchild may hold them open
)

// child is one subprocess, as go-plugin's runner.Runner.
type child struct {
	cmd    *exec.Cmd // set before Start
	forker *Forker
	relay  *relay

	toChild *os.File // the child ends when this closes
	outRead *io.PipeReader
	outLine *io.PipeWriter
	pipes   []*os.File // our reading ends
	readers sync.WaitGroup

	mu     sync.Mutex
	first  string // the first line of standard output
	silent bool   // standard output ended without a line
	pid    int
	reaped bool
	killed bool // by us

	exited chan struct{}
	err    error // how it exited; read after exited is closed
}

func newChild(forker *Forker, relay *relay) *child {
	c := &child{forker: forker, relay: relay, exited: make(chan struct{})}
	c.outRead, c.outLine = io.Pipe()
	return c
}

// Start starts the process and the goroutines that read from it; all end with the process.
func (c *child) Start(context.Context) error {
	var ends []*os.File
	defer func() {
		for _, f := range ends {
			_ = f.Close()
		}
	}()
	for _, std := range []*io.Writer{&c.cmd.Stdout, &c.cmd.Stderr} {
		r, w, err := os.Pipe()
		if err != nil {
			return errors.Join(fmt.Errorf("a pipe to the connector: %w", err), c.closePipes())
		}
		*std = w
		ends, c.pipes = append(ends, w), append(c.pipes, r)
	}
	in, toChild, err := os.Pipe()
	if err != nil {
		return errors.Join(fmt.Errorf("a pipe to the connector: %w", err), c.closePipes())
	}
	c.cmd.Stdin, c.toChild, ends = in, toChild, append(ends, in)
	c.cmd.SysProcAttr = attributes()
	if err := c.forker.do(c.cmd.Start); err != nil {
		return errors.Join(err, c.closePipes(), c.toChild.Close())
	}
	c.mu.Lock()
	c.pid = c.cmd.Process.Pid
	c.mu.Unlock()
	c.readers.Go(func() { c.readOutput(c.pipes[0]) })
	c.readers.Go(func() { c.relay.read(c.pipes[1]) })
	go c.reap()
	return nil
}

func (c *child) closePipes() error {
	var errs []error
	for _, f := range c.pipes {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// reap waits for the process's end, then for its last words.
func (c *child) reap() {
	defer close(c.exited)
	err := c.cmd.Wait()
	c.mu.Lock()
	c.reaped, c.err = true, err
	c.mu.Unlock()
	read := make(chan struct{})
	go func() { defer close(read); c.readers.Wait() }()
	select {
	case <-read:
	case <-time.After(pipesWithin):
	}
	_ = c.closePipes()
	_ = c.toChild.Close()
	<-read
}

// readOutput gives the first line to go-plugin, and drops the rest: a connector's own output goes through go-plugin's
// stream by then.
func (c *child) readOutput(out io.Reader) {
	r := bufio.NewReaderSize(out, maxHandshake)
	line, err := r.ReadSlice('\n')
	c.mu.Lock()
	c.first, c.silent = string(line), len(line) == 0 && !c.killed
	c.mu.Unlock()
	if len(line) > 0 {
		_, _ = c.outLine.Write(line)
	}
	_ = c.outLine.Close()
	if err == nil || errors.Is(err, bufio.ErrBufferFull) {
		_, _ = io.Copy(io.Discard, r)
	}
}

// Wait waits for the end.
func (c *child) Wait(context.Context) error {
	<-c.exited
	return c.err
}

// Kill kills the process and those it started. It does not wait.
func (c *child) Kill(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid == 0 || c.reaped {
		return nil
	}
	c.killed = true
	err := killGroup(c.cmd.Process)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Stdout gives go-plugin the first line only.
func (c *child) Stdout() io.ReadCloser { return c.outRead }

// Stderr gives go-plugin nothing: the relay reads it.
func (c *child) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name is the program's path.
func (c *child) Name() string { return c.cmd.Path }

// ID is the process id, and empty before the start.
func (c *child) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid == 0 {
		return ""
	}
	return strconv.Itoa(c.pid)
}

// Diagnose adds nothing: start errors are classified in this package.
func (c *child) Diagnose(context.Context) string { return "" }

// PluginToHost leaves addresses as they are.
func (c *child) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin leaves addresses as they are.
func (c *child) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// handshake judges the first line: whether it is a handshake at all, and one that this host speaks.
func (c *child) handshake() (line string, isHandshake, spoken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	line = strings.TrimSpace(c.first)
	parts := strings.Split(line, "|")
	if len(parts) < 4 {
		return line, false, false
	}
	for _, p := range parts[:2] {
		if _, err := strconv.Atoi(p); err != nil {
			return line, false, false
		}
	}
	return line, true, parts[0] == "1" && parts[1] == strconv.Itoa(wire.Version) && len(parts) > 4 && parts[4] == "grpc"
}

// wroteNothing reports whether standard output ended before a first line: the process has exited, or is about to.
func (c *child) wroteNothing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.silent
}

// endedByItself reports whether the process ended other than by our kill. go-plugin kills on every error, so a process may
// have been on its way out already.
func (c *child) endedByItself() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	exit, failed := errors.AsType[*exec.ExitError](c.err)
	return c.reaped && (!c.killed || !failed || exit.ExitCode() >= 0)
}
