package core_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// vendConfig configures an account of vend.
type vendConfig struct {
	URL   string           `json:"url"`
	Token connector.Secret `json:"token,omitempty"`
	Gates bool             `json:"gates,omitempty"` // tell the vendor before each call and after each answer
	Asks  bool             `json:"asks,omitempty"`  // ask the vendor before an account is open
}

// vendAccount is an account of vend, a connector that speaks to a [vendor] over HTTP.
type vendAccount struct {
	config vendConfig
	env    connector.Env
	client *http.Client
}

func vend() connector.Connector { return vendLimited("vend", connector.Limits{}) }

// slowVend is vend with a limit of its own: a call in a thousand seconds.
func slowVend() connector.Connector {
	return vendLimited("slow-vend", connector.Limits{PerSecond: 0.001})
}

func vendLimited(name message.ConnectorName, limits connector.Limits) connector.Connector {
	pushed := []message.Outcome{message.Accepted, message.Sent, message.Delivered, message.Read}
	channel := func(c message.Channel, how connector.Receipts) connector.ChannelInfo {
		return connector.ChannelInfo{Channel: c, Kinds: []message.ContentKind{message.KindText}, Receipts: how, Outcomes: pushed}
	}
	return connector.Define(connector.Spec{
		Name: name, Version: "1.0.0", Limits: limits, Summary: "Speaks to a stand-in.", Vendor: "none",
		Channels: []connector.ChannelInfo{channel(message.SMS, connector.Pushed), channel(message.WhatsApp, connector.Pushed), channel(message.Telegram, connector.Polled)},
		Events:   []message.EventType{message.EventReceipt, message.EventMessageReceived},
	}, openVend,
		connector.Op("pid", "GET /pid", "Says which process it is.", false, func(context.Context, *vendAccount, struct{}) (int, error) {
			return os.Getpid(), nil
		}),
		connector.Op("note", "POST /send", "Tells the vendor something.", true, func(ctx context.Context, a *vendAccount, _ struct{}) (out vendReply, err error) {
			err = a.do(ctx, "/send", &vendCall{Account: a.env.Account, Message: "note", PID: os.Getpid()}, &out)
			return out, err
		}))
}

func openVend(ctx context.Context, c vendConfig, env connector.Env) (*vendAccount, error) {
	pool := &http.Transport{MaxIdleConnsPerHost: 512}
	a := &vendAccount{config: c, env: env, client: &http.Client{Transport: pool}}
	if !c.Asks {
		return a, nil
	}
	var r vendReply
	if err := a.do(ctx, "/open", env.Account, &r); err != nil {
		return nil, fault.New(fault.Unavailable, "vendor_away", "the vendor does not answer: %w", err)
	}
	if r.Class != "" {
		return nil, fault.New(r.Class, r.Code, "the vendor refused the account").WithVendor("401", "no")
	}
	return a, nil
}

// vendCall is what the vendor is asked to send.
type vendCall struct {
	Account message.AccountID
	Message message.ID
	Attempt int
	Channel message.Channel
	To      string
	Text    string
	PID     int // of the connector
}

// vendReply is what the vendor answers.
type vendReply struct {
	ID         message.VendorMessageID
	Outcome    message.Outcome
	Class      fault.Class
	Code       string
	RetryAfter time.Duration
}

// vendEvent is what the vendor reports: by webhook, or to a listener.
type vendEvent struct {
	EventID message.EventID
	Receipt *message.Receipt
	Phone   string // somebody wrote
	Text    string
}

func (e *vendEvent) event() message.Event {
	ev := message.Event{ID: e.EventID, Type: message.EventReceipt, Receipt: e.Receipt}
	if e.Receipt == nil {
		ev.Type, ev.User = message.EventMessageReceived, message.VendorUserID(e.Phone)
		ev.Contact = &message.Contact{Phone: e.Phone}
		ev.Inbound = &message.Inbound{Channel: message.WhatsApp, From: "client", Content: message.Content{Text: e.Text}}
	}
	return ev
}

// do posts in as JSON, and reads the answer into out.
func (a *vendAccount) do(ctx context.Context, path string, in, out any) error {
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.config.URL+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, resp.Body)
		return fmt.Errorf("the vendor answered %d", resp.StatusCode)
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// Send makes one attempt.
func (a *vendAccount) Send(ctx context.Context, d connector.Delivery) (connector.Result, error) {
	call := vendCall{Account: a.env.Account, Message: d.Message, Attempt: d.Attempt, Channel: d.Channel, To: d.To.Address(),
		Text: d.Content.Text, PID: os.Getpid()}
	gate := func(moment string) {
		if a.config.Gates {
			_ = a.do(ctx, "/gate/"+moment, &call, &struct{}{})
		}
	}
	gate("before")
	var r vendReply
	if err := a.do(ctx, "/send", &call, &r); err != nil {
		return connector.Result{}, fault.New(fault.OutcomeUnknown, "vendor_broke", "the vendor's connection broke: %w", err)
	}
	gate("after")
	if r.Class != "" {
		return connector.Result{}, fault.New(r.Class, r.Code, "the vendor refused").After(r.RetryAfter)
	}
	return connector.Result{VendorID: r.ID, Outcome: r.Outcome}, nil
}

// Query asks what became of an attempt.
func (a *vendAccount) Query(ctx context.Context, q connector.Query) (r message.Receipt, err error) {
	err = a.do(ctx, "/query", &q, &r)
	return r, err
}

// Receive verifies and parses a webhook.
func (a *vendAccount) Receive(_ context.Context, req *connector.Request) (*connector.Response, []message.Event, error) {
	if !hmac.Equal([]byte(req.Header.Get("X-Sign")), []byte(vendSign(a.config.Token.Reveal(), req.Body))) {
		return nil, nil, fault.New(fault.Unauthorized, "signature_wrong", "the webhook's signature does not match")
	}
	var in []vendEvent
	if err := json.Unmarshal(req.Body, &in); err != nil {
		return nil, nil, fault.New(fault.ContentRejected, "body_invalid", "the webhook's body is no JSON array of events")
	}
	var out []message.Event
	for i := range in {
		out = append(out, in[i].event())
	}
	return &connector.Response{Status: http.StatusAccepted}, out, nil
}

func vendSign(token string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(token))
	_, _ = mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// vendPage asks for reports; what stands before From is acknowledged. From is -1 at first: go on where the last listener stopped.
type vendPage struct {
	Account message.AccountID
	From    int
}

type vendReports struct {
	From   int
	Events []vendEvent
}

// Listen emits what the vendor reports, a page at a time.
func (a *vendAccount) Listen(ctx context.Context, emit func(context.Context, message.Event) error) error {
	page := vendPage{Account: a.env.Account, From: -1}
	for ctx.Err() == nil {
		var got vendReports
		if err := a.do(ctx, "/reports", &page, &got); err != nil {
			return err
		}
		var wg sync.WaitGroup
		errs := make([]error, len(got.Events))
		for i := range got.Events {
			wg.Go(func() { errs[i] = emit(ctx, got.Events[i].event()) })
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		page.From = got.From + len(got.Events)
	}
	return ctx.Err()
}
