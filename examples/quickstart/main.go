// Command quickstart is the demo behind `make demo`: a whole Hermod on one machine, with nothing installed.
//
// The program is three processes. You start the demo: it runs the simulator of a vendor (Convrs) on loopback and sends messages.
// The demo starts itself again as the host, which runs the engine with its journal, its rules and its webhooks. The host starts
// itself once more as the vendor's connector. Only the last of the three speaks to the vendor.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hermodhq/hermod/examples/quickstart/internal/front"
	"github.com/hermodhq/hermod/examples/quickstart/internal/host"
	"github.com/hermodhq/hermod/plugins/convrs"
	"github.com/hermodhq/hermod/plugins/convrs/convrssim"
	"github.com/hermodhq/hermod/sdk/connector"
)

func main() {
	connector.ServeIfAsked(convrs.New()) // this process may be the connector
	if len(os.Args) == 2 && os.Args[1] == host.Command {
		os.Exit(host.Run(context.Background()))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := runDemo(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil && ctx.Err() == nil:
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// options are what the command line may change.
type options struct {
	keep  bool
	burst int
}

func parse(args []string, usage io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.BoolVar(&o.keep, "keep", false, "leave everything running at the end, to try by hand, until Ctrl-C")
	flags.IntVar(&o.burst, "burst", 200, "how many messages the last act sends, from 40 to 200")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.burst < 40 || o.burst > 200 {
		return o, fmt.Errorf("-burst %d: use 40 to 200", o.burst)
	}
	return o, nil
}

func runDemo(ctx context.Context, args []string, out io.Writer) error {
	opts, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	d, err := newDemo(ctx, opts, out)
	if err != nil {
		return err
	}
	return errors.Join(d.run(ctx), d.close())
}

// demo is everything that runs, as the process sees it that you started.
type demo struct {
	options
	screen *screen
	began  time.Time
	dir    string // journal, rules and log, removed at the end
	rules  string // the rule file that the engine watches
	vendor *vendor
	front  *front.Front
	host   *front.Host // the process that runs now
}

// newDemo starts the simulator and the host.
func newDemo(ctx context.Context, opts options, out io.Writer) (*demo, error) {
	d := &demo{options: opts, screen: newScreen(out), began: time.Now()}
	if err := d.open(ctx); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *demo) open(ctx context.Context) (err error) {
	if d.dir, err = os.MkdirTemp("", "hermod-demo-"); err != nil {
		return err
	}
	d.rules = filepath.Join(d.dir, "rules", "routes.yaml")
	if err := os.Mkdir(filepath.Dir(d.rules), 0o700); err != nil {
		return err
	}
	if err := d.edit(routes); err != nil {
		return err
	}
	if d.vendor, err = startVendor(); err != nil {
		return err
	}
	if d.front, err = front.Open(d.dir, host.Settings{
		Vendor: d.vendor.url, Token: convrssim.Token, WhatsAppBot: whatsAppBot, SMSBot: smsBot, PerSecond: perSecond,
	}); err != nil {
		return err
	}
	d.host, err = d.front.Start(ctx)
	return err
}

// run plays the acts.
func (d *demo) run(ctx context.Context) error {
	d.screen.say("Three processes: this one (pid %d) plays the vendor on %s and sends; the host (pid %d) runs the engine; its "+
		"connector is a subprocess of its own. The vendor takes %d messages a second (10 is documented; more, so that you need not wait).",
		os.Getpid(), d.vendor.url, d.host.PID(), perSecond)
	if _, err := d.sendAll(ctx); err != nil {
		return fmt.Errorf("act 1: %w", err)
	}
	if err := d.editRules(ctx); err != nil {
		return fmt.Errorf("act 2: %w", err)
	}
	if _, err := d.killHost(ctx); err != nil {
		return fmt.Errorf("act 3: %w", err)
	}
	d.screen.say("\nThe demo took %s.", time.Since(d.began).Round(100*time.Millisecond))
	if !d.keep {
		d.screen.say("Run it with --keep (make demo DEMO=--keep) to edit the rules and kill the host yourself.")
		return nil
	}
	return d.stay(ctx)
}

func (d *demo) edit(text string) error { return os.WriteFile(d.rules, []byte(text), 0o600) }

// close stops the host, then the vendor, and removes the folder.
func (d *demo) close() error {
	var errs []error
	if d.host != nil {
		errs = append(errs, d.host.Stop())
	}
	if d.front != nil {
		errs = append(errs, d.front.Close())
	}
	if d.vendor != nil {
		d.vendor.sim.Close()
	}
	if d.dir != "" {
		errs = append(errs, os.RemoveAll(d.dir))
	}
	return errors.Join(errs...)
}
