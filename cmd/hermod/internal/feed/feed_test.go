package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeHost takes every message; what becomes of it is told by its text.
type fakeHost struct {
	mu   sync.Mutex
	sent []message.Message
}

func (h *fakeHost) Send(_ context.Context, m message.Message) (message.ID, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.Content.Text == "refuse" {
		return "", fault.New(fault.Unavailable, "journal_disk_full", "the disk is full")
	}
	h.sent = append(h.sent, m)
	return message.ID(m.Content.Text + "/" + m.To.Phone), nil
}

func (h *fakeHost) Wait(ctx context.Context, id message.ID, until message.Outcome) (State, error) {
	switch text, _, _ := strings.Cut(string(id), "/"); text {
	case "fail":
		return State{Outcome: message.Failed, Reason: "no step is left"}, nil
	case "stuck":
		<-ctx.Done()
		return State{Outcome: message.Sent}, ctx.Err()
	case "short":
		return State{Outcome: message.Accepted, Step: "convrs-uk/sms"}, nil
	}
	return State{Outcome: until, Step: "convrs-uk/whatsapp"}, nil
}

func line(n int, text string) string {
	return fmt.Sprintf(`{"key":"k%d","to":{"phone":"+44770090%04d"},"content":{"text":%q}}`, n, n, text)
}

func collect(t *testing.T, ctx context.Context, in io.Reader, host Host, o Options) ([]Result, *Tally, error) {
	t.Helper()
	tally := NewTally(o.Until)
	var all []Result
	err := Run(ctx, in, host, o, func(r Result) {
		tally.Add(r)
		if !r.Waiting {
			all = append(all, r)
		}
	})
	slices.SortFunc(all, func(a, b Result) int { return a.Line - b.Line })
	return all, tally, err
}

func TestRun(t *testing.T) {
	in := strings.Join([]string{
		"\xef\xbb\xbf" + line(1, "ok"), "", "  \r", line(4, "ok") + "\r", `{"too":{}}`, line(6, "refuse"), "not json", line(8, "ok"),
	}, "\n")
	for _, tt := range []struct {
		name string
		opts Options
		want string
		exit int
	}{
		{"stored", Options{}, "1 stored\n4 stored\n5 field_unknown\n6 journal_disk_full\n7 json_invalid\n8 stored\n", problem.ExitUsage},
		{"delivered", Options{Until: message.Delivered},
			"1 delivered\n4 delivered\n5 field_unknown\n6 journal_disk_full\n7 json_invalid\n8 delivered\n", problem.ExitUsage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			results, tally, err := collect(t, t.Context(), strings.NewReader(in), &fakeHost{}, tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, table(results)); diff != "" {
				t.Error(diff)
			}
			if tally.Exit() != tt.exit || tally.Stored != 3 || tally.Reached != 3 || tally.UnderWay != 0 || tally.Failed != 1 || tally.Invalid != 2 || tally.Waiting != 0 || tally.Lines != 6 {
				t.Errorf("tally %+v, exit %d", tally, tally.Exit())
			}
		})
	}
}

func table(results []Result) string {
	var b strings.Builder
	for _, r := range results {
		what := name(r.Outcome)
		if r.Error != nil {
			what = r.Error.Code
		}
		fmt.Fprintf(&b, "%d %s\n", r.Line, what)
	}
	return b.String()
}

func TestOutcomesThatFallShort(t *testing.T) {
	in := line(1, "ok") + "\n" + line(2, "fail") + "\n" + line(3, "short") + "\n" + line(4, "stuck")
	synctest.Test(t, func(t *testing.T) {
		results, tally, err := collect(t, t.Context(), strings.NewReader(in), &fakeHost{}, Options{Until: message.Delivered, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff("1 delivered\n2 failed\n3 accepted\n4 wait_timeout\n", table(results)); diff != "" {
			t.Error(diff)
		}
		if tally.Reached != 1 || tally.Failed != 2 || tally.UnderWay != 1 || tally.Exit() != problem.ExitFailed {
			t.Errorf("tally %+v", tally)
		}
		_, tally, err = collect(t, t.Context(), strings.NewReader(line(4, "stuck")), &fakeHost{}, Options{Until: message.Delivered, Timeout: time.Minute})
		if err != nil || tally.Stored != 1 || tally.Failed != 0 || tally.UnderWay != 1 || tally.Exit() != problem.ExitFailed {
			t.Errorf("a message that goes on: %v, tally %+v", err, tally)
		}
	})
}

func TestLingeringIsACourtesy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, tally, err := collect(t, t.Context(), strings.NewReader(line(1, "stuck")+"\n"+line(2, "ok")), &fakeHost{},
			Options{Until: message.Accepted, Timeout: time.Minute, Linger: true})
		if err != nil || tally.Failed != 0 || tally.Exit() != problem.ExitOK {
			t.Errorf("err %v, tally %+v", err, tally)
		}
	})
}

func TestOneRecipientKeepsItsOrder(t *testing.T) {
	var in strings.Builder
	for i := range 2000 {
		phone := fmt.Sprintf("+4477009000%02d", i%7)
		if i%2 == 0 {
			phone = fmt.Sprintf("0044 7700 9000%02d", i%7)
		}
		fmt.Fprintf(&in, `{"key":"%d","to":{"phone":"%s"},"content":{"text":"ok"}}`+"\n", i, phone)
	}
	host := &fakeHost{}
	if _, _, err := collect(t, t.Context(), strings.NewReader(in.String()), host, Options{}); err != nil {
		t.Fatal(err)
	}
	last := map[string]int{}
	for _, m := range host.sent {
		var n int
		if _, err := fmt.Sscan(string(m.Key), &n); err != nil {
			t.Fatal(err)
		}
		tail := m.To.Phone[len(m.To.Phone)-4:]
		if n < last[tail] {
			t.Fatalf("message %d was sent after %d", n, last[tail])
		}
		last[tail] = n
	}
	if len(host.sent) != 2000 {
		t.Errorf("%d messages were sent, want 2000", len(host.sent))
	}
}

func TestInterrupt(t *testing.T) {
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan struct{})
	go func() {
		_, _ = io.WriteString(w, line(1, "ok")+"\n")
		<-first
		cancel()
	}()
	var once sync.Once
	err := Run(ctx, r, &fakeHost{}, Options{}, func(Result) { once.Do(func() { close(first) }) })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want the interrupt although the input is still open", err)
	}
	_ = w.Close()
}

func TestReadError(t *testing.T) {
	broken := errors.New("the pipe broke")
	_, tally, err := collect(t, t.Context(), io.MultiReader(strings.NewReader(line(1, "ok")+"\n"), errReader{broken}), &fakeHost{}, Options{})
	if !errors.Is(err, broken) || tally.Stored != 1 {
		t.Errorf("err = %v, tally %+v: what was read before must be sent", err, tally)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

type discard struct{ fail error }

func (d discard) Write(p []byte) (int, error) { return len(p), d.fail }

func TestWriterReportsItsErrorAndGoesOn(t *testing.T) {
	broken := errors.New("closed")
	w := NewWriter(discard{broken}, nil)
	for range 5000 {
		w.Write([]byte("x\n"))
	}
	if err := w.Close(); !errors.Is(err, broken) {
		t.Errorf("Close = %v", err)
	}
	var b strings.Builder
	flushed := 0
	w = NewWriter(&b, func() error { flushed++; return nil })
	w.Write([]byte("a\n"))
	w.Write([]byte("b\n"))
	if err := w.Close(); err != nil || b.String() != "a\nb\n" || flushed == 0 {
		t.Errorf("Close = %v, wrote %q, flushed %d times", err, b.String(), flushed)
	}
}

func BenchmarkRun(b *testing.B) {
	r, w := io.Pipe()
	go func() {
		for i := range b.N {
			_, _ = io.WriteString(w, line(i%1000, "ok")+"\n")
		}
		_ = w.Close()
	}()
	if err := Run(b.Context(), r, &fakeHost{}, Options{}, func(Result) {}); err != nil {
		b.Fatal(err)
	}
}
