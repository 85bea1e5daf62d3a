package convrs

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hermodhq/hermod/plugins/convrs/internal/convrsapi"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// platforms are the parts of a uid (BOT-PLATFORM-ID) that samples show, and their channels.
var platforms = map[string]message.Channel{"tel": message.Telegram, "wa3": message.WhatsApp, "cms": message.SMS}

// Send makes one attempt on the delivery's channel.
func (a *account) Send(ctx context.Context, d connector.Delivery) (connector.Result, error) {
	kind := d.Content.Kind()
	if utf8.RuneCountInString(d.Content.Text) > maxText {
		return connector.Result{}, fault.New(fault.ContentRejected, "text_too_long", "the text is longer than %d characters: shorten it", maxText)
	}
	switch {
	case d.Channel == channelRoute && (kind == message.KindTemplate || kind == message.KindText):
		return a.sendRoute(ctx, &d)
	case d.Channel == message.WhatsApp && kind == message.KindTemplate:
		return a.sendTemplate(ctx, &d)
	case d.Channel == message.SMS && kind == message.KindText:
		return a.sendSMS(ctx, &d)
	case textChannel(d.Channel) && kind == message.KindText:
		return a.sendText(ctx, &d)
	}
	return connector.Result{}, fault.New(fault.Unsupported, "kind_unsupported", "channel %s of Convrs cannot carry content of kind %q", d.Channel, kind)
}

func textChannel(c message.Channel) bool {
	switch c {
	case message.WhatsApp, message.Telegram, message.Viber, message.Messenger, message.WebChat, channelLine:
		return true
	}
	return false
}

func result(s convrsapi.Sent, err error) (connector.Result, error) {
	if err != nil {
		return connector.Result{}, faultOf(err, mutates)
	}
	return connector.Result{VendorID: message.VendorMessageID(s.MID), User: message.VendorUserID(s.UID), Outcome: message.Accepted}, nil
}

// needPhone checks what templates and SMS need.
func needPhone(d *connector.Delivery, bot int, setting string) error {
	switch {
	case bot == 0:
		return fault.New(fault.Misconfigured, "bot_missing", "the account has no %s: set it to the botID from Convrs", setting)
	case d.To.Phone == "":
		return fault.New(fault.InvalidRecipient, "phone_missing", "the recipient has no phone number")
	}
	return nil
}

func (a *account) sendTemplate(ctx context.Context, d *connector.Delivery) (connector.Result, error) {
	t := d.Content.Template
	if err := needPhone(d, a.cfg.WhatsAppBot, "whatsapp_bot"); err != nil {
		return connector.Result{}, err
	}
	header, err := a.header(t)
	if err != nil {
		return connector.Result{}, err
	}
	if a.templates != nil {
		if err := a.templates.check(ctx, a.client, a.cfg.WhatsAppBot, t); err != nil {
			return connector.Result{}, err
		}
	}
	in := convrsapi.SendWhatsAppTemplateRequest{BotID: a.cfg.WhatsAppBot, Phone: d.To.Phone, Language: t.Language, TemplateName: t.Name,
		Header: header, AgentEmail: a.cfg.AgentEmail}
	if len(t.Params) > 0 {
		in.Parameters = make([]convrsapi.Parameter, len(t.Params))
		for i, p := range t.Params {
			in.Parameters[i] = convrsapi.Parameter{Type: "text", Text: p}
		}
	}
	if a.callback != "" {
		in.WebhookURL = a.callback
		in.WebhookPayload = map[string]any{"message": d.Message, "attempt": d.Attempt}
	}
	r, err := result(convrsapi.SendWhatsAppTemplate.Do(ctx, a.client, in))
	if err != nil && a.templates != nil {
		a.templates.told(t, fault.From(err))
	}
	return r, err
}

// header writes a media header in WhatsApp's own shape, unless the account refuses to.
func (a *account) header(t *message.Template) (map[string]any, error) {
	switch {
	case len(t.Named) > 0:
		return nil, fault.New(fault.ContentRejected, "params_named", "WhatsApp templates at Convrs take parameters by position: use params")
	case t.Header == nil:
		return nil, nil
	case a.cfg.TemplateHeader == "refuse":
		return nil, fault.New(fault.Unsupported, "header_refused", "media headers are switched off: set template_header to meta")
	case t.Header.URL == "":
		return nil, fault.New(fault.ContentRejected, "header_url_missing", "a media header needs a URL that WhatsApp can fetch")
	}
	media := map[string]any{"link": t.Header.URL}
	if t.Header.Name != "" {
		media["filename"] = t.Header.Name
	}
	return map[string]any{"type": t.Header.Type, t.Header.Type: media}, nil
}

func (a *account) sendSMS(ctx context.Context, d *connector.Delivery) (connector.Result, error) {
	if err := needPhone(d, a.cfg.SMSBot, "sms_bot"); err != nil {
		return connector.Result{}, err
	}
	return result(convrsapi.SendSMSMessage.Do(ctx, a.client, convrsapi.SendSMSMessageRequest{
		BotID: a.cfg.SMSBot, Phone: d.To.Phone, Message: d.Content.Text, AgentEmail: a.cfg.AgentEmail}))
}

func (a *account) sendText(ctx context.Context, d *connector.Delivery) (connector.Result, error) {
	uid := string(d.To.Users[a.name])
	if uid == "" && d.Channel == message.WhatsApp && a.cfg.WhatsAppUIDFromPhone && d.To.Phone != "" && a.cfg.WhatsAppBot != 0 {
		uid = strconv.Itoa(a.cfg.WhatsAppBot) + "-wa3-" + strings.TrimPrefix(d.To.Phone, "+")
	}
	if uid == "" {
		return connector.Result{}, fault.New(fault.InvalidRecipient, "user_missing", "text on channel %s needs the recipient's user id at account %s", d.Channel, a.name)
	}
	if parts := strings.SplitN(uid, "-", 3); len(parts) == 3 {
		if c, known := platforms[parts[1]]; known && c != d.Channel {
			return connector.Result{}, fault.New(fault.InvalidRecipient, "user_other_channel", "the recipient's user id belongs to channel %s, not %s", c, d.Channel)
		}
	}
	_, err := convrsapi.SendTextMessage.Do(ctx, a.client, convrsapi.SendTextMessageRequest{UID: uid, Message: d.Content.Text})
	return result(convrsapi.Sent{UID: uid}, err)
}

// sendRoute takes the template's name for the route and its named values for the userdata.
func (a *account) sendRoute(ctx context.Context, d *connector.Delivery) (connector.Result, error) {
	in := convrsapi.SendMessageRequest{Phone: d.To.Phone, Route: a.cfg.Route, Message: d.Content.Text}
	if t := d.Content.Template; t != nil {
		if len(t.Params) > 0 || t.Header != nil {
			return connector.Result{}, fault.New(fault.ContentRejected, "route_params", "a route takes named values and text only")
		}
		in.Route, in.UserData = cmp.Or(t.Name, in.Route), t.Named
	}
	switch {
	case in.Phone == "":
		return connector.Result{}, fault.New(fault.InvalidRecipient, "phone_missing", "the recipient has no phone number")
	case in.Route == "":
		return connector.Result{}, fault.New(fault.ContentRejected, "route_missing", "name the route as the template's name, or set the account's route")
	case utf8.RuneCountInString(in.Route) > maxRoute:
		return connector.Result{}, fault.New(fault.ContentRejected, "route_too_long", "the route's name is longer than %d characters", maxRoute)
	}
	return result(convrsapi.SendMessage.Do(ctx, a.client, in))
}
