package accounttest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/sdk/connectortest/accounttest"
	"github.com/hermodhq/hermod/sdk/fault"
)

// recorder is a test that notes its failures instead of failing.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return context.Background() }
func (r *recorder) Errorf(format string, a ...any) {
	r.said = append(r.said, fmt.Sprintf(format, a...))
}
func (r *recorder) Fatalf(format string, a ...any) { r.Errorf(format, a...); panic(r) }
func (r *recorder) Fatal(a ...any)                 { r.Fatalf("%s", fmt.Sprint(a...)) }
func (r *recorder) try(what func(tb testing.TB)) (said string) {
	defer func() {
		_ = recover()
		said = strings.Join(r.said, "; ")
	}()
	what(r)
	return ""
}

// Each step tells what is wrong, and says nothing where all is well.
func TestSteps(t *testing.T) {
	t.Chdir(t.TempDir())
	golden := filepath.Join("testdata", "a.golden")
	refused := fault.New(fault.RateLimited, "too_fast", "wait")
	for name, tt := range map[string]struct {
		try  func(tb testing.TB)
		want string // part of what is said; empty: nothing
	}{
		"the fault":     {func(tb testing.TB) { accounttest.WantFault(tb, refused, fault.RateLimited, "too_fast") }, ""},
		"another class": {func(tb testing.TB) { accounttest.WantFault(tb, refused, fault.Internal, "too_fast") }, "got rate_limited [too_fast], want internal"},
		"no fault":      {func(tb testing.TB) { accounttest.WantFault(tb, nil, fault.Internal, "x") }, "want a fault"},
		"same": {func(tb testing.TB) {
			accounttest.SameJSON(tb, "it", map[string]int{"a": 1}, json.RawMessage(`{ "a": 1 }`))
		}, ""},
		"other":          {func(tb testing.TB) { accounttest.SameJSON(tb, "it", []int{1, 2, 3}, []int{1, 2, 4}) }, "it: different from line 4 on\n\t  3\n\t]\nwant\n\t  4"},
		"no JSON":        {func(tb testing.TB) { accounttest.JSON(tb, json.RawMessage(`{`)) }, "unexpected end"},
		"no golden file": {func(tb testing.TB) { accounttest.Golden(tb, "a.golden", "x", false) }, golden},
		"no folder":      {func(tb testing.TB) { accounttest.Golden(tb, "a.golden", "x", true) }, golden},
		"happens in the end": {func(tb testing.TB) {
			n := 0
			accounttest.Eventually(tb, "three", func() bool { n++; return n == 3 })
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if said := (&recorder{TB: t}).try(tt.try); tt.want == "" && said != "" || !strings.Contains(said, tt.want) {
				t.Errorf("said %q, want %q", said, tt.want)
			}
		})
	}
}
