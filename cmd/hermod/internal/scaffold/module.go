package scaffold

import (
	"errors"
	"go/version"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
)

const hermodModule = "github.com/hermodhq/hermod"

var (
	modulePattern  = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*(/[A-Za-z0-9._~-]+)*$`)
	versionPattern = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)
	goLine         = regexp.MustCompile(`(?m)^go (\S+)$`)
	requireLine    = regexp.MustCompile(`(?m)^\t(\S+ v\S+)( // indirect)?$`)
)

// defaultGo is the Go version that Hermod needs.
const defaultGo = "1.26.0"

// module is Hermod as a go.mod requires it.
type module struct {
	HermodModule, HermodVersion string
	Go                          string
	Indirect                    []string // what a checkout requires itself, so that nothing has to be looked up
}

// hermod says which Hermod the new module requires, and the absolute path of the checkout that replaces it, if any.
func (o *Options) hermod() (module, string, error) {
	if o.Replace == "" {
		if !versionPattern.MatchString(o.Version) {
			return module{}, "", problem.New(problem.ExitUsage, "version_unknown", "this hermod was built from a checkout, not from a published version").
				Advise("build against the checkout: --replace PATH/TO/hermod, or run this inside it")
		}
		return module{HermodModule: hermodModule, HermodVersion: o.Version, Go: defaultGo}, "", nil
	}
	dir, err := filepath.Abs(o.Replace)
	if err != nil {
		return module{}, "", notACheckout(o.Replace, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || !isHermod(text) {
		return module{}, "", notACheckout(o.Replace, err)
	}
	m := module{HermodModule: hermodModule, HermodVersion: "v0.0.0", Go: defaultGo}
	if found := goLine.FindSubmatch(text); found != nil && version.IsValid("go"+string(found[1])) {
		m.Go = string(found[1])
	}
	for _, found := range requireLine.FindAllSubmatch(text, -1) {
		m.Indirect = append(m.Indirect, string(found[1]))
	}
	return m, quoted(filepath.ToSlash(dir)), nil
}

// quoted is a path as go.mod takes it.
func quoted(path string) string {
	if strings.ContainsAny(path, " \t'\"`,()[]") {
		return "\"" + strings.ReplaceAll(path, `"`, `\"`) + "\""
	}
	return path
}

func isHermod(goMod []byte) bool {
	return strings.HasPrefix(string(goMod), "module "+hermodModule+"\n")
}

func notACheckout(dir string, err error) error {
	p := problem.New(problem.ExitUsage, "checkout_invalid", "%s is not a checkout of Hermod", dir)
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		p = problem.New(problem.ExitUsage, "checkout_invalid", "%s is not a checkout of Hermod: %s: %s", dir, filepath.Base(pe.Path), pe.Err.Error())
	}
	return p.Advise("--replace must name the folder with the go.mod of %s", hermodModule)
}

// Checkout returns the checkout of Hermod that a folder lies in, and "" where there is none.
func Checkout(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	for {
		if text, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil {
			if isHermod(text) {
				return dir
			}
			return "" // another module
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}
