package convrs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hermodhq/hermod/plugins/convrs/internal/convrsapi"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

var errNoUser = errors.New("the uid is missing")

// bots are the vendor's names of platforms, and their channels.
var bots = map[string]message.Channel{"Telegram": message.Telegram, "Messenger": message.Messenger, "Web": message.WebChat, "Line": channelLine,
	"Viber": message.Viber, "CMS": message.SMS, "WA3": message.WhatsApp, "whatsapp": message.WhatsApp}

var contactEvents = map[string]message.EventType{convrsapi.OnUserCreate: message.EventContactCreated, convrsapi.OnUserUpdate: message.EventContactUpdated,
	convrsapi.OnUserDelete: message.EventContactDeleted, convrsapi.OnUserDisable: message.EventContactBlocked, convrsapi.OnUserEnable: message.EventContactUnblocked}

// Receive takes events and delivery callbacks on /callback and /events alike: Convrs may send both to either.
func (a *account) Receive(ctx context.Context, req *connector.Request) (*connector.Response, []message.Event, error) {
	path, secret, _ := strings.Cut(strings.Trim(req.Path, "/"), "/")
	switch {
	case path != "callback" && path != "events":
		return &connector.Response{Status: http.StatusNotFound}, nil, nil
	case req.Method != http.MethodPost:
		return &connector.Response{Status: http.StatusMethodNotAllowed, Header: http.Header{"Allow": {http.MethodPost}}}, nil, nil
	}
	if err := a.verify(secret, req.Query); err != nil {
		return nil, nil, err
	}
	e, err := a.event(ctx, req.Body)
	if err != nil {
		return nil, nil, fault.New(fault.ContentRejected, "payload_invalid", "the webhook call is not what Convrs documents: %w", err)
	}
	return nil, []message.Event{e}, nil
}

// verify compares hashes, so that neither content nor length of the secret shows in the time it takes.
func (a *account) verify(segment, query string) error {
	switch {
	case a.cfg.WebhookAuth == "none":
		return nil
	case a.cfg.WebhookSecret == "":
		return fault.New(fault.Unauthorized, "webhook_secret_missing", "webhook calls cannot be checked: set webhook_secret, or webhook_auth to none")
	case segment == "":
		if values, err := url.ParseQuery(query); err == nil {
			segment = values.Get("secret")
		}
	}
	want, got := sha256.Sum256([]byte(a.cfg.WebhookSecret.Reveal())), sha256.Sum256([]byte(segment))
	if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return fault.New(fault.Unauthorized, "webhook_secret", "the webhook call lacks the secret: end its URL with /events/SECRET at Convrs")
	}
	return nil
}

// Listen holds the websocket where the account uses one; elsewhere it waits for ctx.
func (a *account) Listen(ctx context.Context, emit func(context.Context, message.Event) error) error {
	if a.cfg.Events != "websocket" && a.cfg.Transport != "websocket" {
		<-ctx.Done()
		return ctx.Err()
	}
	err := a.client.Listen(ctx, func(ctx context.Context, push json.RawMessage) error {
		e, err := a.event(ctx, push)
		if err != nil { // asking for it again would bring the same
			e = message.Event{ID: a.eventID(push, false), Type: "convrs.unreadable", Time: a.now(), Account: a.name, Vendor: push}
		}
		return emit(ctx, e)
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return faultOf(err, reads)
}

// Query asks for the state of a template or an SMS.
func (a *account) Query(ctx context.Context, q connector.Query) (message.Receipt, error) {
	if q.VendorID == "" {
		return message.Receipt{}, fault.New(fault.Unsupported, "vendor_id_missing", "Convrs gave no message id for this attempt, so its state cannot be asked for")
	}
	d, err := convrsapi.GetMessageDetails.Do(ctx, a.client, convrsapi.MessageRequest{MID: string(q.VendorID)})
	if err != nil {
		return message.Receipt{}, faultOf(err, reads)
	}
	if d.Ack == nil {
		return message.Receipt{}, fault.New(fault.Internal, "ack_missing", "Convrs knows the message, but gave no acknowledgement code")
	}
	r, err := receipt(string(q.VendorID), *d.Ack, d.WhatsAppErrorCode, d.WhatsAppErrorDesc)
	r.Message, r.Attempt = q.Message, q.Attempt
	return r, err
}

// receipt reads an acknowledgement code.
func receipt(mid string, ack, whatsapp int, text string) (message.Receipt, error) {
	r := message.Receipt{VendorID: message.VendorMessageID(mid)}
	switch ack {
	case convrsapi.AckNotOnWhatsApp:
		r.Outcome, r.Fault = message.Failed, fault.New(fault.InvalidRecipient, "not_on_whatsapp", "the recipient is not on WhatsApp").WithVendor("ack -2", "")
	case convrsapi.AckError:
		row := codeRow(3002, whatsapp)
		r.Outcome, r.Fault = message.Failed, fault.New(row.class, row.code, "Convrs reports that the message failed").WithVendor("ack "+vendorCode(ack, whatsapp), text).After(row.after)
	case convrsapi.AckServer:
		r.Outcome = message.Accepted
	case convrsapi.AckSent:
		r.Outcome = message.Sent
	case convrsapi.AckDelivered:
		r.Outcome = message.Delivered
	case convrsapi.AckRead:
		r.Outcome = message.Read
	case convrsapi.AckReplied:
		r.Outcome = message.Replied
	default:
		return r, fault.New(fault.Internal, "ack_unknown", "acknowledgement code %d is not documented", ack)
	}
	return r, nil
}

// event reads one push.
func (a *account) event(ctx context.Context, raw []byte) (message.Event, error) {
	p, err := convrsapi.ParsePush(raw)
	if err != nil {
		return message.Event{}, err
	}
	e := message.Event{Time: a.now(), Account: a.name, User: message.VendorUserID(p.UID), Vendor: raw}
	timed := false // whether the payload holds a time or id, so that the same payload is the same happening
	switch {
	case p.IsCallback():
		timed = p.Timestamp != ""
		err = callback(&e, &p)
	case p.Cmd == convrsapi.OnUserConversation:
		timed = true
		err = a.conversation(ctx, &e, &p)
	case contactEvents[p.Cmd] != "":
		timed = p.Cmd == convrsapi.OnUserCreate
		e.Type = contactEvents[p.Cmd]
		err = contact(&e, &p)
	default:
		e.Type = message.EventType("convrs." + p.Cmd)
	}
	e.ID = a.eventID(raw, timed)
	return e, err
}

// eventID makes the same id for the same payload. Convrs gives some events neither time nor id: a user may be blocked a second
// time by an equal payload, so for those only repeats within the same minute count as one.
func (a *account) eventID(raw []byte, timed bool) message.EventID {
	h := sha256.New()
	h.Write(bytes.TrimSpace(raw))
	if !timed {
		h.Write(strconv.AppendInt(nil, a.now().Truncate(time.Minute).Unix(), 10))
	}
	return message.EventID("convrs-" + hex.EncodeToString(h.Sum(nil)[:16]))
}

func callback(e *message.Event, p *convrsapi.Push) error {
	r, err := receipt(p.MID, *p.Ack, p.WhatsAppErrorCode, p.WhatsAppErrorDesc)
	if err != nil {
		return err
	}
	r.At = convrsapi.ParseTime(p.Timestamp)
	var echo struct {
		Message message.ID `json:"message"`
		Attempt int        `json:"attempt"`
	}
	if json.Unmarshal(p.WebhookPayload, &echo) == nil { // others may send with payloads of their own
		r.Message, r.Attempt = echo.Message, echo.Attempt
	}
	e.Type, e.Receipt, e.Message = message.EventReceipt, &r, r.Message
	return nil
}

func contact(e *message.Event, p *convrsapi.Push) error {
	var u convrsapi.User
	switch p.Cmd {
	case convrsapi.OnUserCreate:
		if err := json.Unmarshal(p.Data, &u); err != nil {
			return err
		}
	case convrsapi.OnUserUpdate:
		var update convrsapi.UserUpdate
		if err := json.Unmarshal(p.Data, &update); err != nil {
			return err
		}
		u, e.Data = update.User, update.Update
	default:
		u.UID = p.UID
	}
	e.Contact = contactOf(&u)
	e.User = e.Contact.User
	if e.User == "" {
		return errNoUser
	}
	return nil
}

func contactOf(u *convrsapi.User) *message.Contact {
	c := &message.Contact{User: message.VendorUserID(u.UID), Name: u.Name, Phone: u.Phone, Email: u.Email}
	for name, v := range map[string]string{"first_name": u.FirstName, "last_name": u.LastName, "bot": u.Bot, "lang": u.Lang, "created": u.Created, "notes": u.Notes, "url": u.URL} {
		if v != "" {
			if c.Fields == nil {
				c.Fields = map[string]string{}
			}
			c.Fields[name] = v
		}
	}
	return c
}

// conversation reads a closed conversation, and asks who the user is, since the event gives the uid only. It asks by POST: on the
// websocket the answer might stand behind more events than may wait while this one is read.
func (a *account) conversation(ctx context.Context, e *message.Event, p *convrsapi.Push) error {
	var rows []convrsapi.ConversationMessage
	if err := json.Unmarshal(p.Data, &rows); err != nil {
		return err
	}
	if p.UID == "" {
		return errNoUser
	}
	e.Type = message.EventConversationClosed
	e.Contact = &message.Contact{User: e.User}
	for i := range rows {
		e.Messages = append(e.Messages, inbound(&rows[i]))
	}
	if a.lookup > 0 {
		ctx, cancel := context.WithTimeout(ctx, a.lookup)
		defer cancel()
		if u, err := convrsapi.GetUser.Do(ctx, a.client.ByPost(), convrsapi.UserRequest{UID: p.UID}); err == nil && u.UID == p.UID {
			e.Contact = contactOf(&u)
		}
	}
	return nil
}

// inbound reads one message of a conversation. Notes and transfers are between agents: they count as system, so that
// nobody takes them for what was said to the client.
func inbound(m *convrsapi.ConversationMessage) message.Inbound {
	in := message.Inbound{VendorID: message.VendorMessageID(m.MID), Channel: bots[m.Bot], From: "system", At: convrsapi.ParseTime(m.Date)}
	if in.Channel == "" {
		in.Channel = message.Channel(strings.ToLower(m.Bot))
	}
	if (m.Sender == "client" || m.Sender == "agent") && (m.Type == "text" || m.Type == "image") {
		in.From = m.Sender
	}
	if in.From != "client" && m.Sender == "agent" {
		in.Author = m.Agent
	}
	if m.Type == "image" && strings.HasPrefix(m.Msg, "https://") {
		in.Content.Media = &message.Media{Type: "image", URL: m.Msg}
	} else {
		in.Content.Text = m.Msg
	}
	return in
}
