package reaction

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/hermodhq/hermod/rules/internal/content"
	"github.com/hermodhq/hermod/rules/internal/eval"
	"github.com/hermodhq/hermod/rules/internal/strict"
	"github.com/hermodhq/hermod/sdk/message"
)

// send is a compiled message.
type send struct {
	priority message.Priority
	content  *content.Content // nil: the route's steps bring it
	data     value
	fields   []fill
}

// fill puts a rendered text into one place of a message. It never changes what other messages share.
type fill struct {
	field string
	text  *eval.Text
	set   func(*message.Message, string)
}

// reserved begins the labels that the engine sets.
const reserved = "hermod."

func (r *Reader) send(n *yaml.Node) action {
	s := &send{data: value{kind: object}}
	e := r.Mapping(n, "send", "to", "category", "priority", "content", "data", "labels")
	if e == nil {
		return s
	}
	r.Required(n, e, "send", "to")
	if v := e.Get("to"); v != nil {
		r.to(s, v)
	}
	if v := e.Get("category"); v != nil {
		r.fill(s, v, "category", func(m *message.Message, t string) { m.Category = t })
	}
	if v := e.Get("priority"); v != nil {
		p, _ := r.Choice(v, "priority", string(message.Urgent), string(message.Normal), string(message.Bulk))
		s.priority = message.Priority(p)
	}
	if v := e.Get("content"); v != nil {
		if parts := r.Mapping(v, "content", content.Keys()...); parts != nil {
			s.content = r.Content(parts)
		}
	}
	if v := e.Get("data"); v != nil {
		if s.data = r.value(v, "data"); s.data.kind != object {
			r.At(v, strict.CodeValueType, "", "data is a mapping of keys to values")
		}
	}
	if v := e.Get("labels"); v != nil {
		r.labels(s, v)
	}
	return s
}

func (r *Reader) to(s *send, n *yaml.Node) {
	e := r.Mapping(n, "to", "phone", "email", "users", "name")
	if e == nil {
		return
	}
	if e.Get("phone") == nil && e.Get("email") == nil && e.Get("users") == nil {
		r.At(n, strict.CodeKeyMissing, "", "to needs phone, email or users")
	}
	for key, set := range map[string]func(*message.Message, string){
		"phone": func(m *message.Message, t string) { m.To.Phone = t },
		"email": func(m *message.Message, t string) { m.To.Email = t },
		"name":  func(m *message.Message, t string) { m.To.Name = t },
	} {
		if v := e.Get(key); v != nil {
			r.fill(s, v, "to."+key, set)
		}
	}
	users := e.Get("users")
	if users == nil {
		return
	}
	for name, u := range r.Mapping(users, "to.users") {
		if _, ok := r.Accounts[message.AccountID(name)]; !ok {
			r.At(u.Key, eval.CodeAccount, strict.DidYouMean(name, r.Compiler.Accounts), "no account is called %q", name)
		}
		r.fill(s, u.Value, "to.users."+name, func(m *message.Message, t string) {
			if m.To.Users == nil {
				m.To.Users = map[message.AccountID]message.VendorUserID{}
			}
			m.To.Users[message.AccountID(name)] = message.VendorUserID(t)
		})
	}
}

func (r *Reader) labels(s *send, n *yaml.Node) {
	for name, l := range r.Mapping(n, "labels") {
		if strings.HasPrefix(name, reserved) {
			r.At(l.Key, strict.CodeValueInvalid, "choose another name", "labels that begin with %s are the engine's", reserved)
		}
		r.fill(s, l.Value, "labels."+name, func(m *message.Message, t string) {
			if m.Labels == nil {
				m.Labels = map[string]string{}
			}
			m.Labels[name] = t
		})
	}
}

func (r *Reader) fill(s *send, n *yaml.Node, field string, set func(*message.Message, string)) {
	source, ok := r.Text(n, field)
	if !ok {
		return
	}
	t, problems := r.Compiler.Text(source, false)
	for _, p := range problems {
		r.Problem(n, p)
	}
	s.fields = append(s.fields, fill{field, t, set})
}

func (s *send) where() string { return "send" }

func (s *send) render(m *eval.Machine) Action {
	out := &message.Message{Priority: s.priority}
	for _, f := range s.fields {
		t, err := f.text.Render(m)
		if err != nil {
			return Action{Err: fmt.Errorf("%s: %w", f.field, err)}
		}
		f.set(out, t)
	}
	data, err := s.data.render(m)
	if err != nil {
		return Action{Err: fmt.Errorf("data: %w", err)}
	}
	if d, ok := data.(map[string]any); ok && len(d) > 0 {
		out.Data = d
	}
	if s.content != nil {
		if out.Content, err = s.content.Render(m); err != nil {
			return Action{Err: err}
		}
	}
	return Action{Send: out}
}
