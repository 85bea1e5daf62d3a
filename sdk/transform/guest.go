//go:build wasip1

package transform

import (
	"unsafe"

	"github.com/hermodhq/hermod/sdk/transform/internal/abi"
)

//go:wasmimport hermod_v1 get_field
func getField(path string, buf *byte, size uint32) int32

//go:wasmimport hermod_v1 set_field
func setField(path, value string) int32

//go:wasmimport hermod_v1 delete_field
func deleteField(path string) int32

//go:wasmimport hermod_v1 get_json
func getJSON(path string, buf *byte, size uint32) int32

//go:wasmimport hermod_v1 set_json
func setJSON(path, value string) int32

//go:wasmimport hermod_v1 reject
func reject(class, code, text string)

//go:wasmimport hermod_v1 log
func logLine(level int32, text string)

// A module is one transform, and an instance runs one call at a time: so both may be globals here.
var (
	registered Func
	underWay   Message
	buffer     = make([]byte, 4096) // what the engine writes values into
)

// Register makes f the transform of this module. Call it once, in init.
func Register(f Func) { registered = f }

//go:wasmexport hermod_abi_v1
func abiV1() {}

//go:wasmexport hermod_transform
func transform() int32 {
	if registered == nil {
		reject(string(Internal), "transform_unregistered", "call transform.Register in an init function")
		return abi.Rejected
	}
	underWay = Message{}
	if r := run(registered, &underWay); r != nil {
		reject(string(r.Class), r.Code, r.Text)
		return abi.Rejected
	}
	return abi.Done
}

// host is the engine, reached through the functions it offers.
type host struct{}

func (host) get(path string) (string, abi.Status) {
	for {
		n := getField(path, &buffer[0], uint32(len(buffer)))
		if raw, st := received(n); st != retry {
			return string(raw), st
		}
	}
}

func (host) getJSON(path string) ([]byte, abi.Status) {
	for {
		n := getJSON(path, &buffer[0], uint32(len(buffer)))
		if raw, st := received(n); st != retry {
			return append([]byte(nil), raw...), st
		}
	}
}

const retry abi.Status = 1

// received returns what is in the buffer, or readies a larger buffer and asks for another try.
func received(n int32) ([]byte, abi.Status) {
	switch {
	case n < 0:
		return nil, abi.Status(n)
	case int(n) > len(buffer):
		buffer = make([]byte, n)
		return nil, retry
	}
	return buffer[:n], abi.OK
}

func (host) set(path, value string) abi.Status { return abi.Status(setField(path, value)) }

func (host) del(path string) abi.Status { return abi.Status(deleteField(path)) }

func (host) setJSON(path string, raw []byte) abi.Status {
	return abi.Status(setJSON(path, unsafe.String(unsafe.SliceData(raw), len(raw))))
}

func (host) log(level Level, text string) { logLine(int32(level), text) }
