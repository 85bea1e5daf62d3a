// Command tag-to-reminder lets two vendors work together by rules alone: a tag that an agent puts on a client at Chat2Desk starts a
// reminder at ChatOnDesk. The rules are rules/reactions.yaml; both vendors are simulators on loopback.
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
	"github.com/hermodhq/hermod/plugins/chat2desk"
	"github.com/hermodhq/hermod/plugins/chat2desk/chat2desksim"
	"github.com/hermodhq/hermod/plugins/chatondesk"
	"github.com/hermodhq/hermod/plugins/chatondesk/chatondesksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

//go:embed rules
var rules embed.FS

func main() {
	connector.ServeIfAsked(chat2desk.New(), chatondesk.New())
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	data, err := os.MkdirTemp("", "hermod-tag-to-reminder")
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

	tags := chat2desksim.New(chat2desksim.Options{})
	defer tags.Close()
	tagsURL, err := tags.Start()
	if err != nil {
		return err
	}
	reminders := chatondesksim.New(chatondesksim.Options{})
	defer reminders.Close()
	remindersURL, err := reminders.Start()
	if err != nil {
		return err
	}

	engine, err := core.New(core.Config{
		Data: filepath.Join(data, "journal"), Rules: afero.FromIOFS{FS: rules}, PublicURL: public,
		Connectors: []connector.Connector{chat2desk.New(), chatondesk.New()},
		Accounts: map[message.AccountID]core.Account{
			"chat2desk-ae":  account("chat2desk", map[string]any{"base_url": tagsURL, "token": chat2desksim.Token, "webhook_auth": "path", "webhook_secret": "sesame"}),
			"chatondesk-in": account("chatondesk", map[string]any{"base_url": remindersURL, "api_key": chatondesksim.APIKey}),
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

	// A webhook at Chat2Desk, made once, and the tag, which an agent puts there.
	hook := fmt.Sprintf(`{"name": "hermod", "url": "%s/chat2desk-ae/events/sesame", "events": ["add_tag_to_client"]}`, public)
	if _, err := engine.Invoke(ctx, "chat2desk-ae", "webhook.create", json.RawMessage(hook)); err != nil {
		return err
	}
	if _, err := engine.Invoke(ctx, "chat2desk-ae", "tag.assign", json.RawMessage(`{"tag_ids": [1], "assignee_type": "client", "assignee_id": 100}`)); err != nil {
		return err
	}

	if err := awaitReminder(ctx, engine); err != nil {
		return err
	}
	list, err := engine.Invoke(ctx, "chatondesk-in", "reminder.list", json.RawMessage("{}"))
	if err != nil {
		return err
	}
	var made struct {
		Records []chatondesksim.Reminder `json:"records"`
	}
	if err := json.Unmarshal(list, &made); err != nil {
		return err
	}
	for _, r := range made.Records {
		fmt.Printf("reminder %s for profile %s: %s\n", r.ID, r.ProfileID, r.ReminderText)
	}
	return nil
}

// awaitReminder follows the events until the rules tell that the reminder is made, or that something went wrong.
func awaitReminder(ctx context.Context, engine *core.Engine) error {
	enough := errors.New("enough")
	err := engine.Events(ctx, "example", func(_ context.Context, ev message.Event) error {
		switch ev.Type {
		case message.EventReactionTold:
			return enough
		case message.EventReactionFailed, message.EventReactionUnknown:
			return fmt.Errorf("a reaction ended as %s: %s", ev.Type, ev.Data)
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
