package main

import (
	"strings"
	"testing"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/plugins/chatondesk"
)

// TestRulesCheckChatOnDesk holds that the checker refuses to wait for what ChatOnDesk never reports, on every channel it has.
func TestRulesCheckChatOnDesk(t *testing.T) {
	s := newSite(t)
	s.write(t, "hermod.yaml", "data: data\nrules: rules\naccounts:\n  chatondesk-in:\n    connector: chatondesk\n    config: {api_key: \"${env:HERMOD_TEST_TOKEN}\"}\n")
	channels := chatondesk.New().Describe().Channels
	for until, code := range map[string]int{"accepted": 0, "delivered": problem.ExitUsage} {
		rules, refused := "routes:\n  - name: everything\n    fallback:\n", 0
		for _, c := range channels {
			rules += "      - {via: chatondesk-in/" + string(c.Channel) + ", text: hello, until: " + until + ", within: 2h}\n"
		}
		s.write(t, "rules/routes.yaml", rules)
		if code != 0 {
			refused = len(channels)
		}
		o := s.do(t, code, "", "rules", "check")
		if n := strings.Count(o.out+o.err, "[outcome_unsupported]"); n != refused {
			t.Errorf("until %s: %d steps refused, want %d: %s%s", until, n, refused, o.out, o.err)
		}
	}
}
