package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/core/report"
	"github.com/hermodhq/hermod/examples/quickstart/internal/front"
	"github.com/hermodhq/hermod/sdk/message"
)

// editRules is act 2.
func (d *demo) editRules(ctx context.Context) error {
	d.screen.act("Act 2: the rule file is edited while the engine runs.")
	d.screen.say("The file is %s.", d.rules)
	if err := d.remind(ctx, "before the edit", "+447700900191"); err != nil {
		return err
	}
	d.screen.say("\nNow the last step of route reminders, SMS, is moved to the front.")
	changed, err := smsFirst(routes)
	if err != nil {
		return err
	}
	if err := d.reload(ctx, changed); err != nil {
		return err
	}
	if err := d.remind(ctx, "after the edit", "+447700900192"); err != nil {
		return err
	}
	if err := d.mistake(ctx, changed); err != nil {
		return err
	}
	d.screen.say("\nThe first file is put back.")
	return d.reload(ctx, routes)
}

// remind sends a reminder and prints the plan that it got.
func (d *demo) remind(ctx context.Context, when, phone string) error {
	id, err := d.front.Send(ctx, message.Message{To: message.Recipient{Phone: phone}, Category: "reminder", Data: map[string]any{"time": "Monday at 10:00"}})
	if err != nil {
		return err
	}
	timelines, err := d.finish(ctx, []message.ID{id})
	if err != nil {
		return err
	}
	d.screen.say("\n-- The plan of a reminder sent %s", when)
	return d.plan(timelines[0])
}

// plan prints the part of a timeline that stands above its entries.
func (d *demo) plan(t core.Timeline) error {
	var b strings.Builder
	if err := report.RenderTimeline(&b, t); err != nil {
		return err
	}
	head, _, _ := strings.Cut(b.String(), "\n\n")
	d.screen.say("%s", head)
	return nil
}

// reload saves the rule file and waits until the engine goes by it.
func (d *demo) reload(ctx context.Context, text string) error {
	old, err := d.front.Revision(ctx)
	if err != nil {
		return err
	}
	from := d.host.Log().Len()
	if err := d.edit(text); err != nil {
		return err
	}
	live, err := d.host.Log().Wait(ctx, from, func(e front.Entry) bool { return e.Text("revision") != "" || refused(e) })
	if err != nil {
		return err
	}
	now, err := d.front.Revision(ctx)
	if err != nil {
		return err
	}
	if refused(live) || now == old {
		return errors.New("the edit was not taken: " + live.Text("error"))
	}
	d.screen.say("The engine took the file: revision %.12s became %.12s.", old, now)
	return nil
}

// refused reports whether the host says that it cannot use the rule file.
func refused(e front.Entry) bool { return strings.Contains(e.Text("error"), "routes.yaml") }

// mistake saves a file with a typing error: the engine must refuse it and go on by the last good one.
func (d *demo) mistake(ctx context.Context, good string) error {
	before, err := d.front.Revision(ctx)
	if err != nil {
		return err
	}
	from := d.host.Log().Len()
	if err := d.edit(strings.Replace(good, "until: delivered", "until: deliverd", 1)); err != nil {
		return err
	}
	said, err := d.host.Log().Wait(ctx, from, refused)
	if err != nil {
		return err
	}
	d.screen.say("\nNow a typing error is saved. The engine refuses the whole file:")
	for line := range strings.Lines(strings.TrimSpace(said.Text("error"))) {
		d.screen.say("    %s", strings.TrimRight(line, "\n"))
	}
	if err := d.remind(ctx, "while the file has the error", "+447700900193"); err != nil {
		return err
	}
	after, err := d.front.Revision(ctx)
	if err != nil {
		return err
	}
	if after != before {
		return fmt.Errorf("a wrong file changed the rules from %.12s to %.12s", before, after)
	}
	d.screen.say("The revision is still %.12s.", after)
	return nil
}

// smsFirst moves the last step of the file, which is the SMS of the reminders, before the other steps of its route.
func smsFirst(file string) (string, error) {
	const route, step = "  - name: reminders\n", "      - via: "
	before, reminders, ok := strings.Cut(file, route)
	steps := strings.Split(reminders, step)
	last := len(steps) - 1
	if !ok || last < 2 || !strings.HasPrefix(steps[last], "convrs-uk/sms\n") {
		return "", errors.New("rules/routes.yaml does not end with the SMS of route reminders")
	}
	moved := append([]string{steps[0], steps[last]}, steps[1:last]...)
	return before + route + strings.Join(moved, step), nil
}
