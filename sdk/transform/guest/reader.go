package guest

import "encoding/binary"

// reader takes a module apart; after the first error everything reads as zero.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail() { r.rest, r.err = nil, errMalformed }

func (r *reader) byte() byte {
	b := r.take(1)
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func (r *reader) uint() uint32 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || n > 5 || v > 1<<32-1 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return uint32(v)
}

// leb passes over a number of any sign and size.
func (r *reader) leb() {
	for range 10 {
		if r.byte() < 0x80 {
			return
		}
	}
	r.fail()
}

func (r *reader) take(n uint32) []byte {
	if uint64(n) > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// count reads how many items follow, each of at least so many bytes.
func (r *reader) count(least int) uint32 {
	n := r.uint()
	if uint64(n)*uint64(least) > uint64(len(r.rest)) {
		r.fail()
		return 0
	}
	return n
}

// list passes over a list.
func (r *reader) list(least int, item func()) {
	for n := r.count(least); n > 0 && r.err == nil; n-- {
		item()
	}
}

func (r *reader) text() { r.take(r.uint()) }

func (r *reader) limits() {
	flags := r.byte()
	r.uint()
	if flags&1 != 0 {
		r.uint()
	}
}

func (r *reader) functionType() {
	if r.byte() != 0x60 {
		r.fail()
	}
	r.take(r.count(1))
	r.take(r.count(1))
}

func (r *reader) importType() {
	switch r.byte() {
	case 0: // function
		r.uint()
	case 1: // table
		r.byte()
		r.limits()
	case 2: // memory
		r.limits()
	case 3: // global
		r.take(2)
	default:
		r.fail()
	}
}

// expr passes over a constant expression.
func (r *reader) expr() {
	for r.err == nil {
		switch r.byte() {
		case 0x0b: // end
			return
		case 0x41, 0x42, 0x23, 0xd2: // i32.const, i64.const, global.get, ref.func
			r.leb()
		case 0x43: // f32.const
			r.take(4)
		case 0x44: // f64.const
			r.take(8)
		case 0xd0: // ref.null
			r.take(1)
		case 0xfd: // v128.const
			r.take(17)
		default:
			r.fail()
		}
	}
}

// element passes over an element segment. The bits of its flags: 1 it has no place of its own, 2 the place or kind is given, 4 its
// items are expressions.
func (r *reader) element() {
	flags := r.uint()
	if flags > 7 {
		r.fail()
	}
	if flags&1 == 0 {
		if flags&2 != 0 {
			r.uint()
		}
		r.expr()
	}
	if flags&3 != 0 {
		r.byte()
	}
	if flags&4 != 0 {
		r.list(2, r.expr)
	} else {
		r.list(1, func() { r.uint() })
	}
}

func (r *reader) data() {
	switch r.uint() {
	case 0:
		r.expr()
	case 1:
	case 2:
		r.uint()
		r.expr()
	default:
		r.fail()
	}
	r.text()
}

// locals passes over a function's code and returns how many local variables it declares.
func (r *reader) locals() uint64 {
	code := reader{rest: r.take(r.uint())}
	sum := uint64(0)
	code.list(2, func() {
		sum += uint64(code.uint())
		code.byte()
	})
	if code.err != nil {
		r.fail()
	}
	return sum
}
