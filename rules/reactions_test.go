package rules_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/rules"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

func loadReactions(t testing.TB, reactions string) *rules.Set {
	t.Helper()
	fsys := afero.NewMemMapFs()
	write(t, fsys, "rules/a.yaml", "reactions:\n"+reactions)
	set, err := rules.Load(fsys, "rules", testCatalog())
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func closed() *message.Event {
	return &message.Event{
		ID: "e1", Source: "hermod/test/convrs-uk", Type: message.EventConversationClosed, Account: "convrs-uk", User: "u1", Conversation: "c1", Time: time.Unix(1000, 0),
		Contact: &message.Contact{Name: "Ada", Phone: "+447700900123", Fields: map[string]string{"lang": "en"}},
		Messages: []message.Inbound{
			{From: "client", Content: message.Content{Text: "Hello"}}, {From: "agent", Author: "Agent", Content: message.Content{Media: &message.Media{Type: "image", Name: "a.png"}}},
		},
		Receipt: &message.Receipt{Outcome: message.Failed, Attempt: 2, Fault: &fault.Fault{Class: fault.Unavailable, Code: "down"}},
		Data:    json.RawMessage(`{"score": 9, "tags": ["a"], "odd": "x"}`),
	}
}

// Each input is what a rule makes of the event above.
func TestReactInput(t *testing.T) {
	tests := []struct{ with, want string }{
		{`{brandID: "{{ 1 }}", message: "{{ event.summary }}"}`, `{"brandID":1,"message":"client: Hello\nAgent: a.png"}`},
		{`{brandID: 7, message: "{{ event.data.score }} of {{ len(event.messages) }}", score: "{{ event.data.score }}"}`, `{"brandID":7,"message":"9 of 2","score":9}`},
		{`{brandID: "{{ event.receipt.attempt }}", message: "{{ event.receipt.class }} {{ event.receipt.code }} {{ event.inbound.from }}"}`, `{"brandID":2,"message":"unavailable down "}`},
		{`{brandID: "{{ int(event.data.score) }}", message: a, tags: "{{ event.data.tags }}"}`, `{"brandID":9,"message":"a","tags":["a"]}`},
		{`{brandID: 1, message: "{{ event.time }}", tags: ["{{ event.contact.fields.lang }}", b], customer: {name: "{{ event.contact.name }}"}}`,
			`{"brandID":1,"customer":{"name":"Ada"},"message":"1970-01-01T00:16:40Z","tags":["en","b"]}`},
		{`{brandID: 1, message: "{{ event.vendor.none ?? 'nothing' }} {{ now.Year() }}"}`, `{"brandID":1,"message":"nothing 2030"}`},
		{`{brandID: 1, message: "{{ event.data.none }}"}`, "template_value_missing: {{ event.data.none }} has no value"},
		{`{brandID: "{{ event.data.odd }}", message: a}`, "template_value_invalid: the input does not fit the operation's schema: brandID has another type or value"},
		{`{brandID: "{{ event.receipt.attempt - 9 }}", message: a}`, "brandID has another type or value"},
		{`{brandID: 1, message: a, customer: "{{ event.data }}"}`, "the operation's schema: "},
		{`{brandID: 1, message: a, state: "{{ event.contact.phone }}"}`, "state has another type or value"},
	}
	for _, tt := range tests {
		t.Run(tt.with, func(t *testing.T) {
			set := loadReactions(t, "  - name: r\n    on: conversation.*\n    do: [{call: omnidesk-nl/message.chatbot, with: "+tt.with+"}]\n")
			got := set.React(closed(), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
			if len(got) != 1 || len(got[0].Actions) != 1 {
				t.Fatalf("got %+v", got)
			}
			a := got[0].Actions[0]
			if a.Err == nil {
				if want := (&rules.Call{Account: "omnidesk-nl", Operation: "message.chatbot", Input: json.RawMessage(tt.want), Mutates: true}); !cmp.Equal(want, a.Call) {
					t.Errorf("got %s, want %s", a.Call.Input, tt.want)
				}
				return
			}
			f := fault.From(a.Err)
			text := f.Code + ": " + f.Text
			for part := range strings.SplitSeq(tt.want, ": ") {
				if !strings.Contains(text, part) {
					t.Errorf("got %s, want %s", text, tt.want)
				}
			}
			if f.Class != fault.ContentRejected || strings.Contains(text, "447700") || strings.Contains(text, `"x"`) {
				t.Errorf("the error carries a value, or has class %s: %s", f.Class, text)
			}
		})
	}
}

func TestReactSendAndTell(t *testing.T) {
	set := loadReactions(t, `
  - name: first
    on: conversation.closed
    when: event.account == "convrs-uk" and len(event.messages) > 1 and event.data.score > 5
    do:
      - send:
          to: {phone: "{{ event.contact.phone }}", email: ada@example.com, name: "{{ event.contact.name }}", users: {convrs-uk: "{{ event.user }}"}}
          category: "survey-{{ event.type }}"
          priority: bulk
          content: {template: {name: survey, language: en, params: ["{{ event.contact.name }}"]}}
          data: {score: "{{ event.data.score }}", fixed: [1, true]}
          labels: {conversation: "{{ event.conversation }}"}
      - {tell: closed, with: {tags: "{{ event.data.tags }}"}}
    retries: 0
    rate: 5
  - {name: second, on: conversation.closed, when: event.contact.name == "nobody", do: [{tell: never}]}
  - {name: third, on: contact.created, do: [{tell: never}]}
  - {name: fourth, on: conversation.closed, when: event.data.none > 5, do: [{tell: never}]}
`)
	got := set.React(closed(), time.Now())
	if len(got) != 2 || got[1].Name != "fourth" || fault.From(got[1].Err).Code != "condition_failed" || len(got[1].Actions) != 0 {
		t.Fatalf("got %+v", got)
	}
	want := rules.Reaction{Name: "first", File: "rules/a.yaml", Line: 3, Rate: 5, Actions: []rules.Action{
		{Send: &message.Message{
			To:       message.Recipient{Phone: "+447700900123", Email: "ada@example.com", Name: "Ada", Users: map[message.AccountID]message.VendorUserID{"convrs-uk": "u1"}},
			Category: "survey-conversation.closed", Priority: message.Bulk, Labels: map[string]string{"conversation": "c1"},
			Content: message.Content{Template: &message.Template{Name: "survey", Language: "en", Params: []string{"Ada"}}},
			Data:    map[string]any{"score": 9, "fixed": []any{1, true}},
		}},
		{Tell: &rules.Tell{Name: "closed", With: map[string]any{"tags": []any{"a"}}}},
	}}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Error(diff)
	}
	if set.Reactions() != 4 || set.FollowsMessages() || set.Routes() != 0 {
		t.Errorf("%d reactions, follows messages %t", set.Reactions(), set.FollowsMessages())
	}
	if set.React(&message.Event{Type: message.EventMessageReceived}, time.Now()) != nil {
		t.Error("a reaction to another event")
	}
	if !loadReactions(t, "  - {name: a, on: message.finished, do: [{tell: x}]}\n").FollowsMessages() {
		t.Error("message.finished is no event of a message")
	}
}

// What an earlier event left behind is not seen by the next, nor by routes.
func TestReactForgets(t *testing.T) {
	set := loadReactions(t, "  - {name: a, on: conversation.closed, do: [{tell: x, with: {name: \"{{ event.contact.name }}\", n: \"{{ len(event.messages) }}\"}}]}\n")
	set.React(closed(), time.Now())
	got := set.React(&message.Event{Type: message.EventConversationClosed}, time.Now())
	if diff := cmp.Diff(map[string]any{"name": "", "n": 0}, got[0].Actions[0].Tell.With); diff != "" {
		t.Error(diff)
	}
	if d, err := set.Decide(&rules.Input{Message: &message.Message{}}); err != nil || d.Plan != nil {
		t.Errorf("without routes: %+v, %v", d, err)
	}
}

func BenchmarkReact(b *testing.B) {
	set := loadReactions(b, "  - {name: a, on: conversation.closed, when: event.account == \"convrs-uk\", do: [{call: omnidesk-nl/message.chatbot, with: {brandID: \"{{ 1 }}\", message: \"{{ event.summary }}\"}}]}\n")
	ev := closed()
	b.ReportAllocs()
	for b.Loop() {
		set.React(ev, time.Now())
	}
}
