package chat2desk

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/hermodhq/hermod/plugins/chat2desk/internal/chat2deskapi"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Send makes one attempt on the delivery's channel. It finds the client first; what fails there leaves the message unsent.
func (a *account) Send(ctx context.Context, d connector.Delivery) (connector.Result, error) {
	in, err := a.request(&d)
	if err != nil {
		return connector.Result{}, err
	}
	remember, err := a.find(ctx, &d, &in)
	if err != nil {
		return connector.Result{}, err
	}
	sent, err := chat2deskapi.Send(ctx, a.client, in)
	if err != nil {
		f := fault.From(faultOf(err, mutates))
		if f.Code == "client_unknown" {
			a.clients.Remove(remember)
		}
		if f.Class == fault.OutcomeUnknown {
			sent.MessageID = a.taken(ctx, &in)
		}
		if sent.MessageID == "" {
			return connector.Result{}, f
		}
	}
	return connector.Result{VendorID: message.VendorMessageID(sent.MessageID), Outcome: message.Accepted, User: message.VendorUserID(strconv.FormatInt(in.ClientID, 10))}, nil
}

// taken looks for the attempt among the client's latest messages, after an answer that leaves its outcome unknown. Nothing found, or
// no answer, leaves it so.
func (a *account) taken(ctx context.Context, in *chat2deskapi.SendRequest) chat2deskapi.Text {
	var rows []chat2deskapi.Message
	_ = chat2deskapi.ListMessages.Do(ctx, a.client, chat2deskapi.MessagesRequest{ClientID: in.ClientID, Page: chat2deskapi.Page{Limit: 50}, Order: "desc"}, &rows)
	for i := range rows {
		if rows[i].OwnID() == in.ExternalID {
			return rows[i].ID
		}
	}
	return ""
}

// ours begins every external_id of ours: other programs of the company give their messages ids as well.
const ours = "hermod/"

// externalID names an attempt to Chat2Desk, and attemptOf reads it back.
func externalID(id message.ID, attempt int) string {
	return ours + string(id) + "/" + strconv.Itoa(attempt)
}

func attemptOf(external string) (id message.ID, attempt int) {
	name, mine := strings.CutPrefix(external, ours)
	i := strings.LastIndex(name, "/")
	if n, err := strconv.Atoi(name[i+1:]); mine && i > 0 && err == nil && n > 0 {
		return message.ID(name[:i]), n
	}
	return "", 0
}

func (a *account) request(d *connector.Delivery) (chat2deskapi.SendRequest, error) {
	in := chat2deskapi.SendRequest{Text: d.Content.Text, Transport: transportOf(d.Channel), ChannelID: a.cfg.ChannelID, OperatorID: a.cfg.OperatorID,
		ExternalID: externalID(d.Message, d.Attempt), Type: d.Labels["chat2desk.type"]}
	if !slices.Contains(byPhone, in.Transport) && !slices.Contains(byUserID, in.Transport) {
		return in, fault.New(fault.Unsupported, "channel_unsupported", "Chat2Desk has no channel %s", d.Channel)
	}
	if in.Transport == transportSystem {
		in.Transport, in.Type = "", cmp.Or(in.Type, "system")
	}
	if !slices.Contains([]string{"", "to_client", "autoreply", "system", "comment"}, in.Type) { // a comment must not reach the client
		return in, fault.New(fault.ContentRejected, "type_invalid", "the label chat2desk.type is not to_client, autoreply, system or comment")
	}
	if a.cfg.WithoutDialog {
		in.OpenDialog = new(bool)
	}
	if quoted := d.Labels["chat2desk.reply_message_id"]; quoted != "" {
		id, err := strconv.ParseInt(quoted, 10, 64)
		if err != nil {
			return in, fault.New(fault.ContentRejected, "reply_invalid", "the label chat2desk.reply_message_id is not the id of a message")
		}
		in.ReplyMessageID = id
	}
	switch m, kind := d.Content.Media, d.Content.Kind(); {
	case kind == message.KindInteractive:
		return in, a.interactive(&in, d.Content.Interactive)
	case kind == message.KindMedia && m.URL == "":
		return in, fault.New(fault.Unsupported, "media_url_missing", "Chat2Desk takes files by public URL only")
	case kind == message.KindMedia:
		in.Attachment, in.AttachmentFilename = m.URL, m.Name
	case kind != message.KindText:
		return in, fault.New(fault.Unsupported, "kind_unsupported", "Chat2Desk cannot carry content of kind %q", kind)
	}
	return in, nil
}

// interactive writes buttons and lists. Lists, headers and footers exist as `interactive` of wa_dialog alone.
func (a *account) interactive(in *chat2deskapi.SendRequest, i *message.Interactive) error {
	how := a.cfg.Buttons
	replies := !slices.ContainsFunc(i.Buttons, func(b message.Button) bool { return b.Type != "" && b.Type != "reply" })
	switch {
	case len(i.Sections) > 0 || how == "auto" && replies && in.Transport == transportDialog:
		how = "interactive"
	case how == "auto":
		how = "inline"
	}
	switch {
	case in.Text == "":
		return fault.New(fault.ContentRejected, "text_missing", "buttons and lists need a text")
	case how == "interactive" && (!replies || len(i.Sections) > 0 && in.Transport != transportDialog):
		return fault.New(fault.Unsupported, "interactive_unsupported", "lists go on channel %s only, and interactive buttons are replies only", transportDialog)
	case how == "interactive":
		raw, err := json.Marshal(a.whatsapp(in.Text, i))
		if err == nil && a.cfg.InteractiveForm == "text" {
			raw, err = json.Marshal(string(raw))
		}
		in.Interactive = raw
		return err
	case i.Header != "" || i.Footer != "":
		return fault.New(fault.Unsupported, "interactive_unsupported", "headers and footers go on channel %s only", transportDialog)
	}
	buttons := make([]chat2deskapi.Button, len(i.Buttons))
	for n, b := range i.Buttons {
		buttons[n] = chat2deskapi.Button{Type: cmp.Or(b.Type, "reply"), Text: b.Text, Payload: b.Payload, Color: b.Color}
		if b.Type == "url" {
			buttons[n].URL, buttons[n].Payload = b.Payload, ""
		}
	}
	if in.InlineButtons = buttons; how == "keyboard" {
		in.InlineButtons, in.Keyboard = nil, &chat2deskapi.Keyboard{Buttons: buttons}
	}
	return nil
}

// whatsapp writes an interactive message in WhatsApp's own shape, since Chat2Desk documents none beside the types list and buttons.
func (a *account) whatsapp(text string, i *message.Interactive) map[string]any {
	type object = map[string]any
	out := object{"type": a.cfg.InteractiveButtons, "body": object{"text": text}}
	if i.Header != "" {
		out["header"] = object{"type": "text", "text": i.Header}
	}
	if i.Footer != "" {
		out["footer"] = object{"text": i.Footer}
	}
	if len(i.Sections) > 0 {
		out["type"], out["action"] = "list", object{"button": i.Menu, "sections": i.Sections}
		return out
	}
	buttons := make([]object, len(i.Buttons))
	for n, b := range i.Buttons {
		buttons[n] = object{"type": "reply", "reply": object{"id": cmp.Or(b.Payload, b.Text), "title": b.Text}}
	}
	out["action"] = object{"buttons": buttons}
	return out
}

// find sets the client: by the recipient's user id here, else by phone number. It returns the key under which the client is
// remembered.
func (a *account) find(ctx context.Context, d *connector.Delivery, in *chat2deskapi.SendRequest) (remember string, err error) {
	if uid := string(d.To.Users[a.name]); uid != "" {
		if in.ClientID, err = strconv.ParseInt(uid, 10, 64); err != nil || in.ClientID <= 0 {
			return "", fault.New(fault.InvalidRecipient, "user_invalid", "the recipient's user id at account %s is not a number", a.name)
		}
		return "", nil
	}
	phone := strings.TrimPrefix(d.To.Phone, "+")
	if phone == "" {
		return "", fault.New(fault.InvalidRecipient, "client_missing", "the recipient has neither a user id at account %s nor a phone number", a.name)
	}
	remember = phone + " " + in.Transport
	if id, ok := a.clients.Get(remember); ok {
		in.ClientID = id
		return remember, nil
	}
	if a.cfg.WriteFirst && slices.Contains(byPhone, in.Transport) {
		in.ClientID, err = chat2deskapi.EnsureClient(ctx, a.client, chat2deskapi.CreateClientRequest{Phone: forms(phone, in.Transport)[0], Transport: in.Transport,
			ChannelID: a.cfg.ChannelID, Nickname: d.To.Name})
	} else {
		in.ClientID, err = a.lookup(ctx, phone, in.Transport)
	}
	switch {
	case err != nil:
		return "", faultOf(err, reads) // no message went out
	case in.ClientID == 0:
		return "", fault.New(fault.InvalidRecipient, "client_unknown", "no client has this phone number: let them write first, or set write_first")
	}
	a.clients.Add(remember, in.ClientID)
	return remember, nil
}

// lookup returns the client with the phone number, one that the transport reaches if there are several. Chat2Desk ignores filters
// that it does not know, so every row is compared.
func (a *account) lookup(ctx context.Context, phone, transport string) (id int64, err error) {
	for _, form := range forms(phone, transport) {
		var rows []chat2deskapi.Person
		err = chat2deskapi.ListClients.Do(ctx, a.client, chat2deskapi.ClientsRequest{Phone: form, Page: chat2deskapi.Page{Limit: chat2deskapi.MaxLimit}}, &rows)
		for _, p := range rows {
			if digits(string(p.Phone)) != form && digits(string(p.ClientPhone)) != form {
				continue
			}
			for _, c := range p.Channels {
				if slices.Contains(c.Transports, chat2deskapi.Text(transport)) {
					return p.ID.Int(), nil
				}
			}
			id = cmp.Or(id, p.ID.Int())
		}
		if err != nil || id != 0 {
			return id, err
		}
	}
	return 0, nil
}

// forms are the ways in which Chat2Desk may write a number, the likeliest first: Mexican ones have a 1 behind the country code on WhatsApp.
func forms(phone, transport string) []string {
	if onWhatsApp := transport == "whatsapp" || strings.HasPrefix(transport, "wa_"); onWhatsApp && len(phone) == 12 && strings.HasPrefix(phone, "52") {
		return []string{"521" + phone[2:], phone}
	}
	return []string{phone}
}

// digits leaves the digits of a phone number; what is not written as one is left out whole, as "[chat] 1a2b" is.
func digits(s string) string {
	s = strings.NewReplacer("+", "", " ", "", "(", "", ")", "", "-", "").Replace(s)
	if strings.Trim(s, "0123456789") != "" {
		return ""
	}
	return s
}
