// Package catalog tells what can be known without starting an engine: which connectors there are, and whether rule files fit them.
// No journal and no account is opened.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/core/internal/pluginhost"
	"github.com/hermodhq/hermod/core/internal/programs"
	"github.com/hermodhq/hermod/core/internal/wasmhost"
	"github.com/hermodhq/hermod/rules"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

// Config says where connectors and transforms are; its fields are those of core.Config.
type Config struct {
	Connectors    []connector.Connector // linked in
	InProcess     bool
	Plugins       string
	Accounts      map[message.AccountID]message.ConnectorName // for CheckRules
	Transforms    afero.Fs                                    // nil: the operating system's
	TransformsDir string
	Logger        *slog.Logger
}

// Describe describes every connector, by name, used by an account or not. It starts their programs and stops them again.
func Describe(ctx context.Context, cfg Config) (all []connector.Description, err error) {
	found, err := programs.Find(cfg.Connectors, cfg.InProcess, cfg.Plugins)
	if err != nil {
		return nil, err
	}
	host, err := pluginhost.New(pluginhost.Config{Programs: found, Logger: cfg.Logger,
		Events: func(context.Context, message.AccountID, []message.Event) error { return errors.ErrUnsupported }})
	if err != nil {
		return nil, err
	}
	if err := host.Start(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, host.Stop(context.WithoutCancel(ctx))) }()
	for _, name := range slices.Sorted(maps.Keys(found)) {
		d, err := host.Describe(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("connector %s: %w", name, err)
		}
		all = append(all, d)
	}
	return all, nil
}

// CheckRules compiles the rule files of a folder against the accounts and transforms, and changes nothing. The error is
// [rules.Errors] when the rules are wrong.
func CheckRules(ctx context.Context, cfg Config, fsys afero.Fs, dir string) (*rules.Set, error) {
	descriptions, err := Describe(ctx, cfg)
	if err != nil {
		return nil, err
	}
	known := rules.Catalog{Accounts: map[message.AccountID]rules.AccountInfo{}}
	for id, name := range cfg.Accounts {
		for _, d := range descriptions {
			if d.Name == name {
				known.Accounts[id] = programs.Account(d)
			}
		}
	}
	if known.Transforms, err = transforms(ctx, cfg); err != nil {
		return nil, err
	}
	return rules.Load(fsys, dir, known)
}

// transforms compiles the transforms and returns their names.
func transforms(ctx context.Context, cfg Config) ([]string, error) {
	if cfg.TransformsDir == "" {
		return nil, nil
	}
	if cfg.Transforms == nil {
		cfg.Transforms = afero.NewOsFs()
	}
	set, err := wasmhost.Load(ctx, wasmhost.Config{Logger: cfg.Logger}, cfg.Transforms, cfg.TransformsDir)
	if err != nil {
		return nil, err
	}
	return set.Names(), set.Close(ctx)
}

// Pin writes the lock file of a folder of connector programs: their names and checksums as they are now.
func Pin(dir string) error { return pluginhost.WriteLock(afero.NewOsFs(), dir) }
