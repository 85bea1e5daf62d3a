package wire

import (
	"encoding/json"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/message"
)

// text makes a string fit for protobuf, which refuses a whole frame for one byte that is not UTF-8.
func text[S ~string](s S) string { return strings.ToValidUTF8(string(s), "\uFFFD") }

func texts[S ~string](in []S) []string {
	if len(in) == 0 {
		return nil
	}
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = text(s)
	}
	return out
}

func textsFrom[S ~string](in []string) []S {
	if len(in) == 0 {
		return nil
	}
	out := make([]S, len(in))
	for i, s := range in {
		out[i] = S(s)
	}
	return out
}

func textMap[K, V ~string](in map[K]V) map[string]string {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]string, len(in))
	for k, v := range in {
		out[text(k)] = text(v)
	}
	return out
}

func textMapFrom[K, V ~string](in map[string]string) map[K]V {
	if len(in) == 0 {
		return nil
	}
	out := make(map[K]V, len(in))
	for k, v := range in {
		out[K(k)] = V(v)
	}
	return out
}

func timeToProto(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func timeFromProto(p *timestamppb.Timestamp) time.Time {
	if p == nil {
		return time.Time{}
	}
	return p.AsTime()
}

// each converts a slice, and keeps an empty one nil.
func each[A, B any](in []A, convert func(A) B) []B {
	if len(in) == 0 {
		return nil
	}
	out := make([]B, len(in))
	for i := range in {
		out[i] = convert(in[i])
	}
	return out
}

func recipientInto(p *pb.Recipient, r *message.Recipient) {
	p.Phone, p.Country, p.Email = text(r.Phone), text(r.Country), text(r.Email)
	p.Users, p.Name = textMap(r.Users), text(r.Name)
}

// RecipientFromProto converts back.
func RecipientFromProto(p *pb.Recipient) message.Recipient {
	if p == nil {
		return message.Recipient{}
	}
	return message.Recipient{
		Phone: p.Phone, Country: p.Country, Email: p.Email, Name: p.Name,
		Users: textMapFrom[message.AccountID, message.VendorUserID](p.Users),
	}
}

// ContentToProto converts content.
func ContentToProto(c *message.Content) *pb.Content {
	p := &pb.Content{}
	contentInto(p, c)
	return p
}

func contentInto(p *pb.Content, c *message.Content) {
	p.Text, p.Subject, p.Media = text(c.Text), text(c.Subject), mediaToProto(c.Media)
	if t := c.Template; t != nil {
		p.Template = &pb.Template{
			Name: text(t.Name), Language: text(t.Language), Params: texts(t.Params),
			Named: jsonObject(t.Named), Header: mediaToProto(t.Header),
		}
	}
	if i := c.Interactive; i != nil {
		p.Interactive = &pb.Interactive{
			Buttons: each(i.Buttons, buttonToProto), Header: text(i.Header), Footer: text(i.Footer), Menu: text(i.Menu),
			Sections: each(i.Sections, sectionToProto),
		}
	}
}

// ContentFromProto converts back.
func ContentFromProto(p *pb.Content) message.Content {
	if p == nil {
		return message.Content{}
	}
	c := message.Content{Text: p.Text, Subject: p.Subject, Media: mediaFromProto(p.Media)}
	if t := p.Template; t != nil {
		c.Template = &message.Template{
			Name: t.Name, Language: t.Language, Params: textsFrom[string](t.Params),
			Named: objectFrom(t.Named), Header: mediaFromProto(t.Header),
		}
	}
	if i := p.Interactive; i != nil {
		c.Interactive = &message.Interactive{
			Buttons: each(i.Buttons, buttonFromProto), Header: i.Header, Footer: i.Footer, Menu: i.Menu,
			Sections: each(i.Sections, sectionFromProto),
		}
	}
	return c
}

// jsonObject gives none for values that JSON cannot hold; message.Message allows JSON values only.
func jsonObject(m map[string]any) []byte {
	if len(m) == 0 {
		return nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil
	}
	return b
}

func objectFrom(b []byte) map[string]any {
	var m map[string]any
	if len(b) == 0 || json.Unmarshal(b, &m) != nil || len(m) == 0 {
		return nil
	}
	return m
}

func mediaToProto(m *message.Media) *pb.Media {
	if m == nil {
		return nil
	}
	return &pb.Media{Type: text(m.Type), Url: text(m.URL), Data: m.Data, Name: text(m.Name), Mime: text(m.MIME)}
}

func mediaFromProto(p *pb.Media) *message.Media {
	if p == nil {
		return nil
	}
	return &message.Media{Type: p.Type, URL: p.Url, Data: p.Data, Name: p.Name, MIME: p.Mime}
}

func buttonToProto(b message.Button) *pb.Button {
	return &pb.Button{Type: text(b.Type), Text: text(b.Text), Payload: text(b.Payload), Color: text(b.Color)}
}

func buttonFromProto(p *pb.Button) message.Button {
	return message.Button{Type: p.GetType(), Text: p.GetText(), Payload: p.GetPayload(), Color: p.GetColor()}
}

func sectionToProto(s message.Section) *pb.Section {
	return &pb.Section{Title: text(s.Title), Rows: each(s.Rows, func(r message.Row) *pb.Row {
		return &pb.Row{Id: text(r.ID), Title: text(r.Title), Description: text(r.Description)}
	})}
}

func sectionFromProto(p *pb.Section) message.Section {
	return message.Section{Title: p.GetTitle(), Rows: each(p.GetRows(), func(r *pb.Row) message.Row {
		return message.Row{ID: r.GetId(), Title: r.GetTitle(), Description: r.GetDescription()}
	})}
}
