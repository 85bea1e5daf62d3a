// Package config reads hermod.yaml, the configuration of the hermod command, and turns it into a [core.Config].
//
// Reading is strict: an unknown key, a key that stands twice and a value of the wrong type are reported with their line and
// column, all of them at once. Secrets stay outside the file: "${env:NAME}" and "${file:PATH}" are resolved while the file is
// read, and no value is ever printed.
package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/message"
)

// DefaultFile is the configuration that is read where the command names none.
const DefaultFile = "hermod.yaml"

// MaxFile is the size of the largest configuration file that is read, in bytes.
const MaxFile = 4 << 20

// Config is what hermod.yaml says. Paths are absolute.
type Config struct {
	File          string // the file itself
	Name          string
	Data          string // empty with NATS
	Durability    core.Durability
	EncryptionKey string
	NATS          *core.NATS
	Retention     time.Duration
	KeysKept      time.Duration // how long idempotency keys are remembered
	Partitions    int
	MaxBytes      int64
	Plugins       string // empty where none is named
	Rules         string
	Transforms    string // empty where none is named and there is no folder "transforms"
	DefaultRegion string
	HTTP          HTTP
	Accounts      map[message.AccountID]core.Account
}

// HTTP is what `hermod run` serves.
type HTTP struct {
	Listen    string // host:port; default 127.0.0.1:8080
	PublicURL string // where vendors reach this server, without a trailing slash; empty: no webhooks
}

// Env is the world that a configuration is read in.
type Env struct {
	Lookup   func(name string) (string, bool)  // an environment variable
	ReadFile func(name string) ([]byte, error) // a file's content
}

// System returns the process's own environment.
func System() Env { return Env{Lookup: os.LookupEnv, ReadFile: os.ReadFile} }

// Load reads a configuration file. The error holds a [problem.List] of everything that is wrong.
func Load(file string, env Env) (*Config, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, unreadable(file, err)
	}
	text, err := env.ReadFile(path)
	if err != nil {
		return nil, unreadable(file, err)
	}
	return Parse(file, path, text, env)
}

func unreadable(file string, err error) error {
	p := problem.New(problem.ExitEnvironment, "config_unreadable", "the configuration cannot be read: %s", reason(err))
	p.File = file
	return p.Advise("name the file with -c, or write %s in the current folder", DefaultFile)
}

// reason gives the cause of a file error without its path, which the problem names itself.
func reason(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

// Parse reads a configuration from text. shown is how errors name the file, path its absolute path: relative paths in the
// configuration start at its folder.
func Parse(shown, path string, text []byte, env Env) (*Config, error) {
	r := &reader{file: shown, dir: filepath.Dir(path), env: env}
	c := &Config{File: path, Durability: core.Sync, Rules: "rules", HTTP: HTTP{Listen: "127.0.0.1:8080"}}
	if root := r.parse(text); root != nil {
		r.top(root, c)
	}
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	return c, nil
}

// Core returns the engine's configuration. The caller adds its connectors, logger and meters.
func (c *Config) Core() core.Config {
	cfg := core.Config{
		Name: c.Name, Data: c.Data, Durability: c.Durability, EncryptionKey: c.EncryptionKey, NATS: c.NATS,
		Retention: c.Retention, IdempotencyWindow: c.KeysKept, Partitions: c.Partitions, MaxBytes: c.MaxBytes,
		Rules: afero.NewOsFs(), RulesDir: c.Rules,
		Plugins: c.Plugins, Accounts: c.Accounts, DefaultRegion: c.DefaultRegion,
	}
	if c.Transforms != "" {
		cfg.Transforms, cfg.TransformsDir = afero.NewOsFs(), c.Transforms
	}
	if c.HTTP.PublicURL != "" {
		cfg.PublicURL = c.HTTP.PublicURL + "/webhooks"
	}
	return cfg
}
