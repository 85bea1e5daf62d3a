package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/hermodhq/hermod/cmd/hermod/internal/feed"
	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/cmd/hermod/internal/show"
	"github.com/hermodhq/hermod/cmd/hermod/internal/usage"
	"github.com/hermodhq/hermod/core/report"
	"github.com/hermodhq/hermod/sdk/message"
)

// sending is one `hermod send`.
type sending struct {
	app     *app
	until   message.Outcome
	timeout time.Duration
}

func (a *app) sendCommand() *cobra.Command {
	s := &sending{app: a}
	cmd := &cobra.Command{
		Use:   "send [FILE|-]",
		Short: "Send messages given as JSON Lines",
		Long: `Sends messages from a file, or from standard input, one JSON object a line, and prints one result line for
each. A line that is not a valid message (or longer than 1 MiB) is reported with its number, and the
rest goes on. Messages to one recipient keep their order.

A message that has a result is stored: it will reach one final outcome, whatever happens to this command.
With an idempotency key ("key") it is safe to send a file again. One that is not where --wait asks when
--timeout is over has not failed: it is counted as still under way ("under_way" in JSON), and goes on.

Where an engine runs on the same data folder, it takes the messages. Else an engine is started for as long
as this takes: it waits until each message has been handed to its vendor, at most for --timeout; what has
not been handed over by then is stored, and goes out when ` + "`hermod run`" + ` starts.

Exit codes: 0 all is well, 1 some messages failed or are not where --wait asks, 2 some lines were invalid.`,
		Example: `  echo '{"to": {"phone": "+447700900123"}, "content": {"text": "Hello"}}' | hermod send
  hermod send orders.jsonl --wait delivered --timeout 5m
  hermod send orders.jsonl --json > results.jsonl`,
		Args: usage.Arguments("FILE?"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if s.until != "" && s.until.Rank() == 0 {
				return problem.New(problem.ExitUsage, "value_invalid", "--wait cannot be %q", string(s.until)).
					Advise("%s", problem.DidYouMean(string(s.until), []string{"accepted", "sent", "delivered", "read", "replied"}))
			}
			return s.run(cmd.Context(), append(args, "-")[0])
		},
	}
	cmd.Flags().StringVarP((*string)(&s.until), "wait", "w", "", "wait until each message has reached this `outcome`, or a final one")
	cmd.Flags().DurationVarP(&s.timeout, "timeout", "t", 30*time.Second, "how long one message may take to get there; 0: no bound")
	return cmd
}

func (s *sending) run(ctx context.Context, name string) error {
	in, size, err := s.input(name)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read
	return s.app.with(ctx, func(host *access) error {
		opts := feed.Options{Until: s.until, Timeout: s.timeout}
		if host.own && s.until == "" {
			opts.Until, opts.Linger = message.Accepted, true
		}
		return s.feed(ctx, host, name, &countingReader{r: in, size: size}, opts)
	})
}

// input opens the file; size is zero where it is not known.
func (s *sending) input(name string) (in io.ReadCloser, size int64, err error) {
	if name == "-" {
		if terminal(s.app.in) {
			s.app.note("reading messages from the terminal, one JSON object a line; end with Ctrl-D")
		}
		return io.NopCloser(s.app.in), 0, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, problem.New(problem.ExitUsage, "input_unreadable", "the messages cannot be read: %s", err.Error()).
			Advise("name a file, or - for standard input")
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	return f, size, nil
}

type countingReader struct {
	r    io.Reader
	size int64
	read atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// feed sends everything and reports it.
func (s *sending) feed(ctx context.Context, host *access, name string, in *countingReader, opts feed.Options) error {
	out := newResults(s.app, name, opts.Until)
	stop := out.watch(in)
	began := time.Now()
	err := host.Feed(ctx, in, opts, out.add)
	stop()
	out.tally.Close(time.Since(began))
	if writeErr := out.lines.Close(); err == nil {
		err = writeErr
	}
	if sumErr := out.summary(opts.Linger); err == nil {
		err = sumErr
	}
	if err != nil {
		return err
	}
	if code := out.tally.Exit(); code != problem.ExitOK {
		return exit(code)
	}
	return nil
}

// onTerminal is how many results are shown one by one where a person watches.
const onTerminal = 20

// results prints and counts what became of each line.
type results struct {
	app   *app
	name  string
	until message.Outcome
	lines *feed.Writer
	watch func(in *countingReader) (stop func())

	mu    sync.Mutex
	tally *feed.Tally
	steps report.Tally
	shown int
}

func newResults(a *app, name string, until message.Outcome) *results {
	r := &results{app: a, name: name, until: until, tally: feed.NewTally(until)}
	r.watch = func(*countingReader) func() { return func() {} }
	if name == "-" {
		r.name = "stdin"
	}
	if !terminal(a.err) {
		r.lines = feed.NewWriter(a.out, nil)
		return r
	}
	var progress atomic.Pointer[show.Progress]
	r.lines = feed.NewWriter(writerFunc(func(p []byte) (n int, err error) {
		if running := progress.Load(); running != nil {
			running.Above(func() { n, err = a.out.Write(p) })
			return n, err
		}
		return a.out.Write(p)
	}), nil)
	r.watch = func(in *countingReader) func() {
		tick := time.NewTicker(200 * time.Millisecond)
		p := show.StartProgress(a.err, time.Now(), tick.C, func() show.Counts { return r.counts(in) })
		progress.Store(p)
		return func() { progress.Store(nil); tick.Stop(); p.Stop() }
	}
	return r
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func (r *results) counts(in *countingReader) show.Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return show.Counts{Stored: r.tally.Stored, Refused: r.tally.Invalid + r.tally.Failed, Waiting: r.tally.Waiting, Read: in.read.Load(), Size: in.size}
}

func (r *results) add(res feed.Result) {
	r.mu.Lock()
	r.tally.Add(res)
	if !res.Waiting && res.ID != "" {
		r.steps.Add(res.Step, res.Outcome)
	}
	r.mu.Unlock()
	if !res.Waiting {
		r.print(res)
	}
}

func (r *results) print(res feed.Result) {
	var b bytes.Buffer
	if r.app.json {
		if err := show.Line(&b, res); err == nil { // a result holds nothing that JSON cannot
			r.lines.Write(b.Bytes())
		}
		return
	}
	if res.Error == nil && terminal(r.app.out) {
		if r.shown++; r.shown > onTerminal {
			if r.shown == onTerminal+1 {
				r.lines.Write([]byte("... further messages that are well are counted only; --json shows each\n"))
			}
			return
		}
	}
	r.lines.Write([]byte(show.Plain(r.text(res)) + "\n"))
}

func (r *results) text(res feed.Result) string {
	text := fmt.Sprintf("%s:%d: ", r.name, res.Line)
	if res.ID != "" {
		text += string(res.ID) + " "
	}
	if res.Key != "" {
		text += "key " + string(res.Key) + " "
	}
	if res.Error != nil {
		text += res.Error.Text + " [" + res.Error.Code + "]"
		if res.Error.Advice != "" {
			text += "; " + res.Error.Advice
		}
		return text
	}
	text += show.Standing(res.Outcome, true, res.Reason)
	if res.Step != "" {
		text += " (" + res.Step + ")"
	}
	return text
}

// summary prints the sums: on stderr, so that stdout holds results alone; with --json as the last line.
func (r *results) summary(linger bool) error {
	if r.app.json {
		return show.Line(r.app.out, map[string]any{"summary": r.tally})
	}
	t := r.tally
	counts := fmt.Sprintf("%s stored, %s failed", show.Number(t.Stored), show.Number(t.Failed))
	if r.until != "" && !linger {
		counts = fmt.Sprintf("%s stored, %s %s, %s failed, %s still under way", show.Number(t.Stored), show.Number(t.Reached), r.until, show.Number(t.Failed), show.Number(t.UnderWay))
	}
	r.app.note("%s lines: %s, %s invalid, in %.1fs (%s a second)", show.Number(t.Lines), counts, show.Number(t.Invalid), t.Seconds, show.Number(int(t.Rate)))
	if r.tally.Stored > 0 {
		if err := report.Table(r.app.err, &r.steps); err != nil {
			return err
		}
	}
	if left := r.tally.Outcomes[feed.Stored]; linger && left > 0 {
		r.app.note("%s stored, but no vendor has them yet: they go out when `hermod run` starts", show.Number(left))
	}
	return nil
}
