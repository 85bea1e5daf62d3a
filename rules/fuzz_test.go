package rules_test

import (
	"errors"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/rules"
	"github.com/hermodhq/hermod/sdk/fault"
)

// FuzzLoad: any bytes give a set that decides, or errors with places inside the file; quickly, and without a panic.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(designExample))
	f.Add([]byte("routes:\n  - name: x\n    when: |\n      msg.a ==\n    fallback: [{via: a/b, text: '{{ x'}]"))
	f.Add([]byte("\xef\xbb\xbfroutes: [{name: \"\\u00e9\", when: \"msg\\\n  .to.x\"}]\r\n"))
	f.Add([]byte("unrouted: fail\nroutes: [{name: r, fallback: [{via: convrs-uk/whatsapp, template: {name: '{{ data.a.b }}', named: {a: '{{ data }}'}}}]}]"))
	f.Add([]byte("reactions: [{name: r, on: ticket.*, when: event.data.a > 1, do: [{call: omnidesk-nl/message.chatbot, with: {brandID: '{{ 1 }}', message: '{{ event.summary }}'}}]}]"))
	f.Add([]byte("reactions: [{name: r, on: conversation.closed, do: [{send: {to: {phone: '{{ event.contact.phone }}'}, data: {a: [1, '{{ event.data }}']}}}, {tell: x, with: {a: 1}}], rate: 3}]"))
	f.Add([]byte("a: &a [*a]\n? {b: c}\n: d"))
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys := afero.NewMemMapFs()
		write(t, fsys, "rules/a.yaml", string(data))
		start := time.Now()
		set, err := rules.Load(fsys, "rules", testCatalog())
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("loading took %s", took)
		}
		if err == nil {
			_, err := set.Decide(&rules.Input{Message: order(), Now: noon})
			if err != nil && !errors.Is(err, &fault.Fault{Class: fault.ContentRejected}) {
				t.Errorf("got %v, want content_rejected", err)
			}
			for _, r := range set.React(closed(), noon) {
				for _, a := range append(r.Actions, rules.Action{Err: r.Err}) {
					if a.Err != nil && !errors.Is(a.Err, &fault.Fault{Class: fault.ContentRejected}) {
						t.Errorf("got %v, want content_rejected", a.Err)
					}
				}
			}
			return
		}
		errs := rules.AsErrors(err)
		if set != nil || len(errs) == 0 {
			t.Fatalf("got %v, %v", set, err)
		}
		for _, e := range errs {
			if e.Code == "" || e.Text == "" || e.Line < 0 || e.Line > 0 && (e.Column < 1 || e.Excerpt == "") {
				t.Errorf("an error without its parts: %+v", e)
			}
		}
	})
}
