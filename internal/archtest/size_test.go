package archtest

import (
	"go/ast"
	"path"
	"slices"
	"strings"
)

// The ceilings. A tree is pleasant because of its tail, not its median.
const (
	maxFile     = 500
	maxFunction = 80
	maxP90      = 35
	maxPackage  = 1200
	maxVendor   = 2000
	fewest      = 10 // packages with fewer functions have no meaningful 90th percentile
)

func checkFiles(t *tree) []violation {
	var all []violation
	for _, p := range t.packages {
		for _, f := range p.written() {
			if f.lines > maxFile {
				all = append(all, found(f.path, 0, "%d lines, at most %d are allowed: split it by subject", f.lines, maxFile))
			}
		}
	}
	return all
}

// function is one top-level function of the code that ships.
type function struct {
	name  string
	file  string
	line  int
	lines int
}

func (t *tree) functions(p *pkg) []function {
	var all []function
	for _, f := range p.sources() {
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				first, last := t.line(fn.Pos()), t.line(fn.End())
				all = append(all, function{fn.Name.Name, f.path, first, last - first + 1})
			}
		}
	}
	return all
}

func checkFunctions(t *tree) []violation {
	var all []violation
	for _, p := range t.packages {
		for _, fn := range t.functions(p) {
			if fn.lines > maxFunction {
				all = append(all, found(fn.file, fn.line, "%s has %d lines, at most %d are allowed: name its parts", fn.name, fn.lines, maxFunction))
			}
		}
	}
	return all
}

// checkTail holds the 90th percentile of function lengths, in each package and over all of them.
func checkTail(t *tree) []violation {
	var all []violation
	var lengths []int
	for _, p := range t.packages {
		var own []int
		for _, fn := range t.functions(p) {
			own = append(own, fn.lines)
		}
		if n := p90(own); n > maxP90 && len(own) >= fewest {
			all = append(all, found(p.dir, 0, "one function in ten has more than %d lines, at most %d are allowed: shorten the longest", n, maxP90))
		}
		lengths = append(lengths, own...)
	}
	if n := p90(lengths); n > maxP90 && len(lengths) >= fewest {
		all = append(all, found(".", 0, "one function in ten of the whole tree has more than %d lines, at most %d are allowed", n, maxP90))
	}
	return all
}

func p90(lengths []int) int {
	if len(lengths) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(lengths))
	return sorted[(len(sorted)-1)*9/10]
}

func checkPackages(t *tree) []violation {
	var all []violation
	for _, p := range t.packages {
		if n := total(p); n > maxPackage {
			all = append(all, found(p.dir, 0, "%d lines without tests, at most %d are allowed: split the package", n, maxPackage))
		}
	}
	return all
}

// checkVendors holds the size of each vendor's folder. Its simulator (<vendor>sim) does not count: it is a test tool, and
// one that behaves as its vendor documents should not be cut short.
func checkVendors(t *tree) []violation {
	var all []violation
	lines := map[string]int{}
	var order []string
	for _, p := range t.packages {
		parts := strings.Split(p.dir, "/")
		if parts[0] != "plugins" || len(parts) < 2 {
			continue
		}
		vendor := path.Join(parts[:2]...)
		if len(parts) > 2 && parts[2] == parts[1]+"sim" {
			continue
		}
		if _, known := lines[vendor]; !known {
			order = append(order, vendor)
		}
		lines[vendor] += total(p)
	}
	for _, vendor := range order {
		if lines[vendor] > maxVendor {
			all = append(all, found(vendor, 0, "%d lines without tests and simulator in the vendor's folder, at most %d are allowed: let the SDK do more", lines[vendor], maxVendor))
		}
	}
	return all
}

func total(p *pkg) int {
	n := 0
	for _, f := range p.sources() {
		n += f.lines
	}
	return n
}
