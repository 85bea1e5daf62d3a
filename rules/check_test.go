package rules_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/rules"
)

var update = flag.Bool("update", false, "write the .want files anew")

// readCases gives each case's files: NAME.yaml, or every file of NAME/.
func readCases(t *testing.T) map[string]map[string][]byte {
	t.Helper()
	cases := map[string]map[string][]byte{}
	paths, err := filepath.Glob("testdata/check/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		name, isFile := strings.CutSuffix(filepath.Base(path), ".yaml")
		files := []string{path}
		switch info, err := os.Stat(path); {
		case err != nil:
			t.Fatal(err)
		case info.IsDir():
			if files, err = filepath.Glob(path + "/*"); err != nil {
				t.Fatal(err)
			}
		case !isFile:
			continue
		}
		cases[name] = map[string][]byte{}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			cases[name][filepath.Base(file)] = data
		}
	}
	return cases
}

// Each case of testdata/check is a rule file with every mistake in it told as NAME.want says.
func TestCheckTellsMistakes(t *testing.T) {
	covered := map[string]bool{}
	for name, files := range readCases(t) {
		t.Run(name, func(t *testing.T) {
			fsys := afero.NewMemMapFs()
			for file, data := range files {
				write(t, fsys, "rules/"+file, string(data))
			}
			set, err := rules.Load(fsys, "rules", testCatalog())
			got := "ok\n"
			if err != nil {
				got = err.Error() + "\n"
				if set != nil {
					t.Error("a set came beside an error")
				}
			}
			for _, e := range rules.AsErrors(err) {
				covered[e.Code] = true
			}
			golden := filepath.Join("testdata", "check", name+".want")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("error text (-want +got):\n%s", diff)
			}
		})
	}
	for _, code := range []string{
		rules.CodeTooMany, rules.CodeYAMLSyntax, rules.CodeYAMLFeature, rules.CodeKeyUnknown, rules.CodeKeyDuplicate, rules.CodeKeyMissing,
		rules.CodeValueType, rules.CodeValueInvalid, rules.CodeReactionDuplicate, rules.CodeEventUnknown, rules.CodeOperationUnknown, rules.CodeRouteDuplicate, rules.CodeRouteUnreachable,
		rules.CodeStepUnreachable, rules.CodeDefaultMissing, rules.CodeAccountUnknown, rules.CodeChannelUnknown, rules.CodeTransformUnknown,
		rules.CodeContentConflict, rules.CodeContentUnsupported, rules.CodeTextTooLong, rules.CodeOutcomeUnsupported, rules.CodeWithinMissing,
		rules.CodeTTL, rules.CodeExprSyntax, rules.CodeExprType, rules.CodeExprUnknownName, rules.CodeExprForbidden, rules.CodeTemplateSyntax, rules.CodeEmpty,
	} {
		if !covered[code] {
			t.Errorf("no case of testdata/check shows %s", code)
		}
	}
}

func write(t testing.TB, fsys afero.Fs, path, text string) {
	t.Helper()
	if err := fsys.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := afero.WriteFile(fsys, path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
