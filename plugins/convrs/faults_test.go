package convrs

import (
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/hermodhq/hermod/sdk/fault"
)

// TestFaultTable holds that the table has exactly the documented codes, with known classes and codes of their own.
func TestFaultTable(t *testing.T) {
	raw, err := os.ReadFile("testdata/error_codes.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[int]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d{4}) \|`).FindAllStringSubmatch(string(raw), -1) {
		code, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		documented[code] = true
		if _, ok := codes.find(code); !ok {
			t.Errorf("documented code %d is not in the table", code)
		}
	}
	for _, code := range []int{131047, 131026, 130429, 131048, 80007, 4, 2, 368, 131031, 100, 190, 132000, 132001, 132005, 132007, 132012, 132015, 132016} {
		if _, ok := whatsappCodes.find(code); !ok {
			t.Errorf("WhatsApp code %d is not in the table", code)
		}
	}
	seen, names := map[string]bool{}, map[string]bool{}
	for name, table := range map[string]table{"codes": codes, "whatsapp": whatsappCodes, "statuses": statuses} {
		for class, list := range table {
			for n, code := range list {
				r, _ := table.find(n)
				if !class.Known() || r.class != class || code == "" || seen[name+strconv.Itoa(n)] || name != "statuses" && names[code] {
					t.Errorf("%s %d: %s %s, or it stands there twice", name, n, class, code)
				}
				seen[name+strconv.Itoa(n)], names[code] = true, true
				if name == "codes" && !documented[n] {
					t.Errorf("code %d is not documented", n)
				}
				if r.after != 0 && class.Action() != fault.Retry {
					t.Errorf("%d waits for %s although %s is not retried", n, r.after, class)
				}
			}
		}
	}
}

// TestPlaceholders holds how they are counted.
func TestPlaceholders(t *testing.T) {
	for text, want := range map[string]int{"": 0, "none": 0, "{{1}} {{2}} {{ 1 }}": 2, "{{name}}": 1, "{{1": 0} {
		if got := placeholders(text); got != want {
			t.Errorf("%q has %d placeholders, want %d", text, got, want)
		}
	}
}

// TestEventsWithoutTime holds that an equal payload counts as new a minute later where Convrs gives neither time nor id.
func TestEventsWithoutTime(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 10, 0, time.UTC)
	a := &account{now: func() time.Time { return now }}
	id := func(body string) string {
		e, err := a.event(t.Context(), []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return string(e.ID)
	}
	disabled, created := `{"cmd":"onUserDisable","ok":1,"uid":"u"}`, `{"cmd":"onUserCreate","ok":1,"data":{"uid":"u"}}`
	d, c := id(disabled), id(created)
	now = now.Add(20 * time.Second)
	if id(disabled) != d {
		t.Error("a repeat within the minute has another id")
	}
	now = now.Add(time.Hour)
	if id(disabled) == d {
		t.Error("blocked a second time has the id of the first")
	}
	if id(created) != c {
		t.Error("a repeated creation has another id")
	}
}
