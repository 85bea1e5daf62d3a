package rules_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/rules"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// load reads one rule file that must be right.
func load(t testing.TB, text string) *rules.Set {
	t.Helper()
	fsys := afero.NewMemMapFs()
	write(t, fsys, "rules/routes.yaml", text)
	set, err := rules.Load(fsys, "rules", testCatalog())
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func order() *message.Message {
	return &message.Message{
		ID: "m1", To: message.Recipient{Phone: "+447700900123", Country: "GB"}, Category: "order",
		Data: map[string]any{"name": "Ada", "order": 1042.0, "items": []any{"cup", "plate"}, "customer": map[string]any{"tier": "gold"}},
	}
}

func decide(t *testing.T, set *rules.Set, m *message.Message) rules.Decision {
	t.Helper()
	d, err := set.Decide(&rules.Input{Message: m, Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const designExample = `
routes:
  - name: order-updates
    when: msg.category == "order" and msg.to.country == "GB"
    transforms: [mask-cards]
    fallback:
      - via: convrs-uk/whatsapp
        template: {name: order_update, language: en, params: ["{{ data.name }}", "{{ data.order }}"]}
        until: delivered
        within: 2m
        unknown: wait
      - via: chatondesk-in/sms
        text: "Hi {{ data.name }}, your order {{ data.order }} has shipped."
        transforms: [shorten-links]
    expires: 1h
unrouted: fail
`

func TestDecideGivesThePlanOfTheFirstRouteThatHolds(t *testing.T) {
	set := load(t, designExample)
	got := decide(t, set, order())
	want := rules.Decision{Route: "order-updates", Revision: set.Revision(), Plan: &message.Plan{
		Revision: set.Revision(), Route: "order-updates", File: "rules/routes.yaml", Line: 3, Expires: time.Hour,
		Steps: []message.Step{
			{Account: "convrs-uk", Channel: "whatsapp", Transforms: []string{"mask-cards"}, Until: message.Delivered, Within: 2 * time.Minute, Unknown: message.Wait, Retries: 3,
				Content: message.Content{Template: &message.Template{Name: "order_update", Language: "en", Params: []string{"Ada", "1042"}}}},
			{Account: "chatondesk-in", Channel: "sms", Transforms: []string{"mask-cards", "shorten-links"}, Until: message.Accepted, Unknown: message.Next, Retries: 10,
				Content: message.Content{Text: "Hi Ada, your order 1042 has shipped."}},
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decision (-want +got):\n%s", diff)
	}
	elsewhere := order()
	elsewhere.To.Country = "NL"
	if got := decide(t, set, elsewhere); got.Plan != nil || got.Revision != set.Revision() {
		t.Errorf("a message that no route takes: got %+v, want no plan and the revision", got)
	}
}

func TestDefaultsOfRoutesAndSteps(t *testing.T) {
	set := load(t, `
routes:
  - name: strict
    when: msg.category == "order"
    order: strict
    expires: 2d
    fallback:
      - {via: convrs-uk/whatsapp, when: session_open("whatsapp"), retries: 0, unknown: resend}
      - {via: convrs-uk/whatsapp, within: 5m}
      - {via: convrs-uk/whatsapp, until: read}
  - name: rest
    fallback: [{via: convrs-uk/whatsapp}]
`)
	got := decide(t, set, order()).Plan
	want := []message.Step{
		{Account: "convrs-uk", Channel: "whatsapp", When: `session_open("whatsapp")`, Until: message.Accepted, Unknown: message.Resend},
		{Account: "convrs-uk", Channel: "whatsapp", Until: message.Accepted, Within: 5 * time.Minute, Unknown: message.Wait, Retries: 3},
		{Account: "convrs-uk", Channel: "whatsapp", Until: message.Read, Unknown: message.Next, Retries: 10},
	}
	if diff := cmp.Diff(want, got.Steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if !got.Strict || got.Expires != 48*time.Hour {
		t.Errorf("got strict %v, expires %v; want true, 48h", got.Strict, got.Expires)
	}
	m := order()
	m.Category = "news"
	if rest := decide(t, set, m).Plan; rest.Strict || rest.Expires != rules.DefaultExpires || rest.Route != "rest" {
		t.Errorf("got %+v, want the route rest with defaults", rest)
	}
}

func TestContentOfEveryKindIsRendered(t *testing.T) {
	set := load(t, `
routes:
  - name: all
    fallback:
      - via: convrs-uk/whatsapp
        template:
          name: "order_{{ data.customer.tier }}"
          named: {count: "{{ len(data.items) }}", items: "{{ data.items }}", label: "no {{ data.order }}", fixed: 5}
          header: {type: image, url: "https://example.com/{{ data.order }}.png"}
      - via: convrs-uk/whatsapp
        text: "{{ join(data.items, ', ') }} {{ \"{{\" }} {{ now }} {{ data.missing ?? 'none' }} {{ {a: data.order}.a }}"
        media: {type: document, url: https://example.com/a.pdf, name: "{{ data.name }}.pdf", mime: application/pdf}
      - via: convrs-uk/whatsapp
        text: Choose
        interactive:
          header: "{{ data.name }}"
          footer: f
          menu: m
          buttons: [{text: "Yes, {{ data.name }}", payload: "y", type: reply, color: green}]
          sections: [{title: s, rows: [{id: a, title: "{{ data.order }}", description: d}]}]
      - via: omnidesk-nl/email
        subject: "Order {{ data.order }}"
        text: |
          Dear {{ data.name }},
          goodbye.
`)
	got := decide(t, set, order()).Plan
	want := []message.Content{
		{Template: &message.Template{Name: "order_gold", Named: map[string]any{"count": 2, "items": []any{"cup", "plate"}, "label": "no 1042", "fixed": 5},
			Header: &message.Media{Type: "image", URL: "https://example.com/1042.png"}}},
		{Text: "cup, plate {{ 2026-03-01T12:00:00Z none 1042", Media: &message.Media{Type: "document", URL: "https://example.com/a.pdf", Name: "Ada.pdf", MIME: "application/pdf"}},
		{Text: "Choose", Interactive: &message.Interactive{Header: "Ada", Footer: "f", Menu: "m",
			Buttons:  []message.Button{{Text: "Yes, Ada", Payload: "y", Type: "reply", Color: "green"}},
			Sections: []message.Section{{Title: "s", Rows: []message.Row{{ID: "a", Title: "1042", Description: "d"}}}}}},
		{Subject: "Order 1042", Text: "Dear Ada,\ngoodbye.\n"},
	}
	for i, step := range got.Steps {
		if diff := cmp.Diff(want[i], step.Content); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", i+1, diff)
		}
	}
	// Another message must not see anything of the first.
	m := order()
	m.Data = map[string]any{"name": "Bea", "order": "7", "items": []any{}, "customer": map[string]any{"tier": "base"}}
	decide(t, set, m)
	if diff := cmp.Diff(want[2], got.Steps[2].Content); diff != "" {
		t.Errorf("the first plan changed with the second message (-want +got):\n%s", diff)
	}
}

func TestWhatCannotBeDecidedIsAFaultWithoutValues(t *testing.T) {
	const secret = "s3cret-value"
	tests := []struct{ name, when, text, code, want string }{
		{"missing", "true", "Hi {{ data.nme }}", rules.FaultValueMissing, "step 1 (convrs-uk/whatsapp), text: {{ data.nme }} has no value"},
		{"missing below", "true", "Hi {{ data.customer.nme }}", rules.FaultValueMissing, "{{ data.customer.nme }} has no value"},
		{"missing above", "true", "Hi {{ data.nobody.name }}", rules.FaultValueMissing, "{{ data.nobody.name }} has no value"},
		{"list", "true", "Hi {{ data.items }}", rules.FaultValueInvalid, "{{ data.items }} is a list or a map"},
		{"fails", "true", "Hi {{ int(data.name) }}", rules.FaultValueInvalid, "{{ int(data.name) }} cannot be evaluated"},
		{"too long", "true", strings.Repeat("{{ repeat(data.name, 1000) }}", 6), rules.FaultValueInvalid, "longer than 65536 bytes"},
		{"too much", "true", "{{ repeat(data.name, 1000000) }}", rules.FaultValueInvalid, "cannot be evaluated"},
		{"condition", "data.total > 100", "Hi", rules.FaultCondition, "route r (rules/routes.yaml:2): its condition: "},
		{"condition type", "int(data.name) > 100", "Hi", rules.FaultCondition, "`int(data.name) > 100`"},
		{"condition not bool", "data.name", "Hi", rules.FaultCondition, "`data.name`"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := load(t, fmt.Sprintf("routes:\n  - name: r\n    when: %q\n    fallback: [{via: convrs-uk/whatsapp, text: %q}]\nunrouted: fail\n", tt.when, tt.text))
			m := order()
			m.Data["name"] = secret
			d, err := set.Decide(&rules.Input{Message: m, Now: noon})
			if d.Plan != nil || d.Revision != set.Revision() || d.Route != "r" {
				t.Errorf("got %+v, want the route and the revision without a plan", d)
			}
			if !errors.Is(err, &fault.Fault{Class: fault.ContentRejected, Code: tt.code}) {
				t.Fatalf("got %v, want content_rejected with code %s", err, tt.code)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows a value of the message: %q", err)
			}
		})
	}
}

func TestConditionsSeeTheWorldTheyAreGiven(t *testing.T) {
	in := &rules.Input{Message: order(), Now: noon,
		Health: func(a message.AccountID) rules.Health {
			if a == "convrs-uk" {
				return rules.Health{State: "open", Queued: 7}
			}
			return rules.Health{}
		},
		Contact: rules.Contact{OptedOut: []message.Channel{"sms"}, LastInbound: map[message.Channel]time.Time{"whatsapp": noon.Add(-23 * time.Hour)}},
	}
	attempts := []rules.Attempt{{Account: "convrs-uk", Channel: "whatsapp", Outcome: message.Unknown, Class: "outcome_unknown", Code: "engine_restarted"}}
	set := load(t, designExample)
	for when, want := range map[string]bool{
		"": true,
		`account("convrs-uk").state == "open" and account("convrs-uk").queued > 5`: true,
		`account("omnidesk-nl").state == "closed"`:                                 true,
		`opted_out("sms") and not opted_out("whatsapp")`:                           true,
		`session_open("whatsapp")`:                                                 true,
		`session_open("sms")`:                                                      true, // has no window
		`attempts[-1].outcome == "unknown"`:                                        true,
		`any(attempts, .code == "engine_restarted")`:                               true,
		`attempts[-1].class in ["rate_limited"]`:                                   false,
		`now.Hour() >= 9 and now.Hour() < 18`:                                      true,
		`now > date("2027-01-01")`:                                                 false,
		`msg.labels.tenant == ""`:                                                  true,
		`msg.priority == "normal"`:                                                 true,
		`data.order == 1042 and data.customer.tier == "gold"`:                      true,
		`(data.total ?? 0) > 100`:                                                  false,
		`"cup" in data.items`:                                                      true,
	} {
		got, err := set.Allowed(when, in, attempts)
		if err != nil || got != want {
			t.Errorf("%s: got %v, %v; want %v", when, got, err, want)
		}
	}
	in.Now = noon.Add(2 * time.Hour)
	if open, err := set.Allowed(`session_open("whatsapp")`, in, nil); err != nil || open {
		t.Errorf("a window of 24h is open after 25h: %v, %v", open, err)
	}
	if _, err := set.Allowed(`account("gone").state == "open"`, in, nil); !errors.Is(err, &fault.Fault{Class: fault.ContentRejected, Code: rules.FaultCondition}) {
		t.Errorf("a condition that does not fit any more: got %v, want condition_failed", err)
	}
}

func TestOneSetServesManyGoroutines(t *testing.T) {
	set := load(t, designExample)
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			for i := range 300 {
				m := order()
				m.Data["name"] = fmt.Sprintf("%d-%d", g, i)
				d, err := set.Decide(&rules.Input{Message: m, Now: noon})
				if err != nil || d.Plan.Steps[0].Content.Template.Params[0] != m.Data["name"] {
					t.Errorf("got %+v, %v", d, err)
				}
				when := fmt.Sprintf(`len(attempts) == %d`, i)
				if ok, err := set.Allowed(when, &rules.Input{Message: m, Now: noon}, nil); err != nil || ok != (i == 0) {
					t.Errorf("%s: got %v, %v", when, ok, err)
				}
			}
		})
	}
	group.Wait()
}

func TestRevisionIsTheHashOfNamesAndBytes(t *testing.T) {
	revision := func(files ...string) string {
		fsys := afero.NewMemMapFs()
		for i := 0; i < len(files); i += 2 {
			write(t, fsys, "rules/"+files[i], files[i+1])
		}
		set, err := rules.Load(fsys, "rules", testCatalog())
		if err != nil {
			t.Fatal(err)
		}
		return set.Revision()
	}
	base := revision("a.yaml", designExample)
	if len(base) != 12 || base != revision("a.yaml", designExample) {
		t.Errorf("got %q, want the same 12 digits each time", base)
	}
	for name, other := range map[string]string{
		"another name": revision("b.yaml", designExample), "another byte": revision("a.yaml", designExample+"#"), "one more file": revision("a.yaml", designExample, "b.yaml", ""),
	} {
		if other == base {
			t.Errorf("%s has the same revision", name)
		}
	}
	if same := revision("a.yaml", designExample, ".b.yaml", "x", "c.yaml~", "x", "d.txt", "x", "sub/e.yaml", "x"); same != base {
		t.Errorf("files that are no rule files change the revision")
	}
}

func TestFilesAreReadInTheOrderOfTheirNames(t *testing.T) {
	fsys := afero.NewMemMapFs()
	write(t, fsys, "rules/20-b.yml", "routes: [{name: second, fallback: [{via: convrs-uk/whatsapp}]}]")
	write(t, fsys, "rules/10-a.yaml", "routes: [{name: first, when: msg.category == \"order\", fallback: [{via: convrs-uk/whatsapp}]}]")
	set, err := rules.Load(fsys, "rules", testCatalog())
	if err != nil {
		t.Fatal(err)
	}
	if d := decide(t, set, order()); d.Route != "first" || set.Routes() != 2 {
		t.Errorf("got %s of %d routes, want first of 2", d.Route, set.Routes())
	}
}

func TestUnreadableDirectories(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  string
	}{
		"no directory": {nil, "rules: cannot be read: file does not exist [rules_unreadable]\n  check the path and its permissions"},
		"large file": {map[string]string{"rules/a.yaml": strings.Repeat("#\n", 1<<20)},
			"rules/a.yaml: is larger than 1048576 bytes [rules_too_large]\n  split the file"},
	}
	for name, tt := range tests {
		fsys := afero.NewMemMapFs()
		for file, text := range tt.files {
			write(t, fsys, file, text)
		}
		if _, err := rules.Load(fsys, "rules", testCatalog()); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
}

func TestStarterFilesFitAndDecide(t *testing.T) {
	set, err := rules.Load(afero.FromIOFS{FS: rules.Starter()}, ".", testCatalog())
	if err != nil {
		t.Fatal(err)
	}
	for category, want := range map[string]string{"otp": "one-time-codes", "order": "order-updates", "other": "everything-else"} {
		m := order()
		m.Category, m.Data["code"], m.Content.Text = category, "123456", "Hello"
		if d := decide(t, set, m); d.Route != want {
			t.Errorf("category %s: got route %q, want %s", category, d.Route, want)
		}
	}
}
