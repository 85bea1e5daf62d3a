package core

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/afero"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/hermodhq/hermod/core/internal/clock"
	"github.com/hermodhq/hermod/core/internal/journal"
	"github.com/hermodhq/hermod/sdk/message"
)

// JournalError is what the journal reports, such as at [Engine.Start]: a stable code, what happened and what to do.
type JournalError = journal.Error

// ConfigError says what is wrong with one field of a [Config].
type ConfigError struct {
	Code   string // stable, such as "config_data"
	Field  string // the field of Config
	Text   string
	Advice string
}

// Error names the field, what is wrong and what to do.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("%s: Config.%s: %s; %s", e.Code, e.Field, e.Text, e.Advice)
}

// complete fills the defaults in and checks everything that can be checked without I/O.
func (c *Config) complete() error {
	c.defaults()
	var errs []error
	bad := func(code, field, advice, format string, args ...any) {
		errs = append(errs, &ConfigError{Code: code, Field: field, Text: fmt.Sprintf(format, args...), Advice: advice})
	}
	if (c.Data == "") == (c.NATS == nil) {
		bad("config_data", "Data", "set Data to a folder for the embedded journal, or NATS to use an existing one", "exactly one of Data and NATS must be set")
	}
	if c.NATS != nil && c.NATS.URL == "" {
		bad("config_nats", "NATS", "set NATS.URL, such as nats://127.0.0.1:4222", "the URL is missing")
	}
	if c.Durability != Sync && c.Durability != Process {
		bad("config_durability", "Durability", `use "sync" or "process"`, "%q is not a durability", c.Durability)
	}
	if c.Retention < 0 || c.IdempotencyWindow < 0 || c.MaxBytes < 0 || c.Partitions < 0 || c.Partitions > 256 {
		bad("config_negative", "Retention", "use positive values, or zero for the default; at most 256 partitions", "a limit is out of range")
	}
	if len(c.Accounts) == 0 {
		bad("config_accounts", "Accounts", "configure at least one account of a connector", "there is no account")
	}
	for id, a := range c.Accounts {
		if !accountName.MatchString(string(id)) {
			bad("config_account", "Accounts", "use letters, digits, '.', '_' and '-', at most 64", "%q cannot be the name of an account", id)
		}
		if a.Connector == "" {
			bad("config_account", "Accounts", "name the connector", "account %q has no connector", id)
		}
	}
	known := map[message.ConnectorName]bool{}
	for _, conn := range c.Connectors {
		name := conn.Describe().Name
		if known[name] {
			bad("config_connectors", "Connectors", "link each connector once", "connector %q is linked twice", name)
		}
		known[name] = true
	}
	if c.PublicURL != "" && !strings.HasPrefix(c.PublicURL, "https://") && !strings.HasPrefix(c.PublicURL, "http://") {
		bad("config_public_url", "PublicURL", "use an http or https URL that vendors can reach", "it is not an http URL")
	}
	return errors.Join(errs...)
}

func (c *Config) defaults() {
	if c.Name == "" {
		c.Name = "hermod"
	}
	if c.Durability == "" {
		c.Durability = Sync
	}
	if c.Retention == 0 {
		c.Retention = 72 * time.Hour
	}
	if c.IdempotencyWindow == 0 {
		c.IdempotencyWindow = 24 * time.Hour
	}
	if c.Rules == nil {
		c.Rules = afero.NewOsFs()
	}
	if c.RulesDir == "" {
		c.RulesDir = "rules"
	}
	if c.Transforms == nil {
		c.Transforms = afero.NewOsFs()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Meter == nil {
		c.Meter = metricnoop.NewMeterProvider()
	}
	if c.Clock == nil {
		c.Clock = clock.System{}
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
}

// accountName is what an account may be called: the name stands in URLs, rules and logs.
var accountName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// journal returns what the journal needs to know.
func (c *Config) journal() journal.Config {
	j := journal.Config{
		Dir: c.Data, Sync: c.Durability == Sync, Partitions: c.Partitions, EncryptionKey: c.EncryptionKey,
		MaxBytes: 0, Prefix: c.Name, Logger: c.Logger, Now: c.Clock.Now,
	}
	if c.NATS != nil {
		j.URL, j.Credentials, j.Replicas = c.NATS.URL, c.NATS.Credentials, c.NATS.Replicas
	}
	return j
}
