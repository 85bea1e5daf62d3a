//go:build linux

package pluginhost_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hermodhq/hermod/core/internal/pluginhost"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// TestConnectorKilledAroundTheVendorsAnswer kills the connector before the vendor took the message, after it took it and before it
// answered, and after the answer came in.
func TestConnectorKilledAroundTheVendorsAnswer(t *testing.T) {
	for _, moment := range []string{"before", "during", "after"} {
		t.Run(moment, func(t *testing.T) {
			var taken atomic.Int64
			arrived := make(chan struct{})
			vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // only then does the server see the connection break
				if moment == "before" {
					close(arrived)
					<-r.Context().Done()
					return
				}
				taken.Add(1)
				if moment == "during" {
					close(arrived)
					<-r.Context().Done()
				}
			}))
			defer vendor.Close()
			f := start(t, pluginhost.Program{SelfExec: true}, nil)
			a, c := f.open(pluginhost.AccountSpec{Config: raw(config{Vendor: vendor.URL})})
			pid := f.up().PID
			a.Deliver(batch(1, "call"))
			if moment == "after" {
				if got := c.wait(t); got.Err != nil {
					t.Fatal(got.Err)
				}
			} else {
				<-arrived
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if moment != "after" {
				want(t, c.wait(t).Err, fault.OutcomeUnknown, "connector_died")
			}
			if n := taken.Load(); n > 1 {
				t.Errorf("the vendor took it %d times", n)
			}
			worksAgain(t, f, a, c)
		})
	}
}

// TestNothingIsLostInKills sends without a pause while the connector is killed again and again: each delivery is answered exactly once.
func TestNothingIsLostInKills(t *testing.T) {
	f := start(t, pluginhost.Program{SelfExec: true}, func(c *pluginhost.Config) { c.MaxQueue = 1 << 20 })
	a, c := f.open(pluginhost.AccountSpec{})
	b, other := f.open(pluginhost.AccountSpec{ID: "isolated", Isolate: true})
	sent := 0
	for round := range 5 {
		s := f.state(func(s pluginhost.ConnectorState) bool { return s.Phase == "up" && s.Account == "" })
		for i := range 40 {
			deliveries := batch(50, "hello")
			for j := range deliveries {
				deliveries[j].Message = message.ID(fmt.Sprint(round, "-", i, "-", j))
			}
			a.Deliver(deliveries)
			sent += len(deliveries)
			if i == 20 {
				if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	seen := map[message.ID]bool{}
	for range sent {
		got := c.wait(t)
		if seen[got.Message] {
			t.Fatalf("%s was answered twice", got.Message)
		}
		seen[got.Message] = true
		switch fl := fault.From(got.Err); {
		case fl == nil, fl.Class == fault.OutcomeUnknown && fl.Code == "connector_died", fl.Class == fault.Unavailable && fl.Code == "connector_down":
		default:
			t.Fatalf("answered %v", got.Err)
		}
	}
	b.Deliver(batch(1, "hello"))
	if got := other.wait(t); got.Err != nil {
		t.Errorf("the isolated account suffered: %v", got.Err)
	}
}

// Who uses an account hears when its connector is gone, when that lasts, and when the account is open again.
func TestLostAndBack(t *testing.T) {
	for name, tt := range map[string]struct {
		backoff, patience time.Duration
		want              []string
	}{
		"a restart": {50 * time.Millisecond, time.Hour, []string{"lost", "back"}},
		"for long":  {time.Second, 10 * time.Millisecond, []string{"lost", "lost: connector_down", "back"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, pluginhost.Program{SelfExec: true}, func(c *pluginhost.Config) {
				c.BackoffMin, c.BackoffMax, c.Patience = tt.backoff, tt.backoff, tt.patience
			})
			heard := make(chan string, 10)
			a, c := f.open(pluginhost.AccountSpec{
				Lost: func(why *fault.Fault) {
					if why == nil {
						heard <- "lost"
						return
					}
					heard <- "lost: " + why.Code
				},
				Back: func() { heard <- "back" },
			})
			f.up()
			if why := a.Trouble(); why != nil {
				t.Errorf("trouble while all is well: %v", why)
			}
			_, err := a.Invoke(t.Context(), "exit", nil)
			want(t, err, fault.OutcomeUnknown, "connector_died")
			for i, want := range tt.want {
				if got := <-heard; got != want {
					t.Fatalf("heard %q as number %d, want %q", got, i+1, want)
				}
				if why := a.Trouble(); want == "lost: connector_down" && (why == nil || !strings.Contains(why.Text, "started again by itself: ")) {
					t.Errorf("trouble while it is down: %v", why)
				}
			}
			a.Deliver(batch(1, "hello"))
			if got := c.wait(t); got.Err != nil {
				t.Errorf("after it was back: %v", got.Err)
			}
			if err := a.Close(t.Context()); err != nil || len(heard) > 0 {
				t.Errorf("closed with %v, heard %d more", err, len(heard))
			}
		})
	}
}

func TestWhatIsCertainWhenTheConnectorIsDown(t *testing.T) {
	f := start(t, pluginhost.Program{SelfExec: true}, func(c *pluginhost.Config) {
		c.BackoffMin, c.BackoffMax = time.Hour, time.Hour
	})
	a, c := f.open(pluginhost.AccountSpec{})
	f.up()
	_, err := a.Invoke(t.Context(), "exit", nil)
	want(t, err, fault.OutcomeUnknown, "connector_died")
	f.state(func(s pluginhost.ConnectorState) bool { return s.Phase == "crashed" })
	got := make(chan connector.Answer, 1)
	go func() { got <- c.wait(t) }()
	for answered := false; !answered; { // the account may still be learning of it
		a.Deliver(batch(1, "hello"))
		an := <-got
		want(t, an.Err, fault.Unavailable, "connector_down")
		if answered = fault.From(an.Err).RetryAfter > time.Minute; !answered {
			go func() { got <- c.wait(t) }()
		}
	}
	_, err = a.Invoke(t.Context(), "exit", nil)
	want(t, err, fault.Unavailable, "connector_down")
	_, err = f.Describe(t.Context(), "echo")
	want(t, err, fault.Unavailable, "connector_died")
	if err := a.Close(t.Context()); err != nil {
		t.Errorf("closing while it is down: %v", err)
	}
}

func TestStopEndsWhatDoesNotGo(t *testing.T) {
	f := start(t, pluginhost.Program{SelfExec: true}, nil)
	a, c := f.open(pluginhost.AccountSpec{})
	pid := f.up().PID
	a.Deliver(batch(5, "hang"))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := f.Stop(ctx); err == nil {
		t.Error("Stop did not say that it had to use force")
	}
	if len(c) != 5 {
		t.Errorf("%d of 5 are answered", len(c))
	}
	for range len(c) {
		if fl := fault.From((<-c).Err); fl.Class != fault.OutcomeUnknown {
			t.Errorf("answered %v", fl)
		}
	}
	if err := syscall.Kill(pid, 0); err == nil {
		t.Error("the process is still there")
	}
}

// hostThatIsKilled is the main function of a host for TestNoOrphans.
func hostThatIsKilled() {
	h, err := pluginhost.New(pluginhost.Config{
		Programs: map[message.ConnectorName]pluginhost.Program{"echo": {SelfExec: true}},
		StateChanged: func(s pluginhost.ConnectorState) {
			if s.Phase == "up" {
				churnThreads()
				fmt.Println(s.PID)
			}
		},
	})
	if err == nil {
		err = h.Start(context.Background())
	}
	if err == nil {
		_, err = h.Describe(context.Background(), "echo")
	}
	if err != nil {
		fmt.Println(err)
	}
	select {}
}

// churnThreads ends many threads, one of which might have forked a child.
func churnThreads() {
	done := make(chan struct{})
	for range 50 {
		go func() {
			runtime.LockOSThread() // not unlocked: the thread ends with the goroutine
			done <- struct{}{}
		}()
	}
	for range 50 {
		<-done
	}
}

// TestNoOrphans kills a host and holds that its connector goes with it, even one that is stopped and cannot see its parent's death,
// and that the next host removes the socket directory.
func TestNoOrphans(t *testing.T) {
	for _, how := range []string{"running", "stopped"} {
		t.Run(how, func(t *testing.T) {
			tmp, err := os.MkdirTemp("/tmp", "hm")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = os.RemoveAll(tmp) }()
			host := exec.CommandContext(t.Context(), os.Args[0])
			host.Env = append(os.Environ(), "HERMOD_TEST_HOST=1", "TMPDIR="+tmp)
			out, err := host.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := host.Start(); err != nil {
				t.Fatal(err)
			}
			var pid int
			if _, err := fmt.Fscan(out, &pid); err != nil {
				t.Fatal(err)
			}
			fd, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = unix.Close(fd) }()
			if alive := !ended(t, fd, 0); !alive {
				t.Fatal("the connector ended before its host did")
			}
			if how == "stopped" {
				if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
			}
			if err := host.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = host.Wait()
			if !ended(t, fd, 5*time.Second) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
				t.Fatal("the connector outlived its host")
			}
			if left := sockets(t, tmp); len(left) != 1 {
				t.Fatalf("the killed host should have left one directory, not %v", left)
			}
			t.Setenv("TMPDIR", tmp)
			f := start(t, pluginhost.Program{SelfExec: true}, nil)
			f.open(pluginhost.AccountSpec{})
			if left := sockets(t, tmp); len(left) != 1 {
				t.Errorf("the next host left %v", left)
			}
			if err := syscall.Kill(f.up().PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if err := f.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left := sockets(t, tmp); len(left) != 0 {
				t.Errorf("after Stop: %v", left)
			}
		})
	}
}

func sockets(t *testing.T, dir string) []string {
	left, err := filepath.Glob(filepath.Join(dir, "hermod-*"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// ended waits for a process's end.
func ended(t *testing.T, fd int, within time.Duration) bool {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(within.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
}

// TestParentWatch starts a connector without a host and holds that it ends with its standard input, where no kernel would kill it.
func TestParentWatch(t *testing.T) {
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = []string{
		"HERMOD_CONNECTOR=d1c6a1c2-hermod-connector", "HERMOD_CONNECTOR_NAME=echo", "HERMOD_PARENT_STDIN=1", "PLUGIN_PROTOCOL_VERSIONS=1",
	}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "1|1|unix|") {
		t.Fatalf("handshake %q, %v", line, err)
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil { // is for the host to act on
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// TestHostsSecretsStayWithTheHost plants a secret in the host's environment and looks for it in the child.
func TestHostsSecretsStayWithTheHost(t *testing.T) {
	t.Setenv("CONVRS_TOKEN", "planted-secret")
	t.Setenv("HTTPS_PROXY", "http://proxy.example:3128")
	t.Setenv("TZ", "Europe/London")
	f := start(t, pluginhost.Program{SelfExec: true}, func(c *pluginhost.Config) { c.PassEnv = []string{"HTTPS_PROXY"} })
	a, _ := f.open(pluginhost.AccountSpec{})
	out, err := a.Invoke(t.Context(), "look", nil)
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", f.up().PID))
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatal(err)
	}
	for _, entry := range append(seen, strings.Split(string(kernel), "\x00")...) {
		name, _, _ := strings.Cut(entry, "=")
		known := name == "" || name == "TMPDIR" || strings.HasPrefix(name, "SSL_CERT_") || name == "TZ" || name == "HTTPS_PROXY" || strings.HasPrefix(name, "PLUGIN_") || strings.HasPrefix(name, "HERMOD_")
		if !known || strings.Contains(entry, "planted-secret") {
			t.Errorf("the connector sees %s", name)
		}
	}
	if !strings.Contains(string(out), "HTTPS_PROXY=http://proxy.example:3128") || !strings.Contains(string(out), "TZ=Europe/London") {
		t.Errorf("what was to be passed is missing: %s", out)
	}
}

func TestLogsComeThroughRedacted(t *testing.T) {
	f := start(t, pluginhost.Program{SelfExec: true}, nil)
	a, _ := f.open(pluginhost.AccountSpec{})
	if _, err := a.Invoke(t.Context(), "log", nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	log := f.log.String()
	if strings.Contains(log, "7700900123") || strings.Contains(log, "ada@") {
		t.Errorf("the log shows personal data:\n%s", log)
	}
	for line := range strings.Lines(log) {
		if strings.Contains(line, "call [number]") {
			for _, part := range []string{`"level":"INFO"`, `"connector":"echo"`, `"version":"1.2.3"`, `"account":"echo-uk"`, `"n":7`} {
				if !strings.Contains(line, part) {
					t.Errorf("%s is missing in %s", part, line)
				}
			}
			return
		}
	}
	t.Errorf("the connector's line is missing:\n%s", log)
}

func TestReattach(t *testing.T) {
	c := exec.CommandContext(t.Context(), os.Args[0], "misbehave", "debug")
	c.Env = append(os.Environ(), "HERMOD_DEBUG=1")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	value, ok := strings.CutPrefix(strings.TrimSpace(line), "HERMOD_REATTACH=")
	if !ok {
		t.Fatalf("it printed %q", line)
	}
	f := start(t, pluginhost.Program{Reattach: strings.Trim(value, "'")}, nil)
	a, answers := f.open(pluginhost.AccountSpec{})
	a.Deliver(batch(10, "hello"))
	for range 10 {
		if got := answers.wait(t); got.Err != nil {
			t.Error(got.Err)
		}
	}
	if err := f.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Process.Signal(os.Interrupt); err != nil { // still there
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	bad := start(t, pluginhost.Program{Reattach: "{}"}, func(c *pluginhost.Config) { c.Logger = slog.New(slog.DiscardHandler) })
	_, err = bad.Describe(t.Context(), "echo")
	want(t, err, fault.Misconfigured, "reattach_invalid")
}
