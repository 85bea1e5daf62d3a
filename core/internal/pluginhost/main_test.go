//go:build linux

package pluginhost_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hermodhq/hermod/core/internal/pluginhost"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// TestMain makes the test's binary its own connector, host or misbehaving program when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "misbehave" {
		misbehave(os.Args[2])
		return
	}
	if os.Getenv("HERMOD_TEST_HOST") != "" {
		hostThatIsKilled()
		return
	}
	connector.ServeIfAsked(testConnector("echo"), testConnector("other"))
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // or each child waits a second under the race detector
	goleak.VerifyTestMain(m)
}

type config struct {
	Vendor string           `json:"vendor,omitempty"` // URL that Send posts to
	Token  connector.Secret `json:"token,omitempty"`
	Fail   bool             `json:"fail,omitempty"`   // opening fails
	Events int              `json:"events,omitempty"` // Listen emits so many, and ends
}

type account struct {
	config  config
	id      message.AccountID
	release chan struct{}
}

func testConnector(name message.ConnectorName) connector.Connector {
	return connector.Define(connector.Spec{
		Name: name, Version: "1.2.3", Summary: "Echoes.", Vendor: "Test",
		Channels: []connector.ChannelInfo{{
			Channel: message.SMS, Kinds: []message.ContentKind{message.KindText}, MaxText: 100, Receipts: connector.Pushed,
			Outcomes: []message.Outcome{message.Accepted}, TTL: time.Minute,
		}},
		Events: []message.EventType{message.EventReceipt}, Limits: connector.Limits{PerSecond: 10.5},
	}, func(_ context.Context, c config, env connector.Env) (*account, error) {
		if c.Fail {
			return nil, fault.New(fault.Unauthorized, "bad_token", "the token is refused")
		}
		return &account{config: c, id: env.Account, release: make(chan struct{})}, nil
	},
		connector.Op("echo", "GET /echo", "Gives back.", false, func(_ context.Context, _ *account, in struct {
			Text string `json:"text"`
		}) (map[string]string, error) {
			return map[string]string{"text": in.Text}, nil
		}),
		connector.Op("exit", "POST /exit", "Dies.", true, func(context.Context, *account, struct{}) (struct{}, error) {
			os.Exit(7)
			return struct{}{}, nil
		}),
		connector.Op("look", "GET /env", "Shows the environment.", false, func(context.Context, *account, struct{}) ([]string, error) {
			return os.Environ(), nil
		}),
		connector.Op("large", "GET /large", "Answers 20 MiB.", false, func(context.Context, *account, struct{}) (string, error) {
			return strings.Repeat("x", 20<<20), nil
		}),
		connector.Op("panic", "POST /panic", "Panics.", true, func(context.Context, *account, struct{}) (struct{}, error) {
			panic("secret in a panic")
		}),
		connector.Op("log", "POST /log", "Logs.", false, func(ctx context.Context, _ *account, _ struct{}) (int, error) {
			slog.InfoContext(ctx, "call +447700900123", "email", "ada@example.com", "n", 7)
			fmt.Println("printed to standard output")
			return os.Getpid(), nil
		}),
	)
}

// Send does what the text says.
func (a *account) Send(ctx context.Context, d connector.Delivery) (connector.Result, error) {
	ok := connector.Result{VendorID: message.VendorMessageID(d.Message), Outcome: message.Accepted}
	switch d.Content.Text {
	case "refuse":
		return connector.Result{}, fault.New(fault.InvalidRecipient, "no_such_number", "no such number").WithVendor("404", "unknown")
	case "panic":
		panic("boom")
	case "crash":
		go panic("crashed on purpose")
		<-ctx.Done()
	case "hang": // ignores its context
		<-a.release
	case "slow":
		<-ctx.Done()
		return connector.Result{}, ctx.Err()
	case "large":
		ok.Detail = map[string]string{"x": strings.Repeat("x", 1<<20)}
	case "call":
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.config.Vendor, strings.NewReader(string(d.Message)))
		if err != nil {
			return connector.Result{}, err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return connector.Result{}, fault.New(fault.OutcomeUnknown, "vendor_broke", "the vendor's connection broke")
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return ok, errors.Join(err, resp.Body.Close())
	}
	return ok, nil
}

func (a *account) Receive(_ context.Context, r *connector.Request) (*connector.Response, []message.Event, error) {
	if r.Header.Get("X-Signature") != "good" {
		return nil, nil, fault.New(fault.Unauthorized, "bad_signature", "the signature does not match")
	}
	return &connector.Response{Status: 202, Header: http.Header{"X-Path": {r.Path}}, Body: r.Body},
		[]message.Event{{ID: "e1", Type: message.EventReceipt, Account: "somebody-else"}}, nil
}

func (a *account) Query(_ context.Context, q connector.Query) (message.Receipt, error) {
	return message.Receipt{VendorID: q.VendorID, Outcome: message.Delivered}, nil
}

func (a *account) Listen(ctx context.Context, emit func(context.Context, message.Event) error) error {
	for i := range a.config.Events {
		if err := emit(ctx, message.Event{ID: message.EventID(fmt.Sprint(a.id, "-", i)), Type: message.EventReceipt}); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

// fixture is a host with one set of programs and everything it said.
type fixture struct {
	*pluginhost.Host
	t      testing.TB
	config pluginhost.Config
	states chan pluginhost.ConnectorState
	log    *lockedBuffer
}

// programs runs the same connector in both ways.
func programs() map[string]pluginhost.Program {
	return map[string]pluginhost.Program{"subprocess": {SelfExec: true}, "in-process": {InProcess: testConnector("echo")}}
}

func start(t testing.TB, program pluginhost.Program, change func(*pluginhost.Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, states: make(chan pluginhost.ConnectorState, 1000), log: &lockedBuffer{}}
	f.config = pluginhost.Config{
		Programs: map[message.ConnectorName]pluginhost.Program{"echo": program},
		Logger:   slog.New(slog.NewJSONHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Events:   func(context.Context, message.AccountID, []message.Event) error { return nil },
		StateChanged: func(s pluginhost.ConnectorState) {
			select {
			case f.states <- s:
			default:
			}
		},
		BackoffMin: 5 * time.Millisecond, BackoffMax: 50 * time.Millisecond, CallTimeout: 20 * time.Second,
		PassEnv: []string{"GORACE"},
	}
	if change != nil {
		change(&f.config)
	}
	h, err := pluginhost.New(f.config)
	if err != nil {
		t.Fatal(err)
	}
	f.Host = h
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := h.Stop(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("stop: %v", err)
		}
	})
	return f
}

// answers collects an account's answers.
type answers chan connector.Answer

func (c answers) take(batch []connector.Answer) {
	for _, a := range batch {
		c <- a
	}
}

func (f *fixture) open(spec pluginhost.AccountSpec) (*pluginhost.Account, answers) {
	f.t.Helper()
	c := make(answers, 100000)
	if spec.ID == "" {
		spec.ID = "echo-uk"
	}
	spec.Connector, spec.Answers = "echo", c.take
	a, err := f.Open(f.t.Context(), spec)
	if err != nil {
		f.t.Fatal(err)
	}
	return a, c
}

// wait takes one answer.
func (c answers) wait(t testing.TB) connector.Answer {
	t.Helper()
	select {
	case a := <-c:
		return a
	case <-time.After(15 * time.Second):
		t.Fatal("no answer came")
		return connector.Answer{}
	}
}

// state waits for a state.
func (f *fixture) state(match func(pluginhost.ConnectorState) bool) pluginhost.ConnectorState {
	f.t.Helper()
	deadline := time.After(15 * time.Second)
	for {
		select {
		case s := <-f.states:
			if match(s) {
				return s
			}
		case <-deadline:
			f.t.Fatalf("the state did not come; the log:\n%s", f.log)
		}
	}
}

func (f *fixture) up() pluginhost.ConnectorState {
	f.t.Helper()
	return f.state(func(s pluginhost.ConnectorState) bool { return s.Phase == "up" })
}

func delivery(id, text string) connector.Delivery {
	return connector.Delivery{
		Message: message.ID(id), Attempt: 1, Channel: message.SMS, To: message.Recipient{Phone: "+447700900123", Country: "GB"},
		Content: message.Content{Text: text}, Category: "order",
	}
}

func batch(n int, text string) []connector.Delivery {
	out := make([]connector.Delivery, n)
	for i := range out {
		out[i] = delivery(fmt.Sprintf("m%d", i), text)
	}
	return out
}

// want checks an answer's fault.
func want(t testing.TB, err error, class fault.Class, code string) {
	t.Helper()
	if f := fault.From(err); f == nil || f.Class != class || f.Code != code {
		t.Errorf("the fault is %v, want %s [%s]", err, class, code)
	}
}

// self is this binary as a pinned program.
func self(t testing.TB, args ...string) pluginhost.Program {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return pluginhost.Program{Path: path, Args: args, SHA256: sum[:]}
}

func raw(v any) json.RawMessage {
	b, _ := json.Marshal(v)
	return b
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
