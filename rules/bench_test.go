package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/rules"
)

// BenchmarkDecide10 decides over ten routes of which the eighth takes the message, and renders its two steps.
func BenchmarkDecide10(b *testing.B) {
	for name, condition := range map[string]string{
		"strings": `msg.category == "c%d" and msg.to.country == "GB"`,
		"machine": `msg.category + "" == "c%d" and msg.to.country == "GB"`, // beyond what runs without the virtual machine
	} {
		b.Run(name, func(b *testing.B) {
			set := load(b, tenRoutes(condition))
			m := order()
			m.Category = "c8"
			in := &rules.Input{Message: m, Now: noon}
			b.ReportAllocs()
			for b.Loop() {
				if d, err := set.Decide(in); err != nil || d.Route != "r8" {
					b.Fatal(d, err)
				}
			}
		})
	}
}

// BenchmarkDecideNone decides over ten routes none of which takes the message: what conditions cost alone.
func BenchmarkDecideNone(b *testing.B) {
	set := load(b, tenRoutes(`msg.category == "c%d" and msg.to.country == "GB"`))
	in := &rules.Input{Message: order(), Now: noon}
	b.ReportAllocs()
	for b.Loop() {
		if d, err := set.Decide(in); err != nil || d.Plan != nil {
			b.Fatal(d, err)
		}
	}
}

func BenchmarkAllowed(b *testing.B) {
	set := load(b, designExample)
	in := &rules.Input{Message: order(), Now: noon}
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := set.Allowed(`session_open("sms")`, in, nil); err != nil || !ok {
			b.Fatal(ok, err)
		}
	}
}

func tenRoutes(condition string) string {
	var b strings.Builder
	b.WriteString("unrouted: fail\nroutes:\n")
	for i := 1; i <= 10; i++ {
		fmt.Fprintf(&b, `  - name: r%d
    when: '%s'
    fallback:
      - via: convrs-uk/whatsapp
        template: {name: order_update, language: en, params: ["{{ data.name }}", "{{ data.order }}"]}
        until: delivered
        within: 2m
      - via: chatondesk-in/sms
        text: "Hi {{ data.name }}, your order {{ data.order }} has shipped."
`, i, fmt.Sprintf(condition, i))
	}
	return b.String()
}
