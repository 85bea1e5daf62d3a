// Package guest runs one transform module on wazero: it checks, links and starts the module, and calls it on messages.
//
// It is for those who run transforms, the engine and the tests of transforms; what authors import is sdk/transform.
package guest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"github.com/hermodhq/hermod/sdk/message"
	"github.com/hermodhq/hermod/sdk/transform/internal/abi"
	"github.com/hermodhq/hermod/sdk/transform/internal/fields"
)

// Options says how a module is run. The zero value of each field but Name has a default.
type Options struct {
	Name          string        // the transform's name, for errors and logs
	CacheDir      string        // a directory of this machine for compiled code, safe from others; empty: not kept
	MemoryLimit   uint32        // bytes of linear memory of one instance; 0 is 64 MiB; rounded down to 64 KiB
	Deadline      time.Duration // of one call; 0 is 100 ms
	StartDeadline time.Duration // of starting one instance; 0 is 5 s
	Logger        *slog.Logger  // for what guests log and print; nil: nowhere
}

// The defaults of [Options].
const (
	DefaultMemoryLimit   = 64 << 20
	DefaultDeadline      = 100 * time.Millisecond
	DefaultStartDeadline = 5 * time.Second
)

func (o Options) withDefaults() Options {
	if o.MemoryLimit == 0 {
		o.MemoryLimit = DefaultMemoryLimit
	}
	if o.Deadline <= 0 {
		o.Deadline = DefaultDeadline
	}
	if o.StartDeadline <= 0 {
		o.StartDeadline = DefaultStartDeadline
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Logger = o.Logger.With("transform", o.Name)
	return o
}

// Draft is a message that transforms change in turn, without touching the message it was made from.
type Draft = fields.Draft

// NewDraft returns a draft of m. It shares with m what no transform writes to, and copies the rest.
func NewDraft(m *message.Message) *Draft { return fields.New(m) }

// Module is one compiled transform. It may be used from several goroutines at once.
type Module struct {
	opts     Options
	runtime  wazero.Runtime // a runtime of its own: modules that do not trust each other share no names and no store
	cache    wazero.CompilationCache
	compiled wazero.CompiledModule
}

// Compile checks and compiles a module. A failure is a [*LoadError]. wasm is not kept. Close frees the module.
func Compile(ctx context.Context, wasm []byte, opts Options) (*Module, error) {
	opts = opts.withDefaults()
	if len(wasm) > MaxModule {
		return nil, loadError(CodeTooLarge, "make it smaller: leave out large packages and embedded files",
			"the file has %d MiB; at most %d are allowed", len(wasm)>>20, MaxModule>>20)
	}
	tidied, err := tidy(wasm)
	if err != nil {
		return nil, err
	}
	m, err := compile(ctx, tidied, opts)
	if err != nil && opts.CacheDir != "" && code(err) == CodeCompile {
		cached := err
		opts.CacheDir = "" // the cache may be what is wrong, and no transform should fail for it
		if m, err = compile(ctx, tidied, opts); err == nil {
			opts.Logger.Warn("the cache of compiled transforms cannot be used: delete its directory, or make it writable", "error", cached)
		}
	}
	return m, err
}

func compile(ctx context.Context, wasm []byte, opts Options) (m *Module, err error) {
	m = &Module{opts: opts}
	defer func() {
		if r := recover(); r != nil { // a module must not be able to end the process through a defect of the compiler
			err = loadError(CodeCompile, adviceBuild, "the compiler failed on it: %s", fmt.Sprint(r))
		}
		if err != nil {
			_ = m.Close(ctx)
			m = nil
		}
	}()
	config := runtimeConfig()
	if opts.CacheDir != "" {
		if m.cache, err = wazero.NewCompilationCacheWithDir(opts.CacheDir); err != nil {
			return m, loadError(CodeCompile, "make the directory writable", "the cache directory cannot be used: %w", err)
		}
		config = config.WithCompilationCache(m.cache)
	}
	m.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if _, err = wasi_snapshot_preview1.Instantiate(ctx, m.runtime); err != nil {
		return m, fmt.Errorf("offer WASI to a transform: %w", err)
	}
	if err = offerHostFunctions(ctx, m.runtime); err != nil {
		return m, err
	}
	// In this goroutine only: a panic of the compiler in one of its own could not be recovered.
	if m.compiled, err = m.runtime.CompileModule(ctx, wasm); err != nil {
		return m, loadError(CodeCompile, adviceBuild, "it is not a valid WebAssembly module: %w", err)
	}
	return m, m.check()
}

// Close frees the module and all its instances. No call may be under way.
func (m *Module) Close(ctx context.Context) error {
	var err error
	if m.runtime != nil {
		err = m.runtime.Close(ctx)
	}
	if m.cache != nil {
		if e := m.cache.Close(ctx); err == nil {
			err = e
		}
	}
	if err != nil {
		return fmt.Errorf("free transform %s: %w", m.opts.Name, err)
	}
	return nil
}

// Instance is a running copy of a module, with a memory of its own. It serves one call at a time.
type Instance struct {
	module    *Module
	mod       api.Module
	transform api.Function
	memory    *memory
	out, err  *lines
	call      call
	broken    bool
}

// Start makes an instance and lets it ready itself. A failure is a *fault.Fault, or a [*LoadError] for a module that can
// never start. Calls of Start must not overlap.
func (m *Module) Start(ctx context.Context) (*Instance, error) {
	in := &Instance{
		module: m,
		memory: &memory{limit: uint64(m.opts.MemoryLimit)},
		out:    newLines(m.opts.Logger, "stdout"),
		err:    newLines(m.opts.Logger, "stderr"),
	}
	in.call.log = newLines(m.opts.Logger, "log")
	config := wazero.NewModuleConfig().
		WithName(""). // anonymous: no other module can import it
		WithStartFunctions().
		WithStdout(in.out).WithStderr(in.err).
		WithEnv("GOMEMLIMIT", strconv.Itoa(int(m.opts.MemoryLimit/4*3))) // a Go guest collects before it reaches the cap
	bounded, cancel := bound(ctx, m.opts.StartDeadline)
	defer cancel()
	var err error
	if in.mod, err = m.runtime.InstantiateModule(withMemory(bounded, in.memory), m.compiled, config); err != nil {
		return nil, in.linkError(ctx, err)
	}
	if initialize := in.mod.ExportedFunction(abi.Initialize); initialize != nil {
		if err = initialize.CallWithStack(bounded, nil); err != nil {
			_ = in.Close(ctx)
			return nil, in.fault(ctx, "start", m.opts.StartDeadline, err)
		}
	}
	in.transform = in.mod.ExportedFunction(abi.Transform)
	return in, nil
}

// linkError tells a start function that failed from imports that are not there.
func (in *Instance) linkError(ctx context.Context, err error) error {
	_, exited := errors.AsType[*sys.ExitError](err)
	if exited || in.memory.refused || strings.HasPrefix(err.Error(), "start ") {
		return in.fault(ctx, "start", in.module.opts.StartDeadline, err)
	}
	return loadError(CodeImportUnknown, adviceImports, "it cannot be linked: %w", err)
}

// Broken reports whether the instance must be closed and replaced, since a call ended in the middle.
func (in *Instance) Broken() bool { return in.broken }

// Close frees the instance.
func (in *Instance) Close(ctx context.Context) error {
	if err := in.mod.Close(ctx); err != nil {
		return fmt.Errorf("close an instance of transform %s: %w", in.module.opts.Name, err)
	}
	return nil
}
