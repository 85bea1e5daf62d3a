package core_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

// hostEnv makes the test binary an engine's host, which is killed sooner or later.
const hostEnv = "HERMOD_TEST_HOST"

// hostJob is what the host shall do.
type hostJob struct {
	Data   string
	URL    string // of the vendor
	Again  []int  // keys whose message was not acknowledged before the last kill
	Next   int    // the next new key
	Target int    // how many messages shall be under way
}

// chaosRules have a route for each policy about calls whose outcome is not known. Each may call two accounts.
const chaosRules = `routes:
  - name: next
    when: msg.category == "next"
    fallback:
      - {via: one/sms, text: "first", unknown: next}
      - {via: two/sms, text: "second", unknown: next}
  - name: wait
    when: msg.category == "wait"
    fallback:
      - {via: one/whatsapp, text: "first", until: delivered, within: 1s, unknown: wait}
      - {via: two/sms, text: "second", unknown: next}
  - name: resend
    when: msg.category == "resend"
    fallback:
      - {via: one/sms, text: "first", unknown: resend, retries: 10}
unrouted: fail
`

func chaosConfig(data, url string) core.Config {
	fs := afero.NewMemMapFs()
	_ = afero.WriteFile(fs, "rules/routes.yaml", []byte(chaosRules), 0o600)
	settings, _ := json.Marshal(map[string]any{"url": url})
	account := core.Account{Connector: "vend", Config: settings, Limits: &connector.Limits{Concurrency: 128}}
	return core.Config{Data: data, Rules: fs, Connectors: []connector.Connector{vend()},
		Accounts: map[message.AccountID]core.Account{"one": account, "two": account}}
}

func chaosMessage(key int) message.Message {
	return message.Message{Key: message.Key(fmt.Sprintf("key-%d", key)), To: message.Recipient{Phone: phone(key)},
		Category: []string{"next", "wait", "resend"}[key%3]}
}

// hostMain is the host: it says what it does on standard output, a line for each fact, and goes on until it is killed.
func hostMain(text string) int {
	var job hostJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return 2
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	live := 0
	cfg := chaosConfig(job.Data, job.URL)
	cfg.Logger = slog.New(hook(func(r slog.Record) {
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "live" {
				live = int(a.Value.Int64())
			}
			return true
		})
		if r.Level >= slog.LevelError {
			say("error %s %s", r.Message, attrs(r))
		}
	}))
	ctx := context.Background()
	engine, err := core.New(cfg)
	if err == nil {
		err = engine.Start(ctx)
	}
	if err != nil {
		say("error start: %v", err)
		return 1
	}
	say("live %d", live)
	keys := job.Again
	for i := range max(0, job.Target-live-len(keys)) {
		keys = append(keys, job.Next+i)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 512 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(keys)); i = next.Add(1) - 1 {
				say("begin %d", keys[i])
				id, err := engine.Send(ctx, chaosMessage(keys[i]))
				if err != nil {
					say("error send: %v", err)
					return
				}
				say("ack %d %s", keys[i], id)
			}
		})
	}
	wg.Wait()
	say("full")
	_, _ = io.Copy(io.Discard, os.Stdin) // the test kills this process, or is gone itself
	return 0
}

// hook is a slog handler that calls a function.
type hook func(slog.Record)

func (h hook) Enabled(context.Context, slog.Level) bool      { return true }
func (h hook) Handle(_ context.Context, r slog.Record) error { h(r); return nil }
func (h hook) WithAttrs([]slog.Attr) slog.Handler            { return h }
func (h hook) WithGroup(string) slog.Handler                 { return h }
func attrs(r slog.Record) (s string) {
	r.Attrs(func(a slog.Attr) bool { s += " " + a.String(); return true })
	return s
}

// chaos is what the test knows of the host's life.
type chaos struct {
	t      *testing.T
	v      *vendor
	dir    string
	tap    chan struct{} // the vendor answers one call for each element
	open   chan struct{} // closed: it answers every call
	acked  map[int]message.ID
	begun  map[int]bool
	lives  []int
	rounds int
}

// answerer answers calls as the tap allows, and reports deliveries. Every fourth receipt names the vendor's id only.
func (c *chaos) answerer() func(context.Context, vendCall, int) vendReply {
	return func(ctx context.Context, call vendCall, n int) vendReply {
		select {
		case <-c.tap:
		case <-c.open:
		case <-ctx.Done(): // the connector is gone: the answer reaches nobody
		}
		if call.Channel == message.WhatsApp {
			r := &message.Receipt{VendorID: vendID(call.Message, call.Attempt), Message: call.Message, Attempt: call.Attempt, Outcome: message.Delivered}
			if n%4 == 0 {
				r.Message, r.Attempt = "", 0
			}
			c.v.report(call.Account, vendEvent{Receipt: r})
		}
		return vendReply{Outcome: message.Accepted}
	}
}

// round runs a host and kills it.
func (c *chaos) round(target int, rng *rand.Rand, full bool) {
	t := c.t
	job := hostJob{Data: c.dir, URL: c.v.URL, Target: target}
	for key := range c.begun {
		job.Next = max(job.Next, key+1)
		if c.acked[key] == "" {
			job.Again = append(job.Again, key)
		}
	}
	slices.Sort(job.Again)
	text, _ := json.Marshal(job)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), hostEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe() // held open: its end is how the host learns that the test is gone
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := sync.OnceFunc(func() { _ = cmd.Process.Kill() })
	moment := c.moment(rng, full, kill)
	for scan := bufio.NewScanner(out); scan.Scan(); {
		line := scan.Text()
		c.hear(line)
		moment(line)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the host ended by itself: %v", err)
	}
}

// moment decides when to kill: some time after the start, at a call to the vendor, at an acknowledged message, or when everything
// that was to be sent is under way.
func (c *chaos) moment(rng *rand.Rand, full bool, kill func()) func(line string) {
	kind, after := rng.IntN(4), rng.IntN(300)
	if full {
		kind = 3
	}
	acks := 0
	switch kind {
	case 0:
		time.AfterFunc(time.Duration(after)*time.Millisecond, kill)
		return func(string) {}
	case 1:
		go func(from int) {
			defer kill()
			for {
				c.v.mu.Lock()
				n, changed := len(c.v.calls), c.v.changed
				c.v.mu.Unlock()
				if n >= from+after {
					return
				}
				select {
				case <-changed:
				case c.tap <- struct{}{}:
				case <-time.After(time.Second): // everything that may be called has been
					return
				}
			}
		}(c.v.count())
		return func(string) {}
	}
	return func(line string) {
		if strings.HasPrefix(line, "ack ") {
			if acks++; kind == 2 && acks == after {
				kill()
			}
		}
		if line == "full" {
			kill()
		}
	}
}

// hear takes in what the host says.
func (c *chaos) hear(line string) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "begin":
		key := 0
		_, _ = fmt.Sscan(rest, &key)
		c.begun[key] = true
	case "ack":
		key, id := 0, ""
		_, _ = fmt.Sscan(rest, &key, &id)
		if have := c.acked[key]; have != "" && have != message.ID(id) {
			c.t.Errorf("key %d has two messages: %s and %s", key, have, id)
		}
		c.acked[key] = message.ID(id)
	case "live":
		n := 0
		_, _ = fmt.Sscan(rest, &n)
		c.lives = append(c.lives, n)
	case "error":
		c.t.Errorf("the host says: %s", line)
	}
}

// TestKillNineOfTheEngine kills the engine's process again and again, at random moments, while thousands of messages are under way. In the end
// every accepted message has ended once, and the vendor was called again only where the timeline says unknown and the rule resend.
func TestKillNineOfTheEngine(t *testing.T) {
	rounds, target, seed := 20, 10_000, rand.Uint64()
	if testing.Short() {
		rounds, target = 3, 1000
	}
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	c := &chaos{t: t, v: newVendor(t), dir: filepath.Join(t.TempDir(), "journal"), rounds: rounds,
		tap: make(chan struct{}, 64), open: make(chan struct{}), acked: map[int]message.ID{}, begun: map[int]bool{}}
	c.v.answer = c.answerer()
	c.v.behaves()
	began := time.Now()
	for i := range rounds {
		for range rng.IntN(64) {
			select {
			case c.tap <- struct{}{}:
			default:
			}
		}
		c.round(target+target/10, rng, i == 0)
	}
	t.Logf("%d kills in %s; live after each: %v; %d keys", rounds, time.Since(began).Round(time.Millisecond), c.lives, len(c.begun))
	for _, live := range c.lives[min(1, len(c.lives)):] {
		if live < target {
			t.Errorf("only %d messages were under way at a kill", live)
		}
	}
	close(c.open)
	k := &kit{t: t, v: c.v, cfg: chaosConfig(c.dir, c.v.URL)}
	k.start()
	t.Cleanup(k.stop)
	for key := range c.begun { // a key that was never acknowledged may or may not have a message
		id := k.send(chaosMessage(key))
		if have := c.acked[key]; have != "" && have != id {
			t.Errorf("key %d has two messages: %s and %s", key, have, id)
		}
		c.acked[key] = id
	}
	for _, id := range c.acked {
		k.reaches(id, "")
	}
	newAudit(t, k, len(c.acked)).judge(c.v.seen(), c.acked)
	t.Logf("all over after %s", time.Since(began).Round(time.Millisecond))
}
