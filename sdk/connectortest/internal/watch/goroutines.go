package watch

import (
	"context"
	"runtime"
	"strings"
	"time"
)

// Goroutines are those that ran at one moment, by their number.
type Goroutines map[string]string

// Running returns the goroutines of this process, each with its stack.
func Running() Goroutines {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	all := Goroutines{}
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		id, _, _ := strings.Cut(stack, " [")
		all[id] = stack
	}
	return all
}

// New waits until no goroutine is left that did not run before, or ctx ends, and returns the stacks of those left. Goroutines of HTTP
// servers and of the Go runtime do not count.
func (before Goroutines) New(ctx context.Context) []string {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var left []string
		for id, stack := range Running() {
			if _, old := before[id]; !old && !excluded(stack) {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return left
		case <-tick.C:
		}
	}
}

var foreign = []string{"net/http.(*conn).serve(", "net/http.(*connReader).backgroundRead(", "os/signal.", "runtime.ReadTrace(", "watch.Running(", "testing.(*T).Run("}

func excluded(stack string) bool {
	for _, f := range foreign {
		if strings.Contains(stack, f) {
			return true
		}
	}
	return false
}

// Where shortens a stack to where its goroutine stands and who started it.
func Where(stack string) string {
	lines := strings.Split(stack, "\n")
	at, by := "", ""
	for i, line := range lines {
		if i == 1 {
			at, _, _ = strings.Cut(line, "(0x")
		}
		if rest, ok := strings.CutPrefix(line, "created by "); ok {
			by, _, _ = strings.Cut(rest, " in goroutine")
			if i+1 < len(lines) {
				place := strings.TrimSpace(lines[i+1])
				place, _, _ = strings.Cut(place, " +0x")
				by += " at " + place[strings.LastIndexAny(place, `/\`)+1:]
			}
		}
	}
	return "in " + at + ", started by " + by
}
