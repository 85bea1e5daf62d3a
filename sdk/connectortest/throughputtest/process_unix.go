//go:build unix

package throughputtest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
)

const simulatorEnv = "HERMOD_THROUGHPUT_SIMULATOR" // makes a benchmark the simulator's process

// startSimulator starts this binary again as the simulator's process. It returns two URLs of it, and what ends it and returns how
// many connections came to the first.
func startSimulator(tb testing.TB) (urls [2]string, stop func() int) {
	tb.Helper()
	out, theirs, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(os.Args[0], again(tb)...)
	cmd.Env, cmd.ExtraFiles = append(os.Environ(), simulatorEnv+"=1"), []*os.File{theirs}
	cmd.Stdout, cmd.Stderr = &said, &said
	stdin, err := cmd.StdinPipe() // its end is the child's
	if err == nil {
		err = cmd.Start()
	}
	_ = theirs.Close()
	if err != nil {
		_ = out.Close()
		tb.Fatal(err)
	}
	var count int
	end := sync.OnceFunc(func() {
		_ = stdin.Close()
		_, scanErr := fmt.Fscanln(out, &count)
		_ = out.Close()
		if err := cmd.Wait(); err != nil || scanErr != nil {
			tb.Errorf("the simulator's process: %v, %v\n%s", err, scanErr, said.Bytes())
		}
	})
	tb.Cleanup(end)
	if _, err := fmt.Fscanln(out, &urls[0], &urls[1]); err != nil {
		tb.Fatalf("the simulator's process does not serve: %v\n\tto do: let TestMain, if there is one, run the tests, and the benchmark call Measure first", err)
	}
	return urls, func() int { end(); return count }
}

// again returns the flags that run this test or benchmark, and nothing else.
func again(tb testing.TB) []string {
	var parts []string
	for part := range strings.SplitSeq(tb.Name(), "/") {
		parts = append(parts, "^"+regexp.QuoteMeta(part)+"$")
	}
	pattern := strings.Join(parts, "/")
	if _, ok := tb.(*testing.B); ok {
		return []string{"-test.run=^$", "-test.bench=" + pattern, "-test.benchtime=1x"}
	}
	return []string{"-test.run=" + pattern}
}

// serveIfAsked is the child: it writes its URLs to file 3, serves until its input ends, and writes the count.
func serveIfAsked(tb testing.TB, c Case) bool {
	tb.Helper()
	if os.Getenv(simulatorEnv) == "" {
		return false
	}
	out := os.NewFile(3, "parent")
	defer func() { _ = out.Close() }() // what the parent does not get it misses
	sim := c.Simulator()
	defer closeHandler(sim)
	var servers [2]*server
	for i := range servers {
		s, err := serve(sim)
		if err != nil {
			tb.Fatal(err)
		}
		defer s.close()
		servers[i] = s
	}
	_, _ = fmt.Fprintln(out, servers[0].url(), servers[1].url())
	_, _ = io.Copy(io.Discard, os.Stdin)
	_, _ = fmt.Fprintln(out, servers[0].opened.Load())
	return true
}
