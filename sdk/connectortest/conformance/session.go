package conformance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hermodhq/hermod/internal/wire"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/basics"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/incoming"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/link"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/probe"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/traffic"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/watch"
)

// Target is where the connector of a harness runs. The zero value is this process.
type Target struct {
	Program string   // the executable; empty: the connector runs in this process
	Args    []string // of the program
	Env     []string // of the program, NAME=value: it gets nothing else
	Version int      // of the protocol, for a program
}

// String names the target as a test would: in_process, or process_v1.
func (t Target) String() string {
	if t.Program == "" {
		return "in_process"
	}
	return fmt.Sprintf("process_v%d", t.Version)
}

// Check is one check.
type Check struct {
	Name      string // snake_case, stable
	About     string // what it holds
	Excusable bool   // an author may excuse it, where the stand-in cannot do what it needs
	InParts   bool   // an author may excuse one operation from it, as NAME/OPERATION

	run   func(ctx context.Context, p *probe.Probe)
	when  func(d *wire.Description, at Target) bool // nil: always
	ready bool                                      // needs no account
}

// Versions returns the versions of the protocol that the checks speak; a connector has to pass each.
func Versions() []int { return link.Versions() }

// Checks returns all checks in the order in which they run. The last one looks at what the others made the connector say.
func Checks() []Check {
	inProcess := func(_ *wire.Description, at Target) bool { return at.Program == "" }
	inChild := func(_ *wire.Description, at Target) bool { return at.Program != "" }
	sends := func(d *wire.Description, _ Target) bool { return d.Capabilities.Send }
	receives := func(d *wire.Description, _ Target) bool { return d.Capabilities.Receive }
	listens := func(d *wire.Description, _ Target) bool { return d.Capabilities.Listen }
	queries := func(d *wire.Description, _ Target) bool { return d.Capabilities.Query }
	operates := func(d *wire.Description, _ Target) bool { return len(d.Operations) > 0 }
	all := []Check{
		{Name: "description", About: "the description is whole and agrees with itself", run: basics.Description, ready: true},
		{Name: "harness", About: "the harness fits the description, and its excuses are needed", run: basics.Harness},
		{Name: "wire", About: "the process answers calls that are for no account", run: basics.Wire, when: inChild, ready: true},
		{Name: "settings", About: "wrong settings are refused, and the refusal names them", run: basics.Settings},
		{Name: "open_close", About: "accounts open and close independently, and again", run: basics.OpenClose},
		{Name: "channels", About: "every declared channel carries every kind it declares", run: traffic.Channels, when: sends},
		{Name: "undeclared", About: "what is not declared is refused before the vendor is called", run: traffic.Undeclared},
		{Name: "limits", About: "declared limits hold", run: traffic.Limits, when: sends},
		{Name: "odd_messages", About: "odd messages are answered truthfully", run: traffic.Odd, when: sends},
	}
	for _, e := range traffic.Expectations() {
		all = append(all, Check{Name: "vendor_" + string(e.Behavior), About: "the vendor's behavior " + string(e.Behavior) + " gets the right class",
			run: e.Check, when: sends, Excusable: true})
	}
	all = append(all,
		Check{Name: "canceled", About: "a delivery ends with its context", run: traffic.Canceled, when: sends},
		Check{Name: "operations", About: "every operation works, and its output fits its schema", run: basics.Operations, when: operates},
		Check{Name: "operation_inputs", About: "inputs that do not fit are refused", run: basics.Inputs, when: operates},
		Check{Name: "operation_calls", About: "every operation makes one call", run: traffic.OneCall, when: operates, InParts: true},
	)
	for _, e := range traffic.Expectations() {
		all = append(all, Check{Name: "operation_" + string(e.Behavior), About: "operations that meet the behavior " + string(e.Behavior) + " get the right class",
			run: e.CheckOperations, when: operates, Excusable: true, InParts: e.Odd()})
	}
	return append(all,
		Check{Name: "operation_canceled", About: "an operation ends with its context", run: traffic.CanceledOperations, when: operates},
		Check{Name: "queries", About: "polled receipts can be asked for", run: basics.Queries, when: queries},
		Check{Name: "webhooks", About: "webhooks bring the events they should", run: incoming.Webhooks, when: receives},
		Check{Name: "webhook_repeats", About: "repeated and reordered webhooks bring the same event ids", run: incoming.Repeats, when: receives},
		Check{Name: "webhook_forged", About: "forged webhooks are refused", run: incoming.Forged, when: receives, Excusable: true},
		Check{Name: "webhook_changed", About: "webhooks are refused whose bodies were changed", run: incoming.Changed, when: receives, Excusable: true},
		Check{Name: "webhook_stale", About: "stale webhooks are refused", run: incoming.Stale, when: receives, Excusable: true},
		Check{Name: "webhook_noise", About: "noise does no harm", run: incoming.Noise, when: receives},
		Check{Name: "listening", About: "a listener brings events and ends with its context", run: incoming.Listening, when: listens},
		Check{Name: "listening_refused", About: "an event that was not made durable comes again", run: incoming.Refused, when: listens},
		Check{Name: "goroutines", About: "a closed account leaves no goroutine behind", run: basics.Goroutines, when: inProcess},
		Check{Name: "process_end", About: "the process ends when it is asked to", run: basics.End, when: inChild, ready: true},
		Check{Name: "secrets", About: "no secret and no personal data is logged or told in errors", run: basics.Secrets, ready: true},
	)
}

// Plan returns the checks that apply to a connector of this description at this target, in order.
func Plan(d connector.Description, at Target) []Check { return plan(onWire(d), at) }

func plan(d wire.Description, at Target) (list []Check) {
	for _, c := range Checks() {
		if c.when == nil || c.when(&d, at) {
			list = append(list, c)
		}
	}
	return list
}

const (
	checkWithin = 3 * time.Minute // for one check; more than any takes whose calls are answered
	pingWithin  = 2 * time.Second
)

// Session is a connector that runs to be checked. Its methods are called one after the other.
type Session struct {
	probe  probe.Session
	logger *slog.Logger // the default logger that was in place
	over   string       // why nothing more can be checked
	shut   bool         // the account does not open
}

// Start starts the connector of a harness at a target. In this process it takes [slog.Default] over until Stop.
func Start(ctx context.Context, h Harness, at Target) (*Session, error) {
	return start(ctx, h, at, false)
}

func start(ctx context.Context, h Harness, at Target, partial bool) (*Session, error) {
	s := &Session{probe: probe.Session{Setup: h.setup(), Text: &watch.Text{}, Personal: map[string]string{}, Excusable: map[string]bool{}, InParts: map[string]bool{}, OtherCalls: map[string]bool{}}}
	s.probe.Setup.Partial = partial
	spec := link.Spec{Program: at.Program, Args: at.Args, Env: at.Env, Version: at.Version, Output: s.probe.Text.Writer(probe.InLog)}
	if h.Connector != nil {
		l := local{h.Connector}
		spec.Name = string(l.Describe().Name)
		s.probe.Local, s.probe.Description = l, l.Describe()
	}
	switch {
	case at.Program != "":
		if err := s.connect(ctx, spec); err != nil {
			return nil, err
		}
	case h.Connector == nil:
		return nil, errors.New("the harness has no connector: set Harness.Connector")
	default:
		s.logger = slog.Default()
		slog.SetDefault(slog.New(slog.NewJSONHandler(s.probe.Text.Writer(probe.InLog), &slog.HandlerOptions{Level: slog.LevelDebug})))
	}
	for _, c := range Checks() {
		s.probe.Excusable[c.Name], s.probe.InParts[c.Name] = c.Excusable, c.InParts
	}
	for _, c := range plan(s.probe.Description, at) {
		s.probe.Plan = append(s.probe.Plan, c.Name)
	}
	return s, nil
}

func (s *Session) connect(ctx context.Context, spec link.Spec) error {
	p, err := link.Start(ctx, spec)
	if err != nil {
		said := ""
		if text := s.probe.Text.Tail(probe.InLog, 200); text != "" {
			said = fmt.Sprintf("; it said %q", text)
		}
		return fmt.Errorf("the connector does not start as a subprocess: %w%s", err, said)
	}
	s.probe.Process = p
	ctx, cancel := context.WithTimeout(ctx, s.probe.Setup.Patience)
	defer cancel()
	if s.probe.Description, err = p.Describe(ctx); err != nil {
		_ = p.Stop(ctx)
		return fmt.Errorf("the connector does not describe itself; answer Describe at once: %w", err)
	}
	return nil
}

// Stop ends the connector and gives the default logger back. It may be called again.
func (s *Session) Stop(ctx context.Context) {
	if s.probe.Process != nil {
		_ = s.probe.Process.Stop(ctx)
	}
	if s.logger != nil {
		slog.SetDefault(s.logger)
		s.logger = nil
	}
}

// Left returns what was left out so far, excused or not given.
func (s *Session) Left() []Left { return s.probe.Left }

// Run makes one check and returns what it found. After a check that the connector did not survive, or without an account that opens, the
// others are left out.
func (s *Session) Run(ctx context.Context, c Check) []Finding {
	p := &probe.Probe{Session: &s.probe, Check: c.Name}
	switch {
	case s.over != "" && c.Name != "secrets":
		s.probe.Left = append(s.probe.Left, Left{Check: c.Name, Reason: s.over})
		return nil
	case s.probe.Setup.Partial && s.probe.Setup.Config == nil && !c.ready:
		p.Need(false, "Config")
		return nil
	case s.shut && !c.ready:
		s.probe.Left = append(s.probe.Left, Left{Check: c.Name, Reason: "the account does not open"})
		return nil
	}
	within, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	c.run(within, p)
	if within.Err() != nil && ctx.Err() == nil {
		p.Bad("answer promptly, also when the answer is a fault", "the check did not end within %v, and was given up", checkWithin)
	}
	if s.probe.Process != nil {
		s.survived(ctx, p)
	}
	s.shut = s.shut || c.Name == "harness" && p.Shut
	found := p.Findings()
	if s.over != "" && c.Name != "secrets" {
		return found[len(found)-1:] // the others follow from the end
	}
	return found
}

// survived notes when the process died or hangs: nothing can be checked any more then.
func (s *Session) survived(ctx context.Context, p *probe.Probe) {
	asked, cancel := context.WithTimeout(ctx, pingWithin)
	defer cancel()
	if s.probe.Process.Stopped() || s.probe.Process.Ping(asked) == nil || ctx.Err() != nil {
		return
	}
	// The end of a process shows on its pipe first.
	if probe.Eventually(asked, s.probe.Process.Exited) {
		s.over = "the process died in check " + p.Check
		p.Bad("make the process outlive whatever its accounts meet", "the process died; it last said %q", s.probe.Text.Tail(probe.InLog, 400))
		return
	}
	s.over = "the process hangs since check " + p.Check
	p.Bad("answer Ping at once, whatever else is under way: an engine kills a connector that does not", "the process does not answer Ping any more")
}
