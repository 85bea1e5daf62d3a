// Command conversation-to-ticket lets two vendors work together by a rule alone: a conversation that an agent closed at Convrs becomes a
// ticket at Omnidesk. The rule is rules/reactions.yaml; both vendors are simulators on loopback.
package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/plugins/convrs"
	"github.com/hermodhq/hermod/plugins/convrs/convrssim"
	"github.com/hermodhq/hermod/plugins/omnidesk"
	"github.com/hermodhq/hermod/plugins/omnidesk/omnidesksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

//go:embed rules
var rules embed.FS

func main() {
	connector.ServeIfAsked(convrs.New(), omnidesk.New())
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	data, err := os.MkdirTemp("", "hermod-conversation-to-ticket")
	if err != nil {
		return err
	}
	defer os.RemoveAll(data)
	webhooks, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer webhooks.Close()
	public := "http://" + webhooks.Addr().String()

	chats := convrssim.New(convrssim.Options{WebhookURL: public + "/convrs-uk/events/sesame", Users: []convrssim.User{{UID: "u1", Name: "Ada", Phone: "+447700900142", Bot: "WA3"}}})
	defer chats.Close()
	chatsURL, err := chats.Start()
	if err != nil {
		return err
	}
	desk := omnidesksim.New(omnidesksim.Options{})
	defer desk.Close()
	deskURL, err := desk.Start()
	if err != nil {
		return err
	}

	engine, err := core.New(core.Config{
		Data: filepath.Join(data, "journal"), Rules: afero.FromIOFS{FS: rules}, PublicURL: public,
		Connectors: []connector.Connector{convrs.New(), omnidesk.New()},
		Accounts: map[message.AccountID]core.Account{
			"convrs-uk":   account("convrs", map[string]any{"base_url": chatsURL, "token": convrssim.Token, "webhook_secret": "sesame", "contact_lookup": "2s"}),
			"omnidesk-nl": account("omnidesk", map[string]any{"base_url": deskURL, "api_key": omnidesksim.APIKey}),
		},
	})
	if err != nil {
		return err
	}
	if err := engine.Start(ctx); err != nil {
		return err
	}
	defer engine.Stop(context.WithoutCancel(ctx))
	server := &http.Server{Handler: engine.Webhooks(), ReadHeaderTimeout: 10 * time.Second}
	defer server.Close()
	go func() { _ = server.Serve(webhooks) }()

	for _, said := range []convrssim.ConversationMessage{
		{UID: "u1", Name: "Ada", Sender: "client", Type: "text", Msg: "My parcel is lost.", Date: "2026-01-31T09:00:00"},
		{UID: "u1", Agent: "Agent", Sender: "agent", Type: "text", Msg: "I shall look after it.", Date: "2026-01-31T09:01:00"},
		{UID: "u1", Name: "Ada", Sender: "client", Type: "text", Msg: "Thank you.", Date: "2026-01-31T09:02:00"},
	} {
		chats.Say(said)
	}
	chats.CloseConversation("u1")

	if err := awaitTicket(ctx, engine); err != nil {
		return err
	}
	requests, _ := desk.Seen()
	for _, r := range requests {
		fmt.Printf("%s from %s: %s\n%s\n", r.Name, r.Form.Get("from"), r.Form.Get("subject"), r.Form.Get("message"))
	}
	return nil
}

// awaitTicket follows the events until the rule tells that the ticket is made, or that something went wrong.
func awaitTicket(ctx context.Context, engine *core.Engine) error {
	enough := errors.New("enough")
	err := engine.Events(ctx, "example", func(_ context.Context, ev message.Event) error {
		switch ev.Type {
		case message.EventReactionTold:
			return enough
		case message.EventReactionFailed, message.EventReactionUnknown:
			return fmt.Errorf("the reaction ended as %s: %s", ev.Type, ev.Data)
		}
		return nil
	})
	if errors.Is(err, enough) {
		return nil
	}
	return err
}

func account(name message.ConnectorName, config map[string]any) core.Account {
	text, err := json.Marshal(config)
	if err != nil {
		panic(err) // texts only
	}
	return core.Account{Connector: name, Config: text}
}
