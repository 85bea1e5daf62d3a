package archtest

import (
	"os"
	"slices"
	"testing"
)

// rule is one rule of the house.
type rule struct {
	name  string
	check func(*tree) []violation
}

var rules = []rule{
	{"levels", checkLevels},
	{"walls", checkWalls},
	{"dependencies", checkDependencies},
	{"chain", checkChain},
	{"names", checkNames},
	{"file size", checkFiles},
	{"function size", checkFunctions},
	{"function tail", checkTail},
	{"package size", checkPackages},
	{"vendor size", checkVendors},
	{"package comments", checkPackageComments},
	{"exports", checkExports},
	{"error texts", checkErrorTexts},
	{"testing", checkTesting},
	{"requests", checkRequests},
	{"background", checkBackground},
	{"prints", checkPrints},
	{"init", checkInit},
	{"pure", checkPure},
	{"sleeps", checkSleeps},
	{"unfinished", checkUnfinished},
	{"documents", checkDocuments},
}

// apply runs a rule and leaves out what exceptions exempt. used marks the exceptions that did.
func (r rule) apply(t *tree, exceptions []exception, used []bool) []violation {
	return slices.DeleteFunc(r.check(t), func(v violation) bool {
		exempt := false
		for i, e := range exceptions {
			if e.rule == r.name && within(v.at, e.at) {
				used[i], exempt = true, true
			}
		}
		return exempt
	})
}

// stale returns a violation for each exception that exempted nothing.
func stale(exceptions []exception, used []bool) []violation {
	var all []violation
	for i, e := range exceptions {
		if !used[i] {
			all = append(all, found(e.at, 0, "the exception from %q exempts nothing: remove it from exceptions_test.go", e.rule))
		}
	}
	return all
}

func TestHouse(t *testing.T) {
	house, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(house.packages) < 2 {
		t.Fatalf("only %d packages were found: the test reads the wrong directory", len(house.packages))
	}
	used := make([]bool, len(exceptions))
	for _, r := range rules {
		broken := r.apply(house, exceptions, used) // before its subtest, so that a filtered run judges the exceptions right
		t.Run(r.name, func(t *testing.T) { report(t, broken) })
	}
	t.Run("exceptions", func(t *testing.T) { report(t, stale(exceptions, used)) })
}

func report(t *testing.T, broken []violation) {
	t.Helper()
	for _, v := range broken {
		t.Error(v)
	}
}
