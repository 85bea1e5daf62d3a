package accounts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/hermodhq/hermod/cmd/hermod/internal/control"
	"github.com/hermodhq/hermod/cmd/hermod/internal/doctor"
	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/message"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// night is an engine at three in the morning: an account in each state.
func night() []core.AccountStatus {
	at := func(minute, second int) time.Time {
		return time.Date(2026, 11, 22, 3, minute, second, 0, time.FixedZone("", 3600))
	}
	const look = "look at the vendor's status page; it is tried again by itself"
	return []core.AccountStatus{
		{Account: "chat-uk", Connector: "chat", State: core.AccountClosed, Queued: 3, InFlight: 64},
		{Account: "chat-in", Connector: "chat", State: core.AccountHeld, Queued: 1204, Reason: "retry_after", Until: at(5, 30), Advice: "lower the account's limits if this lasts"},
		{Account: "desk", Connector: "desk", State: core.AccountOpen, Queued: 17, Reason: "unavailable", Since: at(0, 1), Until: at(0, 16), Advice: look},
		{Account: "desk-2", Connector: "desk", State: core.AccountHalfOpen, InFlight: 3, Reason: "internal", Since: at(0, 2), Advice: look},
		{Account: "sms", Connector: "sms", State: core.AccountPaused, Reason: "unauthorized", Since: at(2, 0), Advice: "put the right credentials into the configuration and restart; or mend it at the vendor, then run `hermod accounts resume sms`"},
		{Account: "sms-2", Connector: "sms", State: core.AccountDown, Queued: 9, Reason: "unavailable", Text: "unavailable [connect]: no \x1b[31manswer",
			Since: at(0, 0), Until: at(4, 12), Advice: "wait for the vendor, or look at its status page"},
		{Account: "sms-3", Connector: "sms", State: core.AccountDown, Reason: "misconfigured", Text: "misconfigured [bot_unknown] (vendor said 1015)",
			Since: at(0, 0), Advice: "correct the account's configuration and restart; or mend it at the vendor, then run `hermod accounts resume sms-3`"},
		{Account: "sms-4", Connector: "sms", State: core.AccountDown},
		{Account: "x", Connector: "x", State: "of_a_later_version"},
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	if err := Table(&b, night()); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	for _, s := range night() {
		f := Finding(s)
		if err := doctor.Write(&b, []doctor.Finding{f}); err != nil {
			t.Fatal(err)
		}
		if wants := s.State == core.AccountPaused || s.State == core.AccountDown; wants != (f.State == doctor.Fail) {
			t.Errorf("%s: %s", s.State, f.State)
		}
	}
	golden(t, "table.txt", problem.Plain(b.String()))
}

// engine has the accounts of a night; resumed are those that it was asked to resume.
type engine struct {
	control.Engine
	accounts []core.AccountStatus
	resumed  []message.AccountID
}

func (e *engine) Accounts() []core.AccountStatus { return e.accounts }
func (e *engine) Revision() string               { return "r1" }
func (e *engine) Ready() error {
	if e.accounts == nil {
		return core.ErrStopped
	}
	return nil
}

func (e *engine) Resume(id message.AccountID) error {
	e.resumed = append(e.resumed, id)
	for i := range e.accounts {
		if s := &e.accounts[i]; s.Account == id && s.State == core.AccountPaused {
			*s = core.AccountStatus{Account: id, Connector: s.Connector, State: core.AccountClosed, Queued: s.Queued}
		}
	}
	return nil
}

// serve serves an engine's control socket and returns its folder.
func serve(t *testing.T, e control.Engine) string {
	t.Helper()
	folder := t.TempDir()
	l, err := control.Listen(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: control.Handler(control.Local{Engine: e, PID: 42})}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return folder
}

// call runs a command line against the engine of a folder; without --json its words, and what went wrong.
func call(t *testing.T, folder string, args ...string) (string, error) {
	t.Helper()
	var b strings.Builder
	asJSON := args[len(args)-1] == "--json"
	cmd := Command(Tools{
		Print: func(v any, text func(io.Writer) error) error {
			if asJSON {
				return json.NewEncoder(&b).Encode(v)
			}
			return text(&b)
		},
		Dial: func(ctx context.Context) (*control.Client, error) { return control.Dial(ctx, folder) },
	})
	if asJSON {
		args = args[:len(args)-1]
	}
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	if err != nil {
		if printed := problem.Print(&b, err); printed != nil {
			t.Fatal(printed)
		}
	}
	return b.String(), err
}

func TestCommands(t *testing.T) {
	e := &engine{accounts: night()}
	folder := serve(t, e)
	var b strings.Builder
	for _, line := range []string{"resume sms", "resume sms", "resume sms-2", "resume desk", "resume smss", "resume nothing-like-it", "resume", "rseume sms"} {
		out, err := call(t, folder, strings.Fields(line)...)
		b.WriteString("$ hermod accounts " + line + "\n" + out)
		if p := problem.From(err); p != nil {
			b.WriteString("exit " + string(rune('0'+p.Exit)) + "\n")
		}
		b.WriteByte('\n')
	}
	golden(t, "commands.txt", b.String())
	if diff := cmp.Diff([]message.AccountID{"sms", "sms-2"}, e.resumed); diff != "" {
		t.Errorf("resumed: %s", diff)
	}
	var all []core.AccountStatus
	out, err := call(t, folder, "--json")
	if err := errors.Join(err, json.Unmarshal([]byte(out), &all)); err != nil || len(all) != 9 || all[6].Text == "" || !all[5].Until.Equal(night()[5].Until) {
		t.Errorf("%v\n%s", err, out)
	}
	var one core.AccountStatus
	out, err = call(t, folder, "resume", "sms-3", "--json")
	if err := errors.Join(err, json.Unmarshal([]byte(out), &one)); err != nil || one.Account != "sms-3" || one.State != core.AccountDown {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestWithoutAnEngine(t *testing.T) {
	var b strings.Builder
	stopping := serve(t, &engine{})
	for _, folder := range []string{t.TempDir(), stopping} {
		for _, args := range [][]string{{"--json"}, {"resume", "sms"}} {
			out, err := call(t, folder, args...)
			if problem.Exit(err) != problem.ExitEnvironment {
				t.Errorf("%v: %v", args, err)
			}
			b.WriteString(out)
		}
	}
	golden(t, "without.txt", b.String())
}
