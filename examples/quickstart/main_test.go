package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/examples/quickstart/internal/host"
	"github.com/hermodhq/hermod/plugins/convrs"
	"github.com/hermodhq/hermod/plugins/convrs/convrssim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// TestMain lets the test binary be the host and the connector, as the program is.
func TestMain(m *testing.M) {
	connector.ServeIfAsked(convrs.New())
	if len(os.Args) == 2 && os.Args[1] == host.Command {
		os.Exit(host.Run(context.Background()))
	}
	goleak.VerifyTestMain(m)
}

// output is what a demo has printed so far, and can be waited for.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.text.Write(p)
}

// count waits until the text stands there n times, and returns everything.
func (o *output) count(ctx context.Context, text string, n int) (string, error) {
	for {
		o.mu.Lock()
		all, changed := o.text.String(), o.changed
		o.mu.Unlock()
		if strings.Count(all, text) >= n {
			return all, nil
		}
		select {
		case <-ctx.Done():
			return all, ctx.Err()
		case <-changed:
		}
	}
}

func start(t *testing.T, args ...string) (context.Context, *demo, *output) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	opts, err := parse(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	out := &output{changed: make(chan struct{})}
	d, err := newDemo(ctx, opts, out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(out.text.String())
		}
	})
	return ctx, d, out
}

// TestDemo plays all three acts, the last with fewer messages, and holds the demo's own figures to what it claims.
func TestDemo(t *testing.T) {
	t.Parallel()
	ctx, d, out := start(t, "-burst", "60")
	sent, err := d.sendAll(ctx)
	if err != nil {
		t.Fatal(err)
	}
	checkSending(t, sent)
	if err := d.editRules(ctx); err != nil {
		t.Fatal(err)
	}
	b, err := d.killHost(ctx)
	if err != nil {
		t.Fatal(err)
	}
	checkBurst(t, b)
	checkText(t, out.text.String())
	checkLog(t, d)
}

func checkSending(t *testing.T, s *sending) {
	t.Helper()
	if all := len(scripted()); len(s.timelines) != all-1 || finals(s.timelines) != all-1 || s.repeated == "" {
		t.Errorf("%d messages became %d, %d of them final; the repeated one is %q", all, len(s.timelines), finals(s.timelines), s.repeated)
	}
	for _, k := range interesting(s.repeated) {
		found := false
		for _, title := range s.shown {
			found = found || title == k.title
		}
		if !found {
			t.Errorf("no message shows: %s", k.title)
		}
	}
	for outcome, n := range outcomes(s.timelines) {
		if o := message.Outcome(outcome); o == message.Unknown || !o.Valid() {
			t.Errorf("%d messages ended as %q", n, outcome)
		}
	}
}

func checkBurst(t *testing.T, b *burst) {
	t.Helper()
	if len(b.timelines) != 60 || finals(b.timelines) != 60 || b.lost() != 0 {
		t.Errorf("%d accepted, %d final, %d lost", len(b.timelines), finals(b.timelines), b.lost())
	}
	ids, early, out := map[message.ID]bool{}, 0, 0
	for i := range b.timelines {
		tl := &b.timelines[i]
		ids[tl.ID] = true
		if tl.Entries[0].At.Before(b.killed) {
			early++
		}
		if interrupted(tl) {
			out++
		}
	}
	if len(ids) != 60 || early < 45 || early == 60 || out == 0 {
		t.Errorf("%d ids, %d accepted before the kill, %d calls out: the kill did not come in the middle", len(ids), early, out)
	}
	if b.vendor.calls < 60 || b.vendor.taken > b.vendor.calls || b.vendor.doubled != 0 {
		t.Errorf("the vendor saw %+v", b.vendor)
	}
}

var phone = regexp.MustCompile(`\+(44|1)[0-9]{6,}|7700900[0-9]{3}`)

// checkText holds what is printed to the width of a terminal, and to keep numbers to itself.
func checkText(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > columns {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, want := range []string{"Act 1:", "Act 2:", "Act 3:", `cannot be "deliverd"`, "Outcomes by step:", "kill -9 "} {
		if !strings.Contains(text, want) {
			t.Errorf("the demo does not print %q", want)
		}
	}
	if strings.Contains(text, "\x1b") || phone.MatchString(text) {
		t.Errorf("colours without a terminal, or a phone number: %s", phone.FindString(text))
	}
}

// checkLog holds that the host's log has no secret, no number and no text of a message.
func checkLog(t *testing.T, d *demo) {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(d.dir, "host.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{convrssim.Token, d.front.Settings().Secret, "7700900", "is your code", "has shipped"} {
		if bytes.Contains(log, []byte(secret)) {
			t.Errorf("the host's log has %q", secret)
		}
	}
}

// TestStay kills the host while the demo stays, and sends to the next one.
func TestStay(t *testing.T) {
	t.Parallel()
	ctx, d, out := start(t, "-keep")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	first := d.host.PID()
	done := make(chan error, 1)
	go func() { done <- d.stay(ctx) }()
	if _, err := out.count(ctx, "Everything runs until Ctrl-C", 1); err != nil {
		t.Fatal(err)
	}
	p, err := os.FindProcess(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	if text, err := out.count(ctx, "Everything runs until Ctrl-C", 2); err != nil {
		t.Fatal(err, text)
	}
	m, err := message.Decode([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	id, err := d.front.Send(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := d.front.Final(ctx, id); err != nil || !s.Final {
		t.Errorf("%+v, %v", s, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestParse(t *testing.T) {
	for _, bad := range [][]string{{"-burst", "39"}, {"-burst", "201"}, {"-burst", "many"}, {"-nonsense"}} {
		if _, err := parse(bad, io.Discard); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestWrap(t *testing.T) {
	long := strings.Repeat("word ", 30)
	for _, tt := range []struct{ name, in, want string }{
		{"short", "  a  b", "  a  b\n"},
		{"empty", "", "\n"},
		{"plain", long, strings.TrimSpace(long[:100]) + "\n" + strings.TrimSpace(long[100:]) + "\n"},
		{"column", "  key  " + long, "  key  " + strings.TrimSpace(long[:90]) + "\n       " + strings.TrimSpace(long[90:]) + "\n"},
		{"no space", strings.Repeat("x", 120), strings.Repeat("x", 120) + "\n"},
		{"wide characters", strings.Repeat("…", 99) + " end", strings.Repeat("…", 99) + "\nend\n"},
	} {
		if got := wrap(tt.in); got != tt.want {
			t.Errorf("%s: got\n%swant\n%s", tt.name, got, tt.want)
		}
	}
}

func FuzzWrap(f *testing.F) {
	f.Add("  key  " + strings.Repeat("word ", 30))
	f.Add(strings.Repeat("… ", 80))
	f.Fuzz(func(t *testing.T, line string) {
		if strings.ContainsAny(line, "\n\r") || !utf8.ValidString(line) {
			t.Skip()
		}
		if got, want := strings.Join(strings.Fields(wrap(line)), " "), strings.Join(strings.Fields(line), " "); got != want {
			t.Errorf("words changed: %q became %q", want, got)
		}
	})
}

func TestSMSFirst(t *testing.T) {
	moved, err := smsFirst(routes)
	if err != nil || len(moved) != len(routes) || strings.Index(moved, "  - name: reminders\n") != strings.Index(routes, "  - name: reminders\n") {
		t.Errorf("%v\n%s", err, moved)
	}
	if _, err := smsFirst(moved); err == nil {
		t.Error("a file whose last step is another is taken")
	}
}

// TestTally holds how entries count: the most that came of a step, and a failure over a mere acceptance.
func TestTally(t *testing.T) {
	call := core.Entry{Type: message.EventAttempted, Step: 1}
	receipt := func(o message.Outcome) core.Entry {
		return core.Entry{Type: message.EventReceipted, Step: 1, Outcome: o}
	}
	broken := core.Entry{Type: message.EventAnswered, Step: 1, Fault: &fault.Fault{Class: fault.OutcomeUnknown}}
	refused := core.Entry{Type: message.EventReceipted, Step: 1, Fault: &fault.Fault{Class: fault.InvalidRecipient}}
	for _, tt := range []struct {
		name    string
		entries []core.Entry
		want    message.Outcome
	}{
		{"read", []core.Entry{call, receipt(message.Accepted), receipt(message.Read), receipt(message.Delivered)}, message.Read},
		{"refused later", []core.Entry{call, receipt(message.Sent), refused}, message.Failed},
		{"called again", []core.Entry{call, refused, call, receipt(message.Sent)}, message.Sent},
		{"unknown", []core.Entry{call, broken}, message.Unknown},
		{"unknown, then there", []core.Entry{call, broken, receipt(message.Delivered)}, message.Delivered},
		{"no answer", []core.Entry{call}, ""},
	} {
		if got := best(tt.entries)[1]; got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
