// Package event is how the expressions of rule files see events, and the contents of messages.
package event

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Event is an event as the expressions of reactions see it. What an event does not have is empty.
type Event struct {
	ID           string    `expr:"id"`
	Type         string    `expr:"type"`
	Time         time.Time `expr:"time"`
	Account      string    `expr:"account"`
	Message      string    `expr:"message"`
	User         string    `expr:"user"`
	Conversation string    `expr:"conversation"`
	Contact      Contact   `expr:"contact"`
	Receipt      Receipt   `expr:"receipt"`
	Inbound      Inbound   `expr:"inbound"`
	Messages     []Inbound `expr:"messages"`
	Summary      string    `expr:"summary"` // the messages as lines of text
	Data         any       `expr:"data"`
	Vendor       any       `expr:"vendor"`
}

// Contact is a person as expressions see it.
type Contact struct {
	User   string            `expr:"user"`
	Name   string            `expr:"name"`
	Phone  string            `expr:"phone"`
	Email  string            `expr:"email"`
	Fields map[string]string `expr:"fields"`
}

// Receipt is a receipt as expressions see it.
type Receipt struct {
	VendorID string `expr:"vendor_id"`
	Message  string `expr:"message"`
	Attempt  int    `expr:"attempt"`
	Outcome  string `expr:"outcome"`
	Class    string `expr:"class"`
	Code     string `expr:"code"`
}

// Inbound is one message of a conversation as expressions see it.
type Inbound struct {
	VendorID string    `expr:"vendor_id"`
	Channel  string    `expr:"channel"`
	From     string    `expr:"from"`
	Author   string    `expr:"author"`
	Content  Content   `expr:"content"`
	At       time.Time `expr:"at"`
}

// Content is content as expressions see it.
type Content struct {
	Kind     string   `expr:"kind"`
	Text     string   `expr:"text"`
	Subject  string   `expr:"subject"`
	Template Template `expr:"template"`
	Media    Media    `expr:"media"`
}

// Template is a template as expressions see it; all empty when there is none.
type Template struct {
	Name     string `expr:"name"`
	Language string `expr:"language"`
}

// Media is media as expressions see it; all empty when there is none.
type Media struct {
	Type string `expr:"type"`
	URL  string `expr:"url"`
	Name string `expr:"name"`
	MIME string `expr:"mime"`
}

// Of returns an event as expressions see it. Data and vendor that are no JSON are empty.
func Of(e *message.Event) Event {
	out := Event{ID: string(e.ID), Type: string(e.Type), Time: e.Time.UTC(), Account: string(e.Account), Message: string(e.Message), User: string(e.User), Conversation: string(e.Conversation)}
	if c := e.Contact; c != nil {
		out.Contact = Contact{User: string(c.User), Name: c.Name, Phone: c.Phone, Email: c.Email, Fields: c.Fields}
	}
	if r := e.Receipt; r != nil {
		f := cmp.Or(r.Fault, &fault.Fault{})
		out.Receipt = Receipt{VendorID: string(r.VendorID), Message: string(r.Message), Attempt: r.Attempt, Outcome: string(r.Outcome), Class: string(f.Class), Code: f.Code}
	}
	var lines strings.Builder
	if e.Inbound != nil {
		out.Inbound = inboundOf(e.Inbound)
		if len(e.Messages) == 0 {
			out.Inbound.line(&lines)
		}
	}
	for i := range e.Messages {
		in := inboundOf(&e.Messages[i])
		in.line(&lines)
		out.Messages = append(out.Messages, in)
	}
	out.Summary = lines.String()
	out.Data, out.Vendor = valueOf(e.Data), valueOf(e.Vendor)
	return out
}

// valueOf returns an empty map where there is nothing, or nothing that can be read, so that its fields can be asked for.
func valueOf(text json.RawMessage) (v any) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if d.Decode(&v) != nil || v == nil {
		return map[string]any{}
	}
	return exact(v)
}

// exact gives numbers their values: whole ones stay whole, for most are ids. What no number of ours can hold stays a text.
func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.Atoi(v.String()); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return f
		}
		return v.String()
	case map[string]any:
		for key, item := range v {
			v[key] = exact(item)
		}
	case []any:
		for i, item := range v {
			v[i] = exact(item)
		}
	}
	return v
}

func inboundOf(in *message.Inbound) Inbound {
	return Inbound{VendorID: string(in.VendorID), Channel: string(in.Channel), From: in.From, Author: in.Author, Content: ContentOf(&in.Content), At: in.At.UTC()}
}

// maxSummary is in bytes. It leaves room for other words in a rendered text, which may have 64 KiB.
const maxSummary = 60 << 10

// line adds the message to a summary as "who: what". A line that does not fit any more is left out.
func (in *Inbound) line(to *strings.Builder) {
	text := cmp.Or(in.Content.Text, in.Content.Media.Name, in.Content.Media.URL, in.Content.Template.Name, in.Content.Kind)
	if line := cmp.Or(in.Author, in.From, "?") + ": " + text; to.Len()+len(line) < maxSummary {
		if to.Len() > 0 {
			to.WriteByte('\n')
		}
		to.WriteString(line)
	}
}

// ContentOf returns content as expressions see it.
func ContentOf(c *message.Content) Content {
	out := Content{Kind: string(c.Kind()), Text: c.Text, Subject: c.Subject}
	if c.Template != nil {
		out.Template = Template{Name: c.Template.Name, Language: c.Template.Language}
	}
	if c.Media != nil {
		out.Media = Media{Type: c.Media.Type, URL: c.Media.URL, Name: c.Media.Name, MIME: c.Media.MIME}
	}
	return out
}
