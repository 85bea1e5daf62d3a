package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/hermodhq/hermod/examples/quickstart/internal/front"
)

// example is a message to send by hand.
const example = `{"to":{"phone":"+447700900123"},"category":"order","data":{"order":"3000","news":"has shipped"}}`

// stay leaves everything running until ctx ends, shows what the host says, and starts it again when it dies.
func (d *demo) stay(ctx context.Context) error {
	if err := os.WriteFile(filepath.Join(d.dir, "message.json"), []byte(example), 0o600); err != nil {
		return err
	}
	d.instruct()
	for from := d.host.Log().Len(); ; from++ {
		e, err := d.host.Log().Wait(ctx, from, func(front.Entry) bool { return true })
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			d.screen.say("host: %s %s%s%s", e.Text("msg"), e.Text("revision"), e.Text("error"), e.Text("text"))
			continue
		}
		d.screen.say("\nThe host is gone. It is started again.")
		if d.host, err = d.front.Start(ctx); err != nil {
			return err
		}
		from = -1
		d.instruct()
	}
}

func (d *demo) instruct() {
	address := d.front.Settings().Address
	d.screen.say("\nEverything runs until Ctrl-C. In another terminal:\n")
	for _, line := range [][2]string{
		{"send", "curl -d @" + filepath.Join(d.dir, "message.json") + " http://" + address + "/messages"},
		{"look", "curl 'http://" + address + "/messages/ID?text'"},
		{"edit", d.rules},
		{"kill", "kill -9 %d        (the host is started again at once)"},
		{"log", filepath.Join(d.dir, "host.log")},
	} {
		if line[0] == "kill" {
			d.screen.say("  %-6s"+line[1], line[0], d.host.PID())
			continue
		}
		d.screen.say("  %-6s%s", line[0], line[1])
	}
	d.screen.say("")
}
