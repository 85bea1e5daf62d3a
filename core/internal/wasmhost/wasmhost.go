// Package wasmhost holds a directory's transforms, compiled and ready, and applies them to messages.
//
// A [Set] is loaded whole and swapped whole: to reload, load a second set, publish it in place of the first, and close
// the first, which waits for the calls under way and frees all that it held.
package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sync/errgroup"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
	"github.com/hermodhq/hermod/sdk/transform/guest"
)

// Codes beside those of the package guest.
const (
	CodeMissing = "transform_missing" // a call names a transform that the set does not have
	CodeClosed  = "transform_closed"  // the set was closed: take the one that replaced it and call again
	CodeRead    = "transform_read"    // the directory or a file cannot be read
	CodeName    = "transform_name"    // the file's name is no name for a transform
)

// Config says how transforms are run. The zero value is usable.
type Config struct {
	CacheDir      string        // a directory of this machine for compiled code, which only the host may write; empty: memory only
	MemoryLimit   uint32        // bytes of memory of one instance; 0 is 64 MiB
	Deadline      time.Duration // of one call of one transform; 0 is 100 ms
	StartDeadline time.Duration // of readying one instance; 0 is 5 s
	Logger        *slog.Logger  // for what guests log and print; nil: nowhere
	Workers       int           // instances of one transform, and so calls at once; 0 is GOMAXPROCS
}

// Set is a directory's transforms. Its methods may be called from several goroutines at once.
type Set struct {
	modules map[string]*pool
	names   []string
	closing chan struct{} // holds one value while a Close is at work
}

// LoadError says why a file, and with it the whole directory, was not loaded.
type LoadError struct {
	File   string // the file's path
	Code   string // stable: one of this package's, or of the package guest's
	Text   string // what is wrong
	Advice string // what to do next
	cause  error
}

// Error gives the file, the code, what is wrong and what to do.
func (e *LoadError) Error() string {
	return e.File + ": " + e.Code + ": " + e.Text + "; " + e.Advice
}

// Unwrap returns the cause, where there is one.
func (e *LoadError) Unwrap() error { return e.cause }

// Load compiles every .wasm file in a directory and starts an instance of each, to know that it does. A transform's name is its
// file's name without .wasm; files whose names begin with a dot are passed over. A directory that does not exist has no transforms.
// Either all are loaded or none: the error joins one [*LoadError] for each file that is at fault. The context ends Load
// early; the set outlives it.
func Load(ctx context.Context, cfg Config, fsys afero.Fs, dir string) (*Set, error) {
	files, err := list(fsys, dir)
	if err != nil {
		return nil, err
	}
	pools, errs := make([]*pool, len(files)), make([]error, len(files))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, file := range files {
		g.Go(func() error {
			pools[i], errs[i] = load(ctx, cfg, fsys, file)
			return nil
		})
	}
	_ = g.Wait()

	s := &Set{modules: map[string]*pool{}, closing: make(chan struct{}, 1)}
	for i, p := range pools {
		if p != nil {
			s.modules[nameOf(files[i])] = p
			s.names = append(s.names, nameOf(files[i]))
		}
	}
	slices.Sort(s.names)
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, s.Close(context.WithoutCancel(ctx)))
	}
	return s, nil
}

func nameOf(file string) string { return strings.TrimSuffix(filepath.Base(file), ".wasm") }

// list returns the paths of a directory's modules, in order of their names.
func list(fsys afero.Fs, dir string) ([]string, error) {
	entries, err := afero.ReadDir(fsys, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, &LoadError{File: dir, Code: CodeRead, Text: err.Error(), Advice: "check that it is a directory and may be read", cause: err}
	}
	var files []string
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".wasm") && !strings.HasPrefix(name, ".") && !e.IsDir() {
			files = append(files, filepath.Join(dir, name))
		}
	}
	return files, nil
}

func load(ctx context.Context, cfg Config, fsys afero.Fs, file string) (*pool, error) {
	name := nameOf(file)
	if ok, _ := regexp.MatchString(`^[a-z0-9][a-z0-9_-]{0,63}$`, name); !ok {
		return nil, &LoadError{File: file, Code: CodeName, Text: fmt.Sprintf("%q is no name for a transform", name),
			Advice: "rename the file: a-z, 0-9, - and _, at most 64 of them, then .wasm"}
	}
	wasm, err := read(fsys, file)
	if err != nil {
		return nil, &LoadError{File: file, Code: CodeRead, Text: err.Error(), Advice: "check that the file may be read", cause: err}
	}
	p, err := newPool(ctx, cfg, name, wasm)
	if err != nil {
		return nil, inFile(file, err)
	}
	return p, nil
}

// read returns a file's bytes, up to one more than a module may have.
func read(fsys afero.Fs, file string) ([]byte, error) {
	f, err := fsys.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, guest.MaxModule+1))
}

// inFile says in which file an error lies.
func inFile(file string, err error) error {
	if e, ok := errors.AsType[*guest.LoadError](err); ok {
		return &LoadError{File: file, Code: e.Code, Text: e.Text, Advice: e.Advice, cause: err}
	}
	f := fault.From(err)
	return &LoadError{File: file, Code: f.Code, Text: f.Text, Advice: "mend the transform so that it starts", cause: err}
}

// Names returns the transforms' names, sorted.
func (s *Set) Names() []string { return slices.Clone(s.names) }

// Has reports whether the set has a transform of that name.
func (s *Set) Has(name string) bool { return s.modules[name] != nil }

// Apply runs the named transforms on m, one after the other, and changes m to what they made of it. m itself must be the
// caller's own; the maps and pointers in it may be shared, since what a transform writes to is copied first. On
// failure m is as it was, and the error is a *fault.Fault: the transform's own reason, or class internal with one of the
// codes of this package or of the package guest. A context that ends stops the transform and waiting for an instance.
func (s *Set) Apply(ctx context.Context, names []string, m *message.Message) error {
	if len(names) == 0 {
		return nil
	}
	d := guest.NewDraft(m)
	for _, name := range names {
		p, ok := s.modules[name]
		if !ok {
			return fault.New(fault.Internal, CodeMissing, "there is no transform %.64q: add %.64s.wasm to the directory of transforms, or take it out of the route", name, name)
		}
		if err := p.apply(ctx, d); err != nil {
			return err
		}
	}
	*m = d.Message()
	return nil
}

// Close waits for the calls under way and frees everything. Calls that come later fail with [CodeClosed]. When the
// context ends first, its error comes back and Close may be called again to go on; after it has succeeded it does nothing.
func (s *Set) Close(ctx context.Context) error {
	for _, name := range s.names {
		s.modules[name].shut()
	}
	select {
	case s.closing <- struct{}{}:
		defer func() { <-s.closing }()
	case <-ctx.Done():
		return fmt.Errorf("close the transforms: %w", ctx.Err())
	}
	var errs []error
	for _, name := range s.names {
		errs = append(errs, s.modules[name].close(ctx))
	}
	return errors.Join(errs...)
}
