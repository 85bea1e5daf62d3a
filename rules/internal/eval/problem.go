package eval

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"github.com/hermodhq/hermod/rules/internal/event"
	"github.com/hermodhq/hermod/rules/internal/source"
)

func syntaxProblem(err error, text string) *Problem {
	p := &Problem{Code: CodeSyntax, Text: "the expression cannot be read"}
	if e, ok := errors.AsType[*file.Error](err); ok {
		p.Offset, p.Text = e.From, token().ReplaceAllString(e.Message, "unexpected $1")
		if strings.Contains(e.Message, "EOF") || e.Message == "unexpected end of expression" {
			p.Offset, p.Text = utf8.RuneCountInString(strings.TrimRight(text, " \t\r\n")), "the expression ends too early"
		}
		if strings.Contains(e.Message, "maximum allowed nodes") {
			p.Code, p.Text = CodeForbidden, fmt.Sprintf("the expression has more than %d parts; split the rule", maxNodes)
		}
		if strings.Contains(e.Message, `token Operator("=")`) {
			p.Suggestion = "write == to compare"
		}
	}
	return p
}

func token() *regexp.Regexp { return regexp.MustCompile(`unexpected token \w+\((".*")\)`) }

// typeProblem turns the type checker's error into our words.
func (c *Compiler) typeProblem(err error, tree *parser.Tree) *Problem {
	e, ok := errors.AsType[*file.Error](err)
	if !ok {
		text := strings.Replace(err.Error(), "expected bool, but got", "a condition must be true or false, but this gives", 1)
		return &Problem{Offset: 0, Code: CodeType, Text: ourTypes(text)}
	}
	p := &Problem{Offset: e.From, Code: CodeType, Text: strings.TrimSpace(ourTypes(e.Message))}
	if e.Message == "time.Time is not callable" {
		p.Text, p.Suggestion = "now is a value, not a function", "write now, without brackets: it is the time of the decision"
		return p
	}
	if name, ok := strings.CutPrefix(e.Message, "unknown name "); ok {
		p.Code, p.Text = CodeUnknownName, fmt.Sprintf("unknown name %s", name)
		p.suggest(name, c.names())
		if slices.Contains(withdrawn(), name) {
			p.Text = fmt.Sprintf("%s() is not available in rules", name)
			p.Code, p.Suggestion = CodeForbidden, ""
		}
		return p
	}
	if m := noField().FindStringSubmatch(e.Message); m != nil {
		p.Code = CodeUnknownName
		p.Text = fmt.Sprintf("%s has no field %s", ourTypes(m[1]), m[2])
		if t, ok := types()[m[1]]; ok {
			p.suggest(m[2], fields(t))
		}
		// The checker points at the whole of a.b; the caret belongs under b.
		src := []rune(tree.Source.String())
		if at := strings.Index(string(src[min(e.From, len(src)):]), m[2]); at > 0 {
			p.Offset += utf8.RuneCountInString(string(src[e.From:])[:at])
		}
	}
	return p
}

func noField() *regexp.Regexp {
	return regexp.MustCompile(`^type (\S+) has no (?:field|method) (\S+)$`)
}

func (p *Problem) suggest(name string, known []string) {
	if near := source.Nearest(name, known); near != "" {
		p.Suggestion = fmt.Sprintf("did you mean %s?", near)
		return
	}
	if len(known) <= 12 {
		p.Suggestion = "there is " + strings.Join(known, ", ")
	}
}

// names lists what an expression can use at its top level.
func (c *Compiler) names() []string {
	names := fields(reflect.TypeFor[Env]())
	for _, b := range builtin.Builtins {
		if !slices.Contains(withdrawn(), b.Name) {
			names = append(names, b.Name)
		}
	}
	return names
}

// types gives the types of the environment by the names that the checker uses.
func types() map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for _, t := range []reflect.Type{reflect.TypeFor[Msg](), reflect.TypeFor[To](), reflect.TypeFor[Attempt](), reflect.TypeFor[Account](),
		reflect.TypeFor[event.Content](), reflect.TypeFor[event.Template](), reflect.TypeFor[event.Media](),
		reflect.TypeFor[event.Event](), reflect.TypeFor[event.Contact](), reflect.TypeFor[event.Receipt](), reflect.TypeFor[event.Inbound]()} {
		all[t.String()] = t
	}
	return all
}

func fields(t reflect.Type) []string {
	var names []string
	for f := range t.Fields() {
		names = append(names, f.Tag.Get("expr"))
	}
	return names
}

// ourTypes replaces Go's names of types by words of the rule files.
func ourTypes(text string) string {
	return strings.NewReplacer(
		"[]eval.Attempt", "attempts", "[]event.Inbound", "event.messages", "event.Event", "event", "event.Contact", "event.contact",
		"event.Receipt", "event.receipt", "event.Inbound", "event.inbound", "eval.Msg", "msg", "eval.To", "msg.to", "event.Content", "content",
		"event.Template", "content.template", "event.Media", "content.media", "eval.Attempt", "an attempt",
		"func(string) eval.Account", "account", "func(string) bool", "a function", "eval.Account", "an account",
		"map[string]interface {}", "data", "map[string]string", "labels", "time.Time", "time", "time.Duration", "duration",
		"interface {}", "any", "[]any", "list", "[]interface {}", "list", "float64", "number",
	).Replace(text)
}
