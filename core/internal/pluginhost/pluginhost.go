// Package pluginhost runs connectors: it starts, checks, supervises and stops their processes, and is the engine's side of the pipe.
//
// A [Host] runs one process for each connector that is in use, and one more for each account that asks for isolation. When a process dies
// or hangs, its deliveries are answered, it is started again with a growing delay, and its accounts are opened again.
// Every delivery is answered exactly once, whatever dies.
package pluginhost

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"time"

	"github.com/hermodhq/hermod/core/internal/pluginhost/supervisor"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Program is how one connector is run: exactly one of Path, SelfExec, InProcess and Reattach is set.
type Program struct {
	Path   string   // a program, with its arguments and its pinned checksum
	Args   []string // for Path only
	SHA256 []byte   // required with Path: 32 bytes

	SelfExec  bool                // this program's own binary, whose main calls connector.ServeIfAsked
	InProcess connector.Connector // no process: for tests
	Reattach  string              // the HERMOD_REATTACH of a connector that runs by itself, under a debugger
}

// Config is what a host needs. Zero fields take the defaults given.
type Config struct {
	Programs map[message.ConnectorName]Program
	Logger   *slog.Logger // default: discards. Connectors' own lines come through it with connector, version and, where they say it, account

	// Events takes what accounts' listeners emit, in order per account, and returns nil once the events are durable. Until then the
	// account's next events wait. It may be called for several accounts at once. Required when a connector listens.
	Events func(ctx context.Context, account message.AccountID, events []message.Event) error
	// StateChanged hears of every change. It must return soon.
	StateChanged func(ConnectorState)

	PassEnv      []string      // names of further variables of the host's environment that connectors get, such as HTTPS_PROXY
	StartTimeout time.Duration // for a start and an account's opening; default 10 s
	CallTimeout  time.Duration // how long an answer may take; default 30 s
	HangTimeout  time.Duration // how long a connector may give no sign of life; default 15 s
	BackoffMin   time.Duration // the first delay before a restart, doubled each time; default 200 ms
	BackoffMax   time.Duration // default 30 s; a process that lived longer starts over with BackoffMin
	Patience     time.Duration // how long a connector may be gone before that is more than a restart; default 5 s
	Window       int           // deliveries under way per account; default 1,024
	MaxQueue     int           // deliveries that wait for the window, per account; default 16,384

	Rand func() float64 // jitter, in [0, 1); default math/rand
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.StateChanged == nil {
		c.StateChanged = func(ConnectorState) {}
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.StartTimeout, 10 * time.Second}, {&c.CallTimeout, 30 * time.Second}, {&c.HangTimeout, 15 * time.Second},
		{&c.BackoffMin, 200 * time.Millisecond}, {&c.BackoffMax, 30 * time.Second}, {&c.Patience, 5 * time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if c.Window <= 0 {
		c.Window = 1024
	}
	if c.MaxQueue <= 0 {
		c.MaxQueue = 16384
	}
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
	return c
}

func (c *Config) check() error {
	for name, p := range c.Programs {
		ways := 0
		for _, set := range []bool{p.Path != "", p.SelfExec, p.InProcess != nil, p.Reattach != ""} {
			if set {
				ways++
			}
		}
		if ways != 1 {
			return fault.New(fault.Misconfigured, "program_invalid",
				"connector %s: set exactly one of Path, SelfExec, InProcess and Reattach, not %d of them", name, ways)
		}
		if p.Path != "" && len(p.SHA256) != 32 {
			return unpinned(name, p.Path)
		}
	}
	return nil
}

func unpinned(name message.ConnectorName, path string) error {
	return fault.New(fault.Misconfigured, "plugin_unpinned",
		"connector %s: the program %s is not pinned; if you trust it, run: hermod connectors pin", name, path)
}

// environment is all that connectors see of the host's.
func (c *Config) environment() []string {
	var env []string
	for _, name := range append([]string{"TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "TZ"}, c.PassEnv...) {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// grace is what an answer may be late before the host answers itself: the connector ends calls after CallTimeout.
func (c *Config) grace() time.Duration { return min(c.CallTimeout/5, 5*time.Second) }

// logLevel is the least level that the host's log keeps.
func (c *Config) logLevel() slog.Level {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn} {
		if c.Logger.Enabled(context.Background(), level) {
			return level
		}
	}
	return slog.LevelError
}

// ConnectorState is what [Config.StateChanged] hears.
type ConnectorState = supervisor.State

// AccountSpec says which account to open.
type AccountSpec struct {
	ID         message.AccountID
	Connector  message.ConnectorName
	Config     json.RawMessage // secrets resolved; kept, to open the account again after a restart
	WebhookURL string
	Isolate    bool // a process of its own
	// Answers takes what became of deliveries, in batches, from one goroutine at a time. It may call Deliver. The account's
	// next answers wait until it returns.
	Answers func([]connector.Answer)
	// Lost hears that the connector is gone: at once with nil, and again with the reason when it is not back after Config.Patience. Back hears that
	// the account is open again. Both may be nil, and are called by one goroutine.
	Lost func(why *fault.Fault)
	Back func()
}

func (s *AccountSpec) check() error {
	if s.ID == "" || s.Answers == nil {
		return fmt.Errorf("pluginhost: an account needs an ID and Answers")
	}
	return nil
}

func (s *AccountSpec) key() unitKey {
	if s.Isolate {
		return unitKey{s.Connector, s.ID}
	}
	return unitKey{connector: s.Connector}
}
