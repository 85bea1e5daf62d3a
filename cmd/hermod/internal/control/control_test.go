package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hermodhq/hermod/cmd/hermod/internal/feed"
	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engine answers as told, so that each test sees what crosses the socket.
type engine struct {
	Engine
	ready error
}

func (engine) Send(_ context.Context, m message.Message) (message.ID, error) {
	if m.Content.Text == "no" {
		return "", &core.ConfigError{Code: "refused", Field: "to", Text: "no", Advice: "do not"}
	}
	return message.ID("id-" + string(m.Key)), nil
}

func (engine) Wait(ctx context.Context, id message.ID, until message.Outcome) (core.Status, error) {
	if id == "id-never" {
		<-ctx.Done()
		return core.Status{}, ctx.Err()
	}
	return core.Status{ID: id, Outcome: until, Account: "convrs-uk", Channel: "sms"}, nil
}

func (engine) Cancel(_ context.Context, id message.ID) (core.Status, error) {
	return core.Status{ID: id, Outcome: message.Canceled, Final: true}, nil
}

func (engine) Invoke(_ context.Context, a message.AccountID, op string, in json.RawMessage) (json.RawMessage, error) {
	if op == "break" {
		return nil, fault.New(fault.RateLimited, "slow_down", "too fast").WithVendor("429", "wait").After(time.Second)
	}
	return json.RawMessage(fmt.Sprintf(`{"account":%q,"op":%q,"in":%s}`, a, op, in)), nil
}

func (engine) Events(ctx context.Context, subscriber string, handle func(context.Context, message.Event) error) error {
	if err := handle(ctx, message.Event{ID: "e1", Type: message.EventReceipt, Source: subscriber}); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (e engine) Ready() error   { return e.ready }
func (engine) Revision() string { return "r1" }
func (engine) Accounts() []core.AccountStatus {
	return []core.AccountStatus{{Account: "convrs-uk", Queued: 3}}
}
func (engine) Connectors(context.Context) ([]connector.Description, error) {
	return []connector.Description{{Name: "convrs", Version: "0.1.0"}}, nil
}

// serve runs the API in a folder and returns a client.
func serve(t *testing.T, folder string, e Engine) *Client {
	t.Helper()
	l, err := Listen(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: Handler(Local{e, 42})}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	c, err := Dial(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestEachCallCrossesTheSocket(t *testing.T) {
	c := serve(t, t.TempDir(), engine{ready: errors.New("no rules")})
	ctx := t.Context()
	s, err := c.Status(ctx)
	if err != nil || s.PID != 42 || s.Ready || s.Reason != "no rules" || s.Revision != "r1" || len(s.Accounts) != 1 {
		t.Errorf("Status = %+v, %v", s, err)
	}
	if st, err := c.Wait(ctx, "a b", message.Read); err != nil || st.ID != "a b" || st.Outcome != message.Read {
		t.Errorf("Wait = %+v, %v", st, err)
	}
	if st, err := c.Cancel(ctx, "x"); err != nil || !st.Final {
		t.Errorf("Cancel = %+v, %v", st, err)
	}
	if out, err := c.Invoke(ctx, "convrs-uk", "Get/User", json.RawMessage(`{"id":1}`)); err != nil || string(out) != `{"account":"convrs-uk","op":"Get/User","in":{"id":1}}` {
		t.Errorf("Invoke = %s, %v", out, err)
	}
	if all, err := c.Connectors(ctx); err != nil || len(all) != 1 || all[0].Name != "convrs" {
		t.Errorf("Connectors = %+v, %v", all, err)
	}
}

func TestFaultsCrossWhole(t *testing.T) {
	c := serve(t, t.TempDir(), engine{})
	_, err := c.Invoke(t.Context(), "a", "break", nil)
	p := problem.From(err)
	if p.Code != "slow_down" || p.Exit != problem.ExitFailed || p.Fault == nil || p.Fault.Class != fault.RateLimited ||
		p.Fault.VendorCode != "429" || p.Fault.RetryAfter != time.Second || p.Advice == "" {
		t.Errorf("problem = %+v, fault %+v", p, p.Fault)
	}
}

func TestFeed(t *testing.T) {
	c := serve(t, t.TempDir(), engine{})
	in := strings.NewReader(`{"key":"1","to":{"phone":"+447700900001"},"content":{"text":"hi"}}
{"key":"never","to":{"phone":"+447700900002"},"content":{"text":"hi"}}
{"to":{"phone":"+447700900003"},"content":{"text":"no"}}
bad`)
	tally := feed.NewTally(message.Delivered)
	codes := map[int]string{}
	err := c.Feed(t.Context(), in, feed.Options{Until: message.Delivered, Timeout: 50 * time.Millisecond}, func(r feed.Result) {
		tally.Add(r)
		if r.Error != nil {
			codes[r.Line] = r.Error.Code
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]string{2: "wait_timeout", 3: "refused", 4: "json_invalid"}
	if fmt.Sprint(codes) != fmt.Sprint(want) || tally.Stored != 2 || tally.Waiting != 0 || tally.Outcomes["delivered"] != 1 {
		t.Errorf("codes %v, tally %+v", codes, tally)
	}
	if err := c.Feed(t.Context(), in, feed.Options{Until: "soon"}, func(feed.Result) {}); problem.From(err).Code != "value_invalid" {
		t.Errorf("err = %v", err)
	}
}

func TestResultsComeWhileTheInputIsOpen(t *testing.T) {
	c := serve(t, t.TempDir(), engine{})
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan feed.Result, 1)
	done := make(chan error, 1)
	go func() { done <- c.Feed(ctx, r, feed.Options{}, func(res feed.Result) { results <- res }) }()
	for i := range 3 {
		if _, err := fmt.Fprintf(w, `{"key":"%d","to":{"phone":"+447700900001"},"content":{"text":"hi"}}`+"\n", i); err != nil {
			t.Fatal(err)
		}
		if res := <-results; res.ID != message.ID(fmt.Sprintf("id-%d", i)) {
			t.Fatalf("result %+v", res)
		}
	}
	cancel() // the input stays open, as a terminal's does
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Feed = %v", err)
	}
	_ = w.Close()
}

func TestEvents(t *testing.T) {
	c := serve(t, t.TempDir(), engine{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp, err := c.do(ctx, http.MethodGet, "/v1/events?subscriber=me", nil)
	if err != nil {
		t.Fatal(err)
	}
	var e message.Event
	if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || e.ID != "e1" || e.Source != "me" {
		t.Errorf("event %+v, %v", e, err)
	}
	cancel()
	_ = resp.Body.Close()
}

func TestDial(t *testing.T) {
	if _, err := Dial(t.Context(), t.TempDir()); !errors.Is(err, ErrNoEngine) {
		t.Errorf("an empty folder: %v", err)
	}
	dead := t.TempDir()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dead, socketName)})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false) // as after a kill
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Dial(t.Context(), dead); !errors.Is(err, ErrNoEngine) {
		t.Errorf("a dead socket: %v", err)
	}
	c := serve(t, dead, engine{}) // takes the dead socket's place
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSocketIsPrivate(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	serve(t, folder, engine{})
	for name, want := range map[string]os.FileMode{folder: 0o700, filepath.Join(folder, socketName): 0o600} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
}

func TestLongPath(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	folder := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	for range 2 { // the second one clears up after the first, which did not end in order
		l, err := Listen(t.Context(), folder)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.(*socket).Listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
	c := serve(t, folder, engine{})
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 1 {
		t.Errorf("%d folders in the temporary folder, want 1: %v", len(left), err)
	}
}

func TestFolder(t *testing.T) {
	if got := Folder("/data", "/etc/hermod.yaml"); got != "/data" {
		t.Error(got)
	}
	a, b := Folder("", "/etc/a.yaml"), Folder("", "/etc/b.yaml")
	if a == b || a != Folder("", "/etc/a.yaml") {
		t.Errorf("%s and %s", a, b)
	}
}
