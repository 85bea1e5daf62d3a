package scaffold_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/cmd/hermod/internal/scaffold"
)

const root = "../../../.." // of this repository

// TestItWorksAtOnce generates a connector and runs its own tests, the kit among them, with what this machine has: nothing is
// fetched. TestGuide does the same for a name of one word.
func TestItWorksAtOnce(t *testing.T) {
	t.Parallel()
	name := "two-words-4u"
	dir := filepath.Join(t.TempDir(), "new")
	r, err := scaffold.Write(scaffold.Options{Name: name, Dir: dir, Replace: root})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"go.mod", "go.sum", "connector.go", "faults.go", "connector_test.go", "hermod-" + name + "/main.go", "twowords4usim/sim.go",
		"README.md", "Makefile", ".github/workflows/ci.yml", ".gitignore", "hermod.yaml", "verify.json"} {
		if !slices.Contains(r.Files, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if out := command(t, dir, "gofmt", "-l", "."); out != "" {
		t.Errorf("not formatted: %s", out)
	}
	command(t, dir, "go", "vet", "./...")
	command(t, dir, "go", "test", "./...")
}

func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestRefusals(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o    scaffold.Options
		code string
	}{
		"upper case":       {scaffold.Options{Name: "Acme"}, "name_invalid"},
		"two hyphens":      {scaffold.Options{Name: "a--b"}, "name_invalid"},
		"nothing":          {scaffold.Options{}, "name_invalid"},
		"a path":           {scaffold.Options{Name: "../x"}, "name_invalid"},
		"a keyword":        {scaffold.Options{Name: "func"}, "name_invalid"},
		"an import":        {scaffold.Options{Name: "connector"}, "name_invalid"},
		"a module":         {scaffold.Options{Name: "acme", Module: "a b", Replace: root}, "module_invalid"},
		"no version":       {scaffold.Options{Name: "acme", Version: "(devel)"}, "version_unknown"},
		"no checkout":      {scaffold.Options{Name: "acme", Replace: full}, "checkout_invalid"},
		"another checkout": {scaffold.Options{Name: "acme", Replace: filepath.Join(root, "tools")}, "checkout_invalid"},
		"a full folder":    {scaffold.Options{Name: "acme", Replace: root, Dir: full}, "folder_not_empty"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.o.Dir == "" {
				c.o.Dir = filepath.Join(t.TempDir(), "new")
			}
			_, err := scaffold.Write(c.o)
			p, ok := errors.AsType[*problem.Problem](err)
			if !ok || p.Code != c.code || p.Advice == "" || p.Exit != problem.ExitUsage {
				t.Errorf("the error is %v, want code %s with advice", err, c.code)
			}
			if entries, err := os.ReadDir(c.o.Dir); err == nil && len(entries) > 1 {
				t.Errorf("%d files were written", len(entries))
			}
		})
	}
}

func TestPublishedVersion(t *testing.T) {
	dir := t.TempDir()
	r, err := scaffold.Write(scaffold.Options{Name: "acme", Dir: dir, Module: "github.com/acme/x", Version: "v1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || string(text) != "module github.com/acme/x\n\ngo 1.26.0\n\nrequire github.com/hermodhq/hermod v1.2.3\n" {
		t.Errorf("go.mod is %q, %v", text, err)
	}
	if slices.Contains(r.Files, "go.sum") {
		t.Error("there is a go.sum for a module that was not resolved")
	}
}

func TestCheckout(t *testing.T) {
	want, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	if got := scaffold.Checkout("."); got != want {
		t.Errorf("the checkout is %q, want %q", got, want)
	}
	if got := scaffold.Checkout(t.TempDir()); got != "" {
		t.Errorf("a checkout was found outside: %q", got)
	}
}
