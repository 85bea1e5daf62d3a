package omnidesk_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/plugins/omnidesk/omnidesksim"
	"github.com/hermodhq/hermod/sdk/fault"
)

// permissions reads the permission of each endpoint out of the documents' own words, "" where none is documented, and what the README
// says of it: the permission, and a star where the path is not documented.
func permissions(t testing.TB) (all, cells map[string]string) {
	t.Helper()
	documents := string(readFile(t, "testdata/permissions.md")) + string(readFile(t, "testdata/chat_page.txt"))
	name := regexp.MustCompile(`\b[A-Z]+(?:_[A-Z]+)+\b`)
	all, cells = map[string]string{}, map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^((?:GET|POST|PUT|DELETE) \S+) +(\*?) *([^ *].*)$`).FindAllStringSubmatch(string(readFile(t, "testdata/permissions.txt")), -1) {
		endpoint, star, words := m[1], strings.Replace(m[2], "*", " *", 1), m[3]
		if _, twice := all[endpoint]; twice {
			t.Errorf("%s stands twice", endpoint)
		}
		if all[endpoint], cells[endpoint] = "", "not documented"+star; words == "-" {
			continue
		}
		found := name.FindAllString(words, -1)
		if len(found) != 1 || !strings.Contains(documents, words) {
			t.Fatalf("%s: the documents do not say %q, or it names %v", endpoint, words, found)
		}
		all[endpoint], cells[endpoint] = found[0], "`"+found[0]+"`"+star
	}
	return all, cells
}

// TestPermissions holds the README's permissions to be the documents', and that the simulator takes a key with exactly the documented
// permission, and no other key.
func TestPermissions(t *testing.T) {
	documented, cells := permissions(t)
	readme := string(readFile(t, "README.md"))
	var keys []string // one permission each, "" is none
	endpoints := map[string]string{}
	for _, op := range omnideskConnector().Describe().Operations {
		endpoint := strings.Replace(op.Endpoint, " /api/v2/", " ", 1)
		endpoints[op.Name] = endpoint
		permission, ok := documented[endpoint]
		if !ok {
			t.Errorf("testdata/permissions.txt lacks %s", endpoint)
		}
		keys = append(keys, permission)
		if row := fmt.Sprintf("\n| `%s` | `%s` | %s |", op.Endpoint, op.Name, cells[endpoint]); !strings.Contains(readme, row) {
			t.Errorf("README.md has no row%s", row)
		}
	}
	if len(endpoints) != len(documented) {
		t.Errorf("%d operations, and testdata/permissions.txt has %d", len(endpoints), len(documented))
	}
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		t.Run(key, func(t *testing.T) {
			_, url := startSim(t, omnidesksim.Options{Permissions: []string{key}, Forms: []int{5}, Answers: map[string]string{"GET file/{id}": "bytes"}})
			a := openAccount(t, url, map[string]any{"chat_server": "https://chat.example/hooks"})
			for _, e := range examples(t) {
				_, err := a.Invoke(t.Context(), e.Operation, e.Input)
				switch needs := documented[endpoints[e.Operation]]; {
				case e.Operation == "api.call":
					wantFault(t, err, "misconfigured", "path_unknown") // the simulator does not know it
				case needs != "" && needs != key:
					wantFault(t, err, fault.Unauthorized, "permission_missing")
				case err != nil:
					t.Errorf("%s is refused: %v", e.Operation, err)
				}
			}
		})
	}
	_, url := startSim(t, omnidesksim.Options{})
	_, err := openAccount(t, url, map[string]any{"api_key": "another"}).Invoke(t.Context(), "chat.lists", nil)
	wantFault(t, err, fault.Unauthorized, "key_refused")
}
