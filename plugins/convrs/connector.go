// Package convrs is the connector for Convrs (https://convrs.io): WhatsApp templates, SMS, text to the users of every chat
// platform that Convrs serves, server routes, and all other commands of its API as operations.
package convrs

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/hermodhq/hermod/plugins/convrs/internal/convrsapi"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Channels beside the shared ones.
const (
	channelLine  message.Channel = "line"
	channelRoute message.Channel = "route" // SendMessage: a route at Convrs decides how the recipient is reached
)

const (
	maxText  = 2000    // characters; errorCode 1013
	maxRoute = 256     // characters; errorCode 1014
	lookup   = "250ms" // for the contact of a closed conversation: the answer to the webhook call waits for it
)

type config struct {
	Token                connector.Secret `json:"token" jsonschema:"the organization's API token, from Integrations > Convrs API"`
	BaseURL              string           `json:"base_url,omitempty" jsonschema:"HTTPS endpoint from Integrations > Convrs API; default https://data.conv.rs/api"`
	WebSocketURL         string           `json:"websocket_url,omitempty" jsonschema:"WSS endpoint; default base_url with the scheme wss"`
	WhatsAppBot          int              `json:"whatsapp_bot,omitempty" jsonschema:"botID of the WhatsApp bot; needed for WhatsApp templates"`
	SMSBot               int              `json:"sms_bot,omitempty" jsonschema:"botID of the SMS bot; needed for sms"`
	Transport            string           `json:"transport,omitempty" jsonschema:"how commands are sent: post (default) or websocket"`
	Events               string           `json:"events,omitempty" jsonschema:"how events come: webhook (default) or websocket"`
	WebhookSecret        connector.Secret `json:"webhook_secret,omitempty" jsonschema:"needed unless webhook_auth is none; without it every webhook call is refused"`
	WebhookAuth          string           `json:"webhook_auth,omitempty" jsonschema:"what webhook calls must carry, since Convrs signs nothing: path (default, the secret as last path segment or as query value secret) or none: every call is believed"`
	Route                string           `json:"route,omitempty" jsonschema:"route of channel route for messages without a template; none by default"`
	AgentEmail           string           `json:"agent_email,omitempty" jsonschema:"agent that templates and SMS are assigned to; none by default"`
	TemplateTTL          string           `json:"template_ttl,omitempty" jsonschema:"how long a template's state is remembered; default 10m, and 0s sends templates unchecked"`
	TemplateHeader       string           `json:"template_header,omitempty" jsonschema:"shape of media headers, which Convrs does not document: meta (default, WhatsApp's own) or refuse"`
	Timeout              string           `json:"timeout,omitempty" jsonschema:"for one command; default 15s"`
	Connections          int              `json:"connections,omitempty" jsonschema:"open HTTP connections at once; default 64"`
	ReplacedPause        string           `json:"replaced_pause,omitempty" jsonschema:"before connecting again after another client took the websocket over; default 5m"`
	FlatStartField       string           `json:"flat_start_field,omitempty" jsonschema:"field of GetConversationsFlat for the start date, which is not documented; default startDate"`
	FlatEndField         string           `json:"flat_end_field,omitempty" jsonschema:"the same for the end date; default endDate"`
	WhatsAppUIDFromPhone bool             `json:"whatsapp_uid_from_phone,omitempty" jsonschema:"send WhatsApp text to BOT-wa3-DIGITS where the recipient has no user id here; a rule seen in samples, not documented; default false"`
	ContactLookup        string           `json:"contact_lookup,omitempty" jsonschema:"how long the answer to a webhook call may wait for GetUser, which tells the contact of a closed conversation; default 250ms, and 0s asks for none"`
}

type account struct {
	name      message.AccountID
	cfg       config
	client    *convrsapi.Client
	templates *templates
	callback  string // webhookURL of templates; empty when the account has no public URL
	now       func() time.Time
	lookup    time.Duration // for the contact of a closed conversation; zero: none
}

// New returns the connector. It does no I/O.
func New() connector.Connector {
	return connector.Define(connector.Spec{
		Name: "convrs", Version: "1.0.0", Vendor: "Convrs", Docs: "https://convrs.io/docs/integrations/convrs-api",
		Summary:  "WhatsApp templates, SMS and chat text through Convrs, with its users, tags and conversations.",
		Channels: channels(),
		Events: []message.EventType{message.EventReceipt, message.EventConversationClosed, message.EventContactCreated, message.EventContactUpdated,
			message.EventContactDeleted, message.EventContactBlocked, message.EventContactUnblocked},
		Limits: connector.Limits{PerSecond: 10, PerRecipientPerSecond: 1},
	}, open, operations()...)
}

func channels() []connector.ChannelInfo {
	accepted := []message.Outcome{message.Accepted}
	list := []connector.ChannelInfo{
		{Channel: message.WhatsApp, Kinds: []message.ContentKind{message.KindTemplate, message.KindText}, MaxText: maxText, Receipts: connector.Pushed, Session: 24 * time.Hour,
			Outcomes: []message.Outcome{message.Accepted, message.Sent, message.Delivered, message.Read, message.Replied}},
		{Channel: message.SMS, Kinds: []message.ContentKind{message.KindText}, MaxText: maxText, Receipts: connector.Polled,
			Outcomes: []message.Outcome{message.Accepted, message.Sent, message.Delivered}},
		{Channel: channelRoute, Kinds: []message.ContentKind{message.KindTemplate, message.KindText}, MaxText: maxText, Receipts: connector.NoReceipts, Outcomes: accepted},
	}
	for _, c := range []message.Channel{message.Telegram, message.Viber, message.Messenger, message.WebChat, channelLine} {
		list = append(list, connector.ChannelInfo{Channel: c, Kinds: []message.ContentKind{message.KindText}, MaxText: maxText,
			Receipts: connector.NoReceipts, Outcomes: accepted, NeedsUserID: true})
	}
	return list
}

func open(_ context.Context, cfg config, env connector.Env) (*account, error) {
	durations := map[string]time.Duration{}
	for name, v := range map[string]string{"timeout": cfg.Timeout, "template_ttl": cfg.TemplateTTL, "replaced_pause": cfg.ReplacedPause,
		"contact_lookup": cmp.Or(cfg.ContactLookup, lookup)} {
		d, err := time.ParseDuration(cmp.Or(v, "0s"))
		if err != nil || d < 0 {
			return nil, misconfigured(env, "%s must be a duration such as 15s or 10m", name)
		}
		durations[name] = d
	}
	for name, v := range map[string][3]string{"transport": {cfg.Transport, "post", "websocket"}, "events": {cfg.Events, "webhook", "websocket"},
		"webhook_auth": {cfg.WebhookAuth, "path", "none"}, "template_header": {cfg.TemplateHeader, "meta", "refuse"}} {
		if v[0] != "" && v[0] != v[1] && v[0] != v[2] {
			return nil, misconfigured(env, "%s must be %s or %s", name, v[1], v[2])
		}
	}
	if cfg.Connections < 0 {
		return nil, misconfigured(env, "connections must not be negative")
	}
	client, err := convrsapi.New(convrsapi.Options{
		URL: cfg.BaseURL, SocketURL: cfg.WebSocketURL, Token: cfg.Token.Reveal(), Socket: cfg.Transport == "websocket",
		Timeout: durations["timeout"], Connections: cfg.Connections, ReplacedPause: durations["replaced_pause"],
		StartField: cfg.FlatStartField, EndField: cfg.FlatEndField,
	})
	if err != nil {
		return nil, misconfigured(env, "%w", err)
	}
	a := &account{name: env.Account, cfg: cfg, client: client, now: time.Now, lookup: durations["contact_lookup"]}
	if ttl := durations["template_ttl"]; cfg.TemplateTTL == "" || ttl > 0 {
		a.templates = newTemplates(max(ttl, 0), func() time.Time { return a.now() })
	}
	if env.WebhookURL != "" {
		a.callback = env.WebhookURL + "/callback"
		if cfg.WebhookSecret != "" {
			a.callback += "/" + url.PathEscape(cfg.WebhookSecret.Reveal())
		}
	}
	return a, nil
}

func misconfigured(env connector.Env, format string, args ...any) error {
	return fault.New(fault.Misconfigured, "config_invalid", "account %s: %w", env.Account, fmt.Errorf(format, args...))
}

// Close ends the account's connections and waits for its goroutines.
func (a *account) Close(context.Context) error { return a.client.Close() }

// op declares an operation that is one command of Convrs, with the command's own fields.
func op[In, Out any](name string, cmd convrsapi.Command[In, Out], summary string, mutates bool) connector.Operation[*account] {
	return connector.Op(name, cmd.Name(), summary, mutates, func(ctx context.Context, a *account, in In) (Out, error) {
		out, err := cmd.Do(ctx, a.client, in)
		return out, faultOf(err, mutates)
	})
}

const (
	reads   = false
	mutates = true
)

func operations() []connector.Operation[*account] {
	return []connector.Operation[*account]{
		op("user.get", convrsapi.GetUser, "Return one user.", reads),
		op("user.list", convrsapi.GetUsers, "Return users, at most 5000; step by CreatedDate.", reads),
		op("user.set_data", convrsapi.SetUserData, "Merge or replace a user's custom data, and trigger a flow route.", mutates),
		op("user.set_name", convrsapi.SetUserName, "Set a user's name.", mutates),
		op("user.set_email", convrsapi.SetUserEmail, "Set a user's e-mail address.", mutates),
		op("user.set_notes", convrsapi.SetUserNotes, "Set a user's notes.", mutates),
		op("user.set_phone", convrsapi.SetUserPhone, "Set a user's phone number.", mutates),
		op("user.tags", convrsapi.GetUserTags, "Return a user's tags.", reads),
		op("user.tag", convrsapi.SetUserTag, "Add an existing tag to a user.", mutates),
		op("user.untag", convrsapi.DeleteUserTag, "Remove a tag from a user.", mutates),
		op("tag.create", convrsapi.CreateUserTag, "Create a tag.", mutates),
		op("conversation.get", convrsapi.GetConversation, "Return all messages of a user.", reads),
		op("conversation.closed", convrsapi.GetConversationsFlat, "Return the messages of finished agent conversations, at most 1000 conversations.", reads),
		op("conversation.open", convrsapi.GetOpenConversations, "Return the agent conversations that are open.", reads),
		op("whatsapp.send_template", convrsapi.SendWhatsAppTemplate, "Send a WhatsApp template to a phone number.", mutates),
		op("whatsapp.get_template", convrsapi.GetWhatsAppTemplate, "Return a WhatsApp template.", reads),
		op("sms.send", convrsapi.SendSMSMessage, "Send an SMS to a phone number.", mutates),
		op("text.send", convrsapi.SendTextMessage, "Send text to a user.", mutates),
		op("route.send", convrsapi.SendMessage, "Send a message through a route at Convrs.", mutates),
		op("message.get", convrsapi.GetMessageDetails, "Return the delivery state of a message.", reads),
	}
}
