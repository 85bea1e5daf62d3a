package core_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

type deskConfig struct {
	URL string `json:"url"`
}

type deskAccount struct{ url string }

type deskTicket struct {
	Subject string `json:"subject"`
	Urgent  bool   `json:"urgent,omitempty"`
}

// desk is a connector with an operation that makes a ticket, and that reports one new ticket again each time it is started.
func desk() connector.Connector {
	return connector.Define(connector.Spec{Name: "desk", Version: "1.0.0", Summary: "Makes tickets.", Vendor: "none", Events: []message.EventType{"ticket.new"}},
		func(_ context.Context, c deskConfig, _ connector.Env) (*deskAccount, error) {
			return &deskAccount{url: c.URL}, nil
		},
		connector.Op("ticket.create", "POST /tickets", "Makes a ticket.", true, func(ctx context.Context, a *deskAccount, in deskTicket) (map[string]int, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, strings.NewReader(in.Subject))
			if err != nil {
				return nil, err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return nil, fault.New(fault.OutcomeUnknown, "lost", "the connection broke: %w", err)
			}
			return map[string]int{"id": 7}, resp.Body.Close()
		}))
}

// Listen reports the same event at each start.
func (a *deskAccount) Listen(ctx context.Context, emit func(context.Context, message.Event) error) error {
	if err := emit(ctx, message.Event{ID: "ticket-1", Type: "ticket.new", User: "u1", Data: json.RawMessage(`{"subject":"Parcel lost"}`)}); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

const reactionRules = `
routes: [{name: all, fallback: [{via: one/sms}]}]
reactions:
  - name: ticket
    on: ticket.new
    do:
      - {call: desk/ticket.create, with: {subject: "{{ event.data.subject }}", urgent: true}}
      - send: {to: {phone: "+447700900123"}, content: {text: "About: {{ event.data.subject }}"}}
      - {tell: told, with: {subject: "{{ event.data.subject }}"}}
`

func deskServer(t *testing.T, handle http.HandlerFunc) *httptest.Server {
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return s
}

func withDesk(url string) func(*core.Config) {
	return func(c *core.Config) {
		c.InProcess = true
		c.Connectors = append(c.Connectors, desk())
		c.Accounts["desk"] = core.Account{Connector: "desk", Config: json.RawMessage(`{"url":"` + url + `"}`)}
	}
}

func ofType(t message.EventType) func(message.Event) bool {
	return func(ev message.Event) bool { return ev.Type == t }
}

// A vendor's event leads to a call of another vendor, a message and a signal, once, also when the vendor reports it again after a restart.
func TestReactions(t *testing.T) {
	var tickets atomic.Int32
	s := deskServer(t, func(http.ResponseWriter, *http.Request) { tickets.Add(1) })
	v := newVendor(t)
	k := newKit(t, v, reactionRules, withDesk(s.URL))
	events := k.until("test", ofType(message.EventReactionTold))
	if c := v.await(t, 1); c[0].Text != "About: Parcel lost" || c[0].To != "+447700900123" {
		t.Errorf("the message was %+v", c[0])
	}
	told := events[len(events)-1]
	if !strings.Contains(string(told.Data), `"with":{"subject":"Parcel lost"}`) || told.Account != "desk" || told.User != "u1" {
		t.Errorf("told %+v", told)
	}
	for _, ev := range events {
		if ev.Type == message.EventReactionDone && ev.Message != "" {
			if tl, err := k.Trace(t.Context(), ev.Message); err != nil || tl.Message.Labels["hermod.depth"] != "1" {
				t.Errorf("the message is %+v, %v", tl.Message, err)
			}
		}
	}
	k.restart()
	k.ends(k.send(text(1, "hello")), message.Accepted, "")
	k.restart()
	if n := tickets.Load(); n != 1 || v.count() != 2 {
		t.Errorf("%d tickets and %d messages, want 1 and 2", n, v.count())
	}
}

// A call that Stop gives up is recorded as unknown at the next start, and not made again.
func TestReactionAbandoned(t *testing.T) {
	called := make(chan struct{}, 2)
	s := deskServer(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		called <- struct{}{}
		<-r.Context().Done()
	})
	k := newKit(t, newVendor(t), reactionRules, withDesk(s.URL))
	<-called
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = k.Stop(ctx)
	k.start()
	k.until("test", ofType(message.EventReactionUnknown))
	k.restart()
	if len(called) != 0 {
		t.Error("the call was made again")
	}
}

const reactHostEnv = "HERMOD_TEST_REACT_HOST"

// reactHostMain is an engine that runs until it is killed, and says which events about reactions it has.
func reactHostMain(text string) int {
	data, url, _ := strings.Cut(text, " ")
	fs := afero.NewMemMapFs()
	rules := strings.Replace(reactionRules, "via: one/sms", "via: echo/sms", 1)
	if err := afero.WriteFile(fs, "rules/a.yaml", []byte(rules), 0o600); err != nil {
		return 2
	}
	engine, err := core.New(core.Config{Data: data, Rules: fs, InProcess: true, Connectors: []connector.Connector{desk(), echo()}, Accounts: map[message.AccountID]core.Account{
		"desk": {Connector: "desk", Config: json.RawMessage(`{"url":"` + url + `"}`)}, "echo": {Connector: "echo", Config: json.RawMessage("{}")}}})
	if err == nil {
		err = engine.Start(context.Background())
	}
	if err == nil {
		err = engine.Events(context.Background(), fmt.Sprint(os.Getpid()), func(_ context.Context, ev message.Event) error {
			fmt.Println(ev.Type)
			return nil
		})
	}
	fmt.Println("error", err)
	return 1
}

// The host is killed with SIGKILL while the vendor has the call, and after it has answered: the vendor gets the call once.
func TestReactionHostKilled(t *testing.T) {
	for _, moment := range []string{"during", "after"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			called := make(chan struct{}, 10)
			s := deskServer(t, func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				calls.Add(1)
				called <- struct{}{}
				if moment == "during" {
					<-r.Context().Done()
				}
			})
			job := t.TempDir() + " " + s.URL
			kill, lines := reactHost(t, job)
			<-called
			want := message.EventReactionUnknown
			if moment == "after" {
				want = message.EventReactionTold
				awaitLine(t, lines, string(message.EventReactionDone))
			}
			kill()
			kill, lines = reactHost(t, job)
			awaitLine(t, lines, string(want))
			kill()
			kill, lines = reactHost(t, job)
			awaitLine(t, lines, string(want))
			kill()
			if n := calls.Load(); n != 1 {
				t.Errorf("the vendor was called %d times", n)
			}
		})
	}
}

// reactHost starts a host in a process of its own. kill ends it at once.
func reactHost(t *testing.T, job string) (kill func(), lines <-chan string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), reactHostEnv+"="+job)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c, done := make(chan string, 1000), make(chan struct{})
	go func() {
		defer close(done)
		for s := bufio.NewScanner(out); s.Scan(); {
			c <- s.Text()
		}
	}()
	return func() {
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait()
	}, c
}

func awaitLine(t *testing.T, lines <-chan string, want string) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case got := <-lines:
			if got == want {
				return
			}
		case <-timeout:
			t.Errorf("no %s", want)
			return
		}
	}
}
