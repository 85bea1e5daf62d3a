// Package content compiles what a step says, and renders it for each message.
package content

import (
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/hermodhq/hermod/rules/internal/eval"
	"github.com/hermodhq/hermod/rules/internal/strict"
	"github.com/hermodhq/hermod/sdk/message"
)

// CodeConflict is the stable code of contents that cannot stand together.
const CodeConflict = "content_conflict"

// Content is what a step says. It never changes once it is read. Where it holds expressions, edits put their values into a copy for each message.
type Content struct {
	fixed    message.Content
	edits    []edit
	shortest int
}

// Shortest is how many characters of text there are at least, whatever the message's values are.
func (c *Content) Shortest() int { return c.shortest }

// Kind is the most specific kind of the content.
func (c *Content) Kind() message.ContentKind {
	if kind := c.fixed.Kind(); kind != "" {
		return kind
	}
	return message.KindText // its text is made of expressions
}

// Reader reads contents from a file.
type Reader struct {
	*strict.Decoder
	Compiler *eval.Compiler
	shortest int // of the text that was placed last
}

// edit fills one place of a content.
type edit struct {
	field string // as the file calls it, for errors
	text  *eval.Text
	set   func(*message.Content, string)
	value func(*message.Content, any) // where the place takes any value
}

// Render gives the content for the machine's message. Parts without expressions are shared between messages.
func (c *Content) Render(m *eval.Machine) (message.Content, error) {
	if len(c.edits) == 0 {
		return c.fixed, nil
	}
	out := unshare(c.fixed)
	for i := range c.edits {
		e := &c.edits[i]
		if e.value != nil {
			v, err := e.text.Value(m)
			if err != nil {
				return out, fmt.Errorf("%s: %w", e.field, err)
			}
			e.value(&out, v)
			continue
		}
		s, err := e.text.Render(m)
		if err != nil {
			return out, fmt.Errorf("%s: %w", e.field, err)
		}
		e.set(&out, s)
	}
	return out, nil
}

// unshare copies everything that an edit may write to.
func unshare(c message.Content) message.Content {
	if c.Template != nil {
		t := *c.Template
		t.Params, t.Named = slices.Clone(t.Params), maps.Clone(t.Named)
		t.Header = unshareMedia(t.Header)
		c.Template = &t
	}
	c.Media = unshareMedia(c.Media)
	if c.Interactive != nil {
		in := *c.Interactive
		in.Buttons, in.Sections = slices.Clone(in.Buttons), slices.Clone(in.Sections)
		for i := range in.Sections {
			in.Sections[i].Rows = slices.Clone(in.Sections[i].Rows)
		}
		c.Interactive = &in
	}
	return c
}

func unshareMedia(m *message.Media) *message.Media {
	if m == nil {
		return nil
	}
	copied := *m
	return &copied
}

// Keys are the keys of a step that say what to send.
func Keys() []string { return []string{"text", "subject", "template", "media", "interactive"} }

// Content reads a step's content; nil when the step has none, and the message's own is sent.
func (r *Reader) Content(step strict.Entries) *Content {
	c := &Content{}
	if n := step.Get("text"); n != nil {
		r.place(c, n, "text", func(to *message.Content, s string) { to.Text = s })
		c.shortest = r.shortest
	}
	if n := step.Get("subject"); n != nil {
		r.place(c, n, "subject", func(to *message.Content, s string) { to.Subject = s })
	}
	if n := step.Get("template"); n != nil {
		r.template(c, n)
	}
	if n := step.Get("media"); n != nil {
		c.fixed.Media = &message.Media{}
		r.media(c, n, "media", func(to *message.Content) *message.Media { return to.Media })
	}
	if n := step.Get("interactive"); n != nil {
		r.interactive(c, n)
	}
	r.conflicts(step)
	for _, key := range Keys() {
		if step.Get(key) != nil {
			return c
		}
	}
	return nil
}

// conflicts finds contents that cannot stand together.
func (r *Reader) conflicts(step strict.Entries) {
	var first string
	for _, key := range []string{"template", "media", "interactive"} {
		e, ok := step[key]
		if !ok {
			continue
		}
		if first != "" {
			r.At(e.Key, CodeConflict, "make it a step of its own", "a step has %s or %s, not both", first, key)
		}
		first = key
	}
	if e, ok := step["text"]; ok && step.Get("template") != nil {
		r.At(e.Key, CodeConflict, "the template is the text; put values into its params", "a step has text or template, not both")
	}
	if e, ok := step["subject"]; ok && first == "" && step.Get("text") == nil {
		r.At(e.Key, CodeConflict, `add text: "{{ msg.content.text }}" to send the message's own text`, "subject stands beside text, template, media or interactive, not alone")
	}
}

// place reads a text and puts it where set says, at once or for each message.
func (r *Reader) place(c *Content, n *yaml.Node, field string, set func(*message.Content, string)) {
	r.shortest = 0
	s, ok := r.Text(n, field)
	if !ok {
		return
	}
	t, problems := r.Compiler.Text(s, false)
	for _, p := range problems {
		r.Problem(n, p)
	}
	r.shortest = t.Shortest()
	if fixed, ok := t.Static(); ok {
		set(&c.fixed, fixed)
		return
	}
	c.edits = append(c.edits, edit{field: field, text: t, set: set})
}

// optional is place for a key that may be absent.
func (r *Reader) optional(c *Content, e strict.Entries, key, parent string, set func(*message.Content, string)) {
	if n := e.Get(key); n != nil {
		r.place(c, n, parent+"."+key, set)
	}
}

func (r *Reader) template(c *Content, n *yaml.Node) {
	e := r.Mapping(n, "a template", "name", "language", "params", "named", "header")
	t := &message.Template{}
	c.fixed.Template = t
	if e == nil {
		return
	}
	r.Required(n, e, "a template", "name")
	r.optional(c, e, "name", "template", func(to *message.Content, s string) { to.Template.Name = s })
	r.optional(c, e, "language", "template", func(to *message.Content, s string) { to.Template.Language = s })
	if params := e.Get("params"); params != nil {
		items := r.List(params, "template.params")
		t.Params = make([]string, len(items))
		for i, item := range items {
			r.place(c, item, fmt.Sprintf("template.params[%d]", i), func(to *message.Content, s string) { to.Template.Params[i] = s })
		}
	}
	if named := e.Get("named"); named != nil {
		t.Named = map[string]any{}
		r.named(c, named)
	}
	if header := e.Get("header"); header != nil {
		t.Header = &message.Media{}
		r.media(c, header, "template.header", func(to *message.Content) *message.Media { return to.Template.Header })
	}
}

// named reads a template's values by name. Texts may be expressions, which keep their type; numbers and true or false stand as they are.
func (r *Reader) named(c *Content, n *yaml.Node) {
	values := r.Mapping(n, "template.named")
	for _, name := range slices.Sorted(maps.Keys(values)) {
		e := values[name]
		field := "template.named." + name
		if e.Value.Kind == yaml.ScalarNode && e.Value.Tag != "!!str" {
			var v any
			if err := e.Value.Decode(&v); err != nil || v == nil {
				r.At(e.Value, strict.CodeValueType, `write "" for an empty text`, "%s has no value that can be sent", field)
				continue
			}
			c.fixed.Template.Named[name] = v
			continue
		}
		s, ok := r.Text(e.Value, field)
		if !ok {
			continue
		}
		t, problems := r.Compiler.Text(s, true)
		for _, p := range problems {
			r.Problem(e.Value, p)
		}
		if fixed, ok := t.Static(); ok {
			c.fixed.Template.Named[name] = fixed
			continue
		}
		c.edits = append(c.edits, edit{field: field, text: t, value: func(to *message.Content, v any) { to.Template.Named[name] = v }})
	}
}

func (r *Reader) media(c *Content, n *yaml.Node, field string, at func(*message.Content) *message.Media) {
	e := r.Mapping(n, field, "type", "url", "name", "mime")
	if e == nil {
		return
	}
	r.Required(n, e, field, "type", "url")
	if t := e.Get("type"); t != nil {
		at(&c.fixed).Type, _ = r.Choice(t, field+".type", "image", "video", "audio", "document")
	}
	r.optional(c, e, "url", field, func(to *message.Content, s string) { at(to).URL = s })
	r.optional(c, e, "name", field, func(to *message.Content, s string) { at(to).Name = s })
	r.optional(c, e, "mime", field, func(to *message.Content, s string) { at(to).MIME = s })
}

func (r *Reader) interactive(c *Content, n *yaml.Node) {
	e := r.Mapping(n, "interactive", "buttons", "header", "footer", "menu", "sections")
	in := &message.Interactive{}
	c.fixed.Interactive = in
	if e == nil {
		return
	}
	if e.Get("buttons") == nil && e.Get("sections") == nil {
		r.At(n, strict.CodeKeyMissing, "", "interactive needs buttons or sections")
	}
	r.optional(c, e, "header", "interactive", func(to *message.Content, s string) { to.Interactive.Header = s })
	r.optional(c, e, "footer", "interactive", func(to *message.Content, s string) { to.Interactive.Footer = s })
	r.optional(c, e, "menu", "interactive", func(to *message.Content, s string) { to.Interactive.Menu = s })
	if b := e.Get("buttons"); b != nil {
		items := r.List(b, "interactive.buttons")
		in.Buttons = make([]message.Button, len(items))
		for i, item := range items {
			r.button(c, item, i)
		}
	}
	if s := e.Get("sections"); s != nil {
		items := r.List(s, "interactive.sections")
		in.Sections = make([]message.Section, len(items))
		for i, item := range items {
			r.section(c, item, i)
		}
	}
}

func (r *Reader) button(c *Content, n *yaml.Node, i int) {
	field := fmt.Sprintf("interactive.buttons[%d]", i)
	e := r.Mapping(n, "a button", "type", "text", "payload", "color")
	if e == nil {
		return
	}
	r.Required(n, e, "a button", "text")
	if t := e.Get("type"); t != nil {
		c.fixed.Interactive.Buttons[i].Type, _ = r.Choice(t, "a button's type", "reply", "url", "phone", "location")
	}
	r.optional(c, e, "text", field, func(to *message.Content, s string) { to.Interactive.Buttons[i].Text = s })
	r.optional(c, e, "payload", field, func(to *message.Content, s string) { to.Interactive.Buttons[i].Payload = s })
	r.optional(c, e, "color", field, func(to *message.Content, s string) { to.Interactive.Buttons[i].Color = s })
}

func (r *Reader) section(c *Content, n *yaml.Node, i int) {
	field := fmt.Sprintf("interactive.sections[%d]", i)
	e := r.Mapping(n, "a section", "title", "rows")
	if e == nil {
		return
	}
	r.Required(n, e, "a section", "rows")
	r.optional(c, e, "title", field, func(to *message.Content, s string) { to.Interactive.Sections[i].Title = s })
	rows := e.Get("rows")
	if rows == nil {
		return
	}
	items := r.List(rows, "rows")
	c.fixed.Interactive.Sections[i].Rows = make([]message.Row, len(items))
	for j, item := range items {
		r.row(c, item, i, j)
	}
}

func (r *Reader) row(c *Content, n *yaml.Node, i, j int) {
	field := fmt.Sprintf("interactive.sections[%d].rows[%d]", i, j)
	e := r.Mapping(n, "a row", "id", "title", "description")
	if e == nil {
		return
	}
	r.Required(n, e, "a row", "id", "title")
	at := func(to *message.Content) *message.Row { return &to.Interactive.Sections[i].Rows[j] }
	r.optional(c, e, "id", field, func(to *message.Content, s string) { at(to).ID = s })
	r.optional(c, e, "title", field, func(to *message.Content, s string) { at(to).Title = s })
	r.optional(c, e, "description", field, func(to *message.Content, s string) { at(to).Description = s })
}

// Condition compiles a `when`; nil when there is none or it is wrong.
func (r *Reader) Condition(n *yaml.Node, scope eval.Scope) *eval.Condition {
	if n == nil {
		return nil
	}
	s := n.Value
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" { // true and false are conditions too
		var ok bool
		if s, ok = r.Text(n, "when"); !ok {
			return nil
		}
	}
	cond, problem := r.Compiler.Condition(s, scope)
	if problem != nil {
		r.Problem(n, problem)
		return nil
	}
	return cond
}
