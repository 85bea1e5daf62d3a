package journal

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// child is what the test binary does when it runs as a child of a test: see TestMain.
func child(kind, dir string) int {
	run := map[string]func(context.Context, string) error{"append": childAppend, "limit": childLimit, "open": childOpen}[kind]
	if err := run(context.Background(), dir); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	return 0
}

func childCommand(t *testing.T, kind, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), "JOURNAL_CHILD="+kind, "JOURNAL_CHILD_DIR="+dir)
	return cmd
}

// childAppend appends numbered frames for ever and prints each number once it is acknowledged.
func childAppend(ctx context.Context, dir string) error {
	j, err := Open(ctx, testConfig(dir))
	if err != nil {
		return err
	}
	p := j.Partition(0)
	for _, n := p.Bounds(); ; {
		n++
		if _, err := p.Append(ctx, frameData(int(n))); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// childOpen opens and closes a journal.
func childOpen(ctx context.Context, dir string) error {
	j, err := Open(ctx, testConfig(dir))
	if err != nil {
		return err
	}
	return j.Close(ctx)
}

func TestKillNine(t *testing.T) {
	dir := t.TempDir()
	acked := 0
	for range 5 {
		cmd := childCommand(t, "append", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for left := 50 + rand.IntN(500); lines.Scan(); left-- {
			n := 0
			if _, err := fmt.Sscan(lines.Text(), &n); err != nil {
				t.Fatalf("the child said %q", lines.Text())
			}
			acked = n
			if left == 0 {
				_ = cmd.Process.Kill() // and read on: what it printed before it died counts
			}
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the child ended by itself: %v", err)
		}
		j := start(t, testConfig(dir))
		_, last := j.Partition(0).Bounds()
		if int(last) < acked || int(last) > acked+1 {
			t.Fatalf("%d frames acknowledged, %d found", acked, last)
		}
		expect(t, j.Partition(0), 1, int(last))
		stop(t, j)
	}
	if acked < 250 {
		t.Fatalf("only %d frames in five rounds", acked)
	}
}

func TestLockedByAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	j := start(t, testConfig(dir))
	out, err := childCommand(t, "open", dir).Output()
	if err == nil || !strings.Contains(string(out), CodeLocked) || !strings.Contains(string(out), fmt.Sprintf("in process %d;", os.Getpid())) {
		t.Fatalf("second process: %v, %s", err, out)
	}
	_, err = Open(t.Context(), testConfig(dir)) // and in this process
	wantCode(t, err, CodeLocked)
	stop(t, j)
	if out, err := childCommand(t, "open", dir).Output(); err != nil {
		t.Fatalf("after Close: %v, %s", err, out)
	}
}
