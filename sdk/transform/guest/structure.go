package guest

import (
	"encoding/binary"
	"errors"
)

// wazero makes room for as many things as a module says it has, before it has seen them: a file of 60 bytes can ask for more
// memory than there is, which ends the process. So the numbers are held against the bytes that are there, first.

// Limits of a module that have nothing to do with its linear memory. Go guests have one table of about 6,000 entries.
const (
	maxTables = 16
	maxTable  = 1 << 18 // entries of 8 bytes
	maxLocals = 1 << 22 // local variables of all functions together, 8 bytes each while they are compiled
)

// The sections that hold lists.
const (
	sectionCustom   = 0
	sectionType     = 1
	sectionImport   = 2
	sectionFunction = 3
	sectionTable    = 4
	sectionGlobal   = 6
	sectionExport   = 7
	sectionElement  = 9
	sectionCode     = 10
	sectionData     = 11
)

var errMalformed = errors.New("it is cut off, or says it has more than there is")

// tidy checks that a module's lists are no longer than the module, drops its custom sections, which hold names and debug
// information, and gives every table an upper bound: table.grow takes memory that the limit of the linear memory does not cover.
func tidy(wasm []byte) ([]byte, error) {
	const header = 8
	if len(wasm) < header || string(wasm[:4]) != "\x00asm" {
		return nil, loadError(CodeCompile, adviceBuild, "it is not a WebAssembly module")
	}
	out := make([]byte, 0, len(wasm)+64)
	out = append(out, wasm[:header]...)
	for r := (reader{rest: wasm[header:]}); len(r.rest) > 0; {
		id := r.byte()
		body := r.take(r.uint())
		if r.err != nil {
			return nil, loadError(CodeCompile, adviceBuild, "it cannot be read: %w", r.err)
		}
		if id == sectionCustom {
			continue
		}
		if id == sectionTable {
			var err error
			if body, err = boundTables(body); err != nil {
				return nil, err
			}
		} else if err := checkSection(id, body); err != nil {
			return nil, err
		}
		out = append(out, id)
		out = binary.AppendUvarint(out, uint64(len(body)))
		out = append(out, body...)
	}
	return out, nil
}

// boundTables rewrites the body of a table section.
func boundTables(body []byte) ([]byte, error) {
	r := reader{rest: body}
	n := r.count(3)
	if n > maxTables {
		return nil, loadError(CodeTooLarge, "let it need fewer", "it has more than %d tables", maxTables)
	}
	out := binary.AppendUvarint(nil, uint64(n))
	for range n {
		kind, flags := r.byte(), r.byte()
		least, most := r.uint(), uint32(maxTable)
		if flags == 1 {
			most = min(r.uint(), maxTable)
		}
		switch {
		case r.err != nil:
		case kind != 0x70 && kind != 0x6f || flags > 1:
			return nil, loadError(CodeCompile, adviceBuild, "it has a table of a kind that is not supported (%#x, %#x)", kind, flags)
		case least > maxTable:
			return nil, loadError(CodeTooLarge, "let it need fewer", "it asks for a table of more than %d entries", maxTable)
		}
		out = append(out, kind, 1)
		out = binary.AppendUvarint(out, uint64(least))
		out = binary.AppendUvarint(out, uint64(most))
	}
	if r.err == nil && len(r.rest) > 0 {
		r.err = errMalformed
	}
	if r.err != nil {
		return nil, loadError(CodeCompile, adviceBuild, "its tables cannot be read: %w", r.err)
	}
	return out, nil
}

// checkSection goes through the lists of a section.
func checkSection(id byte, body []byte) error {
	r := reader{rest: body}
	switch id {
	case sectionType:
		r.list(3, r.functionType)
	case sectionImport:
		r.list(4, func() { r.text(); r.text(); r.importType() })
	case sectionFunction:
		r.count(1)
	case sectionGlobal:
		r.list(4, func() { r.take(2); r.expr() })
	case sectionExport:
		r.list(3, func() { r.text(); r.byte(); r.uint() })
	case sectionElement:
		r.list(2, r.element)
	case sectionCode:
		locals := uint64(0)
		r.list(2, func() { locals += r.locals() })
		if locals > maxLocals {
			return loadError(CodeTooLarge, "let it need fewer", "it has more than %d local variables", maxLocals)
		}
	case sectionData:
		r.list(2, r.data)
	}
	if r.err != nil {
		return loadError(CodeCompile, adviceBuild, "section %d cannot be read: %w", id, r.err)
	}
	return nil
}
