// Package chat2desk is the connector for Chat2Desk (https://chat2desk.com): text, files, buttons and lists on every transport of
// its Public API, its webhooks, and its other endpoints as operations.
package chat2desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/hermodhq/hermod/plugins/chat2desk/internal/chat2deskapi"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

type config struct {
	Token              connector.Secret `json:"token" jsonschema:"the company's API token, from Settings > API; a widget token is refused by the API"`
	BaseURL            string           `json:"base_url,omitempty" jsonschema:"HTTPS endpoint up to /v1; default https://api.chat2desk.com/v1"`
	TokenScheme        string           `json:"token_scheme,omitempty" jsonschema:"word before the token in the Authorization header, such as Bearer; default none"`
	ChannelID          int64            `json:"channel_id,omitempty" jsonschema:"Chat2Desk channel to send from and to make clients in; default that of the client's last message"`
	OperatorID         int64            `json:"operator_id,omitempty" jsonschema:"operator to send as; default that of the dialog"`
	WriteFirst         bool             `json:"write_first,omitempty" jsonschema:"make a client where none has the phone number: the paid option Write first; default false"`
	WithoutDialog      bool             `json:"without_dialog,omitempty" jsonschema:"send without opening a dialog; default false"`
	Buttons            string           `json:"buttons,omitempty" jsonschema:"how buttons are sent: auto (default: interactive on wa_dialog, inline elsewhere), inline, keyboard or interactive"`
	InteractiveForm    string           `json:"interactive_form,omitempty" jsonschema:"how interactive is written, on which public clients differ: object (default) or text, a JSON text"`
	InteractiveButtons string           `json:"interactive_buttons,omitempty" jsonschema:"type of interactive buttons: buttons (default, the changelog's word) or button (WhatsApp's word)"`
	TicketID           string           `json:"ticket_id,omitempty" jsonschema:"where a changed ticket is named, which is not documented: path (default) or body"`
	WebhookAuth        string           `json:"webhook_auth,omitempty" jsonschema:"what webhook calls must carry: hmac (default), path (the secret as last path segment) or none: every call is believed"`
	WebhookSecret      connector.Secret `json:"webhook_secret,omitempty" jsonschema:"needed unless webhook_auth is none; without it every webhook call is refused"`
	SignatureHeader    string           `json:"signature_header,omitempty" jsonschema:"header of the HMAC, which is not documented; default X-Chat2Desk-Signature, a placeholder"`
	SignatureAlgorithm string           `json:"signature_algorithm,omitempty" jsonschema:"sha256 (default), sha1 or sha512; not documented"`
	SignatureEncoding  string           `json:"signature_encoding,omitempty" jsonschema:"hex (default) or base64; not documented"`
	SignaturePrefix    string           `json:"signature_prefix,omitempty" jsonschema:"text before the signature, such as sha256=; default none"`
	SignatureContent   string           `json:"signature_content,omitempty" jsonschema:"what is signed, which is not documented: default {body}, the raw body; {NAME} is another header, as in {X-Timestamp}.{body}"`
	ReceiptID          string           `json:"receipt_id,omitempty" jsonschema:"field of outbox_status for the message, which is not documented; default message_id, else id"`
	ReceiptStatus      string           `json:"receipt_status,omitempty" jsonschema:"field of outbox_status for the state; default status, else recipient_status"`
	ReceiptError       string           `json:"receipt_error,omitempty" jsonschema:"field of outbox_status for the messenger's error; default error, else message"`
	StorageURL         string           `json:"storage_url,omitempty" jsonschema:"host of files that webhooks give as a path; default none: such files keep their name only"`
	Timeout            string           `json:"timeout,omitempty" jsonschema:"for one call; default 15s, and three times as long for statistics"`
	Connections        int              `json:"connections,omitempty" jsonschema:"open HTTP connections at once; default 64"`
}

type account struct {
	name      message.AccountID
	cfg       config
	client    *chat2deskapi.Client
	signature chat2deskapi.Signature
	now       func() time.Time
	clients   *lru.Cache[string, int64] // by phone and transport
}

// New returns the connector. It does no I/O.
func New() connector.Connector {
	return connector.Define(connector.Spec{
		Name: "chat2desk", Version: "1.0.0", Vendor: "Chat2Desk", Docs: "https://documenter.getpostman.com/view/8899980/UVC8BRBo",
		Summary:  "Messages on every transport of Chat2Desk, with its clients, dialogs, requests, tags, operators, tickets and statistics.",
		Channels: channels(),
		Events:   eventTypes(),
		Limits:   connector.Limits{PerSecond: 5}, // 300 a minute, the only figure anyone names
	}, open, operations()...)
}

// transports are Chat2Desk's names of our shared channels. All other transports are channels under their own names.
var transports = map[message.Channel]string{message.Messenger: "facebook", message.Instagram: "insta_direct", message.WebChat: "widget"}

const (
	transportDialog = "wa_dialog" // the one with interactive messages
	transportSystem = "system"    // stays within Chat2Desk
)

// byPhone are the transports whose clients have a phone number, so that a client can be made for one.
var byPhone = []string{"whatsapp", transportDialog, "wa_direct", "wa_clickatell", "wa_infobip", "wa_cm", "wa_tr", "wa_wavy", "wa_botmaker", "tg_user", "viber",
	"viber_business", "viber_public", "viber_tr", "viber_infobip", "sms", "sms_infobip", "vox_implant"}

var byUserID = []string{"telegram", "facebook", "insta_direct", "insta_i2crm", "insta_local", "vk", "vkontakte", "ok", "wechat", "skype", "email",
	"widget", "external", "yandex_dialogs", transportSystem}

func transportOf(c message.Channel) string { return cmp.Or(transports[c], string(c)) }

func channelOf(transport string) message.Channel {
	for c, t := range transports {
		if t == transport {
			return c
		}
	}
	return message.Channel(transport)
}

func channels() []connector.ChannelInfo {
	var list []connector.ChannelInfo
	for _, t := range slices.Concat(byPhone, byUserID) {
		c := connector.ChannelInfo{Channel: channelOf(t), Kinds: []message.ContentKind{message.KindText, message.KindMedia, message.KindInteractive},
			Receipts: connector.Pushed, Outcomes: []message.Outcome{message.Accepted, message.Sent, message.Delivered, message.Read}, NeedsUserID: slices.Contains(byUserID, t)}
		if t == transportSystem {
			c.Receipts, c.Outcomes = connector.NoReceipts, []message.Outcome{message.Accepted}
		}
		list = append(list, c)
	}
	return list
}

func open(_ context.Context, cfg config, env connector.Env) (*account, error) {
	timeout, err := time.ParseDuration(cmp.Or(cfg.Timeout, "0s"))
	if err != nil {
		return nil, misconfigured(env, "timeout must be a duration such as 15s")
	}
	choose := func(name string, value *string, allowed ...string) { // the first is the default
		if *value = cmp.Or(*value, allowed[0]); err == nil && !slices.Contains(allowed, *value) {
			err = misconfigured(env, "%s must be one of %q", name, allowed)
		}
	}
	choose("buttons", &cfg.Buttons, "auto", "inline", "keyboard", "interactive")
	choose("interactive_form", &cfg.InteractiveForm, "object", "text")
	choose("interactive_buttons", &cfg.InteractiveButtons, "buttons", "button")
	choose("ticket_id", &cfg.TicketID, "path", "body")
	choose("webhook_auth", &cfg.WebhookAuth, "hmac", "path", "none")
	if err != nil {
		return nil, err
	}
	client, err := chat2deskapi.New(chat2deskapi.Options{URL: cfg.BaseURL, Token: cfg.Token.Reveal(), Scheme: cfg.TokenScheme, Timeout: timeout,
		Connections: cfg.Connections, TicketIDInBody: cfg.TicketID == "body"})
	if err != nil {
		return nil, misconfigured(env, "%w", err)
	}
	a := &account{name: env.Account, cfg: cfg, client: client, now: time.Now,
		signature: chat2deskapi.Signature{Header: cfg.SignatureHeader, Algorithm: cfg.SignatureAlgorithm, Encoding: cfg.SignatureEncoding,
			Prefix: cfg.SignaturePrefix, Content: cfg.SignatureContent, Secret: cfg.WebhookSecret.Reveal()}}
	if err := a.signature.Check(); err != nil {
		return nil, misconfigured(env, "%w", err)
	}
	a.clients, err = lru.New[string, int64](10_000)
	return a, err
}

func misconfigured(env connector.Env, format string, args ...any) error {
	return fault.New(fault.Misconfigured, "config_invalid", "account %s: %w", env.Account, fmt.Errorf(format, args...))
}

// Close ends the account's connections.
func (a *account) Close(context.Context) error { return a.client.Close() }
