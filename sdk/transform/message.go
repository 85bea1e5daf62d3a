package transform

import (
	"strconv"

	"github.com/hermodhq/hermod/sdk/transform/internal/abi"
)

// Func transforms one message. It changes m through its setters; nothing changes when it returns an error. It is never
// called twice at once within one instance, and m must not be used after it has returned.
type Func func(m *Message) error

// Message is the message under way, as one step of its plan is about to send it. Text that the message does not have
// reads as "". A setter that fails makes the whole transform fail when it returns; [Message.Err] tells earlier.
type Message struct {
	host host
	err  error
}

// Level is how grave a line in the log is.
type Level = abi.Level

// The levels.
const (
	Debug = abi.Debug
	Info  = abi.Info
	Warn  = abi.Warn
	Error = abi.Error
)

// Err returns what the first failed setter failed with, and nil when none has.
func (m *Message) Err() error { return m.err }

// Get returns the text at path, for example "content.template.header.url", and whether the message has it. ABI.md lists the
// paths. A value that is not text, such as a number in data, comes as JSON.
func (m *Message) Get(path string) (string, bool) {
	s, st := m.host.get(path)
	m.note(st, path)
	return s, st == abi.OK
}

// Set makes value the text at path.
func (m *Message) Set(path, value string) { m.check(m.host.set(path, value), path) }

// Delete removes the value at path. What is not there may be deleted.
func (m *Message) Delete(path string) { m.check(m.host.del(path), path) }

// GetJSON returns the value at path as JSON, and nil where there is none. The empty path is the whole message.
func (m *Message) GetJSON(path string) []byte {
	raw, st := m.host.getJSON(path)
	m.note(st, path)
	return raw
}

// SetJSON makes a JSON value the value at path. The empty path is the whole message; what is read-only must then be
// as it was. null deletes.
func (m *Message) SetJSON(path string, raw []byte) { m.check(m.host.setJSON(path, raw), path) }

// note remembers a failed read. That a value is missing is no failure.
func (m *Message) note(st abi.Status, path string) {
	if st < abi.Missing {
		m.check(st, path)
	}
}

func (m *Message) check(st abi.Status, path string) {
	if st != abi.OK && m.err == nil {
		m.err = &Rejection{Class: Internal, Code: "transform_field", Text: "field " + path + ": " + st.String()}
	}
}

func (m *Message) text(path string) string {
	s, _ := m.Get(path)
	return s
}

// JSON returns the whole message as JSON. It is slow: prefer the other getters.
func (m *Message) JSON() []byte { return m.GetJSON("") }

// ID returns the message's id.
func (m *Message) ID() string { return m.text("id") }

// Key returns the idempotency key.
func (m *Message) Key() string { return m.text("key") }

// Priority returns urgent, normal, bulk or "".
func (m *Message) Priority() string { return m.text("priority") }

// Category returns the host's word for the kind of message.
func (m *Message) Category() string { return m.text("category") }

// SetCategory changes the category, for this step only.
func (m *Message) SetCategory(s string) { m.Set("category", s) }

// Phone returns the recipient's phone number, in E.164.
func (m *Message) Phone() string { return m.text("to.phone") }

// Country returns the recipient's country, ISO 3166-1 alpha-2.
func (m *Message) Country() string { return m.text("to.country") }

// Email returns the recipient's e-mail address.
func (m *Message) Email() string { return m.text("to.email") }

// RecipientName returns the recipient's display name.
func (m *Message) RecipientName() string { return m.text("to.name") }

// User returns the recipient's id at an account.
func (m *Message) User(account string) string { return m.text("to.users." + account) }

// Kind returns the most specific kind of content: template, interactive, media, text or "".
func (m *Message) Kind() string { return m.text("content.kind") }

// Text returns the text; beside media it is the caption, beside buttons the body.
func (m *Message) Text() string { return m.text("content.text") }

// SetText changes the text.
func (m *Message) SetText(s string) { m.Set("content.text", s) }

// Subject returns the subject of an e-mail or ticket.
func (m *Message) Subject() string { return m.text("content.subject") }

// SetSubject changes the subject.
func (m *Message) SetSubject(s string) { m.Set("content.subject", s) }

// Template returns the template's name; "" when the content is no template.
func (m *Message) Template() string { return m.text("content.template.name") }

// Language returns the template's language code.
func (m *Message) Language() string { return m.text("content.template.language") }

// SetTemplate changes the name and language of the template. It fails when the content is no template.
func (m *Message) SetTemplate(name, language string) {
	m.Set("content.template.name", name)
	m.Set("content.template.language", language)
}

// Params returns the template's parameters by position.
func (m *Message) Params() []string {
	var params []string
	for {
		p, ok := m.Get(paramPath(len(params)))
		if !ok {
			return params
		}
		params = append(params, p)
	}
}

// SetParam changes the template's parameter at i, counted from 0. i may be the number of parameters, which adds one.
func (m *Message) SetParam(i int, s string) { m.Set(paramPath(i), s) }

func paramPath(i int) string { return "content.template.params." + strconv.Itoa(i) }

// Named returns the template's parameter of that name, and whether there is one. What is not text comes as JSON.
func (m *Message) Named(name string) (string, bool) { return m.Get("content.template.named." + name) }

// SetNamed changes or adds a parameter by name.
func (m *Message) SetNamed(name, s string) { m.Set("content.template.named."+name, s) }

// MediaURL returns where the vendor fetches the media.
func (m *Message) MediaURL() string { return m.text("content.media.url") }

// SetMediaURL changes where the vendor fetches the media. It fails when the content has no media.
func (m *Message) SetMediaURL(url string) { m.Set("content.media.url", url) }

// Data returns one of the message's data values, and whether it is there. What is not text comes as JSON.
func (m *Message) Data(key string) (string, bool) { return m.Get("data." + key) }

// SetData makes a data value text. For any other JSON value use [Message.SetJSON] with the path "data." and the key.
func (m *Message) SetData(key, s string) { m.Set("data."+key, s) }

// DeleteData removes a data value.
func (m *Message) DeleteData(key string) { m.Delete("data." + key) }

// Label returns one of the host's labels; "" when there is none.
func (m *Message) Label(key string) string { return m.text("labels." + key) }

// SetLabel changes or adds a label, for this step only.
func (m *Message) SetLabel(key, s string) { m.Set("labels."+key, s) }

// DeleteLabel removes a label.
func (m *Message) DeleteLabel(key string) { m.Delete("labels." + key) }

// Log writes a line to the engine's log. It must hold no secret, phone number or message text. Of one call at most 32 lines of
// at most 512 bytes are kept.
func (m *Message) Log(level Level, text string) { m.host.log(level, text) }

// run calls f on a message and returns why it failed, if it did.
func run(f Func, m *Message) *Rejection {
	err := f(m)
	if err == nil {
		err = m.err
	}
	if err == nil {
		return nil
	}
	return rejection(err)
}
