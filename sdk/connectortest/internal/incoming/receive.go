// Package incoming holds the checks of what comes in: webhooks and listeners.
package incoming

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hermodhq/hermod/internal/wire"
	"github.com/hermodhq/hermod/sdk/connectortest/internal/probe"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

const (
	noiseRounds = 300
	leastText   = 12 // bytes of a text that is looked for; anything shorter may be found by chance
)

// refusedBy reports whether a request was refused.
func refusedBy(resp *wire.Response, f *fault.Fault) bool {
	return f != nil || resp != nil && resp.Status >= 400
}

// Webhooks holds that webhooks bring the events they should.
func Webhooks(ctx context.Context, p *probe.Probe) {
	if !p.Need(len(p.Setup.Webhooks) > 0, "Webhooks") {
		return
	}
	a, closes := p.Open(ctx)
	defer closes()
	if a == nil {
		return
	}
	brought := map[message.EventType]bool{}
	for _, w := range p.Setup.Webhooks {
		what := "webhook " + w.Name
		resp, events, f := p.Receive(ctx, what, a, w.Request)
		if refusedBy(resp, f) {
			p.Bad("accept it, or correct the sample in Harness.Webhooks", "%s is good and refused: %v", what, f)
			continue
		}
		var types []message.EventType
		for i := range events {
			types = append(types, events[i].Type)
			brought[events[i].Type] = true
			event(p, what, &events[i])
		}
		if !slices.Equal(types, w.Events) {
			p.Bad("emit them, or correct Webhook.Events", "%s brings the events %v, want %v", what, types, w.Events)
		}
	}
	if p.Setup.Happen == nil {
		coverage(p, brought)
	}
}

// coverage holds that every declared event type was seen.
func coverage(p *probe.Probe, brought map[message.EventType]bool) {
	for _, t := range p.Description.Events {
		p.Rules(probe.Want(brought[t], "the event type "+string(t)+" is declared, and nothing brought it", "add a sample to Harness.Webhooks, or do not declare it"))
	}
}

// event judges one event.
func event(p *probe.Probe, what string, e *message.Event) {
	d := &p.Description
	p.Rules(
		probe.Want(e.ID != "", what+": an event has no id", "make the id from the payload, so that a repeat has the same"),
		probe.Want(!e.Time.IsZero(), what+": an event has no time", "set Event.Time to the vendor's time, or to now"),
		probe.Want(slices.Contains(d.Events, e.Type) || strings.HasPrefix(string(e.Type), string(d.Name)+"."), what+": the event type "+string(e.Type)+" is not declared",
			"add it to Spec.Events, or begin it with the connector's name and a dot"),
		probe.Want(e.Account == "" || e.Account == probe.Name, what+": an event names another account", "set Event.Account to Env.Account"),
		probe.Want((e.Type == message.EventReceipt) == (e.Receipt != nil), what+": type and receipt do not go together", "set Event.Receipt exactly for type receipt"),
	)
	if e.Receipt != nil {
		p.Receipt(what, e.Receipt)
	}
	if e.Inbound != nil && len(e.Inbound.Content.Text) >= leastText {
		p.Personal["the text of an inbound message"] = e.Inbound.Content.Text
	}
}

// Repeats hands two accounts the same requests, to one in order and to the other reversed and twice.
func Repeats(ctx context.Context, p *probe.Probe) {
	if !p.Need(len(p.Setup.Webhooks) > 0, "Webhooks") {
		return
	}
	a, closeA := p.Open(ctx)
	defer closeA()
	b, closeB := p.Open(ctx)
	defer closeB()
	if a == nil || b == nil {
		return
	}
	first := make([][]message.Event, len(p.Setup.Webhooks))
	for i := range first {
		first[i] = again(ctx, p, a, i)
	}
	for i := len(first) - 1; i >= 0; i-- {
		if second, third := again(ctx, p, b, i), again(ctx, p, b, i); sameIDs(second, first[i]) && sameIDs(third, first[i]) {
			continue
		}
		// Ids may hold the minute where the vendor gives no time; once more, since no two minutes begin so close together.
		if !sameIDs(again(ctx, p, a, i), again(ctx, p, b, i)) {
			p.Bad("make ids from the payload alone: an id of the vendor's, or a hash", "webhook %s brings other event ids when it comes again", p.Setup.Webhooks[i].Name)
		}
	}
	distinct(p, first)
}

// distinct holds that events that differ have other ids.
func distinct(p *probe.Probe, brought [][]message.Event) {
	type owner struct {
		webhook int
		says    string
	}
	owners := map[message.EventID]owner{}
	for i, events := range brought {
		for _, e := range events {
			id := e.ID
			e.Time, e.Vendor = time.Time{}, nil // may differ between repeats
			raw, err := json.Marshal(e)
			if other, used := owners[id]; err == nil && used && other.says != string(raw) {
				p.Bad("put into the id what tells events apart", "the webhooks %s and %s bring different events with the same id",
					p.Setup.Webhooks[other.webhook].Name, p.Setup.Webhooks[i].Name)
			}
			owners[id] = owner{i, string(raw)}
		}
	}
}

func again(ctx context.Context, p *probe.Probe, a probe.Account, i int) []message.Event {
	_, events, _ := p.Receive(ctx, "webhook "+p.Setup.Webhooks[i].Name, a, p.Setup.Webhooks[i].Request)
	return events
}

func sameIDs(a, b []message.Event) bool {
	return slices.EqualFunc(a, b, func(a, b message.Event) bool { return a.ID == b.ID })
}

// Noise hands an account what no vendor would send.
func Noise(ctx context.Context, p *probe.Probe) {
	a, closes := p.Open(ctx)
	defer closes()
	if a == nil {
		return
	}
	rng := rand.New(rand.NewPCG(5, 12))
	for range noiseRounds {
		req, trusted := noise(p, rng)
		if _, events, _ := p.Receive(ctx, "noise on a webhook", a, req); len(events) > 0 && !trusted {
			p.Bad("look at path and signature first, and parse strictly", "noise from anybody brings an event")
		}
	}
	for _, w := range p.Setup.Webhooks {
		for range noiseRounds / (len(p.Setup.Webhooks) + 1) {
			req := w.Request
			req.Body = mutate(rng, req.Body)
			p.Receive(ctx, "a damaged "+w.Name, a, req)
		}
	}
}

// noise makes a request; trusted says that its path and headers are those of a good one.
func noise(p *probe.Probe, rng *rand.Rand) (req wire.Request, trusted bool) {
	paths := []string{"/", "", "/%zz", "/../..", "/" + strings.Repeat("a/", 500)}
	req = wire.Request{Method: []string{"POST", "GET", "PUT", "", "\x00"}[rng.IntN(5)], Path: paths[rng.IntN(len(paths))], Query: "%zz&a=b;c", Header: http.Header{}}
	if n := len(p.Setup.Webhooks); n > 0 && rng.IntN(2) == 0 {
		good := p.Setup.Webhooks[rng.IntN(n)].Request
		trusted = true
		req.Method, req.Path, req.Query, req.Header = good.Method, good.Path, good.Query, good.Header
	}
	bodies := []string{"", "null", "[]", "{}", "0", `""`, `{"a":`, "\xff\xfe\x00", strings.Repeat("[", 100_000), strings.Repeat(`{"a":`, 20_000), "a=b&%zz", "<html>"}
	if n := rng.IntN(len(bodies) + 4); n < len(bodies) {
		req.Body = []byte(bodies[n])
		return req, trusted
	}
	req.Body = make([]byte, rng.IntN(2000))
	for i := range req.Body {
		req.Body[i] = byte(rng.Uint32())
	}
	return req, trusted
}

// mutate damages a body.
func mutate(rng *rand.Rand, body []byte) []byte {
	b := bytes.Clone(body)
	for range 1 + rng.IntN(4) {
		if len(b) == 0 {
			return b
		}
		switch i := rng.IntN(len(b)); rng.IntN(4) {
		case 0:
			b[i] = byte(rng.Uint32())
		case 1:
			b = b[:i]
		case 2:
			b = slices.Insert(b, i, []byte(`null,"":[{`)...)
		default:
			b = slices.Delete(b, i, min(len(b), i+1+rng.IntN(20)))
		}
	}
	return b
}
