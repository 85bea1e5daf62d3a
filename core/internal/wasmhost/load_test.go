package wasmhost_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/core/internal/wasmhost"
	"github.com/hermodhq/hermod/sdk/transform/guest"
)

// badModules are files that must not load, by the code they fail with and a name.
func badModules() map[string][]byte {
	with := func(f ...tinyFunc) tiny { return tiny{funcs: f} }
	ok := transformFunc(bodyOK)
	cut := doing(bodyOK).wasm()
	bad := map[string][]byte{
		"transform_compile empty":               {},
		"transform_compile text":                []byte("#!/bin/sh\necho no"),
		"transform_compile cut-off":             cut[:len(cut)-3],
		"transform_compile header-only-version": []byte("\x00asm\x02\x00\x00\x00"),
		"transform_compile ill-typed":           doing([]byte{0x42, 0x00}).wasm(),
		"transform_compile table-kind":          tiny{funcs: []tinyFunc{marker, ok}, table: strangeKind}.wasm(),
		"transform_export_missing nothing":      tiny{}.wasm(),
		"transform_export_missing marker":       with(ok).wasm(),
		"transform_export_missing transform":    with(marker).wasm(),
		"transform_export_missing memory":       tiny{funcs: []tinyFunc{marker, ok}, unlisted: true}.wasm(),
		"transform_abi version":                 with(tinyFunc{"hermod_abi_v2", typeNone, bodyNone}, ok).wasm(),
		"transform_abi signature":               with(marker, tinyFunc{"hermod_transform", typeNone, bodyNone}).wasm(),
		"transform_abi initialize":              with(marker, ok, tinyFunc{"_initialize", typeI32, bodyOK}).wasm(),
		"transform_abi command":                 with(marker, ok, tinyFunc{"_start", typeNone, bodyNone}).wasm(),
		"transform_import_unknown module":       tiny{imports: []tinyImport{{"env", "get", []byte{0, typeI32}}}, funcs: []tinyFunc{marker, ok}}.wasm(),
		"transform_import_unknown function":     tiny{imports: []tinyImport{{"hermod_v1", "send", []byte{0, typeI32}}}, funcs: []tinyFunc{marker, ok}}.wasm(),
		"transform_import_unknown signature":    tiny{imports: []tinyImport{{"hermod_v1", "get_field", []byte{0, typeI32}}}, funcs: []tinyFunc{marker, ok}}.wasm(),
		"transform_import_unknown global":       tiny{imports: []tinyImport{{"hermod_v1", "g", []byte{3, 0x7f, 0}}}, funcs: []tinyFunc{marker, ok}}.wasm(),
		"transform_too_large memory":            tiny{funcs: []tinyFunc{marker, ok}, memory: fourGB}.wasm(),
		"transform_too_large table":             tiny{funcs: []tinyFunc{marker, ok}, table: bigTable}.wasm(),
		"transform_too_large tables":            section(module(), 4, manyTables),
		"transform_too_large file":              bytes.Repeat([]byte{0}, 33<<20),
		"transform_trapped start":               tiny{funcs: []tinyFunc{{"s", typeNone, bodyTrap}, marker, ok}, start: true}.wasm(),
		"transform_trapped initialize":          with(marker, ok, tinyFunc{"_initialize", typeNone, bodyTrap}).wasm(),
		"transform_trapped early": tiny{imports: []tinyImport{getField}, funcs: []tinyFunc{marker, ok,
			{"_initialize", typeNone, slices.Concat(bodyPointer, []byte{0x1a})}}}.wasm(),
		"transform_deadline start":      tiny{funcs: []tinyFunc{{"s", typeNone, bodyLoop}, marker, ok}, start: true}.wasm(),
		"transform_deadline initialize": with(marker, ok, tinyFunc{"_initialize", typeNone, bodyLoop}).wasm(),
		"transform_memory initialize":   with(marker, ok, tinyFunc{"_initialize", typeNone, slices.Concat(bodyGrow, []byte{0x1a})}).wasm(),
		// 8 bytes of code that declare 4,294,967,295 local variables, and lists that say they are as long
		"transform_too_large locals":            section(module(), 10, slices.Concat([]byte{1, 8, 1}, huge, []byte{0x7f, 0x0b})),
		"transform_compile list-in-type":        section(module(), 1, slices.Concat([]byte{1, 0x60}, huge, make([]byte, 8))),
		"transform_compile list-in-element":     section(module(), 9, slices.Concat([]byte{1, 1, 0}, huge)),
		"transform_compile text-in-import":      section(module(), 2, slices.Concat([]byte{1}, huge, make([]byte, 8))),
		"transform_compile text-in-data":        section(module(), 11, slices.Concat([]byte{1, 1}, huge)),
		"transform_export_missing name-section": section(module(), 0, slices.Concat(huge, []byte("name"))),
	}
	for _, id := range []byte{1, 2, 3, 4, 6, 7, 9, 10, 11} { // lists of 4,294,967,295 items in a few bytes
		bad[fmt.Sprintf("transform_compile list-of-section-%d", id)] = section(module(), id, huge)
	}
	return bad
}

func TestLoadRefuses(t *testing.T) {
	bad := badModules()
	var texts strings.Builder
	for _, name := range slices.Sorted(maps.Keys(bad)) {
		code, _, _ := strings.Cut(name, " ")
		fsys := files(t, map[string][]byte{"bad.wasm": bad[name], "good.wasm": doing(bodyOK).wasm()})
		s, err := wasmhost.Load(t.Context(), wasmhost.Config{StartDeadline: 50 * time.Millisecond}, fsys, "transforms")
		load, ok := errors.AsType[*wasmhost.LoadError](err)
		if s != nil || !ok || load.Code != code || load.File != filepath.Join("transforms", "bad.wasm") || load.Advice == "" {
			t.Errorf("%s: got set %v, error %v", name, s, err)
			continue
		}
		texts.WriteString(name + "\n    " + err.Error() + "\n")
	}
	golden(t, "load_errors.golden", texts.String())
}

func TestLoadNamesEveryBadFile(t *testing.T) {
	fsys := files(t, map[string][]byte{
		"a.wasm": doing(bodyOK).wasm(), "b.wasm": tiny{}.wasm(), "c.wasm": []byte("no"), "Not A Name.wasm": doing(bodyOK).wasm(),
	})
	_, err := wasmhost.Load(t.Context(), wasmhost.Config{}, fsys, "transforms")
	if err == nil {
		t.Fatal("loaded")
	}
	for _, want := range []string{"b.wasm: " + guest.CodeExportMissing, "c.wasm: " + guest.CodeCompile, "Not A Name.wasm: " + wasmhost.CodeName} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
}

func TestLoadPassesOver(t *testing.T) {
	ok := doing(bodyOK).wasm()
	fsys := files(t, map[string][]byte{"b.wasm": ok, "a-1.wasm": ok, ".hidden.wasm": []byte("no"), "README.md": []byte("no"), "dir.wasm/x": ok})
	s, err := wasmhost.Load(t.Context(), wasmhost.Config{}, fsys, "transforms")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Names(); !slices.Equal(got, []string{"a-1", "b"}) || !s.Has("b") || s.Has("c") {
		t.Errorf("names are %q", got)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLoadDirectory(t *testing.T) {
	s, err := wasmhost.Load(t.Context(), wasmhost.Config{}, afero.NewMemMapFs(), "nowhere")
	if err != nil || len(s.Names()) != 0 {
		t.Errorf("a missing directory: %v, %v", s, err)
	}
	fsys := files(t, map[string][]byte{"file": nil})
	_, err = wasmhost.Load(t.Context(), wasmhost.Config{}, fsys, filepath.Join("transforms", "file"))
	if e, ok := errors.AsType[*wasmhost.LoadError](err); !ok || e.Code != wasmhost.CodeRead {
		t.Errorf("a file as the directory: %v", err)
	}
}

// A cache that is damaged or cannot be written costs time, and nothing else.
func TestLoadCache(t *testing.T) {
	contents := map[string][]byte{"a.wasm": doing(bodyOK).wasm()}
	dir := filepath.Join(t.TempDir(), "cache")
	load(t, wasmhost.Config{CacheDir: dir}, contents)
	entries, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(entries) != 1 {
		t.Fatalf("the cache holds %v, %v", entries, err)
	}
	if err := os.Truncate(entries[0], 40); err != nil {
		t.Fatal(err)
	}
	load(t, wasmhost.Config{CacheDir: dir}, contents)

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	load(t, wasmhost.Config{CacheDir: file}, contents)
}

func FuzzLoad(f *testing.F) {
	for _, wasm := range badModules() {
		if len(wasm) < 1<<20 {
			f.Add(wasm)
		}
	}
	for _, body := range [][]byte{bodyOK, bodyTrap, bodyLoop, bodyGrow, bodyTableGrow} {
		f.Add(tiny{funcs: []tinyFunc{marker, transformFunc(body)}, table: openTable}.wasm())
	}
	cfg := wasmhost.Config{MemoryLimit: 1 << 20, Deadline: 50 * time.Millisecond, StartDeadline: 50 * time.Millisecond, Workers: 1}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		s, err := wasmhost.Load(t.Context(), cfg, files(t, map[string][]byte{"fuzz.wasm": wasm}), "transforms")
		if err != nil {
			if _, ok := errors.AsType[*wasmhost.LoadError](err); !ok {
				t.Errorf("not a LoadError: %v", err)
			}
			return
		}
		m := hello("")
		_ = s.Apply(t.Context(), []string{"fuzz"}, &m)
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
}
