package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hermodhq/hermod/internal/wire"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/link"
	"github.com/hermodhq/hermod/sdk/connectortest/standin"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// UnknownName names what no connector has.
const UnknownName = "hermod_kit_unknown"

// What samples hold. It is looked for in logs.
const (
	SampleText = "Good day Ada, 5c1f7e is on its way"
	sampleUser = "kit-user-5c1f7e"
	sampleMail = "ada.5c1f7e@example.com"
)

// OpenWith opens an account with a configuration.
func (p *Probe) OpenWith(ctx context.Context, config json.RawMessage) (Account, error) {
	var a Account
	err := p.Within(ctx, p.Setup.Patience, func(ctx context.Context) (err error) {
		if p.Process == nil {
			a, err = p.Local.Open(ctx, string(Name), config, p.Setup.WebhookURL)
			return err
		}
		remote, err := p.Process.Open(ctx, string(Name), config, p.Setup.WebhookURL)
		a = remote
		return err
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// Open opens an account of the setup's configuration; nil when that fails. The returned function closes it.
func (p *Probe) Open(ctx context.Context) (Account, func()) {
	a, err := p.OpenWith(ctx, p.Setup.Config)
	if err != nil {
		f := p.See("Open", err)
		p.Shut = true
		p.Bad("make Open accept Harness.Config, or correct the configuration", "the account does not open: %v", f)
		return nil, func() {}
	}
	return a, func() { p.Close(ctx, a) }
}

// Close closes an account. Close may fail, as when the vendor cannot be told, but not take for ever.
func (p *Probe) Close(ctx context.Context, a Account) {
	err := p.Within(ctx, p.Setup.Patience, a.Close)
	if p.See("Close", err); ended(err) && ctx.Err() == nil {
		p.Bad("end Close promptly", "Close did not end within %v", p.Setup.Patience)
	}
}

// Ready opens an account on a vendor that behaves well; nil when there is none.
func (p *Probe) Ready(ctx context.Context) (Account, func()) {
	if !p.Need(p.Setup.Vendor != nil, "Vendor") {
		return nil, func() {}
	}
	if err := p.Setup.Vendor.Behave(standin.Accept); err != nil {
		p.Need(false, "Vendor that accepts messages")
		return nil, func() {}
	}
	return p.Open(ctx)
}

// BehaveWell makes the vendor behave well where there is one that can.
func (p *Probe) BehaveWell() bool {
	return p.Setup.Vendor != nil && p.Setup.Vendor.Behave(standin.Accept) == nil
}

// Samples returns one delivery for every declared channel and kind, adapted to the vendor.
func (p *Probe) Samples() (list []wire.Delivery) {
	for _, c := range p.Description.Channels {
		for _, k := range c.Kinds {
			list = append(list, p.Sample(c.Channel, k, len(list)))
		}
	}
	return list
}

// Sample makes the delivery of a number. Its phone number is one of those kept for fiction.
func (p *Probe) Sample(channel message.Channel, kind message.ContentKind, n int) wire.Delivery {
	d := wire.Delivery{
		Message: message.ID(fmt.Sprintf("01KIT%08d", n)), Attempt: 1, Channel: channel, Within: time.Minute, Category: "kit",
		To: message.Recipient{Phone: fmt.Sprintf("+447700900%d", 140+n%20), Country: "GB", Email: sampleMail, Name: "Ada",
			Users: map[message.AccountID]message.VendorUserID{Name: sampleUser}},
	}
	switch kind {
	case message.KindText:
		d.Content.Text = SampleText
	case message.KindTemplate:
		d.Content.Template = &message.Template{Name: "order_update", Language: "en"}
	case message.KindMedia:
		d.Content.Text = SampleText
		d.Content.Media = &message.Media{Type: "image", URL: "https://files.example.com/parcel.png", Name: "parcel.png", MIME: "image/png"}
	case message.KindInteractive:
		d.Content.Text = SampleText
		d.Content.Interactive = &message.Interactive{Buttons: []message.Button{{Type: "reply", Text: "Yes", Payload: "yes"}}}
	}
	if p.Setup.Adapt != nil {
		p.Setup.Adapt(&d)
	}
	p.Private("the phone number of a recipient", d.To.Phone)
	p.Personal["the text of a message"], p.Personal["an e-mail address"] = SampleText, sampleMail
	return d
}

// Private remembers a phone number that nothing may say, in whatever form: national ones lack the country's code.
func (p *Probe) Private(what, phone string) {
	if n := len(phone); n >= leastPhone {
		p.Personal[what+" that ends in "+phone[n-2:]] = phone[max(0, n-10):]
	}
}

const leastPhone = 8 // digits; anything shorter is found everywhere

// NameOf says which of the samples a delivery is.
func NameOf(d *wire.Delivery) string {
	return fmt.Sprintf("channel %s, %s", d.Channel, d.Content.Kind())
}

// Delivered is what became of a batch, in its order.
type Delivered struct {
	Results []wire.Result
	Errs    []*fault.Fault
	Faults  int
	First   *fault.Fault // of the faults
}

type attempt struct {
	message message.ID
	attempt int
}

// Deliver delivers a batch of which each answer may take d, and holds what is true of every answer.
func (p *Probe) Deliver(ctx context.Context, what string, a Account, batch []wire.Delivery, d time.Duration) Delivered {
	var mu sync.Mutex
	got := map[attempt][]link.Answer{}
	err := p.Within(ctx, d, func(ctx context.Context) error {
		return a.Deliver(ctx, batch, func(x link.Answer) {
			mu.Lock()
			defer mu.Unlock()
			key := attempt{x.Delivery.Message, x.Delivery.Attempt}
			got[key] = append(got[key], x)
		})
	})
	p.See(what+": Deliver", err)
	mu.Lock()
	defer mu.Unlock()
	r := Delivered{Results: make([]wire.Result, len(batch)), Errs: make([]*fault.Fault, len(batch))}
	for i := range batch {
		key := attempt{batch[i].Message, batch[i].Attempt}
		each := what + ": " + NameOf(&batch[i])
		switch answers := got[key]; len(answers) {
		case 0:
			p.Bad("answer every delivery, also when its context ends", "%s got no answer", each)
			r.Errs[i] = fault.New(fault.OutcomeUnknown, "no_answer", "the connector gave no answer")
		default:
			if len(answers) > 1 {
				p.Bad("answer every delivery once", "%s got %d answers", each, len(answers))
			}
			r.Results[i] = answers[0].Result
			r.Errs[i] = p.See(each, answers[0].Err)
			p.result(each, &answers[0])
		}
		delete(got, key)
		if r.Errs[i] != nil {
			if r.Faults++; r.First == nil {
				r.First = r.Errs[i]
			}
		}
	}
	if len(got) > 0 {
		p.Bad("give an answer the Message and Attempt, or on the wire the sequence, of its delivery", "%s: %d answers belong to no delivery", what, len(got))
	}
	return r
}

// result judges one answer.
func (p *Probe) result(what string, a *link.Answer) {
	p.Text.Add(InError, fmt.Sprint(a.Result.Detail))
	if rank := a.Result.Outcome.Rank(); a.Err == nil && a.Result.Outcome != "" && (rank == 0 || rank > message.Delivered.Rank()) {
		p.Bad("return accepted, sent or delivered, and an error for anything else", "%s: the outcome of Send is %q", what, a.Result.Outcome)
	}
}

// Tally compares how many messages the connector called accepted with how many the vendor took since before.
func (p *Probe) Tally(before standin.Counts, accepted int) {
	after := p.Setup.Vendor.Counts()
	if calls := after.Calls - before.Calls; accepted > 0 && calls == 0 {
		p.Bad("let the stand-in's Options.Sends recognize the requests that send", "messages were accepted, but the stand-in saw no call that sends one")
		return
	}
	if taken := after.Taken - before.Taken; taken != accepted {
		p.Bad("return success only for what the vendor took, and send each message once", "%d messages were accepted, and the vendor took %d", accepted, taken)
	}
}

// Alive calls an account for something that every account answers.
func (p *Probe) Alive(ctx context.Context, what string, a Account) {
	err := p.Within(ctx, p.Setup.Patience, func(ctx context.Context) error {
		_, err := a.Invoke(ctx, UnknownName, json.RawMessage(`{}`))
		return err
	})
	if f := p.See(what, err); f == nil || f.Class != fault.Unsupported {
		p.Bad("keep nothing that accounts share and that closing one ends", "%s does not answer an unknown operation with class unsupported: %v", what, f)
	}
	if !p.Description.Capabilities.Send || !p.BehaveWell() {
		return
	}
	batch := p.Samples()[:1]
	if r := p.Deliver(ctx, what, a, batch, p.Setup.Patience); r.Faults > 0 {
		p.Bad("keep nothing that accounts share and that closing one ends", "%s cannot deliver: %v", what, r.First)
	}
}

// OrAccepted shows what became of a delivery.
func OrAccepted(f *fault.Fault) any {
	if f == nil {
		return "success"
	}
	return f
}

// Receive hands an account one request, and holds what is true of every answer.
func (p *Probe) Receive(ctx context.Context, what string, a Account, req wire.Request) (*wire.Response, []message.Event, *fault.Fault) {
	req.Header, req.Body = req.Header.Clone(), bytes.Clone(req.Body)
	var resp *wire.Response
	var events []message.Event
	err := p.Within(ctx, p.Setup.Patience, func(ctx context.Context) (err error) {
		resp, events, err = a.Receive(ctx, req)
		return err
	})
	if f := p.See(what, err); f != nil {
		return nil, nil, f
	}
	if resp != nil {
		p.Text.Add(InError, string(resp.Body))
		if resp.Status != 0 && (resp.Status < 200 || resp.Status > 599) {
			p.Bad("set Response.Status to 200 to 599, or return a nil Response", "%s is answered with HTTP status %d", what, resp.Status)
		}
	}
	return resp, events, nil
}

// Receipt judges a vendor's report.
func (p *Probe) Receipt(what string, r *message.Receipt) {
	p.Rules(
		Want(r.Outcome.Rank() > 0 || r.Outcome == message.Failed || r.Outcome == message.Expired,
			what+": the receipt's outcome is "+string(r.Outcome), "report accepted to replied, failed or expired"),
		Want(r.Outcome != message.Failed || r.Fault != nil, what+": the receipt says failed and not why", "set Receipt.Fault"),
		Want(r.Outcome.Rank() == 0 || r.Fault == nil, what+": the receipt has a positive outcome and a fault", "leave Receipt.Fault nil"),
		Want(r.VendorID != "" || r.Message != "" && r.Attempt > 0, what+": the receipt belongs to no attempt", "set VendorID, or Message and Attempt"),
	)
	known := func(c wire.Channel) bool { return slices.Contains(c.Outcomes, r.Outcome) }
	if r.Outcome.Rank() > 0 && len(p.Description.Channels) > 0 && !slices.ContainsFunc(p.Description.Channels, known) {
		p.Bad("list it in the channel's Outcomes: rules may wait for what is declared only", "%s: the receipt's outcome is %s, which no channel declares", what, r.Outcome)
	}
	if r.Fault != nil {
		p.See(what, r.Fault)
	}
}

// Kinds are all kinds of content.
func Kinds() []message.ContentKind {
	return []message.ContentKind{message.KindText, message.KindTemplate, message.KindMedia, message.KindInteractive}
}
