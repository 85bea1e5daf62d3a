package chat2desk

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hermodhq/hermod/plugins/chat2desk/internal/chat2deskapi"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// events are our types of Chat2Desk's events; the others go by their own names, as "chat2desk.new_request".
var events = map[string]message.EventType{
	"inbox": message.EventMessageReceived, "outbox_status": message.EventReceipt, "close_dialog": message.EventConversationClosed,
	"new_client": message.EventContactCreated, "client_updated": message.EventContactUpdated, "client_added_to_blacklist": message.EventContactBlocked,
	"add_tag_to_client": message.EventContactUpdated, "delete_tag_from_client": message.EventContactUpdated,
	"new_ticket": "ticket.created", "ticket_updated": "ticket.updated", "ticket_deleted": "ticket.deleted",
	"operator_status_changed": "operator.status_changed", "operator_authentication_updated": "operator.authentication_updated",
}

func eventType(hook string) message.EventType {
	return cmp.Or(events[hook], message.EventType("chat2desk."+hook))
}

func eventTypes() []message.EventType {
	var list []message.EventType
	for _, hook := range append(chat2deskapi.Events(), chat2deskapi.Unnamed) {
		list = append(list, eventType(hook))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Receive takes webhook calls on /events. What cannot be read although it is genuine becomes an event of its own: a webhook that
// meets refusals for some hours is switched off by Chat2Desk.
func (a *account) Receive(_ context.Context, req *connector.Request) (*connector.Response, []message.Event, error) {
	path, segment, _ := strings.Cut(strings.Trim(req.Path, "/"), "/")
	switch {
	case path != "events":
		return &connector.Response{Status: http.StatusNotFound}, nil, nil
	case req.Method != http.MethodPost:
		return &connector.Response{Status: http.StatusMethodNotAllowed, Header: http.Header{"Allow": {http.MethodPost}}}, nil, nil
	case len(req.Body) > 1<<20: // bytes
		return &connector.Response{Status: http.StatusRequestEntityTooLarge}, nil, nil
	}
	if err := a.verify(segment, req); err != nil {
		return nil, nil, err
	}
	h, err := chat2deskapi.ParseHook(req.Body)
	if err != nil {
		return nil, nil, fault.New(fault.ContentRejected, "payload_invalid", "the webhook call is not what Chat2Desk sends: %w", err)
	}
	return nil, []message.Event{a.event(&h, req.Body)}, nil
}

// verify compares hashes where a secret is in the path, so that neither its content nor its length shows in the time it takes.
func (a *account) verify(segment string, req *connector.Request) error {
	secret := a.cfg.WebhookSecret.Reveal()
	switch {
	case a.cfg.WebhookAuth == "none":
		return nil
	case secret == "":
		return fault.New(fault.Unauthorized, "webhook_secret_missing", "webhook calls cannot be checked: set webhook_secret, or webhook_auth to none")
	case a.cfg.WebhookAuth == "hmac":
		if err := a.signature.Verify(req.Header, req.Body); err != nil {
			return fault.New(fault.Unauthorized, "webhook_signature", "the webhook call is refused: %w", err)
		}
		return nil
	}
	want, got := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(segment))
	if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return fault.New(fault.Unauthorized, "webhook_secret", "the webhook call lacks the secret: end its URL with /events/SECRET at Chat2Desk")
	}
	return nil
}

// event reads one webhook call.
func (a *account) event(h *chat2deskapi.Hook, raw []byte) message.Event {
	e := message.Event{Type: eventType(string(h.HookType)), Time: chat2deskapi.ParseTime(string(h.EventTime)), Account: a.name, Vendor: raw,
		User: message.VendorUserID(cmp.Or(h.ClientID, h.Client.ID)), Conversation: message.ConversationID(h.DialogID)}
	if e.Time.IsZero() {
		e.Time = a.now()
	}
	if h.Client.ID != "" {
		e.Contact = contact(&h.Client)
	}
	key := ""
	switch h.HookType {
	case "inbox", "outbox", "comment", "imported_message":
		if h.MessageID != "" {
			key = string(h.HookType + ":" + h.Type + ":" + h.MessageID)
		}
		a.said(&e, h)
	case "outbox_status":
		key = a.receipt(&e, h)
	case "new_client":
		if h.Client.ID != "" {
			key = string("new_client:" + h.Client.ID)
		}
	case "add_tag_to_client", "delete_tag_from_client":
		e.Contact = &message.Contact{User: e.User}
		e.Data, _ = json.Marshal(map[string]any{"tag": h.ID.Int(), "change": h.HookType}) // numbers and text always fit
	case "new_ticket", "ticket_updated", "ticket_deleted":
		e.Data = h.Ticket
	case "operator_status_changed", "operator_authentication_updated":
		e.Data = raw
	}
	e.ID = a.eventID(key, raw, h.EventTime != "")
	return e
}

// eventID makes the same id for the same happening. What has neither a key nor a time may happen again with an equal payload, so
// there only repeats within the same minute count as one.
func (a *account) eventID(key string, raw []byte, timed bool) message.EventID {
	what := cmp.Or(key, string(bytes.TrimSpace(raw)))
	if key == "" && !timed {
		what += a.now().Truncate(time.Minute).String()
	}
	sum := sha256.Sum256([]byte(what))
	return message.EventID("chat2desk-" + hex.EncodeToString(sum[:16]))
}

var authors = map[chat2deskapi.Text]string{"from_client": "client", "to_client": "bot", "autoreply": "bot", "inbox": "client", "outbox": "bot"}

// said reads a message. An outbox with the external_id of an attempt is the receipt of it: the answer to the attempt may have been lost.
func (a *account) said(e *message.Event, h *chat2deskapi.Hook) {
	in := &message.Inbound{VendorID: message.VendorMessageID(h.MessageID), Channel: channelOf(string(h.Transport)), From: cmp.Or(authors[h.Type], authors[h.HookType], "system"),
		At: chat2deskapi.ParseTime(string(h.EventTime)), Content: message.Content{Text: string(cmp.Or(h.Text, h.Coordinates)), Media: a.media(&h.Media)}}
	if h.Type == "to_client" && h.OperatorID.Int() != 0 {
		in.From, in.Author = "agent", string(h.OperatorID)
	}
	if id, attempt := attemptOf(h.OwnID()); id != "" && h.HookType == "outbox" {
		e.Type, e.Message = message.EventReceipt, id
		e.Receipt = &message.Receipt{VendorID: in.VendorID, Message: id, Attempt: attempt, Outcome: message.Accepted, At: in.At}
		return
	}
	e.Inbound = in
}

// media returns the first file of a message; the vendor's payload has them all.
func (a *account) media(m *chat2deskapi.Media) *message.Media {
	var files []message.Media
	for _, f := range m.Attachments {
		files = append(files, message.Media{Type: kindOf(string(cmp.Or(f.Name, f.Link))), URL: string(f.Link), Name: string(f.Name)})
	}
	files = append(files, message.Media{Type: "image", URL: string(m.Photo)}, message.Media{Type: "video", URL: string(m.Video)},
		message.Media{Type: "audio", URL: string(m.Audio)}, message.Media{Type: "document", URL: string(m.PDF)})
	i := slices.IndexFunc(files, func(f message.Media) bool { return f.URL != "" }) // broken entries have no link
	if i < 0 {
		return nil
	}
	out := &files[i]
	switch absolute := strings.HasPrefix(out.URL, "https://") || strings.HasPrefix(out.URL, "http://"); {
	case !absolute && a.cfg.StorageURL != "":
		out.URL = strings.TrimRight(a.cfg.StorageURL, "/") + "/" + strings.TrimLeft(out.URL, "/")
	case !absolute:
		out.URL, out.Name = "", cmp.Or(out.Name, path.Base(out.URL))
	}
	return out
}

// kinds are the endings of file names that are no documents.
var kinds = map[string]string{".png": "image", ".jpg": "image", ".jpeg": "image", ".gif": "image", ".webp": "image", ".mp4": "video", ".mov": "video", ".webm": "video",
	".3gp": "video", ".mp3": "audio", ".ogg": "audio", ".oga": "audio", ".wav": "audio", ".m4a": "audio", ".opus": "audio"}

func kindOf(name string) string { return cmp.Or(kinds[strings.ToLower(path.Ext(name))], "document") }

func contact(p *chat2deskapi.Person) *message.Contact {
	c := &message.Contact{User: message.VendorUserID(p.ID), Name: string(cmp.Or(p.AssignedName, p.Name)), Fields: map[string]string{}}
	if number := cmp.Or(digits(string(p.Phone)), digits(string(p.ClientPhone))); number != "" {
		if c.Phone = "+" + number; len(number) == 13 && strings.HasPrefix(number, "521") {
			c.Phone = "+52" + number[3:] // see forms
		}
	}
	for name, v := range map[string]chat2deskapi.Text{"phone": p.Phone, "username": p.Username, "comment": p.Comment, "external_id": cmp.Or(p.ExternalID, p.ClientExternalID)} {
		if v != "" {
			c.Fields[name] = string(v)
		}
	}
	for id, v := range p.CustomFields {
		c.Fields["custom_fields."+id] = string(v)
	}
	return c
}

// outcomes are the words for a message's state that public clients know; Chat2Desk documents none.
var outcomes = map[string]message.Outcome{
	"sending": message.Accepted, "pending": message.Accepted, "sent": message.Sent, "delivered": message.Delivered, "success": message.Delivered, "read": message.Read,
	"failed": message.Failed, "error": message.Failed, "not delivered": message.Failed, "undelivered": message.Failed,
}

// state reads a message's states, of which there may be two, and the messenger's error: a failure counts most, then what is furthest.
// The messenger's words can speak of the message only, never of the account. It reports whether a state is known.
func state(reason string, words ...string) (r message.Receipt, known bool) {
	word := ""
	for _, w := range words {
		w = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(w)), "_", " ")
		if o := outcomes[w]; o == message.Failed || r.Outcome != message.Failed && o.Rank() > r.Outcome.Rank() {
			r.Outcome, word = o, w
		}
	}
	if r.Outcome == message.Failed {
		means, known := textRow(reason)
		if !known || means.class.Action() != fault.Next {
			means = row{fault.Internal, "not_delivered", 0}
		}
		r.Fault = fault.New(means.class, means.code, "Chat2Desk reports that the message was not delivered").WithVendor(word, reason)
	}
	return r, r.Outcome != ""
}

// receipt reads an outbox_status, whose fields are not documented. It stands under `data`; a flat one is read as well. One that says
// nothing known stays an event under its own name. It returns the event's key.
func (a *account) receipt(e *message.Event, h *chat2deskapi.Hook) string {
	var data, flat map[string]chat2deskapi.Text
	_, _ = json.Unmarshal(h.Data, &data), json.Unmarshal(e.Vendor, &flat) // what is no object reads as empty
	field := func(names ...string) string {
		for _, name := range names {
			if v := cmp.Or(data[name], flat[name]); v != "" {
				return string(v)
			}
		}
		return ""
	}
	e.User = message.VendorUserID(field("client_id"))
	id, words := field(a.cfg.ReceiptID, "message_id", "id"), []string{field(a.cfg.ReceiptStatus)}
	if words[0] == "" {
		words = []string{field("status"), field("recipient_status")}
	}
	if strings.Join(words, "") == "" && field(a.cfg.ReceiptError, "error") != "" {
		words = []string{"error"} // the event is there to tell of messengers' errors
	}
	r, known := state(field(a.cfg.ReceiptError, "error", "message"), words...)
	r.VendorID, r.At = message.VendorMessageID(id), chat2deskapi.ParseTime(string(h.EventTime))
	r.Message, r.Attempt = attemptOf(field("external_id"))
	if !known || r.VendorID == "" && r.Message == "" {
		e.Type = "chat2desk.outbox_status"
		return ""
	}
	e.Message, e.Receipt = r.Message, &r
	return "outbox_status:" + id + ":" + externalID(r.Message, r.Attempt) + ":" + strings.Join(words, "/")
}

// Query asks for the state of a message.
func (a *account) Query(ctx context.Context, q connector.Query) (message.Receipt, error) {
	id, err := strconv.ParseInt(string(q.VendorID), 10, 64)
	if err != nil {
		return message.Receipt{}, fault.New(fault.Unsupported, "message_id_missing", "Chat2Desk gave no id for this attempt, so its state cannot be asked for")
	}
	var m chat2deskapi.Message
	if err = chat2deskapi.GetMessage.Do(ctx, a.client, chat2deskapi.IDRequest{ID: id}, &m); err != nil {
		return message.Receipt{}, faultOf(err, reads)
	}
	if m.Status == "" && m.RecipientStatus == "" {
		m.Status = "pending"
	}
	r, known := state(string(m.RecipientStatus), string(m.Status), string(m.RecipientStatus))
	if !known {
		return r, fault.New(fault.Internal, "status_unknown", "the message has a state that is not known").WithVendor(string(m.Status), "")
	}
	r.VendorID, r.Message, r.Attempt = q.VendorID, q.Message, q.Attempt
	return r, nil
}
