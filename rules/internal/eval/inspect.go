package eval

import (
	"fmt"
	"slices"

	"github.com/expr-lang/expr/ast"

	"github.com/hermodhq/hermod/rules/internal/source"
)

// Limits of loops, so that no expression can keep a processor busy.
const (
	maxRange   = 100 // items of a range that is written out
	maxNesting = 2   // loops within loops
)

// inspect finds what the type checker cannot know: names of accounts and channels, and what rules must not do.
func (c *Compiler) inspect(root ast.Node, scope Scope) *Problem {
	v := &inspector{compiler: c, scope: scope, depth: map[ast.Node]int{}}
	ast.Walk(&root, v)
	return v.problem
}

type inspector struct {
	compiler *Compiler
	scope    Scope
	depth    map[ast.Node]int // of predicates: how many are nested, themselves included
	problem  *Problem         // the first one found
}

// Visit looks at one node, after its children.
func (v *inspector) Visit(node *ast.Node) {
	if v.problem != nil {
		return
	}
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		v.name(n)
	case *ast.VariableDeclaratorNode:
		v.forbid(n, "`let` is not available in rules", "")
	case *ast.UnaryNode:
		if n.Operator == "!" {
			n.Operator = "not"
		}
	case *ast.BinaryNode:
		v.span(n)
		v.eventAccount(n)
		n.Operator = spelling(n.Operator)
	case *ast.PredicateNode:
		v.nesting(n)
	case *ast.BuiltinNode:
		if n.Name == "reduce" { // the library cannot withdraw it
			v.forbid(n, "reduce() is not available in rules", "")
		}
		if n.Name == "date" && len(n.Arguments) > 2 {
			v.forbid(n, "date() with a time zone is not available in rules: it would read files", "write the offset into the date, as in date(\"2026-01-31T09:00:00+02:00\")")
		}
	case *ast.CallNode:
		v.call(n)
	}
}

// spelling gives operators that mean the same one spelling, so that equal conditions are seen to be equal.
func spelling(operator string) string {
	switch operator {
	case "&&":
		return "and"
	case "||":
		return "or"
	}
	return operator
}

func (v *inspector) forbid(n ast.Node, text, suggestion string) {
	v.problem = &Problem{Offset: n.Location().From, Code: CodeForbidden, Text: text, Suggestion: suggestion}
}

func (v *inspector) name(n *ast.IdentifierNode) {
	switch {
	case n.Value == "$env":
		v.forbid(n, "$env is not available in rules", "name the value itself, as in msg.category")
	case n.Value == "attempts" && v.scope == InRoute:
		v.forbid(n, "attempts are not known here: routes and texts are decided before the first attempt", "use attempts in the `when` of a step")
	case v.scope == InReaction && slices.Contains([]string{"msg", "data", "attempts", "account", "session_open", "opted_out"}, n.Value):
		v.forbid(n, n.Value+" is not known here: a reaction is about an event, not about a message on its way", "use event, as in event.contact.phone or event.data")
	case v.scope != InReaction && n.Value == "event":
		v.forbid(n, "event is known in reactions only", "use msg, as in msg.category")
	}
}

// eventAccount checks the name that is written out in event.account == "...".
func (v *inspector) eventAccount(n *ast.BinaryNode) {
	name, literal := n.Right.(*ast.StringNode)
	if p := path(n.Left); literal && (n.Operator == "==" || n.Operator == "!=") && len(p) == 2 && p[0] == "event" && p[1] == "account" {
		v.known(name, CodeAccount, "account", v.compiler.Accounts)
	}
}

// span bounds ranges that are written out; others are bounded by the memory budget.
func (v *inspector) span(n *ast.BinaryNode) {
	from, ok1 := n.Left.(*ast.IntegerNode)
	to, ok2 := n.Right.(*ast.IntegerNode)
	if n.Operator == ".." && ok1 && ok2 && (to.Value-from.Value >= maxRange || to.Value-from.Value < 0 && to.Value > from.Value) {
		v.forbid(n, fmt.Sprintf("a range of more than %d items is not available in rules", maxRange), "")
	}
}

func (v *inspector) nesting(n *ast.PredicateNode) {
	inner := &predicates{depth: v.depth}
	ast.Walk(&n.Node, inner)
	v.depth[n] = inner.deepest + 1
	if v.depth[n] > maxNesting {
		v.forbid(n, fmt.Sprintf("loops nested deeper than %d are not available in rules", maxNesting), "")
	}
}

// predicates finds how deep the predicates below a node nest; all of them have been measured.
type predicates struct {
	depth   map[ast.Node]int
	deepest int
}

func (p *predicates) Visit(node *ast.Node) {
	if n, ok := (*node).(*ast.PredicateNode); ok {
		p.deepest = max(p.deepest, p.depth[n])
	}
}

// call checks the names that are written out in account("..."), session_open("...") and opted_out("...").
func (v *inspector) call(n *ast.CallNode) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok || len(n.Arguments) != 1 {
		return
	}
	arg, ok := n.Arguments[0].(*ast.StringNode)
	if !ok {
		return
	}
	code, what, known := CodeChannel, "channel", v.compiler.Channels
	switch callee.Value {
	case "account":
		code, what, known = CodeAccount, "account", v.compiler.Accounts
	case "session_open", "opted_out":
	default:
		return
	}
	v.known(arg, code, what, known)
}

func (v *inspector) known(arg *ast.StringNode, code, what string, known []string) {
	if slices.Contains(known, arg.Value) {
		return
	}
	v.problem = &Problem{Offset: arg.Location().From, Code: code, Text: fmt.Sprintf("no %s is called %q", what, arg.Value)}
	if near := source.Nearest(arg.Value, known); near != "" {
		v.problem.Suggestion = fmt.Sprintf("did you mean %q?", near)
	}
}

// constant reports whether an expression is the same for every message: it looks at nothing of the environment.
func constant(root ast.Node) bool {
	c := &constancy{constant: true}
	ast.Walk(&root, c)
	return c.constant
}

type constancy struct{ constant bool }

func (c *constancy) Visit(node *ast.Node) {
	if n, ok := (*node).(*ast.IdentifierNode); ok && n.Value != "replace" && n.Value != "join" {
		c.constant = false
	}
}
