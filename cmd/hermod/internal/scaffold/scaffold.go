// Package scaffold writes a new connector's repository: code that builds, tests and passes the kit at once, with a simulator of
// its made-up vendor, so that an author starts from something that works.
package scaffold

import (
	"bytes"
	"embed"
	"fmt"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
)

//go:embed all:templates
var templates embed.FS

// Options say what to write.
type Options struct {
	Name    string // the connector's, such as "acme"
	Dir     string // where to; empty: hermod-NAME in the current folder. It must be empty or not exist
	Module  string // the Go module's path; empty: example.com/hermod-NAME
	Replace string // a checkout of Hermod to build against; empty: the published Version
	Version string // of Hermod, such as "v1.2.3"; not needed with Replace
}

// Result is what was written.
type Result struct {
	Dir    string   `json:"dir"`
	Module string   `json:"module"`
	Files  []string `json:"files"` // relative to Dir, with slashes, sorted
}

// data is what the templates see.
type data struct {
	Name, Package, Vendor, Header, Env string
	Module                             string
	module                             // of Hermod
	Replace                            string
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// taken are package names that the generated programs import already, or that Go gives a meaning.
var taken = []string{"main", "internal", "vendor", "connector", "testdata"}

// Write writes a connector's repository. Its errors are problems; nothing is written over.
func Write(o Options) (*Result, error) {
	d, err := o.data()
	if err != nil {
		return nil, err
	}
	dir := o.Dir
	if dir == "" {
		dir = "hermod-" + o.Name
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, problem.New(problem.ExitUsage, "folder_not_empty", "the folder %s is not empty", dir).
			Advise("name another with --dir, or remove what is in it")
	}
	files, err := d.render()
	if err != nil {
		return nil, err
	}
	if o.Replace != "" {
		if files["go.sum"], err = os.ReadFile(filepath.Join(o.Replace, "go.sum")); err != nil {
			return nil, notACheckout(o.Replace, err)
		}
	}
	r := &Result{Dir: dir, Module: d.Module}
	for name := range files {
		r.Files = append(r.Files, name)
	}
	slices.Sort(r.Files)
	for _, name := range r.Files {
		if err := write(filepath.Join(dir, filepath.FromSlash(name)), files[name]); err != nil {
			return nil, problem.New(problem.ExitEnvironment, "write_failed", "the repository cannot be written: %s", err.Error()).
				Advise("name a folder that can be written with --dir")
		}
	}
	return r, nil
}

func write(name string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		_ = f.Close() // the first error says why
		return err
	}
	return f.Close()
}

// data checks the options and works out what the templates need.
func (o *Options) data() (*data, error) {
	d := &data{Name: o.Name, Module: o.Module, Package: strings.ReplaceAll(o.Name, "-", "")}
	switch {
	case len(o.Name) > 40 || !namePattern.MatchString(o.Name):
		return nil, problem.New(problem.ExitUsage, "name_invalid", "%q cannot name a connector", o.Name).
			Advise("use a-z, 0-9 and single hyphens, beginning with a letter, at most 40 characters: such as acme")
	case token.IsKeyword(d.Package) || slices.Contains(taken, d.Package):
		return nil, problem.New(problem.ExitUsage, "name_invalid", "%q cannot name a connector: Go or the generated code uses the word itself", o.Name).
			Advise("add the vendor's name, such as acme-%s", o.Name)
	}
	for _, word := range strings.Split(o.Name, "-") {
		d.Vendor += " " + strings.ToUpper(word[:1]) + word[1:]
	}
	d.Vendor = d.Vendor[1:]
	d.Header, d.Env = strings.ReplaceAll(d.Vendor, " ", ""), strings.ToUpper(strings.ReplaceAll(o.Name, "-", "_"))
	if d.Module == "" {
		d.Module = "example.com/hermod-" + o.Name
	}
	if !modulePattern.MatchString(d.Module) {
		return nil, problem.New(problem.ExitUsage, "module_invalid", "%q cannot be a Go module's path", d.Module).
			Advise("name one such as --module github.com/acme/hermod-%s", o.Name)
	}
	var err error
	d.module, d.Replace, err = o.hermod()
	return d, err
}

// render executes all templates, and names the files as they are called in the repository.
func (d *data) render() (map[string][]byte, error) {
	files := map[string][]byte{}
	err := fs.WalkDir(templates, "templates", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := templates.ReadFile(name)
		if err != nil {
			return err
		}
		t, err := template.New(name).Delims("[[", "]]").Parse(string(text))
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, d); err != nil {
			return err
		}
		files[d.place(strings.TrimSuffix(strings.TrimPrefix(name, "templates/"), ".tmpl"))] = b.Bytes()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("scaffold: %w", err)
	}
	return files, nil
}

// place gives the folders of the simulator and of the program the connector's name.
func (d *data) place(name string) string {
	dir, file := path.Split(name)
	switch dir {
	case "sim/":
		return d.Package + "sim/" + file
	case "program/":
		return "hermod-" + d.Name + "/" + file
	}
	return name
}
