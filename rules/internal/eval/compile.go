package eval

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"github.com/hermodhq/hermod/sdk/fault"
)

// Limits of one expression.
const (
	MaxLength = 4096 // characters
	maxNodes  = 500
)

// The stable codes of problems with expressions.
const (
	CodeSyntax      = "expression_syntax"
	CodeType        = "expression_type"
	CodeUnknownName = "expression_unknown_name"
	CodeForbidden   = "expression_forbidden"
	CodeAccount     = "account_unknown"
	CodeChannel     = "channel_unknown"
	CodeTemplate    = "template_syntax"
)

// Problem is something wrong in an expression. Offset counts characters from the start of the text that was compiled.
type Problem struct {
	Offset     int
	Code       string
	Text       string
	Suggestion string
}

// Scope says what an expression may use.
type Scope int

// The scopes.
const (
	InRoute    Scope = iota // before any attempt: route conditions and texts
	InStep                  // when a step is reached: attempts are known
	InReaction              // conditions and texts of reactions: the event alone is known
)

// Compiler compiles expressions. It belongs to one goroutine at a time.
type Compiler struct {
	Accounts []string // names that account("...") may use
	Channels []string // names that session_open("...") and opted_out("...") may use
	config   *conf.Config
	texts    Scope // of texts
}

// NewCompiler returns a compiler that knows these accounts and channels.
func NewCompiler(accounts, channels []string) *Compiler {
	c := conf.CreateNew()
	for _, option := range []expr.Option{expr.Env(Env{}), expr.MaxNodes(maxNodes)} {
		option(c)
	}
	for _, name := range withdrawn() {
		expr.DisableBuiltin(name)(c)
		delete(c.Builtins, name)
	}
	expr.Function("replace", replace, new(func(string, string, string) string))(c)
	expr.Function("join", join, new(func([]any, string) string), new(func([]string, string) string), new(func([]any) string))(c)
	return &Compiler{Accounts: accounts, Channels: channels, config: c}
}

// ForReactions returns a compiler for the texts of reactions, which belongs to the same goroutine.
func (c *Compiler) ForReactions() *Compiler {
	d := *c
	d.texts = InReaction
	return &d
}

// withdrawn names the library's functions that rules do without: a clock, time zone files, and what can grow without bound.
func withdrawn() []string {
	return []string{"now", "timezone", "reduce", "toJSON", "fromJSON", "replace", "join"}
}

// Condition is a compiled condition. It may be used by many goroutines at once, each with its own [Machine].
type Condition struct {
	Source    string
	Canonical string // equal for conditions that differ in spelling only
	Constant  bool   // the condition is the same for every message
	Value     bool   // its value, where it is constant
	program   *vm.Program
	quick     quick
}

// Condition compiles a condition.
func (c *Compiler) Condition(text string, scope Scope) (*Condition, *Problem) {
	tree, problem := c.check(text, scope, reflect.Bool)
	if problem != nil {
		return nil, problem
	}
	cond := &Condition{Source: text, Canonical: tree.Node.String(), Constant: constant(tree.Node), quick: quicken(tree.Node)}
	program, problem := c.program(tree)
	if problem != nil {
		return nil, problem
	}
	cond.program = program
	if b, ok := tree.Node.(*ast.BoolNode); ok { // what the optimizer found
		cond.Constant, cond.Value = true, b.Value
	} else if cond.Constant {
		value, err := cond.Holds(NewMachine())
		if err != nil {
			return nil, &Problem{Code: CodeType, Text: "the condition is the same for every message, and it cannot be computed"}
		}
		cond.Value = value
	}
	return cond, nil
}

// Holds evaluates the condition. The error's text carries no value of the message.
func (c *Condition) Holds(m *Machine) (bool, error) {
	if c.quick != nil {
		return c.quick(&m.Env), nil
	}
	v, err := m.run(c.program)
	if err != nil {
		return false, c.failure(err)
	}
	b, ok := v.(bool)
	if !ok {
		return false, c.failure(nil)
	}
	return b, nil
}

// ErrEvaluation is in the chain of every error of an evaluation.
var ErrEvaluation = errors.New("the expression cannot be evaluated for this message")

// failure says where the evaluation stopped. The library's own text is left out: it may quote values of the message.
func (c *Condition) failure(err error) error {
	if e, ok := errors.AsType[*file.Error](err); ok && e.From > 0 {
		return fmt.Errorf("%w: it stops at character %d of `%s`", ErrEvaluation, e.From+1, fault.Redact(c.Source))
	}
	return fmt.Errorf("%w: `%s`", ErrEvaluation, fault.Redact(c.Source))
}

// check parses text and checks its types against [Env]; want is the kind it must have, [reflect.Invalid] for any.
func (c *Compiler) check(text string, scope Scope, want reflect.Kind) (*parser.Tree, *Problem) {
	if len(text) > MaxLength {
		return nil, &Problem{Code: CodeForbidden, Text: fmt.Sprintf("the expression is longer than %d characters; split the rule", MaxLength)}
	}
	if strings.TrimSpace(text) == "" {
		return nil, &Problem{Code: CodeSyntax, Text: "the expression is empty"}
	}
	c.config.Expect, c.config.ExpectAny = want, true
	tree, err := parser.ParseWithConfig(text, c.config)
	if err != nil {
		return nil, syntaxProblem(err, text)
	}
	if _, err := new(checker.Checker).PatchAndCheck(tree, c.config); err != nil {
		return nil, c.typeProblem(err, tree)
	}
	if problem := c.inspect(tree.Node, scope); problem != nil {
		return nil, problem
	}
	return tree, nil
}

// program optimizes and compiles a checked tree.
func (c *Compiler) program(tree *parser.Tree) (*vm.Program, *Problem) {
	if err := optimizer.Optimize(&tree.Node, c.config); err != nil {
		p := &Problem{Code: CodeType, Text: "the expression cannot be computed"}
		if e, ok := errors.AsType[*file.Error](err); ok {
			p.Offset, p.Text = e.From, e.Message
		}
		return nil, p
	}
	program, err := compiler.Compile(tree, c.config)
	if err != nil {
		return nil, &Problem{Code: CodeType, Text: "the expression cannot be compiled; write it in a simpler way"}
	}
	return program, nil
}
