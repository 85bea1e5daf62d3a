//go:build unix

package scaffold_test

import (
	"bufio"
	"context"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestGuide does what docs/connector-guide.md says, command by command, until a message is delivered.
func TestGuide(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("SKIPPED: the guide was NOT tested: make is not installed")
	}
	g := newGuide(t)
	delivered, commands := false, 0
	for _, block := range blocks(t, filepath.Join(root, "docs", "connector-guide.md")) {
		for _, line := range block.lines {
			commands++
			if block.background {
				g.background(line)
				continue
			}
			out := g.run(line)
			delivered = delivered || strings.Contains(out, " delivered (acme-test/sms)")
		}
	}
	if !delivered || commands < 8 {
		t.Errorf("the guide's %d commands did not deliver a message", commands)
	}
}

var link = regexp.MustCompile(`\]\(([^)#:\s]+)\)`)

// TestLinks holds that the links in the guides lead somewhere.
func TestLinks(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(names) < 3 {
		t.Fatalf("%d guides, %v", len(names), err)
	}
	for _, name := range append(names, filepath.Join(root, "examples", "connector-node", "README.md")) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", filepath.Base(name), m[1])
			}
		}
	}
}

type block struct {
	background bool // it goes on while the others run
	lines      []string
}

// blocks returns the shell blocks of a document.
func blocks(t *testing.T, name string) (all []block) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(string(text), "\n```") {
		if i%2 == 0 {
			continue
		}
		info, body, _ := strings.Cut(part, "\n")
		if language, rest, _ := strings.Cut(info, " "); language == "sh" {
			all = append(all, block{rest == "background", strings.Split(body, "\n")})
		}
	}
	return all
}

// guide is a reader with a terminal.
type guide struct {
	t     *testing.T
	dir   string
	env   []string
	ports *strings.Replacer // the guide's to free ones, so that tests do not meet
}

func newGuide(t *testing.T) *guide {
	checkout, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	return &guide{t: t, dir: checkout,
		env: append(os.Environ(), "GOBIN="+bin, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
			"GOPROXY=off", "GOFLAGS=", "GOWORK=off", "MAKEFLAGS=", "MAKELEVEL="),
		ports: strings.NewReplacer("127.0.0.1:9797", freePort(t), "127.0.0.1:8080", freePort(t)),
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// run runs a line to its end and returns what it wrote.
func (g *guide) run(line string) string {
	g.t.Helper()
	line = strings.ReplaceAll(line, "../hermod-acme", filepath.Join(g.env0("GOBIN"), "hermod-acme")) // outside the checkout, wherever that lies
	if dir, ok := strings.CutPrefix(line, "cd "); ok {
		g.dir = dir
		g.movePorts()
		return ""
	}
	ctx, cancel := context.WithTimeout(g.t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir, cmd.Env = g.dir, g.env
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		g.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	g.t.Logf("%6.1fs  %s", time.Since(began).Seconds(), line)
	return string(out)
}

func (g *guide) env0(name string) string {
	for _, v := range g.env {
		if value, ok := strings.CutPrefix(v, name+"="); ok && value != "" {
			return value
		}
	}
	return ""
}

func (g *guide) movePorts() {
	g.t.Helper()
	for _, name := range []string{"Makefile", "hermod.yaml", "verify.json"} {
		path := filepath.Join(g.dir, name)
		text, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, []byte(g.ports.Replace(string(text))), fs.FileMode(0o600))
		}
		if err != nil {
			g.t.Fatal(err)
		}
	}
}

// background starts a line, waits until it says that it listens, and ends it with the test.
func (g *guide) background(line string) {
	g.t.Helper()
	cmd := exec.Command("sh", "-c", "exec "+line)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = g.dir, g.env, &syscall.SysProcAttr{Setpgid: true}
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	listens := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() { watch(out, listens) })
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	g.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
		}
		_ = in.Close()
		reading.Wait()
	})
	select {
	case <-listens:
	case err := <-ended:
		ended <- err
		g.t.Fatalf("%s ended: %v", line, err)
	case <-time.After(time.Minute):
		g.t.Fatalf("%s does not listen", line)
	}
}

func watch(out io.Reader, listens chan<- struct{}) {
	said := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if !said && strings.Contains(lines.Text(), "listen") {
			said = true
			close(listens)
		}
	}
}
