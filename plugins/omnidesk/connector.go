// Package omnidesk is the connector for Omnidesk (https://docs.omnidesk.io): text and files to the agents' desk as a live chat,
// the hooks that bring back what agents answer, and its tickets, customers, forms, users, views, channels and mail as operations.
package omnidesk

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	api "github.com/hermodhq/hermod/plugins/omnidesk/internal/omnideskapi"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// channelDesk reaches the agents: what is sent there stands on the ticket of the recipient's chat session. It does not reach the
// recipient, so it is not called webchat.
const channelDesk message.Channel = "desk"

type config struct {
	BaseURL        string            `json:"base_url" jsonschema:"the account's base, such as https://account.omnidesk.com"`
	APIKey         connector.Secret  `json:"api_key" jsonschema:"API key; channel desk and chat operations need its permission API_CHAT"`
	Auth           string            `json:"auth,omitempty" jsonschema:"where the key goes: header (default) or query"`
	ChatToken      connector.Secret  `json:"chat_token,omitempty" jsonschema:"chatAccountToken, made in Omnidesk; needed for channel desk"`
	ChatServer     string            `json:"chat_server,omitempty" jsonschema:"base URL of the hooks as Omnidesk sees it; default the account's webhook URL with the hook secret"`
	HookAuth       string            `json:"hook_auth,omitempty" jsonschema:"what hook calls must carry, since Omnidesk signs nothing: path (default, the secret) or none: every call is believed"`
	HookSecret     connector.Secret  `json:"hook_secret,omitempty" jsonschema:"first path segment of every hook call: letters, digits and hyphens; without it every hook call is refused, unless hook_auth is none"`
	HookRepeats    string            `json:"hook_repeats,omitempty" jsonschema:"equal hook calls without message id and time are one event within this time, since nothing tells a repeat; default 1m, and 0s takes each for an event"`
	HookFields     map[string]string `json:"hook_fields,omitempty" jsonschema:"names of fields in hooks, which are not documented: session, message, agent, ticket, file, file_name, typing, id, time"`
	EndHook        string            `json:"end_hook,omitempty" jsonschema:"hook that ends a chat, which is not documented; default endChatForCustomer"`
	SessionPrefix  *string           `json:"session_prefix,omitempty" jsonschema:"before the digits of a phone number that serves as chatSessionID; default tel-, and + gives the E.164 number"`
	ChannelID      int               `json:"channel_id,omitempty" jsonschema:"channelID of chat messages; default 8, live chat"`
	PageURL        string            `json:"page_url,omitempty" jsonschema:"url of chat messages; default the chat server"`
	Attachment     string            `json:"attachment,omitempty" jsonschema:"how files are sent: base64 (default, as documented) or binary"`
	EmptyAnswer    string            `json:"empty_answer,omitempty" jsonschema:"what an empty answer to a chat message means, which the specification declares and the guide does not: accepted (default) or unknown"`
	Encoding       string            `json:"encoding,omitempty" jsonschema:"of request bodies: multipart (default, as declared) or json (as the samples print)"`
	Paging         string            `json:"paging,omitempty" jsonschema:"items (default, itemStart and itemLimit as documented) or pages (page and limit)"`
	ChatEvents     []string          `json:"chat_events,omitempty" jsonschema:"values of event, which are not documented; default startedtyping, stoppedtyping"`
	SubmitStatuses []string          `json:"submit_statuses,omitempty" jsonschema:"values of submitStatus, which are not documented; default open, pending, holding, solved"`
	Paths          map[string]string `json:"paths,omitempty" jsonschema:"paths by endpoint, such as GET customer/{id}, where the inferred ones are wrong"`
	TimeZone       string            `json:"time_zone,omitempty" jsonschema:"of times in hooks, which have none; default UTC"`
	Timeout        string            `json:"timeout,omitempty" jsonschema:"for one call; default 15s"`
	Connections    int               `json:"connections,omitempty" jsonschema:"open HTTP connections at once; default 64"`
}

type account struct {
	name       message.AccountID
	cfg        config
	client     *api.Client
	chatServer string
	repeats    time.Duration
	prefix     string // of sessions made from phone numbers
	zone       *time.Location
	now        func() time.Time
}

// New returns the connector. It does no I/O.
func New() connector.Connector {
	return connector.Define(connector.Spec{
		Name: "omnidesk", Version: "1.0.0", Vendor: "Omnidesk", Docs: "https://docs.omnidesk.io",
		Summary: "Live chat with the agents of Omnidesk, and its tickets, customers, forms, users, views, channels and mail.",
		Channels: []connector.ChannelInfo{{Channel: channelDesk, Kinds: []message.ContentKind{message.KindText, message.KindMedia},
			Receipts: connector.NoReceipts, Outcomes: []message.Outcome{message.Accepted}}},
		Events: []message.EventType{message.EventMessageReceived, message.EventConversationClosed, eventTyping},
	}, open, operations()...)
}

func open(_ context.Context, cfg config, env connector.Env) (*account, error) {
	misconfigured := func(format string, args ...any) error {
		return fault.New(fault.Misconfigured, "config_invalid", "account %s: %w", env.Account, fmt.Errorf(format, args...))
	}
	for name, v := range map[string][3]string{"auth": {cfg.Auth, "header", "query"}, "hook_auth": {cfg.HookAuth, "path", "none"}, "empty_answer": {cfg.EmptyAnswer, "accepted", "unknown"}, "attachment": {cfg.Attachment, "base64", "binary"}, "paging": {cfg.Paging, "items", "pages"}} {
		if v[0] != "" && v[0] != v[1] && v[0] != v[2] {
			return nil, misconfigured("%s must be %s or %s", name, v[1], v[2])
		}
	}
	for name := range cfg.HookFields {
		if hookFields[name] == nil {
			return nil, misconfigured("hook_fields has no field %q", name)
		}
	}
	timeout, err := time.ParseDuration(cmp.Or(cfg.Timeout, "0s"))
	if err != nil || timeout < 0 {
		return nil, misconfigured("timeout must be a duration such as 15s")
	}
	repeats, err := time.ParseDuration(cmp.Or(cfg.HookRepeats, "1m"))
	if err != nil || repeats < 0 {
		return nil, misconfigured("hook_repeats must be a duration such as 1m")
	}
	zone, err := time.LoadLocation(cmp.Or(cfg.TimeZone, "UTC"))
	if err != nil {
		return nil, misconfigured("time_zone must be a name such as Europe/Amsterdam")
	}
	hooks := env.WebhookURL
	if s := cfg.HookSecret.Reveal(); s != "" && !api.Allowed("plainsession", s) {
		return nil, misconfigured("hook_secret must be of letters, digits and hyphens")
	} else if s != "" && hooks != "" {
		hooks += "/" + s
	}
	a := &account{name: env.Account, cfg: cfg, chatServer: strings.TrimRight(cmp.Or(cfg.ChatServer, hooks), "/"), prefix: "tel-", repeats: repeats, zone: zone, now: time.Now}
	if cfg.SessionPrefix != nil {
		a.prefix = *cfg.SessionPrefix
	}
	switch {
	case !api.Allowed("session", a.prefix+"0") || len(a.prefix)+maxDigits > maxSession:
		return nil, misconfigured("session_prefix must be of letters, digits and hyphens, 50 at most; a + may stand in front")
	case cfg.EndHook != "" && !hookName.MatchString(cfg.EndHook):
		return nil, misconfigured("end_hook must be the name of a hook, such as endChatForCustomer")
	}
	a.client, err = api.New(api.Options{
		URL: cfg.BaseURL, APIKey: cfg.APIKey.Reveal(), KeyInQuery: cfg.Auth == "query", Encoding: cfg.Encoding, BinaryFiles: cfg.Attachment == "binary",
		PageNumbers: cfg.Paging == "pages", ChatServer: a.chatServer, ChatAccountToken: cfg.ChatToken.Reveal(), ChannelID: cfg.ChannelID,
		Events: cfg.ChatEvents, SubmitStatuses: cfg.SubmitStatuses, Paths: cfg.Paths, Timeout: timeout, Connections: cfg.Connections,
	})
	if err != nil {
		return nil, misconfigured("%w", err)
	}
	return a, nil
}

// Close releases the account's connections.
func (a *account) Close(context.Context) error { return a.client.Close() }
