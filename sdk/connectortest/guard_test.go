package connectortest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest/conformance"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/toy"
)

// author is a test as the guard sees it.
type author struct {
	skipped bool
	said    string
}

func (a *author) Skipped() bool { return a.skipped }

func (a *author) Errorf(format string, args ...any) { a.said = fmt.Sprintf(format, args...) }

func TestGuard(t *testing.T) {
	for name, x := range map[string]struct {
		ran     []string
		skipped bool
		says    string
	}{
		"whole":   {ran: []string{"a", "b"}},
		"part":    {ran: []string{"a"}, says: "1 of 2 checks"},
		"nothing": {says: "2 of 2 checks"},
		"skipped": {ran: []string{"a", "b"}, skipped: true, says: "proves nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			g, a := &guard{}, &author{skipped: x.skipped}
			g.expect("a")
			g.expect("b")
			for _, check := range x.ran {
				g.ran(check)
			}
			g.settle(a, "guarded-"+name)
			if (a.said == "") != (x.says == "") || !strings.Contains(a.said, x.says) {
				t.Errorf("it said %q, want %q", a.said, x.says)
			}
			if passed.names["guarded-"+name] != (x.says == "") {
				t.Error("Main would learn the wrong thing")
			}
		})
	}
}

// TestLeakIsJudged holds that Main fails when a goroutine outlives the tests.
func TestLeakIsJudged(t *testing.T) {
	release, ended := make(chan struct{}), make(chan struct{})
	go func() { defer close(ended); <-release }()
	var out strings.Builder
	code := judge(&out, []connector.Connector{toy.New("never run", nil)}, 0)
	close(release)
	<-ended
	if code == 0 || !strings.Contains(out.String(), "TestLeakIsJudged") {
		t.Errorf("code %d, said %q", code, out.String())
	}
}

func TestLeftOutForOneReason(t *testing.T) {
	var all []conformance.Left
	for _, check := range []string{"a", "b", "c", "d", "e", "f"} {
		all = append(all, conformance.Left{Check: check, Reason: "the account does not open"})
	}
	all = append(all, conformance.Left{Check: "g", Reason: "no time is signed"})
	want := []string{"6 checks are left out: the account does not open", "g is left out: no time is signed"}
	if got := leftOut(all); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
