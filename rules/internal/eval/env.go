// Package eval compiles and runs the expressions of rule files: conditions, and texts with {{ expressions }} inside.
//
// Everything is checked against [Env] when it is compiled. An expression has no clock, no I/O, and bounded nodes, loops and memory.
// The types of the expression library do not leave this package.
package eval

import (
	"time"

	"github.com/expr-lang/expr/vm"

	"github.com/hermodhq/hermod/rules/internal/event"
)

// Env is what an expression sees. The tags are the names that operators write.
type Env struct {
	Msg         Msg                  `expr:"msg"`
	Data        map[string]any       `expr:"data"`
	Attempts    []Attempt            `expr:"attempts"`
	Now         time.Time            `expr:"now"`
	Account     func(string) Account `expr:"account"`
	SessionOpen func(string) bool    `expr:"session_open"`
	OptedOut    func(string) bool    `expr:"opted_out"`
	Event       event.Event          `expr:"event"` // reactions only
}

// Msg is the message as expressions see it.
type Msg struct {
	To       To                `expr:"to"`
	Category string            `expr:"category"`
	Priority string            `expr:"priority"`
	Labels   map[string]string `expr:"labels"`
	Content  event.Content     `expr:"content"`
	Key      string            `expr:"key"`
	ID       string            `expr:"id"`
}

// To is the recipient as expressions see it.
type To struct {
	Phone   string `expr:"phone"`
	Country string `expr:"country"`
	Email   string `expr:"email"`
	Name    string `expr:"name"`
}

// Attempt is an earlier attempt as expressions see it.
type Attempt struct {
	Account string `expr:"account"`
	Channel string `expr:"channel"`
	Outcome string `expr:"outcome"`
	Class   string `expr:"class"`
	Code    string `expr:"code"`
}

// Account is an account's health as expressions see it.
type Account struct {
	State  string `expr:"state"`
	Queued int    `expr:"queued"`
}

// memoryBudget bounds the elements that one evaluation may make in arrays, maps and repeated strings.
const memoryBudget = 20_000

// MaxRendered bounds one rendered text, in bytes.
const MaxRendered = 64 << 10

// Machine runs compiled expressions over its Env. It is reused from message to message, and belongs to one goroutine at a time.
type Machine struct {
	Env Env
	vm  vm.VM
	buf []byte
}

// NewMachine returns a machine whose Env is empty.
func NewMachine() *Machine { return &Machine{vm: vm.VM{MemoryBudget: memoryBudget}} }

func (m *Machine) run(p *vm.Program) (any, error) { return m.vm.Run(p, &m.Env) }

// Reset drops what the last message left behind; the functions of Env stay.
func (m *Machine) Reset() {
	clear(m.vm.Stack)
	clear(m.vm.Variables)
	m.Env = Env{Account: m.Env.Account, SessionOpen: m.Env.SessionOpen, OptedOut: m.Env.OptedOut}
	if cap(m.buf) > MaxRendered {
		m.buf = nil
	}
}
