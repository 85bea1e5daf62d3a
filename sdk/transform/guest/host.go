package guest

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/hermodhq/hermod/sdk/transform/internal/abi"
)

const i32 = api.ValueTypeI32

// call is what the host functions work on while hermod_transform runs.
type call struct {
	draft    *Draft
	log      *lines
	rejected bool
	class    string
	code     string
	text     string
}

// callContext carries the call to the host functions without a search through the context's values.
type callContext struct {
	context.Context
	call *call
}

// The guest cannot go on after these: wazero turns the panic into an error of the call.
var (
	errNoCall  = errors.New("a function of " + abi.HostModule + " was called while no message was under way")
	errPointer = errors.New("a pointer given to a function of " + abi.HostModule + " leads outside the memory")
)

func current(ctx context.Context) *call {
	c, ok := ctx.(*callContext)
	if !ok {
		panic(errNoCall)
	}
	return c.call
}

// view returns n bytes of the guest's memory, valid until the guest runs again.
func view(mod api.Module, at, n uint64) []byte {
	b, ok := mod.Memory().Read(uint32(at), uint32(n))
	if !ok {
		panic(errPointer)
	}
	return b
}

// offerHostFunctions makes the module hermod_v1 in a runtime.
func offerHostFunctions(ctx context.Context, r wazero.Runtime) error {
	b := r.NewHostModuleBuilder(abi.HostModule)
	for _, f := range []struct {
		name    string
		params  int
		results int
		call    api.GoModuleFunc
	}{
		{"get_field", 4, 1, getField},
		{"set_field", 4, 1, setField},
		{"delete_field", 2, 1, deleteField},
		{"get_json", 4, 1, getJSON},
		{"set_json", 4, 1, setJSON},
		{"reject", 6, 0, reject},
		{"log", 3, 0, logLine},
	} {
		b.NewFunctionBuilder().WithGoModuleFunction(f.call, i32s(f.params), i32s(f.results)).Export(f.name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		return fmt.Errorf("offer the host functions to a transform: %w", err)
	}
	return nil
}

func i32s(n int) []api.ValueType {
	types := make([]api.ValueType, n)
	for i := range types {
		types[i] = i32
	}
	return types
}

func answer(stack []uint64, n int32) { stack[0] = api.EncodeI32(n) }

// getField is get_field(path, path_len, buf, buf_len) -> length or status.
func getField(ctx context.Context, mod api.Module, stack []uint64) {
	value, st := current(ctx).draft.Get(view(mod, stack[0], stack[1]))
	if st == abi.OK && uint64(len(value)) <= stack[3] {
		copy(view(mod, stack[2], uint64(len(value))), value)
	}
	answerLen(stack, len(value), st)
}

// getJSON is get_json(path, path_len, buf, buf_len) -> length or status.
func getJSON(ctx context.Context, mod api.Module, stack []uint64) {
	value, st := current(ctx).draft.GetJSON(view(mod, stack[0], stack[1]))
	if st == abi.OK && uint64(len(value)) <= stack[3] {
		copy(view(mod, stack[2], uint64(len(value))), value)
	}
	answerLen(stack, len(value), st)
}

func answerLen(stack []uint64, n int, st abi.Status) {
	if st != abi.OK {
		n = int(st)
	}
	answer(stack, int32(n))
}

// setField is set_field(path, path_len, value, value_len) -> status.
func setField(ctx context.Context, mod api.Module, stack []uint64) {
	value := view(mod, stack[2], stack[3])
	if len(value) > abi.MaxWritten {
		answer(stack, int32(abi.TooLarge))
		return
	}
	answer(stack, int32(current(ctx).draft.Set(view(mod, stack[0], stack[1]), string(value))))
}

// deleteField is delete_field(path, path_len) -> status.
func deleteField(ctx context.Context, mod api.Module, stack []uint64) {
	answer(stack, int32(current(ctx).draft.Delete(view(mod, stack[0], stack[1]))))
}

// setJSON is set_json(path, path_len, value, value_len) -> status.
func setJSON(ctx context.Context, mod api.Module, stack []uint64) {
	answer(stack, int32(current(ctx).draft.SetJSON(view(mod, stack[0], stack[1]), view(mod, stack[2], stack[3]))))
}

// reject is reject(class, class_len, code, code_len, text, text_len).
func reject(ctx context.Context, mod api.Module, stack []uint64) {
	c := current(ctx)
	c.rejected = true
	c.class = short(view(mod, stack[0], stack[1]))
	c.code = short(view(mod, stack[2], stack[3]))
	c.text = short(view(mod, stack[4], stack[5]))
}

const maxLine = 512 // bytes of a text that a guest gives for people

func short(b []byte) string { return string(b[:min(len(b), maxLine)]) }

// logLine is log(level, text, text_len).
func logLine(ctx context.Context, mod api.Module, stack []uint64) {
	c := current(ctx)
	c.log.line(ctx, level(api.DecodeI32(stack[0])), view(mod, stack[1], stack[2]))
}
