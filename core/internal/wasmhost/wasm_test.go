package wasmhost_test

import (
	"encoding/binary"
	"slices"
)

// tiny is a WebAssembly module written by hand. The zero value has one page of memory, exported, and nothing else.
type tiny struct {
	imports  []tinyImport
	funcs    []tinyFunc
	memory   []byte // the limits; nil: one page or more
	unlisted bool   // do not export the memory
	table    []byte // one table; nil: none
	start    bool   // the first function is the start function
}

type tinyImport struct {
	module, name string
	kind         []byte // kind and type
}

type tinyFunc struct {
	export string
	typ    byte
	body   []byte
}

// The function types.
const (
	typeNone  = 0 // () -> ()
	typeI32   = 1 // () -> i32
	typeField = 2 // (i32, i32, i32, i32) -> i32
	typeBad   = 3 // (i64) -> i32
)

// Bodies of functions.
var (
	bodyOK        = []byte{0x41, 0x00}                                                                                     // i32.const 0
	bodyStatus    = []byte{0x41, 0x05}                                                                                     // i32.const 5
	bodyTrap      = []byte{0x00}                                                                                           // unreachable
	bodyLoop      = []byte{0x03, 0x40, 0x0c, 0x00, 0x0b, 0x00}                                                             // loop br 0 end, unreachable
	bodyGrow      = []byte{0x41, 0xff, 0xff, 0x03, 0x40, 0x00, 0x41, 0x7f, 0x46, 0x04, 0x40, 0x00, 0x0b, 0x41, 0x00}       // if memory.grow(65535) == -1 { unreachable }; 0
	bodyAsk       = []byte{0x41, 0xff, 0xff, 0x03, 0x40, 0x00, 0x1a, 0x41, 0x00}                                           // memory.grow(65535), drop; 0
	bodyTableGrow = []byte{0xd0, 0x70, 0x41, 0x80, 0x94, 0xeb, 0xdc, 0x03, 0xfc, 0x0f, 0x00}                               // table.grow(1,000,000,000)
	bodyPointer   = []byte{0x41, 0x00, 0x41, 0x7f, 0x41, 0x00, 0x41, 0x00, 0x10, 0x00}                                     // get_field(0, -1, 0, 0)
	bodyRecurse   = []byte{0x10, 0x01}                                                                                     // call itself
	bodyAskTrap   = []byte{0x41, 0x00, 0x28, 0x02, 0x00, 0x04, 0x40, 0x00, 0x0b, 0x41, 0x00, 0x41, 0x01, 0x36, 0x02, 0x00, // trap in all calls but the first
		0x41, 0xff, 0xff, 0x03, 0x40, 0x00, 0x1a, 0x41, 0x00} // and in that do as bodyAsk
	bodyNone = []byte{}
)

var (
	marker      = tinyFunc{"hermod_abi_v1", typeNone, bodyNone}
	getField    = tinyImport{"hermod_v1", "get_field", []byte{0x00, typeField}}
	fourGB      = []byte{0x00, 0x80, 0x80, 0x04} // 65,536 pages or more
	bigTable    = []byte{0x70, 0x00, 0x80, 0x80, 0x80, 0x40}
	manyTables  = append([]byte{100}, make([]byte, 300)...)
	huge        = []byte{0xff, 0xff, 0xff, 0xff, 0x0f} // 4,294,967,295
	openTable   = []byte{0x70, 0x00, 0x01}
	strangeKind = []byte{0x63, 0x70, 0x00, 0x01}
)

func transformFunc(body []byte) tinyFunc { return tinyFunc{"hermod_transform", typeI32, body} }

// doing is a module that is right, and whose transform has this body.
func doing(body []byte) tiny { return tiny{funcs: []tinyFunc{marker, transformFunc(body)}} }

// module is a file of these sections.
func module(sections ...[]byte) []byte {
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"), slices.Concat(sections...))
}

// wasm is the module in binary form.
func (m tiny) wasm() []byte {
	out := section(module(), 1, vec(
		[]byte{0x60, 0, 0},
		[]byte{0x60, 0, 1, 0x7f},
		[]byte{0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f},
		[]byte{0x60, 1, 0x7e, 1, 0x7f}))
	var imports, types, exports, bodies [][]byte
	funcs := 0
	for _, i := range m.imports {
		imports = append(imports, slices.Concat(name(i.module), name(i.name), i.kind))
		if i.kind[0] == 0 {
			funcs++
		}
	}
	for i, f := range m.funcs {
		types = append(types, []byte{f.typ})
		exports = append(exports, slices.Concat(name(f.export), []byte{0x00, byte(funcs + i)}))
		body := slices.Concat([]byte{0}, f.body, []byte{0x0b})
		bodies = append(bodies, slices.Concat(uleb(len(body)), body))
	}
	if !m.unlisted {
		exports = append(exports, slices.Concat(name("memory"), []byte{0x02, 0x00}))
	}
	memory := m.memory
	if memory == nil {
		memory = []byte{0x00, 0x01}
	}
	out = section(out, 2, vec(imports...))
	out = section(out, 3, vec(types...))
	if m.table != nil {
		out = section(out, 4, vec(m.table))
	}
	out = section(out, 5, vec(memory))
	out = section(out, 7, vec(exports...))
	if m.start {
		out = section(out, 8, []byte{byte(funcs)})
	}
	return section(out, 10, vec(bodies...))
}

func section(out []byte, id byte, body []byte) []byte {
	return slices.Concat(out, []byte{id}, uleb(len(body)), body)
}

func vec(items ...[]byte) []byte { return slices.Concat(uleb(len(items)), slices.Concat(items...)) }

func name(s string) []byte { return slices.Concat(uleb(len(s)), []byte(s)) }

func uleb(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }
