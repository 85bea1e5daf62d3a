package config

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
)

const secret = "sk-live"

// testEnv is a world with one variable and two files.
func testEnv() Env {
	return Env{
		Lookup: func(name string) (string, bool) { return secret + "-from-env", name == "CONVRS_TOKEN" },
		ReadFile: func(name string) ([]byte, error) {
			switch name {
			case "/etc/hermod/keys/journal":
				return []byte("journal key\n"), nil
			case "/etc/hermod/big":
				return make([]byte, MaxSecret+1), nil
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		},
	}
}

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden reads testdata/*.txt: a configuration, a line "-- want --", and what comes of it.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d golden files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in, want, _ := strings.Cut(string(text), "-- want --\n")
			got := verdict(t, in)
			if *update {
				if err := os.WriteFile(file, []byte(in+"-- want --\n"+got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func verdict(t *testing.T, in string) string {
	t.Helper()
	c, err := Parse("hermod.yaml", "/etc/hermod/hermod.yaml", []byte(in), testEnv())
	var b strings.Builder
	if err != nil {
		if printErr := problem.Print(&b, err); printErr != nil {
			t.Fatal(printErr)
		}
		if strings.Contains(b.String(), secret) {
			t.Errorf("the error shows a value of the configuration:\n%s", b.String())
		}
		fmt.Fprintf(&b, "exit %d\n", problem.Exit(err))
		return b.String()
	}
	core := c.Core()
	core.Rules, core.Transforms = nil, nil
	out := set(t, core)
	return string(out) + "\n" + "listen " + c.HTTP.Listen + "\n"
}

// set shows the fields of a struct that are not zero.
func set(t *testing.T, v any) []byte {
	t.Helper()
	fields := map[string]any{}
	for f, value := range reflect.ValueOf(v).Fields() {
		if !value.IsZero() {
			fields[f.Name] = value.Interface()
		}
	}
	out, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "hermod.yaml")
	if err := os.WriteFile(file, []byte("data: var\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "transforms"), 0o700); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file, System())
	if err != nil {
		t.Fatal(err)
	}
	if c.Data != filepath.Join(dir, "var") || c.Rules != filepath.Join(dir, "rules") || c.Transforms != filepath.Join(dir, "transforms") {
		t.Errorf("paths must start at the file's folder: %+v", c)
	}
	_, err = Load(filepath.Join(dir, "none.yaml"), System())
	if p, ok := errors.AsType[*problem.Problem](err); !ok || p.Code != "config_unreadable" || p.Exit != problem.ExitEnvironment {
		t.Errorf("err = %v", err)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		in, _, _ := strings.Cut(string(text), "-- want --\n")
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := Parse("f", "/f", in, testEnv())
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", c, err)
		}
		if err != nil {
			if len(problem.All(err)) == 0 {
				t.Fatal("an error with no problem")
			}
			return
		}
		for name, a := range c.Accounts {
			if a.Config != nil && !json.Valid(a.Config) {
				t.Fatalf("account %q has a config that is not JSON", name)
			}
		}
	})
}
