package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hermodhq/hermod/cmd/hermod/internal/control"
	"github.com/hermodhq/hermod/cmd/hermod/internal/feed"
	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// ada is a number that the simulator delivers to.
const ada = "+447700900140"

func letter(key string) string {
	return fmt.Sprintf(`{"key":%q,"to":{"phone":%q},"content":{"text":"Hi Ada"}}`+"\n", key, ada)
}

// sent takes the output of `send --json` apart: results by line, and the summary.
func sent(t *testing.T, o output) (map[int]feed.Result, feed.Tally) {
	t.Helper()
	results := map[int]feed.Result{}
	var last struct {
		feed.Result
		Summary *feed.Tally `json:"summary"`
	}
	for line := range strings.Lines(o.out) {
		last.Result, last.Summary = feed.Result{}, nil
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if last.Summary == nil {
			results[last.Line] = last.Result
		}
	}
	if last.Summary == nil {
		t.Fatalf("the last line is no summary:\n%s", o.out)
	}
	return results, *last.Summary
}

func TestSendWithAnEngineOfItsOwn(t *testing.T) {
	s := newSite(t)
	in := letter("a") + "\n" + `{"to":{}}` + "\nnot json\n" + letter("b")
	results, sum := sent(t, s.do(t, problem.ExitUsage, in, "send", "--json"))
	if len(results) != 4 || results[1].ID == "" || results[1].Key != "a" || results[1].Outcome != message.Accepted || results[1].Step != "convrs-uk/sms" {
		t.Errorf("results %+v", results)
	}
	if results[3].Error == nil || results[4].Error == nil || results[4].Error.Code != message.CodeJSONInvalid || results[5].ID == "" {
		t.Errorf("results %+v", results)
	}
	if sum.Stored != 2 || sum.Invalid != 2 || sum.Failed != 0 {
		t.Errorf("summary %+v", sum)
	}
}

func TestSendAsText(t *testing.T) {
	s := newSite(t)
	file := s.write(t, "letters.jsonl", letter("a")+"bad\n")
	o := s.do(t, problem.ExitUsage, "", "send", file, "--wait", "accepted")
	for _, want := range []string{file + ":1: ", " key a accepted (convrs-uk/sms)\n", file + ":2: ", "[json_invalid]"} {
		if !strings.Contains(o.out, want) {
			t.Errorf("no %q in:\n%s", want, o.out)
		}
	}
	if !strings.Contains(o.err, "2 lines: 1 stored, 1 accepted, 0 failed, 0 still under way, 1 invalid") || !strings.Contains(o.err, "convrs-uk/sms") || strings.Contains(o.err, "\r") {
		t.Errorf("summary:\n%s", o.err)
	}
	if strings.Contains(o.out+o.err, "7700900140") {
		t.Errorf("a phone number is shown:\n%s%s", o.out, o.err)
	}
}

func TestSendThatFallsShort(t *testing.T) {
	s := newSite(t)
	results, sum := sent(t, s.do(t, problem.ExitFailed, letter("a"), "send", "--json", "--wait", "read", "--timeout", "20s"))
	if sum.Failed != 1 || results[1].Outcome != message.Accepted {
		t.Errorf("a route that ends at accepted does not get to read: %+v, %+v", results, sum)
	}
}

// host is `hermod run` in this process.
type host struct {
	started started
	stop    context.CancelFunc
	done    chan int
	logs    *strings.Builder
}

func (s *site) run(t *testing.T) *host {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	h := &host{stop: cancel, done: make(chan int, 1), logs: &strings.Builder{}}
	r, w := io.Pipe()
	go func() {
		code := run(ctx, []string{"run", "--json", "-c", s.config}, strings.NewReader(""), w, h.logs)
		_ = w.Close()
		h.done <- code
	}()
	if err := json.NewDecoder(r).Decode(&h.started); err != nil {
		t.Fatalf("run did not start: %v, exit %d\n%s", err, <-h.done, h.logs)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	t.Cleanup(cancel)
	return h
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body) + fmt.Sprint(resp.Body.Close())
}

// What keeps an engine from starting is not mended by resuming an account.
func TestAdviceAtTheStart(t *testing.T) {
	for _, tt := range []struct{ code, want string }{
		{"base_url_invalid", "correct the account's configuration, and start again"},
		{"config_invalid", "correct the configuration, and start again"},
		{"plugin_unpinned", "if the program is the one that you want, run `hermod connectors pin`, and start again"},
	} {
		err := startError(fmt.Errorf("account a: %w", fault.New(fault.Misconfigured, tt.code, "no")))
		if p := problem.From(err); p.Code != tt.code || p.Advice != tt.want || p.Exit != problem.ExitEnvironment {
			t.Errorf("%+v, want the advice %q", p, tt.want)
		}
	}
}

func TestTheLogsDurationsHaveAUnit(t *testing.T) {
	var b strings.Builder
	logger, err := (&app{err: &b}).logger("info")
	if err != nil {
		t.Fatal(err)
	}
	if logger.Info("done", "took", 1500*time.Microsecond); !strings.Contains(b.String(), `"took":"1.5ms"`) {
		t.Error(b.String())
	}
}

func TestRunServesAndDrains(t *testing.T) {
	s := newSite(t)
	h := s.run(t)
	if h.started.PID != os.Getpid() || len(h.started.Accounts) != 1 || h.started.Revision == "" || h.started.Webhooks != "https://messages.example.com/webhooks" {
		t.Errorf("%+v", h.started)
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/webhooks/none/x": 404} {
		if status, body := get(t, h.started.Listen+path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	results, _ := sent(t, s.do(t, 0, letter("a"), "send", "--json", "--wait", "accepted"))
	id := string(results[1].ID)

	var timeline core.Timeline
	s.do(t, 0, "", "trace", id, "--json").decode(t, &timeline)
	if timeline.Outcome != message.Accepted || !timeline.Final || timeline.Message.Key != "a" {
		t.Errorf("timeline %+v", timeline)
	}
	if o := s.do(t, 0, "", "trace", id); !strings.Contains(o.out, "message "+id+": accepted by convrs-uk/sms (final)") || strings.Contains(o.out, "7700900140") {
		t.Error(o.out)
	}
	s.do(t, problem.ExitFailed, "", "cancel", id) // the vendor has it
	if o := s.do(t, problem.ExitFailed, "", "trace", "0198f2c4-7b1e-7c3a-9d52-0f6a1b2c3d4e"); !strings.Contains(o.err, "[message_unknown]") {
		t.Error(o.err)
	}
	s.do(t, problem.ExitUsage, "", "invoke", "convrs-uk", "fly")
	if o := s.do(t, 0, "", "doctor"); !strings.Contains(o.out, fmt.Sprintf("pid %d", os.Getpid())) || strings.Contains(o.out, "fail") {
		t.Error(o.out)
	}
	h.stop()
	if code := <-h.done; code != 0 {
		t.Errorf("exit %d\n%s", code, h.logs)
	}
	if _, err := control.Dial(t.Context(), filepath.Join(s.dir, "data")); err == nil {
		t.Error("the control socket is still served")
	}
	if strings.Contains(h.logs.String(), "7700900140") || strings.Contains(h.logs.String(), "Hi Ada") {
		t.Errorf("customers' data in the log:\n%s", h.logs)
	}
}

func TestRunRefuses(t *testing.T) {
	s := newSite(t)
	s.write(t, "rules/routes.yaml", "routes: 1\n")
	if o := s.do(t, problem.ExitUsage, "", "run"); !strings.Contains(o.err, "routes.yaml:1:9: ") {
		t.Errorf("the mistake has no place:\n%s", o.err)
	}
	s.write(t, "rules/routes.yaml", goodRules)
	h := s.run(t)
	config := strings.Replace(string(must(os.ReadFile(s.config))), "127.0.0.1:0", strings.TrimPrefix(h.started.Listen, "http://"), 1)
	s.write(t, "hermod.yaml", config)
	if o := s.do(t, problem.ExitEnvironment, "", "run"); !strings.Contains(o.err, "[listen_failed]") {
		t.Error(o.err)
	}
	s.write(t, "hermod.yaml", strings.Replace(config, strings.TrimPrefix(h.started.Listen, "http://"), "127.0.0.1:0", 1))
	if o := s.do(t, problem.ExitEnvironment, "", "run"); !strings.Contains(o.err, "[journal_locked]") {
		t.Error(o.err)
	}
	h.stop()
	<-h.done
}

// TestAccounts pauses an account of a running engine, mends it and resumes it.
func TestAccounts(t *testing.T) {
	s := newSite(t)
	if o := s.do(t, problem.ExitEnvironment, "", "accounts", "resume", "convrs-uk"); !strings.Contains(o.err, "[engine_not_running]") {
		t.Error(o.err)
	}
	text := string(must(os.ReadFile(s.config)))
	_, account, _ := strings.Cut(text, "  convrs-uk:\n")
	s.write(t, "hermod.yaml", text+"  convrs-in:\n"+strings.Replace(account, "${env:HERMOD_TEST_TOKEN}", "refused", 1))
	s.write(t, "rules/routes.yaml", strings.Replace(goodRules, "      - via", "      - via: convrs-in/sms\n      - via", 1))
	h := s.run(t)
	ok := "ACCOUNT    CONNECTOR  STATE (UTC)  WAITING  CALLS  REASON\nconvrs-in  convrs     ok           0        0      -\nconvrs-uk  convrs     ok           0        0      -\n"
	if o := s.do(t, 0, "", "accounts"); o.out != ok {
		t.Errorf("got\n%s\nwant\n%s", o.out, ok)
	}
	results, _ := sent(t, s.do(t, 0, letter("a"), "send", "--json", "--wait", "accepted"))
	if results[1].Step != "convrs-uk/sms" {
		t.Errorf("%+v", results)
	}
	o := s.do(t, 0, "", "accounts")
	if !regexp.MustCompile(`\nconvrs-in +convrs +paused since \S+ \d+ \S+ +0 +0 +unauthorized \[1001\]; put the right credentials into the configuration and restart; or mend it at the vendor, then run ` + "`hermod accounts resume convrs-in`" + `\nconvrs-uk +convrs +ok `).MatchString(o.out) {
		t.Error(o.out)
	}
	if status, body := get(t, h.started.Listen+"/readyz"); status != 200 || !strings.Contains(body, `"accounts":[{"account":"convrs-in","state":"paused","reason":"unauthorized"}]`) {
		t.Errorf("%d %s", status, body)
	}
	if _, body := get(t, h.started.Listen+"/metrics"); !regexp.MustCompile(`\nhermod_account_state{account="convrs-in",[^}]*state="paused"} 1\n`).MatchString(body) ||
		!regexp.MustCompile(`\nhermod_account_waiting{account="convrs-uk"[^}]*} 0\n`).MatchString(body) {
		t.Errorf("no state in the metrics:\n%s", body)
	}
	var resumed core.AccountStatus
	s.do(t, 0, "", "accounts", "resume", "convrs-in", "--json").decode(t, &resumed)
	if resumed.Account != "convrs-in" || resumed.State != core.AccountClosed {
		t.Errorf("%+v", resumed)
	}
	if o := s.do(t, problem.ExitFailed, "", "accounts", "resume", "convrs-in"); !strings.Contains(o.err, "[account_not_paused]") {
		t.Error(o.err)
	}
	if o := s.do(t, problem.ExitUsage, "", "accounts", "resume", "convrs-im"); !strings.Contains(o.err, `did you mean "convrs-in"?`) {
		t.Error(o.err)
	}
	h.stop()
	<-h.done
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestDoctor(t *testing.T) {
	s := newSite(t)
	var doc struct {
		OK     bool
		Checks []struct{ Check, State, Text string }
	}
	s.do(t, 0, "", "doctor", "--json").decode(t, &doc)
	if !doc.OK || len(doc.Checks) < 8 {
		t.Errorf("%+v", doc)
	}
	s.write(t, "rules/routes.yaml", "routes: 1\n")
	s.do(t, problem.ExitEnvironment, "", "doctor", "--json").decode(t, &doc)
	if doc.OK {
		t.Errorf("%+v", doc)
	}
	s.write(t, "hermod.yaml", "dta: x\n")
	if o := s.do(t, problem.ExitEnvironment, "", "doctor"); !strings.Contains(o.out, `did you mean "data"?`) {
		t.Error(o.out)
	}
}

// TestSignals runs the command as a process of its own: SIGTERM drains it.
func TestSignals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGTERM on Windows")
	}
	s := newSite(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "run", "-c", s.config)
	cmd.Env = append(os.Environ(), "HERMOD_TEST_AS_COMMAND=1")
	var logs strings.Builder
	cmd.Stderr = &logs
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(stdout)
	if line, err := out.ReadString('\n'); err != nil || !strings.HasPrefix(line, "listening on http://127.0.0.1:") {
		t.Fatalf("%q, %v\n%s", line, err, &logs)
	}
	results, _ := sent(t, s.do(t, 0, letter("a"), "send", "--json", "--wait", "accepted"))
	if results[1].Outcome != message.Accepted {
		t.Errorf("%+v", results)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(logs.String(), `"msg":"stopped"`) {
		t.Errorf("%v\n%s%s", err, rest, &logs)
	}
}
