package eval_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/hermodhq/hermod/rules/internal/eval"
	"github.com/hermodhq/hermod/rules/internal/event"
)

func compiler() *eval.Compiler {
	return eval.NewCompiler([]string{"convrs-uk"}, []string{"whatsapp", "sms"})
}

func machine() *eval.Machine {
	m := eval.NewMachine()
	m.Env.Account = func(string) eval.Account { return eval.Account{State: "closed"} }
	m.Env.SessionOpen = func(channel string) bool { return channel == "whatsapp" }
	m.Env.OptedOut = func(channel string) bool { return channel == "sms" }
	m.Env.Now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return m
}

// Conditions that run as Go functions mean the same as in the virtual machine.
func TestQuickConditionsMeanTheSame(t *testing.T) {
	words := rapid.SampledFrom([]string{`"a"`, `"b"`, `"ab"`, `""`, `"GB"`, `"urgent"`})
	places := rapid.SampledFrom([]string{"msg.category", "msg.priority", "msg.key", "msg.to.country", "msg.to.phone", "msg.to.email", "msg.content.kind", "msg.labels.x", "data.x"})
	var condition func(depth int) *rapid.Generator[string]
	leaf := rapid.Custom(func(t *rapid.T) string {
		place, word := places.Draw(t, "place"), words.Draw(t, "word")
		switch rapid.IntRange(0, 7).Draw(t, "leaf") {
		case 0:
			return word + " == " + place
		case 1:
			return place + " != " + word
		case 2:
			if place != "data.x" {
				return place + " in [" + word + ", " + words.Draw(t, "word2") + "]"
			}
		case 3:
			if place != "data.x" {
				return place + rapid.SampledFrom([]string{" startsWith ", " endsWith ", " contains "}).Draw(t, "search") + word
			}
		case 4:
			return rapid.SampledFrom([]string{"session_open", "opted_out"}).Draw(t, "ask") + rapid.SampledFrom([]string{`("sms")`, `("whatsapp")`}).Draw(t, "channel")
		}
		return place + " == " + word
	})
	condition = func(depth int) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			if depth == 0 || rapid.Bool().Draw(t, "leaf") {
				return leaf.Draw(t, "leaf")
			}
			l, r := condition(depth-1).Draw(t, "l"), condition(depth-1).Draw(t, "r")
			return rapid.SampledFrom([]string{"(" + l + ") and (" + r + ")", "(" + l + ") || (" + r + ")", "not (" + l + ")", "!(" + r + ")", "(" + l + ") && true"}).Draw(t, "join")
		})
	}
	c, m := compiler(), machine()
	rapid.Check(t, func(t *rapid.T) {
		text := condition(3).Draw(t, "condition")
		word := rapid.SampledFrom([]string{"a", "b", "ab", "", "GB", "urgent"})
		m.Env.Msg = eval.Msg{Category: word.Draw(t, "v"), Priority: word.Draw(t, "v"), Key: word.Draw(t, "v"), Labels: map[string]string{"x": word.Draw(t, "v")},
			To: eval.To{Country: word.Draw(t, "v"), Phone: word.Draw(t, "v"), Email: word.Draw(t, "v")}, Content: event.Content{Kind: word.Draw(t, "v")}}
		m.Env.Data = map[string]any{"x": rapid.SampledFrom([]any{"a", "", 1.0, nil, true, []any{"a"}}).Draw(t, "v")}
		quick, problem := c.Condition(text, eval.InRoute)
		if problem != nil {
			t.Fatal(text, problem)
		}
		// A comparison of times sends the whole condition to the virtual machine.
		slow, problem := c.Condition("("+text+") and now == now", eval.InRoute)
		if problem != nil {
			t.Fatal(text, problem)
		}
		if !eval.IsQuick(quick) || eval.IsQuick(slow) {
			t.Fatalf("%s: quick %v, slow %v", text, eval.IsQuick(quick), eval.IsQuick(slow))
		}
		got, err1 := quick.Holds(m)
		want, err2 := slow.Holds(m)
		if err1 != nil || err2 != nil || got != want {
			t.Fatalf("%s: quick gives %v %v, the machine %v %v", text, got, err1, want, err2)
		}
	})
}

func TestRunawayExpressionsEnd(t *testing.T) {
	m := machine()
	m.Env.Data = map[string]any{"n": 1_000_000, "k": 1000, "s": strings.Repeat("a", 60_000)}
	for _, text := range []string{
		`len(1..data.n) > 0`,
		`any(1..100, len(1..data.k) < 0)`,
		`len(repeat("ab", data.n)) > 0`,
		`len(replace(data.s, "a", "aaaa")) > 0`,
		`len(join([data.s, data.s])) > 0`,
		`len(join(map(1..100, data.s), ",")) > 0`,
	} {
		cond, problem := compiler().Condition(text, eval.InRoute)
		if problem != nil {
			t.Fatal(text, problem)
		}
		if _, err := cond.Holds(m); !errors.Is(err, eval.ErrEvaluation) {
			t.Errorf("%s: got %v, want ErrEvaluation", text, err)
		}
	}
}

// FuzzTemplate: any text compiles or has problems inside it; what compiles renders or says which expression fails.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"Hi {{ data.name }}", "{{ {a: {b: 1}}.a.b }}", "{{ \"}}\" }}", "{{", "}}", "{{}}", "{{ '\\", "{{ data.x ?? 'é' }} é {{ msg.to.nam }}", "{{ map(1..3, # * 2) }}", "{{ replace('aa', 'a', 'b') }}"} {
		f.Add(seed)
	}
	c := compiler()
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		m := machine()
		m.Env.Data = map[string]any{"name": "Ada"}
		compiled, problems := c.Text(text, false)
		for _, p := range problems {
			if p.Offset < 0 || p.Offset > utf8.RuneCountInString(text) || p.Code == "" || p.Text == "" {
				t.Errorf("%q: a problem without its parts: %+v", text, p)
			}
		}
		if len(problems) > 0 {
			return
		}
		if s, ok := compiled.Static(); ok != !strings.Contains(text, "{{") || ok && s != text {
			t.Errorf("%q: static %v %q", text, ok, s)
		}
		s, err := compiled.Render(m)
		if e := eval.AsRenderError(err); err != nil && (e == nil || e.Code == "") {
			t.Errorf("%q: got %v, want a RenderError", text, err)
		}
		if len(s) > eval.MaxRendered && strings.Contains(text, "{{") {
			t.Errorf("%q: %d bytes", text, len(s))
		}
	})
}
