// Package chatondesk is the connector for ChatOnDesk (https://www.chatondesk.com): templates and text on WhatsApp, SMS and any other
// channel of the account, one-time codes, profiles, chat history, reminders and the balance.
package chatondesk

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hermodhq/hermod/plugins/chatondesk/internal/chatondeskapi"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// channelOther is for the channels without one of ours: labelChannel says by message which one, or the setting `channels` for all.
const (
	channelOther message.Channel = "other"
	labelChannel string          = "chatondesk.channel"
)

const connections = 64 // open at once, unless set: more calls would wait for one while their time runs

type config struct {
	APIKey           connector.Secret           `json:"api_key,omitempty" jsonschema:"the account's API key; give it, or user and password"`
	User             string                     `json:"user,omitempty" jsonschema:"user name, in the place of the API key"`
	Password         connector.Secret           `json:"password,omitempty" jsonschema:"password of user"`
	BaseURL          string                     `json:"base_url,omitempty" jsonschema:"base of sending; default https://app.chatondesk.com/api"`
	ChatbotURL       string                     `json:"chatbot_url,omitempty" jsonschema:"base of everything else; default base_url with /chatbot/api in the place of /api"`
	Channels         map[message.Channel]string `json:"channels,omitempty" jsonschema:"system names at ChatOnDesk by channel, added to whatsapp: whatsapp and sms: smsalert; an empty name takes a channel away; other: the one of messages on channel other without a label chatondesk.channel"`
	Body             string                     `json:"body,omitempty" jsonschema:"how requests are written: json (default, documented) or form (what the vendor's own plugin sends)"`
	ReminderList     string                     `json:"reminder_list,omitempty" jsonschema:"method of reminderlist: get (default, documented, a GET with a body) or post"`
	PhoneFormat      string                     `json:"phone_format,omitempty" jsonschema:"how numbers are sent: plus (default, +447700900123) or digits (447700900123)"`
	HeaderKey        string                     `json:"header_key,omitempty" jsonschema:"placeholder that takes the URL of a media header; default file"`
	TemplateTTL      string                     `json:"template_ttl,omitempty" jsonschema:"how long the template list, which orders positional params, is remembered; default 10m, and 0s refuses positional params"`
	TemplateListSize int                        `json:"template_list_size,omitempty" jsonschema:"limit of that templatelist call, whose greatest value is not documented; default 100"`
	Timeout          string                     `json:"timeout,omitempty" jsonschema:"for one call; default 15s"`
	Connections      int                        `json:"connections,omitempty" jsonschema:"open HTTP connections at once; default 64"`
}

type account struct {
	cfg       config
	channels  map[message.Channel]string
	client    *chatondeskapi.Client
	templates *templates // nil when positional params are refused
}

// New returns the connector. It does no I/O.
func New() connector.Connector {
	return connector.Define(connector.Spec{
		Name: "chatondesk", Version: "1.0.0", Vendor: "ChatOnDesk", Docs: "https://www.chatondesk.com/api-docs",
		Summary:  "Templates and text on WhatsApp and SMS through ChatOnDesk, with one-time codes, profiles, chat history and reminders.",
		Channels: channels(),
		Limits:   connector.Limits{Concurrency: connections}, // ChatOnDesk documents no rate
	}, open, operations()...)
}

// channels are those with a system name, the shared ones that the setting `channels` can give one, and the one for all others. No call gives a
// message id and nothing reports what became of a message, so accepted is all that can be known.
func channels() (list []connector.ChannelInfo) {
	for _, c := range []message.Channel{message.WhatsApp, message.SMS, message.Telegram, message.Viber, message.Messenger, message.Instagram, message.WebChat, channelOther} {
		list = append(list, connector.ChannelInfo{Channel: c, Kinds: []message.ContentKind{message.KindTemplate, message.KindText},
			Receipts: connector.NoReceipts, Outcomes: []message.Outcome{message.Accepted}})
	}
	return list
}

func open(_ context.Context, cfg config, env connector.Env) (*account, error) {
	durations := map[string]time.Duration{}
	for name, v := range map[string]string{"timeout": orElse(cfg.Timeout, "15s"), "template_ttl": orElse(cfg.TemplateTTL, "10m")} {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return nil, misconfigured(env, "%s must be a duration such as 15s or 10m", name)
		}
		durations[name] = d
	}
	for name, v := range map[string][3]string{"body": {cfg.Body, "json", "form"}, "reminder_list": {cfg.ReminderList, "get", "post"},
		"phone_format": {cfg.PhoneFormat, "plus", "digits"}} {
		if v[0] != "" && v[0] != v[1] && v[0] != v[2] {
			return nil, misconfigured(env, "%s must be %s or %s", name, v[1], v[2])
		}
	}
	if cfg.Connections < 0 || cfg.TemplateListSize < 0 {
		return nil, misconfigured(env, "connections and template_list_size must not be negative")
	}
	client, err := chatondeskapi.New(chatondeskapi.Options{
		URL: cfg.BaseURL, ChatbotURL: cfg.ChatbotURL, APIKey: cfg.APIKey.Reveal(), User: cfg.User, Password: cfg.Password.Reveal(),
		Form: cfg.Body == "form", PostReminderList: cfg.ReminderList == "post", Timeout: durations["timeout"],
		Connections: orElse(cfg.Connections, connections),
	})
	if err != nil {
		return nil, misconfigured(env, "%w", err)
	}
	a := &account{cfg: cfg, client: client, channels: map[message.Channel]string{message.WhatsApp: "whatsapp", message.SMS: "smsalert"}}
	for c, name := range cfg.Channels {
		if !slices.ContainsFunc(channels(), func(known connector.ChannelInfo) bool { return known.Channel == c }) {
			return nil, misconfigured(env, "channels names %s, which is no channel: send on channel other, with the system name in channels.other or in the label %s of a message", c, labelChannel)
		}
		a.channels[c] = name
	}
	if ttl := durations["template_ttl"]; ttl > 0 {
		a.templates = newTemplates(client, ttl, orElse(cfg.TemplateListSize, templateListSize), time.Now)
	}
	return a, nil
}

func orElse[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}

func misconfigured(env connector.Env, format string, args ...any) error {
	return fault.New(fault.Misconfigured, "config_invalid", "account %s: %w", env.Account, fmt.Errorf(format, args...))
}

// Close ends the account's idle connections.
func (a *account) Close(context.Context) error { return a.client.Close() }

// op declares an operation that is one call of ChatOnDesk, with the call's own fields.
func op[In, Out any](name string, call chatondeskapi.Call[In, Out], summary string, mutates bool) connector.Operation[*account] {
	return connector.Op(name, call.Endpoint(), summary, mutates, func(ctx context.Context, a *account, in In) (Out, error) {
		out, err := call.Do(ctx, a.client, in)
		return out, faultOf(err, in, mutates)
	})
}

const (
	reads   = false
	mutates = true
)

func operations() []connector.Operation[*account] {
	return []connector.Operation[*account]{
		op("template.send", chatondeskapi.SendTemplate, "Send a template to one or several numbers.", mutates),
		op("text.send", chatondeskapi.SendText, "Send a text to one or several numbers.", mutates),
		op("profile.create", chatondeskapi.CreateProfile, "Create a contact's profile.", mutates),
		op("chat.history", chatondeskapi.ChatHistory, "Return a page of a profile's conversation.", reads),
		op("template.list", chatondeskapi.TemplateList, "Return the account's templates.", reads),
		op("channel.list", chatondeskapi.ChannelList, "Return the account's channels.", reads),
		op("code.send", chatondeskapi.SendCode, "Send a one-time code, which ChatOnDesk makes.", mutates),
		op("code.check", chatondeskapi.CheckCode, "Check a one-time code; verified alone says that it was right.", mutates),
		op("reminder.list", chatondeskapi.ReminderList, "Return a page of reminders.", reads),
		op("reminder.create", chatondeskapi.CreateReminder, "Create a reminder.", mutates),
		op("reminder.update", chatondeskapi.UpdateReminder, "Change a reminder.", mutates),
		op("balance.get", chatondeskapi.GetBalance, "Return what the account has left; also shows whether the credentials work.", reads),
	}
}
