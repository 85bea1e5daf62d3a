package omnidesk

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"

	api "github.com/hermodhq/hermod/plugins/omnidesk/internal/omnideskapi"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

const (
	labelNumber = "message_number" // the label with which a host numbers the messages of a session
	maxNumber   = 50               // documented bound of messageNumber; later messages leave it out
	minSession  = 10               // documented bounds of chatSessionID, in characters
	maxSession  = 65
	maxDigits   = 15 // of a phone number
)

// Send puts the content before the agents as the recipient's chat: a session's first message makes its ticket. Text, with a
// media URL behind it, is one message; the bytes of a file follow as an attachment.
func (a *account) Send(ctx context.Context, d connector.Delivery) (connector.Result, error) {
	c, kind := &d.Content, d.Content.Kind()
	session, err := a.session(&d.To)
	switch {
	case d.Channel != channelDesk || kind != message.KindText && kind != message.KindMedia:
		return connector.Result{}, fault.New(fault.Unsupported, "kind_unsupported", "channel %s of Omnidesk cannot carry content of kind %q", d.Channel, kind)
	case a.cfg.ChatToken == "" || a.chatServer == "":
		return connector.Result{}, fault.New(fault.Misconfigured, "chat_missing", "channel desk needs the settings chat_token, and chat_server or a public webhook URL")
	case err != nil:
		return connector.Result{}, err
	}
	text := strings.TrimSpace(c.Subject + "\n\n" + c.Text)
	if c.Media != nil && c.Media.URL != "" {
		text = strings.TrimSpace(text + "\n" + c.Media.URL)
	}
	if text == "" && (c.Media == nil || len(c.Media.Data) == 0) {
		return connector.Result{}, fault.New(fault.ContentRejected, "text_empty", "there is nothing to send: the text is blank")
	}
	result := connector.Result{User: message.VendorUserID(session), Outcome: message.Accepted}
	var number *int
	if n, _ := strconv.Atoi(d.Labels[labelNumber]); n > 0 && n <= maxNumber {
		number = &n
	}
	if text != "" {
		reply, err := api.NotifyUserNewChatMessage.Do(ctx, a.client, api.ChatMessage{
			ChatSessionID: session, Message: text, MessageNumber: number, URL: cmp.Or(a.cfg.PageURL, a.chatServer),
			CustomerName: fitting("name", d.To.Name), EmailAddress: fitting("email", d.To.Email), PhoneNumber: fitting("phone", d.To.Phone)})
		if err != nil {
			return connector.Result{}, faultOf(err, api.NotifyUserNewChatMessage.Info)
		}
		if !described(&reply) || reply.Empty() && a.cfg.EmptyAnswer == "unknown" {
			return connector.Result{}, errUndescribed()
		}
		if reply.TicketID != 0 {
			result.Detail = map[string]string{"ticketID": strconv.Itoa(reply.TicketID)}
		}
	}
	if c.Media != nil && len(c.Media.Data) > 0 {
		return result, a.attach(ctx, &d, session, number, text != "")
	}
	return result, nil
}

// attach sends a file. After its text was taken, a failure leaves a message that has arrived in part: calling again would repeat the text.
func (a *account) attach(ctx context.Context, d *connector.Delivery, session string, number *int, partly bool) error {
	reply, err := api.AddAttachment.Do(ctx, a.client, api.ChatAttachment{ChatSessionID: session, PhoneNumber: fitting("anyphone", d.To.Phone),
		MessageNumber: number, File: base64.StdEncoding.EncodeToString(d.Content.Media.Data),
		FileName: cmp.Or(d.Content.Media.Name, d.Content.Media.Type)})
	if err != nil && partly {
		return fault.New(fault.OutcomeUnknown, "attachment_failed", "the text is on the ticket and its file is not: %w", faultOf(err, api.AddAttachment.Info))
	}
	if err == nil && !described(&reply) {
		return errUndescribed()
	}
	return faultOf(err, api.AddAttachment.Info)
}

// described says whether an answer may be Omnidesk's: empty, as the specification says, or no mere word or number.
func described(r *api.Reply) bool { return len(r.Item) == 0 || r.Item[0] == '{' }

func errUndescribed() error {
	return fault.New(fault.OutcomeUnknown, "reply_invalid", "Omnidesk's answer has no shape that it describes")
}

// fitting leaves out what Omnidesk's pattern refuses: a name such as Zoë is no reason to lose the message.
func fitting(pattern, v string) string {
	if !api.Allowed(pattern, v) {
		return ""
	}
	return v
}

// session is the chat session of a recipient, the same for every message: their user id at this account, else their phone
// number, else a hash of their e-mail address.
func (a *account) session(to *message.Recipient) (string, error) {
	id := string(to.Users[a.name])
	switch {
	case id != "":
	case to.Phone != "":
		id = a.prefix + strings.TrimPrefix(to.Phone, "+")
	case to.Email != "":
		sum := sha256.Sum256([]byte(strings.ToLower(to.Email)))
		id = "mail-" + hex.EncodeToString(sum[:16])
	default:
		return "", fault.New(fault.InvalidRecipient, "session_missing", "the recipient has no user id at account %s, phone number or e-mail address", a.name)
	}
	if len(id) < minSession || len(id) > maxSession || !api.Allowed("session", id) {
		return "", fault.New(fault.InvalidRecipient, "session_invalid", "the recipient's session id is not what Omnidesk takes: 10 to 65 letters, digits and hyphens")
	}
	return id, nil
}

// phoneOf is the phone number that a session was made from, where it was.
func (a *account) phoneOf(session string) string {
	if digits, ok := strings.CutPrefix(session, a.prefix); ok && api.Allowed("phone", "+"+digits) {
		return "+" + digits
	}
	return ""
}
