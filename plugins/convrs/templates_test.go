package convrs

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// changing is a Convrs whose template can be changed, and an account of it with a clock of its own.
type changing struct {
	*account
	mu            sync.Mutex
	clock         time.Time
	state, text   string // of the template
	refuse        int    // whatsappErrorCode of sending; 0 takes the message
	lookups, sent int    // commands that came
}

func startChanging(t *testing.T) *changing {
	c := &changing{clock: time.Unix(0, 0), state: "APPROVED", text: "Hi {{1}}"}
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	var err error
	c.account, err = open(t.Context(), config{Token: "t", BaseURL: srv.URL, WhatsAppBot: 3941}, connector.Env{Account: "convrs-uk"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.client.Close() })
	c.now = func() time.Time {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.clock
	}
	return c
}

func (c *changing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var in struct{ Cmd string }
	_ = json.NewDecoder(r.Body).Decode(&in)
	reply := map[string]any{"ok": 1, "cmd": in.Cmd, "mid": "m"}
	switch {
	case in.Cmd == "GetWhatsAppTemplate":
		c.lookups++
		reply["template"] = map[string]any{"status": c.state, "components": []any{map[string]any{"type": "BODY", "text": c.text}}}
	case in.Cmd == "SendWhatsAppTemplate":
		c.sent++
		if c.refuse != 0 {
			reply = map[string]any{"ok": 0, "cmd": in.Cmd, "errorCode": 3002, "whatsappErrorCode": c.refuse}
		}
	}
	_ = json.NewEncoder(w).Encode(reply)
}

// send sends the template with so many parameters, and returns the fault's code.
func (c *changing) send(t *testing.T, params int) string {
	t.Helper()
	_, err := c.Send(t.Context(), connector.Delivery{Message: "m", Attempt: 1, Channel: message.WhatsApp, To: message.Recipient{Phone: "+447700900140"},
		Content: message.Content{Template: &message.Template{Name: "x", Language: "en", Params: make([]string, params)}}})
	if err == nil {
		return "sent"
	}
	return fault.From(err).Code
}

// TestTemplateMemory holds how long verdicts are remembered, and what is done when the template has changed meanwhile.
func TestTemplateMemory(t *testing.T) {
	c := startChanging(t)
	steps := []struct {
		what          string
		later         time.Duration
		change        func()
		params        int
		want          string
		lookups, sent int // in this step
	}{
		{"first", 0, nil, 1, "sent", 1, 1},
		{"remembered", 9 * time.Minute, nil, 1, "sent", 0, 1},
		{"old", time.Minute, nil, 1, "sent", 1, 1},
		{"changed, and too soon to ask", time.Second, func() { c.text = "Hi {{1}}, {{2}}" }, 2, "template_params", 0, 0},
		{"changed", time.Minute, nil, 2, "sent", 1, 1},
		{"wrong as well", time.Second, nil, 1, "template_params", 0, 0},
		{"paused at WhatsApp", 0, func() { c.refuse = 132015 }, 2, "whatsapp_template_paused", 0, 1},
		{"still paused", 59 * time.Second, nil, 2, "whatsapp_template_paused", 0, 0},
		{"known to Convrs", time.Second, func() { c.refuse, c.state = 0, "PAUSED" }, 2, "template_not_approved", 1, 0},
		{"still known", 59 * time.Second, nil, 2, "template_not_approved", 0, 0},
		{"approved again", time.Second, func() { c.state = "APPROVED" }, 2, "sent", 1, 1},
		{"other parameters, just asked", time.Second, func() { c.refuse = 132000 }, 2, "whatsapp_template_params", 0, 1},
		{"other parameters", time.Minute, func() { c.text = "Hi" }, 2, "whatsapp_template_params", 0, 1},
		{"asked again", 0, nil, 2, "template_params", 1, 0},
	}
	for _, s := range steps {
		c.clock, c.lookups, c.sent = c.clock.Add(s.later), 0, 0
		if s.change != nil {
			s.change()
		}
		if got := c.send(t, s.params); got != s.want || c.lookups != s.lookups || c.sent != s.sent {
			t.Errorf("%s: %s, %d lookups, %d sent; want %s, %d, %d", s.what, got, c.lookups, c.sent, s.want, s.lookups, s.sent)
		}
	}
}

// TestTemplateAskedOnce holds that many sends at once, and verdicts of WhatsApp among them, share lookups and never see a half state.
func TestTemplateAskedOnce(t *testing.T) {
	c := startChanging(t)
	tpl := &message.Template{Name: "x", Language: "en", Params: []string{"Ada"}}
	rejected := fault.New(fault.ContentRejected, "whatsapp_template_params", "no")
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for range 20 {
				if err := c.templates.check(t.Context(), c.client, 3941, tpl); err != nil {
					t.Error(err)
				}
				if i == 0 {
					c.mu.Lock()
					c.clock = c.clock.Add(time.Minute)
					c.mu.Unlock()
					c.templates.told(tpl, rejected)
				}
			}
		})
	}
	wg.Wait()
	if c.lookups > 21 {
		t.Errorf("%d lookups, want one for each verdict at most", c.lookups)
	}
	state, err := c.templates.ask(t.Context(), &templateSlot{asking: make(chan struct{}, 1)}, &templateState{}, c.client, 3941, templateKey{"x", "en"})
	if err != nil || state == nil {
		t.Errorf("after a verdict that was taken back: %v, %v", state, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	other := &message.Template{Name: "y", Language: "en"}
	if err := c.templates.check(ctx, c.client, 3941, other); fault.From(err) == nil || fault.From(err).Class != fault.Unavailable {
		t.Errorf("without time: %v", err)
	}
}
