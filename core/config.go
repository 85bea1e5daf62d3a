package core

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/spf13/afero"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

// Config is everything an engine needs to know. Zero values are the defaults that each field names; [New] checks the rest.
type Config struct {
	// Name tells this engine from others in events and on a shared NATS. Default "hermod".
	Name string
	// Data is the folder of the embedded journal. Required unless NATS is set. One engine at a time may use it.
	Data string
	// Durability says what "accepted" stands for. Default Sync.
	Durability Durability
	// EncryptionKey encrypts the embedded journal at rest (XChaCha20-Poly1305, by JetStream). Empty: not encrypted.
	EncryptionKey string
	// NATS uses an existing NATS with JetStream instead of the embedded journal. Its own sync policy then decides what
	// survives a power loss.
	NATS *NATS
	// Retention is how long finished messages stay in the journal for [Engine.Trace]. Default 72 hours.
	Retention time.Duration
	// IdempotencyWindow is how long an idempotency key is remembered. Default 24 hours.
	IdempotencyWindow time.Duration
	// MaxBytes is a ceiling for the journal on disk, in bytes; older finished messages are trimmed first. Default none.
	MaxBytes int64

	// Partitions is how many partitions a new journal gets; it cannot be changed later. Default 4.
	Partitions int

	// Rules is the file system that Rules' files are read from; RulesDir the folder in it. Default the operating system's, "rules".
	Rules    afero.Fs
	RulesDir string
	// Transforms is the file system of the .wasm files; TransformsDir the folder in it. No folder means no transforms.
	Transforms    afero.Fs
	TransformsDir string

	// Connectors are linked into the host. They run as subprocesses of the host's own binary when InProcess is false, which
	// needs one call of [connector.ServeIfAsked] at the top of main; in the host's process when it is true.
	Connectors []connector.Connector
	InProcess  bool
	// Plugins is a folder of connector programs, pinned in its plugins.lock. Empty: none.
	Plugins string
	// Accounts are the configured uses of connectors, by name.
	Accounts map[message.AccountID]Account
	// PublicURL is where vendors reach [Engine.Webhooks], without a trailing slash. Empty: accounts get no webhook URL.
	PublicURL string
	// DefaultRegion reads phone numbers without a country code, as an ISO 3166-1 alpha-2 code. Empty: such numbers are refused.
	DefaultRegion string

	// Logger takes the engine's and the connectors' log. Default: nothing is logged.
	Logger *slog.Logger
	// Meter and Tracer are OpenTelemetry's: counters, and a span for each call of a vendor. Default: none.
	Meter  metric.MeterProvider
	Tracer trace.TracerProvider
	// Clock tells the time. Default the system's.
	Clock Clock
}

// Account is one configured use of a connector.
type Account struct {
	Connector message.ConnectorName `json:"connector"`
	Config    json.RawMessage       `json:"config"`            // what the connector's schema asks for, secrets resolved
	Limits    *connector.Limits     `json:"limits,omitempty"`  // nil: the vendor's documented limits
	Isolate   bool                  `json:"isolate,omitempty"` // a process of its own
}

// NATS says how to reach an existing NATS.
type NATS struct {
	URL         string
	Credentials string // path of a .creds file; empty: none
	Replicas    int    // of each stream; default 1
}

// Durability is what "accepted" stands for.
type Durability string

// The durabilities.
const (
	Sync    Durability = "sync"    // fsynced: survives a power loss
	Process Durability = "process" // written: survives the process, not a power loss
)

// Clock tells the time. Implementations are safe for concurrent use.
type Clock interface {
	Now() time.Time
	// After delivers the time once d has passed; stop releases the timer.
	After(d time.Duration) (c <-chan time.Time, stop func())
}
