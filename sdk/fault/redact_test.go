package fault_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hermodhq/hermod/sdk/fault"
)

func TestRedact(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"nothing", "template not found", "template not found"},
		{"vendor code", "error 131047: window closed (code 470)", "error 131047: window closed (code 470)"},
		{"E.164", "to +447700900123 failed", "to [number] failed"},
		{"grouped", "to +44 (0) 7700-900 123.", "to [number]."},
		{"seven", "call 5550100", "call [number]"},
		{"six", "code 555010", "code 555010"},
		{"far apart", "123 items of 4567", "123 items of 4567"},
		{"inside a word", "wa_447700900123x", "wa_[number]x"},
		{"other digits", "to ٠٧٧٠٠٩٠٠١٢٣", "to [number]"},
		{"other dashes", "to 07700‑900‑123", "to [number]"},
		{"no-break spaces", "to 07700\u00a0900\u00a0123", "to [number]"},
		{"email", "no such user <ada@example.com>", "no such user <[email]>"},
		{"token", "bearer " + strings.Repeat("aB3_", 8) + " refused", "bearer [token] refused"},
		{"short word", "x " + strings.Repeat("a", 31), "x " + strings.Repeat("a", 31)},
		{"bot token", "https://api.example.com/bot123456789:" + strings.Repeat("A", 35) + "/send", "https://api.example.com/bot[number]:[token]/send"},
		{"query", `Get "https://example.com/a?key=1&to=x": EOF`, `Get "https://example.com/a?[redacted]": EOF`},
		{"question", "why? because", "why? because"},
		{"user of a URL", "https://ada:pw@localhost:80/x", "https://[redacted]@localhost:80/x"},
		{"two numbers", "from 447700900123 to 447700900124", "from [number] to [number]"},
		{"broken UTF-8", "a\xffb", "a\uFFFDb"},
		{"other scripts", "шаблон не найден", "шаблон не найден"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := fault.Redact(tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRedactLong(t *testing.T) {
	// The bound falls into the number: its first half must not come out either.
	in := strings.Repeat("a ", 2045) + "447700900123"
	if got := fault.Redact(in); len(got) > 512 || strings.Contains(got, "4477") {
		t.Errorf("got %q", got)
	}
	if got := fault.Redact(strings.Repeat("é", 400)); !utf8.ValidString(got) || len(got) != 512 {
		t.Errorf("%d bytes, valid %t", len(got), utf8.ValidString(got))
	}
}

func TestRedactCostsNothingWhenThereIsNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { fault.Redact("error 131047: template paused, see the vendor's page") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

var sevenDigits = regexp.MustCompile(`[0-9]{7}`)

func FuzzRedact(f *testing.F) {
	f.Add("+44 7700 900123 ada@example.com https://a/b?c=1 131047")
	f.Add("1\u00a02‑3(4)5/6.7 8")
	f.Add(strings.Repeat("12 ", 2000))
	f.Add("a@b.c1234567@x.y?://")
	f.Fuzz(func(t *testing.T, in string) {
		out := fault.Redact(in)
		if sevenDigits.MatchString(out) {
			t.Errorf("seven digits survive: %q", out)
		}
		if len(out) > 512 || !utf8.ValidString(out) {
			t.Errorf("%d bytes, valid UTF-8 %t", len(out), utf8.ValidString(out))
		}
	})
}

func BenchmarkRedact(b *testing.B) {
	for name, in := range map[string]string{
		"clean":  "error 131047: the free-text window is closed, use a template",
		"number": "sending to +447700900123 failed: connection refused",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				fault.Redact(in)
			}
		})
	}
}
