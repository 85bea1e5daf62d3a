package archtest

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const picture = "Text.\n\n```levels\n" + `5   core/coretest   core/console   cmd/hermod   examples/*
4   core
3   core/internal/*   rules/rulestest   sdk/connectortest   plugins/*
2   core/internal/drawn   internal/flow   sdk/connector   sdk/transformtest
1   internal/wire   sdk/transform   rules
0   proto/...   sdk/message   sdk/fault
` + "```\n\n```\n9 other\n```\n"

// small is a tree of a few files, by path.
type small map[string]string

func (s small) tree(t *testing.T) *tree {
	t.Helper()
	fsys := fstest.MapFS{}
	if _, drawn := s[pictureFile]; !drawn {
		fsys[pictureFile] = &fstest.MapFile{Data: []byte(picture)}
	}
	for name, text := range s {
		fsys[name] = &fstest.MapFile{Data: []byte(text), Mode: fs.ModePerm}
	}
	tr, err := load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// importing makes a file of package x that imports each path; a leading slash stands for this module.
func importing(paths ...string) string {
	var b strings.Builder
	b.WriteString("// Package x is an example.\npackage x\n\n")
	for _, p := range paths {
		fmt.Fprintf(&b, "import _ %q\n", strings.Replace(p, "/", module+"/", strings.Count(p[:1], "/")))
	}
	return b.String()
}

// body makes a file of package x whose line 6 is the statement.
func body(imports, statement string) string {
	return fmt.Sprintf("// Package x is an example.\npackage x\n\nimport %s\nfunc f() {\n%s\n}\n", imports, statement)
}

// long makes a function of n lines.
func long(name string, n int) string {
	return "func " + name + "() {\n" + strings.Repeat("\t_ = 1\n", n-2) + "}\n"
}

const pkgX = "// Package x is an example.\npackage x\n\n"

// many makes a file of package x with n functions of the given length.
func many(n, lines int) string {
	var b strings.Builder
	b.WriteString(pkgX)
	for i := range n {
		b.WriteString(long(fmt.Sprintf("f%d", i), lines))
	}
	return b.String()
}

// catches are trees and what a rule says of them; the ones without a text are right.
var catches = []struct {
	rule string
	name string
	tree small
	want []string // the beginning of each violation
}{
	{"levels", "down", small{"core/internal/journal/a.go": importing("/rules", "/sdk/message")}, nil},
	{"levels", "down two rooms of one tree", small{"core/a.go": importing("/core/internal/journal")}, nil},
	{"levels", "to a neighbour that is drawn lower", small{"core/internal/intake/a.go": importing("/core/internal/drawn")}, nil},
	{"levels", "from a neighbour that is drawn lower", small{"core/internal/drawn/a.go": importing("/core/internal/intake")}, []string{"core/internal/drawn/a.go:4: core/internal/drawn (level 2) imports core/internal/intake (level 3)"}},
	{"levels", "within a room", small{"plugins/acme/a.go": importing("/plugins/acme/internal/acmeapi"), "plugins/acme/acmesim/a.go": importing("/plugins/acme/internal/acmeapi")}, nil},
	{"levels", "up", small{"rules/a.go": importing("fmt", "/internal/flow")},
		[]string{"rules/a.go:5: rules (level 1) imports internal/flow (level 2): an import may only go down"}},
	{"levels", "up in a tree", small{"core/a.go": importing("/core/console")}, []string{"core/a.go:4: core (level 4) imports core/console (level 5)"}},
	{"levels", "to the neighbour", small{"core/internal/intake/a.go": importing("/core/internal/journal")},
		[]string{"core/internal/intake/a.go:4: core/internal/intake (level 3) imports core/internal/journal (level 3)"}},
	{"levels", "neighbours that may", small{"sdk/message/a.go": importing("/sdk/fault"), "cmd/hermod/a.go": importing("/core/console")}, nil},
	{"levels", "the way back of neighbours that may", small{"sdk/fault/a.go": importing("/sdk/message")}, []string{"sdk/fault/a.go:4: "}},
	{"levels", "a test may use a kit", small{"core/a_test.go": importing("/core/coretest"), "plugins/acme/a_test.go": importing("/sdk/connectortest")}, nil},
	{"levels", "a test may not go up otherwise", small{"rules/a_test.go": importing("/core")}, []string{"rules/a_test.go:4: "}},
	{"levels", "a test in a package of its own may", small{"rules/a_test.go": strings.Replace(importing("/internal/flow"), "package x", "package x_test", 1)}, nil},
	{"levels", "no room", small{"attic/a.go": importing("fmt")}, []string{"attic: the package stands in no room"}},
	{"levels", "no picture", small{pictureFile: "# Words\n", "core/a.go": pkgX}, []string{pictureFile + ": " + pictureFile + " has no code block"}},
	{"levels", "a bad picture", small{pictureFile: "```levels\nfive core\n```\n", "core/a.go": pkgX}, []string{pictureFile + ": " + pictureFile + ": a line of the level picture"}},

	{"walls", "all is well", small{"core/a.go": importing("/rules"), "plugins/acme/a.go": importing("/sdk/connector", "github.com/x/y"), "cmd/hermod/a.go": importing("/plugins/acme")}, nil},
	{"walls", "core knows no vendor", small{"core/a.go": importing("/plugins/acme")}, []string{"core/a.go:4: core must not import plugins/acme: "}},
	{"walls", "nor in a test", small{"core/internal/intake/a_test.go": importing("/plugins/acme/acmesim")}, []string{"core/internal/intake/a_test.go:4: "}},
	{"walls", "nor in one of a package of its own", small{"core/a_test.go": strings.Replace(importing("/plugins/acme"), "package x", "package x_test", 1)}, []string{"core/a_test.go:4: "}},
	{"walls", "sdk knows no core", small{"sdk/connectortest/a.go": importing("/core/internal/pluginhost")}, []string{"sdk/connectortest/a.go:4: "}},
	{"walls", "sdk knows no rules", small{"sdk/connector/a.go": importing("/rules")}, []string{"sdk/connector/a.go:4: "}},
	{"walls", "vendors use the SDK alone", small{"plugins/acme/a.go": importing("/internal/wire")}, []string{"plugins/acme/a.go:4: "}},
	{"walls", "nobody imports examples", small{"cmd/hermod/a.go": importing("/examples/embed")}, []string{"cmd/hermod/a.go:4: "}},
	{"walls", "nobody imports the command", small{"examples/embed/a.go": importing("/cmd/hermod/internal/x")}, []string{"examples/embed/a.go:4: "}},
	{"walls", "messages stand alone", small{"sdk/message/a.go": importing("/sdk/fault", "/proto/v1")}, []string{"sdk/message/a.go:5: "}},
	{"walls", "faults stand alone", small{"sdk/fault/a.go": importing("/sdk/message")}, []string{"sdk/fault/a.go:4: "}},
	{"walls", "rules know no engine", small{"rules/a.go": importing("/core/internal/journal")}, []string{"rules/a.go:4: "}},
	{"walls", "flow knows no engine", small{"internal/flow/a.go": importing("/core")}, []string{"internal/flow/a.go:4: "}},
	{"walls", "the wire knows nobody", small{"proto/v1/a.pb.go": importing("/sdk/message")}, []string{"proto/v1/a.pb.go:4: "}},
	{"walls", "these tests touch nobody", small{"internal/archtest/a.go": importing("/sdk/message")}, []string{"internal/archtest/a.go:4: "}},

	{"dependencies", "listed", small{"sdk/connector/a.go": importing("fmt", "google.golang.org/grpc/codes", "/sdk/message")}, nil},
	{"dependencies", "in a test", small{"sdk/connector/a_test.go": importing("github.com/google/go-cmp/cmp")}, nil},
	{"dependencies", "not the SDK", small{"core/a.go": importing("github.com/nats-io/nats.go")}, nil},
	{"dependencies", "not listed", small{"sdk/connector/a.go": importing("github.com/google/uuid")}, []string{"sdk/connector/a.go:4: sdk/connector must not import github.com/google/uuid: "}},
	{"dependencies", "like a listed one", small{"sdk/connector/a.go": importing("google.golang.org/grpcx")}, []string{"sdk/connector/a.go:4: "}},
	{"dependencies", "the vocabulary", small{"sdk/message/a.go": importing("google.golang.org/protobuf/proto")}, []string{"sdk/message/a.go:4: "}},

	{"chain", "seven imports", chain(7), nil},
	{"chain", "eight imports", chain(8), []string{"p0: a chain of 8 imports, at most 7 are allowed: p0 -> p1 -> "}},

	{"names", "good", small{"core/internal/journal/a.go": pkgX}, nil},
	{"names", "bad", small{"core/util/a.go": pkgX}, []string{`core/util: "util" says nothing`}},

	{"file size", "at the ceiling", small{"a/a.go": pkgX + strings.Repeat("\n", 497)}, nil},
	{"file size", "above it", small{"a/a.go": pkgX + strings.Repeat("\n", 498)}, []string{"a/a.go: 501 lines, at most 500 are allowed"}},
	{"file size", "a test", small{"a/a_test.go": pkgX + strings.Repeat("\n", 498)}, []string{"a/a_test.go: 501 lines"}},
	{"file size", "generated", small{"a/a.pb.go": pkgX + strings.Repeat("\n", 498)}, nil},
	{"function size", "at the ceiling", small{"a/a.go": pkgX + long("f", 80)}, nil},
	{"function size", "above it", small{"a/a.go": pkgX + long("f", 81)}, []string{"a/a.go:4: f has 81 lines, at most 80 are allowed"}},
	{"function size", "a test", small{"a/a_test.go": pkgX + long("f", 81)}, nil},
	{"function tail", "short", small{"a/a.go": many(20, 35)}, nil},
	{"function tail", "long", small{"a/a.go": many(20, 36)}, []string{"a: one function in ten has more than 36 lines", ".: one function in ten"}},
	{"function tail", "too few to tell", small{"a/a.go": many(9, 36)}, nil},
	{"function tail", "over the whole tree", small{"a/a.go": many(9, 36), "b/b.go": many(9, 36)}, []string{".: one function in ten"}},
	{"package size", "at the ceiling", lines("a", 1200), nil},
	{"package size", "above it", lines("a", 1201), []string{"a: 1201 lines without tests, at most 1200 are allowed"}},
	{"vendor size", "at the ceiling", merge(lines("plugins/acme", 1000), lines("plugins/acme/internal/acmeapi", 1000)), nil},
	{"vendor size", "the simulator does not count", merge(lines("plugins/acme", 1000), lines("plugins/acme/internal/acmeapi", 1000), lines("plugins/acme/acmesim", 1000), lines("plugins/acme/acmesim/internal/x", 1000)), nil},
	{"vendor size", "above it", merge(lines("plugins/acme", 1000), lines("plugins/acme/internal/acmeapi", 1001), lines("plugins/other", 10)),
		[]string{"plugins/acme: 2001 lines without tests and simulator in the vendor's folder"}},
	{"vendor size", "another's simulator counts", merge(lines("plugins/acme", 1001), lines("plugins/acme/othersim", 1000)), []string{"plugins/acme: 2001 lines"}},

	{"package comments", "good", small{"a/a.go": pkgX, "a/b.go": "// Copyright\n\npackage x\n", "cmd/c/c.go": "// C is a program.\npackage main\n"}, nil},
	{"package comments", "none", small{"a/a.go": "package x\n"}, []string{"a: no package comment"}},
	{"package comments", "on a test only", small{"a/a.go": "package x\n", "a/a_test.go": pkgX}, []string{"a: no package comment"}},
	{"package comments", "a licence", small{"a/a.go": "// Copyright 2026\npackage x\n"}, []string{"a/a.go:1: the package comment is a licence header"}},
	{"package comments", "another name", small{"a/a.go": "// Package y is.\npackage x\n"}, []string{`a/a.go:1: the package comment must begin with "Package x "`}},
	{"package comments", "two", small{"a/a.go": pkgX, "a/b.go": pkgX}, []string{"a/b.go:1: a second package comment, the first is in a/a.go"}},

	{"exports", "good", small{"a/a.go": pkgX + "// A is.\ntype A struct{ B int }\n\n// M does.\nfunc (a A) M() {}\n\n// The names.\nconst (\n\tC = 1\n\tD = 2\n)\nvar (\n\tE = 1 // is\n\t// F is.\n\tF = 2\n)\ntype g struct{}\nfunc (g) H() {}\n"}, nil},
	{"exports", "a program", small{"a/a.go": "package main\nfunc F() {}\n"}, nil},
	{"exports", "a type", small{"a/a.go": pkgX + "type A struct{}\n"}, []string{"a/a.go:4: exported A has no comment"}},
	{"exports", "a type in a group", small{"a/a.go": pkgX + "// Some.\ntype (\n\tA struct{}\n)\n"}, []string{"a/a.go:6: exported A has no comment"}},
	{"exports", "a function", small{"a/a.go": pkgX + "func F() {}\n"}, []string{"a/a.go:4: exported F "}},
	{"exports", "a method", small{"a/a.go": pkgX + "// A is.\ntype A[T any] struct{}\nfunc (a *A[T]) M() {}\n"}, []string{"a/a.go:6: exported M "}},
	{"exports", "values", small{"a/a.go": pkgX + "const A, b, C = 1, 2, 3\nvar D = 1\n"}, []string{"a/a.go:4: exported A ", "a/a.go:4: exported C ", "a/a.go:5: exported D "}},

	{"error texts", "good", small{"a/a.go": body(`"fmt"`, `_ = fmt.Errorf("reading: %w", err); _ = fmt.Sprintf("is: %v", 1); t.Errorf("got: %v", err); _ = fmt.Errorf("id: %s", id)`)}, nil},
	{"error texts", "flat", small{"a/a.go": body(`"fmt"`, `_ = fmt.Errorf("reading: %v", err)`)}, []string{`a/a.go:6: the error text ends in ": %v"`}},
	{"error texts", "flat as text", small{"a/a.go": body(`"fmt"`, `_ = fmt.Errorf("reading: %s", closeErr)`)}, []string{`a/a.go:6: the error text ends in ": %s"`}},
	{"error texts", "flat fault", small{"a/a.go": body(`"x/fault"`, "_ = fault.New(c, \"code\", `reading: %v`, err)")}, []string{"a/a.go:6: "}},

	{"testing", "good", small{"a/a_test.go": importing("testing"), "a/atest/a.go": importing("testing")}, nil},
	{"testing", "bad", small{"a/a.go": importing("testing")}, []string{"a/a.go:4: imports testing outside tests"}},
	{"testing", "below", small{"a/a.go": importing("testing/synctest")}, []string{"a/a.go:4: imports testing/synctest"}},
	{"requests", "good", small{"a/a.go": body(`"net/http"`, `http.NewRequestWithContext(nil, "", "", nil)`), "a/a_test.go": body(`"net/http"`, `http.Get("")`)}, nil},
	{"requests", "bad", small{"a/a.go": body(`"net/http"`, `http.NewRequest("", "", nil)`)}, []string{"a/a.go:6: http.NewRequest: the request cannot be cancelled"}},
	{"requests", "short", small{"a/a.go": body(`"net/http"`, `http.Get("")`)}, []string{"a/a.go:6: http.Get: "}},
	{"background", "good", small{"a/a_test.go": body(`"context"`, `context.Background()`), "c/c.go": strings.Replace(body(`"context"`, `context.Background()`), "package x", "package main", 1)}, nil},
	{"background", "bad", small{"a/a.go": body(`"context"`, `context.Background()`)}, []string{"a/a.go:6: context.Background: "}},
	{"background", "a log call", small{"a/a.go": body(`"context"`, `a.b.Log(context.Background(), l, "x")`)}, nil},
	{"background", "unsure", small{"a/a.go": body(`"context"`, `context.TODO()`)}, []string{"a/a.go:6: context.TODO: "}},
	{"prints", "good", small{"a/a.go": body(`"fmt"`, `fmt.Fprintln(w, "x")`)}, nil},
	{"prints", "bad", small{"a/a.go": body(`"fmt"`, `fmt.Println("x")`)}, []string{"a/a.go:6: fmt.Println: "}},
	{"prints", "builtin", small{"a/a.go": body(`"fmt"`, `println("x")`)}, []string{"a/a.go:6: println: "}},
	{"init", "good", small{"a/a.go": pkgX + "func (t T) init() {}\n"}, nil},
	{"init", "a program", small{"a/a.go": "package main\nfunc init() {}\n"}, nil},
	{"init", "bad", small{"a/a.go": pkgX + "func init() {}\n"}, []string{"a/a.go:4: func init: "}},
	{"pure", "good", small{"internal/flow/a.go": body(`"time"`, `_ = time.Second`), "core/a.go": body(`"time"`, `go time.Now()`), "internal/flow/a_test.go": importing("os")}, nil},
	{"pure", "an import", small{"internal/flow/a.go": importing("net/http")}, []string{"internal/flow/a.go:4: the state machine is pure: it must not import net/http"}},
	{"pure", "a clock", small{"internal/flow/a.go": body(`"time"`, `time.Now()`)}, []string{"internal/flow/a.go:6: the state machine is pure: it must not call time.Now"}},
	{"pure", "a goroutine", small{"internal/flow/a.go": body(`"time"`, `go f()`)}, []string{"internal/flow/a.go:6: the state machine is pure: it must not start"}},
	{"sleeps", "good", small{"a/a.go": body(`"time"`, `time.Sleep(1)`), "a/a_test.go": pkgX + "import \"time\"\nimport \"testing/synctest\"\nfunc f() { time.Sleep(1) }\n"}, nil},
	{"sleeps", "bad", small{"a/a_test.go": body(`"time"`, `time.Sleep(1)`)}, []string{"a/a_test.go:6: a test sleeps"}},
	{"unfinished", "good", small{"a/a.go": pkgX + "// A todo list is a TODOLIST.\n"}, nil},
	{"documents", "good", small{"README.md": "[a](a/a.go), [b](https://x.y/z), `make test`, to make sure.\n```\nmake test\n```\n```go\nx := 1\n\ny := 2\n```\n",
		"Makefile": "test: ## Test\n", "examples/a/a.go": "package a\nfunc f() {\n\tx := 1\n\ty := 2\n}\n", "a/a.go": pkgX}, nil},
	{"documents", "a block in disorder", small{"README.md": "```yaml\na: 1\nb: 2\n```\n", "rules/a.yaml": "b: 2\na: 1\n"}, []string{"README.md:1: this yaml is in no file"}},
	{"documents", "a link", small{"README.md": "See\n[a](a/a.go#b).\n"}, []string{"README.md:2: the link to a/a.go leads nowhere"}},
	{"documents", "a target", small{"OTHER.md": "Use `make all`.\n", "Makefile": "test: ## Test\n"}, []string{"OTHER.md:1: the Makefile has no target all"}},
	{"documents", "a block", small{"README.md": "```go\nx := 1\n```\n\n```yaml\na: 1\n```\n", "examples/a/a.go": "package a\nfunc f() { x := 1 }\n", "rules/a.yaml": "b: 1\na: 12\n"},
		[]string{"README.md:1: this go is in no file", "README.md:5: this yaml is in no file"}},
	{"unfinished", "bad", small{"a/a_test.go": body(`"fmt"`, "// TO"+"DO: this")}, []string{"a/a_test.go:6: TO" + "DO in a comment"}},
}

// chain makes n packages more than one, each importing the next.
func chain(n int) small {
	s := small{fmt.Sprintf("p%d/a.go", n): pkgX}
	for i := range n {
		s[fmt.Sprintf("p%d/a.go", i)] = importing(fmt.Sprintf("/p%d", i+1))
	}
	return s
}

// lines makes a package of n lines, in several files.
func lines(dir string, n int) small {
	s := small{dir + "/x_test.go": pkgX + strings.Repeat("\n", 400), dir + "/x.pb.go": pkgX + strings.Repeat("\n", 400)}
	for i := 0; n > 0; i++ {
		size := min(n, 400)
		s[fmt.Sprintf("%s/f%d.go", dir, i)] = "package x\n" + strings.Repeat("\n", size-1)
		n -= size
	}
	return s
}

func merge(trees ...small) small {
	all := small{}
	for _, tr := range trees {
		for name, text := range tr {
			all[name] = text
		}
	}
	return all
}

func TestRules(t *testing.T) {
	for _, c := range catches {
		t.Run(c.rule+"/"+c.name, func(t *testing.T) {
			r := ruleNamed(t, c.rule)
			var got []string
			for _, v := range r.check(c.tree.tree(t)) {
				got = append(got, v.String())
			}
			if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
				t.Errorf("got\n%s\nwant violations that begin with\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestEveryRuleIsShownToCatch(t *testing.T) {
	for _, r := range rules {
		right, wrong := 0, 0
		for _, c := range catches {
			switch {
			case c.rule == r.name && len(c.want) == 0:
				right++
			case c.rule == r.name:
				wrong++
			}
		}
		if right == 0 || wrong == 0 {
			t.Errorf("rule %q needs a tree that keeps it and one that breaks it", r.name)
		}
	}
}

func ruleNamed(t *testing.T, name string) rule {
	t.Helper()
	i := slices.IndexFunc(rules, func(r rule) bool { return r.name == name })
	if i < 0 {
		t.Fatalf("no rule is named %q", name)
	}
	return rules[i]
}

func TestExceptions(t *testing.T) {
	tr := small{"core/util/a.go": pkgX, "misc/a.go": pkgX}.tree(t)
	list := []exception{
		{"names", "core/util", "old"},
		{"names", "mis", "the beginning of a name is not the name"},
		{"init", "misc", "another rule"},
	}
	used := make([]bool, len(list))
	left := ruleNamed(t, "names").apply(tr, list, used)
	if len(left) != 1 || left[0].at != "misc" {
		t.Errorf("left: %v, want misc alone", left)
	}
	if got := stale(list, used); len(got) != 2 || got[0].at != "mis" || got[1].at != "misc" {
		t.Errorf("stale: %v, want the second and the third", got)
	}
}

func TestExceptionsHaveReasons(t *testing.T) {
	for _, e := range exceptions {
		ruleNamed(t, e.rule)
		if e.reason == "" {
			t.Errorf("the exception of %s from %q has no reason", e.at, e.rule)
		}
	}
}

func TestLoadLeavesOut(t *testing.T) {
	tr := small{
		"a/a.go": pkgX, "a/testdata/b.go": "no Go", ".git/c.go": "no Go", "_old/d.go": "no Go",
		"tools/go.mod": "module x", "tools/e.go": "no Go", "go.mod": "module y",
	}.tree(t)
	if len(tr.packages) != 1 || tr.packages[0].dir != "a" {
		t.Errorf("got %d packages, want a alone", len(tr.packages))
	}
}

func TestLoadNamesTheFileThatDoesNotParse(t *testing.T) {
	_, err := load(fstest.MapFS{"a/a.go": &fstest.MapFile{Data: []byte("no Go")}})
	if err == nil || !strings.HasPrefix(err.Error(), "a/a.go:1:") {
		t.Errorf("got %v, want the file and the line", err)
	}
}
