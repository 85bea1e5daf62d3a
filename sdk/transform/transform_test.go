//go:build !wasip1

package transform_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
	"github.com/hermodhq/hermod/sdk/transform"
)

func ExampleApply() {
	shout := func(m *transform.Message) error {
		if m.Country() != "GB" {
			return transform.Reject(transform.Unsupported, "not_british", "this transform shouts at Britons only")
		}
		m.SetText(strings.ToUpper(m.Text()))
		return nil
	}
	m := message.Message{To: message.Recipient{Phone: "+447700900123", Country: "GB"}, Content: message.Content{Text: "Your order has shipped."}}
	fmt.Println(transform.Apply(shout, &m), m.Content.Text)

	m.To.Country = "US"
	fmt.Println(transform.Apply(shout, &m))
	// Output:
	// <nil> YOUR ORDER HAS SHIPPED.
	// unsupported [not_british]: this transform shouts at Britons only
}

func sample() message.Message {
	return message.Message{
		ID: "m1", Key: "k1", Priority: message.Bulk, Category: "order",
		To: message.Recipient{Phone: "+447700900123", Country: "GB", Email: "ada@example.com", Name: "Ada",
			Users: map[message.AccountID]message.VendorUserID{"acc": "u1"}},
		Content: message.Content{Text: "t", Subject: "s", Template: &message.Template{Name: "n", Language: "en", Params: []string{"a", "b"}, Named: map[string]any{"x": "y"}}},
		Data:    map[string]any{"order": "1042", "n": 1.5},
		Labels:  map[string]string{"tenant": "a"},
	}
}

func TestGetters(t *testing.T) {
	m := sample()
	err := transform.Apply(func(m *transform.Message) error {
		n, _ := m.Data("n")
		x, _ := m.Named("x")
		_, missing := m.Data("missing")
		got := []string{m.ID(), m.Key(), m.Priority(), m.Category(), m.Phone(), m.Country(), m.Email(), m.RecipientName(), m.User("acc"), m.Kind(), m.Text(),
			m.Subject(), m.Template(), m.Language(), strings.Join(m.Params(), ","), x, m.MediaURL(), n, m.Label("tenant"), m.Label("none"), fmt.Sprint(missing)}
		want := []string{"m1", "k1", "bulk", "order", "+447700900123", "GB", "ada@example.com", "Ada", "u1", "template", "t",
			"s", "n", "en", "a,b", "y", "", "1.5", "a", "", "false"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		var whole message.Message
		if err := json.Unmarshal(m.JSON(), &whole); err != nil || whole.ID != "m1" {
			t.Errorf("JSON gives %s, %v", m.JSON(), err)
		}
		return m.Err()
	}, &m)
	if err != nil {
		t.Error(err)
	}
}

func TestSetters(t *testing.T) {
	m, want := sample(), sample()
	err := transform.Apply(func(m *transform.Message) error {
		m.SetCategory("c")
		m.SetText("T")
		m.SetSubject("S")
		m.SetTemplate("N", "de")
		m.SetParam(1, "B")
		m.SetParam(2, "C")
		m.SetNamed("z", "Z")
		m.SetData("order", "7")
		m.DeleteData("n")
		m.SetLabel("new", "l")
		m.DeleteLabel("tenant")
		m.Delete("data.absent")
		m.SetJSON("data.list", []byte("[1]"))
		m.Log(transform.Info, "done")
		return nil
	}, &m)
	if err != nil {
		t.Fatal(err)
	}
	want.Category = "c"
	want.Content = message.Content{Text: "T", Subject: "S",
		Template: &message.Template{Name: "N", Language: "de", Params: []string{"a", "B", "C"}, Named: map[string]any{"x": "y", "z": "Z"}}}
	want.Data = map[string]any{"order": "7", "list": []any{1.0}}
	want.Labels = map[string]string{"new": "l"}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFailures(t *testing.T) {
	rejected := transform.Reject(transform.ContentRejected, "blocked_word", "a word")
	for name, c := range map[string]struct {
		f    transform.Func
		want *fault.Fault
	}{
		"rejection":         {func(*transform.Message) error { return rejected }, &fault.Fault{Class: fault.ContentRejected, Code: "blocked_word"}},
		"wrapped rejection": {func(*transform.Message) error { return fmt.Errorf("x: %w", rejected) }, &fault.Fault{Class: fault.ContentRejected, Code: "blocked_word"}},
		"any error":         {func(*transform.Message) error { return errors.New("oh") }, &fault.Fault{Class: fault.Internal, Code: "transform_error"}},
		"read-only":         {func(m *transform.Message) error { m.Set("id", "x"); return nil }, &fault.Fault{Class: fault.Internal, Code: "transform_field"}},
		"unknown path":      {func(m *transform.Message) error { m.Get("content.txt"); return nil }, &fault.Fault{Class: fault.Internal, Code: "transform_field"}},
		"no media":          {func(m *transform.Message) error { m.SetMediaURL("x"); return nil }, &fault.Fault{Class: fault.Internal, Code: "transform_field"}},
		"bad JSON":          {func(m *transform.Message) error { m.SetJSON("data.x", []byte("{")); return nil }, &fault.Fault{Class: fault.Internal, Code: "transform_field"}},
		"not valid after":   {func(m *transform.Message) error { m.SetText(strings.Repeat("x", 1<<20)); return nil }, &fault.Fault{Class: fault.Internal, Code: "transform_result_invalid"}},
	} {
		m := sample()
		err := transform.Apply(func(m *transform.Message) error {
			m.SetText("half done")
			return c.f(m)
		}, &m)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if diff := cmp.Diff(sample(), m); diff != "" {
			t.Errorf("%s: the message changed (-want +got):\n%s", name, diff)
		}
	}
}

// The classes that stand here again are the ones of sdk/fault that do not speak of an account or a vendor's answer.
func TestClasses(t *testing.T) {
	ours := []transform.Class{transform.InvalidRecipient, transform.Unsubscribed, transform.ContentRejected, transform.TemplateUnavailable,
		transform.SessionClosed, transform.RecipientBusy, transform.RateLimited, transform.Unavailable, transform.Unsupported, transform.Internal}
	for _, class := range fault.Classes() {
		forTransforms := class.Action() != fault.Pause && class.Action() != fault.Ask
		if slices.Contains(ours, transform.Class(class)) != forTransforms {
			t.Errorf("class %s: a transform may use it: %v", class, forTransforms)
		}
	}
}
