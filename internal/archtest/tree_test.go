package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

const module = "github.com/hermodhq/hermod"

// tree is the module's sources, parsed once.
type tree struct {
	fsys     fs.FS
	fset     *token.FileSet
	packages []*pkg // in order of their directories
}

// pkg is one directory with Go files, test files and external test packages included.
type pkg struct {
	dir   string // relative to the module's root, "." for the root
	files []*file
}

// file is one Go source file.
type file struct {
	path      string
	test      bool
	generated bool // made by protoc-gen-go: only its imports are looked at
	lines     int
	syntax    *ast.File
}

// load parses every Go file of the module in fsys. Nested modules, testdata, and names that begin with a dot or an
// underscore do not belong to it.
func load(fsys fs.FS) (*tree, error) {
	t := &tree{fsys: fsys, fset: token.NewFileSet()}
	byDir := map[string]*pkg{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skip(fsys, name)
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := t.parse(name)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if byDir[dir] == nil {
			byDir[dir] = &pkg{dir: dir}
			t.packages = append(t.packages, byDir[dir])
		}
		byDir[dir].files = append(byDir[dir].files, f)
		return nil
	})
	slices.SortFunc(t.packages, func(a, b *pkg) int { return strings.Compare(a.dir, b.dir) })
	return t, err
}

func skip(fsys fs.FS, dir string) error {
	if dir == "." {
		return nil
	}
	base := path.Base(dir)
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := fs.Stat(fsys, path.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func (t *tree) parse(name string) (*file, error) {
	src, err := fs.ReadFile(t.fsys, name)
	if err != nil {
		return nil, err
	}
	syntax, err := parser.ParseFile(t.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &file{
		path:      name,
		test:      strings.HasSuffix(name, "_test.go"),
		generated: strings.HasSuffix(name, ".pb.go"),
		lines:     strings.Count(string(src), "\n"),
		syntax:    syntax,
	}, nil
}

func (t *tree) line(pos token.Pos) int { return t.fset.Position(pos).Line }

// sources yields the hand-written files of a package: those that ship, without its tests.
func (p *pkg) sources() []*file {
	return slices.DeleteFunc(slices.Clone(p.files), func(f *file) bool { return f.test || f.generated })
}

// written yields the hand-written files of a package, its tests included.
func (p *pkg) written() []*file {
	return slices.DeleteFunc(slices.Clone(p.files), func(f *file) bool { return f.generated })
}

// main reports whether the package is a program.
func (p *pkg) main() bool {
	return slices.ContainsFunc(p.files, func(f *file) bool { return !f.test && f.syntax.Name.Name == "main" })
}

// kit reports whether the package is a test kit: one whose name ends in "test".
func (p *pkg) kit() bool { return strings.HasSuffix(path.Base(p.dir), "test") }

// imported is one import of a file.
type imported struct {
	path string // as written
	line int
}

func (t *tree) imports(f *file) []imported {
	var all []imported
	for _, spec := range f.syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has refused the file already
		}
		all = append(all, imported{p, t.line(spec.Pos())})
	}
	return all
}

// house returns the directory of a package of this module, and false for any other.
func house(importPath string) (dir string, ok bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// standard reports whether an import path belongs to the standard library: its first element has no dot.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// within reports whether dir is root or lies below it.
func within(dir, root string) bool { return dir == root || strings.HasPrefix(dir, root+"/") }

// violation is one broken rule. At is a file or a directory of the tree; line is zero when the whole of it is meant.
type violation struct {
	at   string
	line int
	text string // what is wrong and what to do
}

func (v violation) String() string {
	if v.line == 0 {
		return fmt.Sprintf("%s: %s", v.at, v.text)
	}
	return fmt.Sprintf("%s:%d: %s", v.at, v.line, v.text)
}

func found(at string, line int, format string, args ...any) violation {
	return violation{at, line, fmt.Sprintf(format, args...)}
}
