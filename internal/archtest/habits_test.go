package archtest

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// calls visits every call in the given files with the called name: "pkg.Func" or "x.Method" by its last two parts, or "f".
func (t *tree) calls(files []*file, visit func(f *file, name string, call *ast.CallExpr)) {
	for _, f := range files {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if name := called(call.Fun); name != "" {
					visit(f, name, call)
				}
			}
			return true
		})
	}
}

func called(fun ast.Expr) string {
	switch fun := fun.(type) {
	case *ast.Ident:
		return fun.Name
	case *ast.SelectorExpr:
		if x, ok := fun.X.(*ast.Ident); ok {
			return x.Name + "." + fun.Sel.Name
		}
		return "." + fun.Sel.Name
	}
	return ""
}

// forbidCalls returns a rule against calling one of the names in the code that ships.
func forbidCalls(where func(*pkg) bool, text string, names ...string) func(*tree) []violation {
	return func(t *tree) []violation {
		var all []violation
		for _, p := range t.packages {
			if !where(p) {
				continue
			}
			t.calls(p.sources(), func(f *file, name string, call *ast.CallExpr) {
				if slices.Contains(names, name) {
					all = append(all, found(f.path, t.line(call.Pos()), "%s: %s", name, text))
				}
			})
		}
		return all
	}
}

func anywhere(*pkg) bool  { return true }
func library(p *pkg) bool { return !p.main() }

var (
	checkRequests = forbidCalls(anywhere, "the request cannot be cancelled; use http.NewRequestWithContext",
		"http.NewRequest", "http.Get", "http.Post", "http.PostForm", "http.Head")
	checkPrints = forbidCalls(library, "a library must not write to its host's terminal; log through the slog.Handler it was given",
		"fmt.Print", "fmt.Printf", "fmt.Println", "print", "println", "log.Print", "log.Printf", "log.Println", "log.Fatal", "log.Fatalf")
)

// checkBackground holds that the caller's deadline and cancellation are not lost. A log call needs a context and is never
// cancelled.
func checkBackground(t *tree) []violation {
	var all []violation
	for _, p := range t.packages {
		if p.main() || p.kit() {
			continue
		}
		logged := map[ast.Expr]bool{}
		t.calls(p.sources(), func(f *file, name string, call *ast.CallExpr) {
			_, method, _ := strings.Cut(name, ".")
			if slices.Contains([]string{"Log", "LogAttrs", "Enabled"}, method) && len(call.Args) > 0 {
				logged[call.Args[0]] = true
			}
			if (name == "context.Background" || name == "context.TODO") && !logged[call] {
				all = append(all, found(f.path, t.line(call.Pos()), "%s: the caller's deadline and cancellation are lost; take a context as an argument", name))
			}
		})
	}
	return all
}

// checkErrorTexts holds that an error keeps its cause: no error text ends in ": %v", nor in ": %s" for an error.
func checkErrorTexts(t *tree) []violation {
	var all []violation
	for _, p := range t.packages {
		t.calls(p.sources(), func(f *file, name string, call *ast.CallExpr) {
			makes := strings.HasSuffix(name, "Errorf") && name != "t.Errorf" || name == "fault.New"
			if !makes || len(call.Args) < 2 {
				return
			}
			for _, a := range call.Args {
				text, ok := literal(a)
				if ok && (strings.HasSuffix(text, ": %v") || strings.HasSuffix(text, ": %s") && isErr(call.Args[len(call.Args)-1])) {
					all = append(all, found(f.path, t.line(call.Pos()), "the error text ends in %q: use %%w, so that the cause is kept", text[len(text)-4:]))
				}
			}
		})
	}
	return all
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

func isErr(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && (id.Name == "err" || strings.HasSuffix(id.Name, "Err"))
}

// checkTesting holds that no package but a test kit brings test code into the programs that import it.
func checkTesting(t *tree) []violation {
	var all []violation
	for _, p := range t.packages {
		if p.kit() {
			continue
		}
		for _, f := range p.sources() {
			for _, i := range t.imports(f) {
				if within(i.path, "testing") && i.path != "testing/fstest" || strings.HasPrefix(i.path, "go.uber.org/goleak") {
					all = append(all, found(f.path, i.line, "imports %s outside tests: move it to a _test.go file or to a package whose name ends in test", i.path))
				}
			}
		}
	}
	return all
}

// checkInit holds that importing a package does nothing: registries are values that the host passes in.
func checkInit(t *tree) []violation {
	var all []violation
	for _, p := range t.packages {
		if p.main() {
			continue // nobody imports it, and a transform registers itself there
		}
		for _, f := range p.sources() {
			for _, d := range f.syntax.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					all = append(all, found(f.path, t.line(fn.Pos()), "func init: importing must do nothing; pass a value in instead"))
				}
			}
		}
	}
	return all
}

// purePackage is the life of a message: replay, virtual time and simulation rest on its purity.
const purePackage = "internal/flow"

var (
	impureImports = []string{"context", "crypto/rand", "io", "log", "math/rand", "net", "os", "sync", "syscall"}
	impureCalls   = []string{"time.Now", "time.Since", "time.Until", "time.After", "time.AfterFunc", "time.NewTimer", "time.NewTicker", "time.Sleep", "time.Tick"}
)

// checkPure holds that the state machine has no I/O, no clock and no goroutine.
func checkPure(t *tree) []violation {
	var all []violation
	for _, p := range t.packages {
		if !within(p.dir, purePackage) {
			continue
		}
		for _, f := range p.sources() {
			for _, i := range t.imports(f) {
				if slices.ContainsFunc(impureImports, func(root string) bool { return within(i.path, root) }) {
					all = append(all, found(f.path, i.line, "the state machine is pure: it must not import %s; return a command instead", i.path))
				}
			}
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				if g, ok := n.(*ast.GoStmt); ok {
					all = append(all, found(f.path, t.line(g.Pos()), "the state machine is pure: it must not start a goroutine"))
				}
				return true
			})
		}
		t.calls(p.sources(), func(f *file, name string, call *ast.CallExpr) {
			if slices.Contains(impureCalls, name) {
				all = append(all, found(f.path, t.line(call.Pos()), "the state machine is pure: it must not call %s; take the time as an argument", name))
			}
		})
	}
	return all
}

// checkSleeps holds that tests wait for what they wait for. Under testing/synctest a sleep costs nothing and is exact.
func checkSleeps(t *tree) []violation {
	var all []violation
	for _, p := range t.packages {
		tests := slices.DeleteFunc(p.written(), func(f *file) bool {
			return !f.test || slices.ContainsFunc(t.imports(f), func(i imported) bool { return i.path == "testing/synctest" })
		})
		t.calls(tests, func(f *file, name string, call *ast.CallExpr) {
			if name == "time.Sleep" {
				all = append(all, found(f.path, t.line(call.Pos()), "a test sleeps and hopes: wait on a channel, a fake clock, or use testing/synctest"))
			}
		})
	}
	return all
}

var unfinished = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)

// checkUnfinished holds that nothing in the tree calls itself unfinished.
func checkUnfinished(t *tree) []violation {
	var all []violation
	for _, p := range t.packages {
		for _, f := range p.written() {
			for _, group := range f.syntax.Comments {
				for _, c := range group.List {
					if word := unfinished.FindString(c.Text); word != "" {
						all = append(all, found(f.path, t.line(c.Pos()), "%s in a comment: finish it, or state the limit as a fact", word))
					}
				}
			}
		}
	}
	return all
}
