package guest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/hermodhq/hermod/sdk/transform/internal/abi"
)

// The codes of a [LoadError]. A module that fails while it starts has one of the codes of a failed call.
const (
	CodeCompile       = "transform_compile"        // not a module that can be compiled
	CodeExportMissing = "transform_export_missing" // does not export what the ABI asks for
	CodeImportUnknown = "transform_import_unknown" // imports what is not offered
	CodeABI           = "transform_abi"            // speaks another version of the ABI, or speaks it wrongly
	CodeTooLarge      = "transform_too_large"      // the file, or the memory or tables it asks for, are over the limit
)

// MaxModule is how many bytes a .wasm file may have.
const MaxModule = 32 << 20

const (
	adviceBuild   = "build it with: GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared"
	adviceImports = "a transform may import functions of wasi_snapshot_preview1 and " + abi.HostModule + " only"
	adviceSDK     = "build it against this version of github.com/hermodhq/hermod/sdk/transform"
)

// LoadError says why a module cannot be used. Its text names no file: the caller knows it.
type LoadError struct {
	Code   string // stable, one of the codes above or of a failed call
	Text   string // what is wrong
	Advice string // what to do next
	cause  error
}

// Error gives the code, what is wrong and what to do.
func (e *LoadError) Error() string { return e.Code + ": " + e.Text + "; " + e.Advice }

// Unwrap returns the cause, where there is one.
func (e *LoadError) Unwrap() error { return e.cause }

func loadError(code, advice, format string, args ...any) *LoadError {
	err := fmt.Errorf(format, args...)
	return &LoadError{Code: code, Text: firstLine(err.Error()), Advice: advice, cause: errors.Unwrap(err)}
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if len(s) > 500 {
		s = s[:500]
	}
	return strings.ToValidUTF8(s, "?")
}

func code(err error) string {
	if e, ok := errors.AsType[*LoadError](err); ok {
		return e.Code
	}
	return ""
}

// check holds a compiled module against the ABI.
func (m *Module) check() error {
	for _, check := range []func() error{m.checkVersion, m.checkExports, m.checkImports, m.checkMemory} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (m *Module) checkVersion() error {
	exports := m.compiled.ExportedFunctions()
	if _, ok := exports[abi.Marker]; ok {
		return nil
	}
	for name := range exports {
		if version, ok := strings.CutPrefix(name, abi.MarkerPrefix); ok {
			return loadError(CodeABI, adviceSDK, "it speaks version %.20s of the transform ABI; this engine speaks version %d", version, abi.Version)
		}
	}
	return missing(abi.Marker)
}

func missing(export string) error {
	return loadError(CodeExportMissing, "register the function with sdk/transform and "+adviceBuild, "it does not export %s", export)
}

func (m *Module) checkExports() error {
	exports := m.compiled.ExportedFunctions()
	transform, ok := exports[abi.Transform]
	if !ok {
		return missing(abi.Transform)
	}
	if !sameTypes(transform, nil, []api.ValueType{i32}) {
		return loadError(CodeABI, adviceSDK, "its export %s is %s; it must be () -> i32", abi.Transform, signature(transform))
	}
	initialize, ok := exports[abi.Initialize]
	if ok && !sameTypes(initialize, nil, nil) {
		return loadError(CodeABI, adviceSDK, "its export %s is %s; it must be () -> ()", abi.Initialize, signature(initialize))
	}
	if _, command := exports["_start"]; command && !ok {
		return loadError(CodeABI, adviceBuild, "it is a program (exports _start); a transform is a library")
	}
	if _, ok := m.compiled.ExportedMemories()[abi.Memory]; !ok {
		return missing("its memory as " + abi.Memory)
	}
	return nil
}

func (m *Module) checkImports() error {
	if imported := m.compiled.ImportedMemories(); len(imported) > 0 {
		module, name, _ := imported[0].Import()
		return unknown("a memory", module, name)
	}
	for _, def := range m.compiled.ImportedFunctions() {
		module, name, _ := def.Import()
		host := m.runtime.Module(module)
		if host == nil {
			return unknown("a function", module, name)
		}
		offered, ok := host.ExportedFunctionDefinitions()[name]
		if !ok {
			return unknown("a function", module, name)
		}
		if !sameTypes(def, offered.ParamTypes(), offered.ResultTypes()) {
			return loadError(CodeImportUnknown, adviceSDK, "it imports %.100q.%.100q as %s; it is %s", module, name, signature(def), signature(offered))
		}
	}
	return nil
}

func unknown(what, module, name string) error {
	return loadError(CodeImportUnknown, adviceImports, "it imports %s that is not offered: %.100q.%.100q", what, module, name)
}

func (m *Module) checkMemory() error {
	least := uint64(m.compiled.ExportedMemories()[abi.Memory].Min()) * pageSize
	if limit := uint64(m.opts.MemoryLimit); least > limit {
		return loadError(CodeTooLarge, "let it need less, or raise the memory limit of transforms",
			"it asks for %d MiB of memory to begin with; the limit is %d MiB", least>>20, limit>>20)
	}
	return nil
}

func sameTypes(def api.FunctionDefinition, params, results []api.ValueType) bool {
	return slices.Equal(def.ParamTypes(), params) && slices.Equal(def.ResultTypes(), results)
}

func signature(def api.FunctionDefinition) string {
	return "(" + typeNames(def.ParamTypes()) + ") -> (" + typeNames(def.ResultTypes()) + ")"
}

func typeNames(types []api.ValueType) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = api.ValueTypeName(t)
	}
	return strings.Join(names, ", ")
}
