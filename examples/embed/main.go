// Command embed is the smallest host: it sends one message and waits until it is delivered.
//
// It links the Convrs connector, which runs as a subprocess of this very program, and sends to Convrs's simulator on loopback,
// so it needs no account. With a real account, set base_url and token in the account's configuration.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/plugins/convrs"
	"github.com/hermodhq/hermod/plugins/convrs/convrssim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

const routes = `
routes:
  - name: everything
    fallback:
      - via: convrs-uk/sms
        until: delivered
        within: 1m
`

func main() {
	connector.ServeIfAsked(convrs.New())
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	data, err := os.MkdirTemp("", "hermod-embed")
	if err != nil {
		return err
	}
	defer os.RemoveAll(data)
	vendor := convrssim.New(convrssim.Options{Pace: 0.1})
	url, err := vendor.Start()
	if err != nil {
		return err
	}
	defer vendor.Close()
	rules := afero.NewMemMapFs()
	if err := afero.WriteFile(rules, "rules/routes.yaml", []byte(routes), 0o600); err != nil {
		return err
	}
	connectors := []connector.Connector{convrs.New()}
	account, err := json.Marshal(map[string]any{"base_url": url, "token": convrssim.Token, "sms_bot": 3942})
	if err != nil {
		return err
	}
	accounts := map[message.AccountID]core.Account{"convrs-uk": {Connector: "convrs", Config: account}}

	engine, err := core.New(core.Config{Data: filepath.Join(data, "journal"), Rules: rules, Connectors: connectors, Accounts: accounts})
	if err != nil {
		return err
	}
	if err := engine.Start(ctx); err != nil {
		return err
	}
	defer engine.Stop(context.WithoutCancel(ctx))
	id, err := engine.Send(ctx, message.Message{To: message.Recipient{Phone: "+447700900142"}, Content: message.Content{Text: "Hello"}})
	if err != nil {
		return err
	}
	status, err := engine.Wait(ctx, id, message.Delivered)
	if err != nil {
		return err
	}
	fmt.Println(status.ID, status.Outcome, "by", status.Account, status.Channel)
	return nil
}
