package archtest

import (
	"go/ast"
	"go/token"
	"regexp"
	"strings"
)

var licence = regexp.MustCompile(`(?i)copyright|SPDX-License-Identifier|licensed under`)

// checkPackageComments holds that every package says what it is for, in one place, and that a licence header did not become
// that text.
func checkPackageComments(t *tree) []violation {
	var all []violation
	for _, p := range t.packages {
		sources := p.sources()
		if len(sources) == 0 {
			continue // generated, or tests alone
		}
		documented := ""
		for _, f := range sources {
			text := f.syntax.Doc.Text()
			switch {
			case text == "":
			case licence.MatchString(text):
				all = append(all, found(f.path, t.line(f.syntax.Doc.Pos()), "the package comment is a licence header: put an empty line between it and the package clause"))
			case !p.main() && !strings.HasPrefix(text, "Package "+f.syntax.Name.Name+" "):
				all = append(all, found(f.path, t.line(f.syntax.Doc.Pos()), "the package comment must begin with \"Package %s \"", f.syntax.Name.Name))
			case documented != "":
				all = append(all, found(f.path, t.line(f.syntax.Doc.Pos()), "a second package comment, the first is in %s: keep one", documented))
			}
			if text != "" {
				documented = f.path
			}
		}
		if documented == "" {
			all = append(all, found(p.dir, 0, "no package comment: say in one sentence what the package is for"))
		}
	}
	return all
}

// checkExports holds that every exported name of an importable package has a comment. Constants and variables may share
// their group's.
func checkExports(t *tree) []violation {
	var all []violation
	for _, p := range t.packages {
		if p.main() {
			continue
		}
		for _, f := range p.sources() {
			for _, d := range f.syntax.Decls {
				for _, name := range undocumented(d) {
					all = append(all, found(f.path, t.line(name.Pos()), "exported %s has no comment: say what goes in and out, units, limits, errors", name.Name))
				}
			}
		}
	}
	return all
}

// undocumented returns the exported names of a declaration that no comment covers.
func undocumented(d ast.Decl) []*ast.Ident {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && receiverExported(d) && d.Doc == nil {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		if d.Tok == token.IMPORT {
			return nil
		}
		var names []*ast.Ident
		for _, s := range d.Specs {
			names = append(names, undocumentedSpec(d, s)...)
		}
		return names
	}
	return nil
}

func undocumentedSpec(d *ast.GenDecl, s ast.Spec) []*ast.Ident {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil && s.Comment == nil && (d.Doc == nil || d.Lparen.IsValid()) {
			return []*ast.Ident{s.Name}
		}
	case *ast.ValueSpec:
		if s.Doc != nil || s.Comment != nil || d.Doc != nil {
			return nil
		}
		var names []*ast.Ident
		for _, n := range s.Names {
			if n.IsExported() {
				names = append(names, n)
			}
		}
		return names
	}
	return nil
}

// receiverExported reports whether a function is no method, or a method of an exported type.
func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	e := d.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}
