// Package toy is a small connector with every capability, right or with one mistake, and its vendor: the kit is tested on it.
package toy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

const (
	maxText   = 500
	maxAnswer = 1 << 20
)

// config is of the right toy; a mistaken one may have another.
type config struct {
	BaseURL string           `json:"base_url" jsonschema:"where the vendor is"`
	Token   connector.Secret `json:"token" jsonschema:"the vendor's token"`
	Secret  connector.Secret `json:"webhook_secret" jsonschema:"signs webhooks"`
}

type account struct {
	config
	mistake string
	client  *http.Client
	name    message.AccountID
	stuck   chan struct{}
	shared  *shared
	turn    chan struct{} // held by a call
	calls   atomic.Int32  // under way
	events  atomic.Int32
}

// shared is what accounts of a mistaken toy share.
type shared struct{ opened, closed atomic.Bool }

// New returns the toy with a mistake; "" is the right one. A mistake that never ends by itself ends when stuck is closed.
func New(mistake string, stuck chan struct{}) connector.Connector {
	spec := connector.Spec{
		Name: message.ConnectorName(Name(mistake)), Version: "1.0.0", Vendor: "Toy", Summary: "A toy.",
		Channels: []connector.ChannelInfo{
			{Channel: message.SMS, Kinds: []message.ContentKind{message.KindText}, MaxText: maxText, Receipts: connector.Polled,
				Outcomes: []message.Outcome{message.Accepted, message.Delivered}},
			{Channel: message.WhatsApp, Kinds: []message.ContentKind{message.KindTemplate, message.KindText}, MaxText: maxText, Receipts: connector.Pushed,
				Outcomes: []message.Outcome{message.Accepted, message.Delivered, message.Read}},
		},
		Events: []message.EventType{message.EventReceipt, message.EventMessageReceived},
		Limits: connector.Limits{Concurrency: 32},
	}
	both := &shared{}
	switch mistake {
	case "other in a process":
		if os.Getenv("HERMOD_CONNECTOR") != "" {
			spec.Summary = "A toy in a process."
		}
	case "version":
		spec.Version = "one"
	case "undeclared receipts":
		spec.Events = spec.Events[1:]
	case "declares media":
		spec.Channels[0].Kinds = append(spec.Channels[0].Kinds, message.KindMedia)
	case "declares event":
		spec.Events = append(spec.Events, message.EventContactCreated)
	case "map config":
		return connector.Define(spec, func(_ context.Context, m map[string]any, env connector.Env) (*account, error) {
			text := func(name string) string { s, _ := m[name].(string); return s }
			return newAccount(mistake, stuck, config{text("base_url"), connector.Secret(text("token")), connector.Secret(text("webhook_secret"))}, env, both), nil
		}, operations(mistake)...)
	case "unmarked secret":
		type unmarked struct {
			BaseURL string `json:"base_url" jsonschema:"where"`
			Token   string `json:"token" jsonschema:"token"`
			Secret  string `json:"webhook_secret" jsonschema:"secret"`
		}
		return connector.Define(spec, func(_ context.Context, c unmarked, env connector.Env) (*account, error) {
			return newAccount(mistake, stuck, config{c.BaseURL, connector.Secret(c.Token), connector.Secret(c.Secret)}, env, both), nil
		}, operations(mistake)...)
	}
	return connector.Define(spec, func(_ context.Context, c config, env connector.Env) (*account, error) {
		if mistake == "refuses to open" || mistake == "opens once" && both.opened.Swap(true) {
			return nil, errors.New("no")
		}
		return newAccount(mistake, stuck, c, env, both), nil
	}, operations(mistake)...)
}

// Name is the connector's name under a mistake.
func Name(mistake string) string {
	if mistake == "" {
		return "toy"
	}
	return "toy-" + string(bytes.ReplaceAll([]byte(mistake), []byte(" "), []byte("-")))
}

func newAccount(mistake string, stuck chan struct{}, c config, env connector.Env, both *shared) *account {
	a := &account{config: c, mistake: mistake, stuck: stuck, name: env.Account, shared: both, turn: make(chan struct{}, 1), client: &http.Client{Transport: &http.Transport{MaxConnsPerHost: 64}}}
	if mistake == "logs the configuration" {
		slog.Info("opened", "token", c.Token.Reveal())
	}
	switch mistake {
	case "leaks":
		go func() { <-stuck }()
	case "leaves a process":
		_ = exec.Command("/bin/sleep", "600").Start()
	}
	return a
}

// Close implements connector.Closer.
func (a *account) Close(ctx context.Context) error {
	switch a.mistake {
	case "hangs in close":
		<-a.stuck
	case "fails in close":
		return fault.New(fault.Internal, "no", "no")
	case "closes others":
		a.shared.closed.Store(true)
	}
	if a.mistake != "keeps connections" {
		a.client.CloseIdleConnections()
	}
	return nil
}

func number(d *connector.Delivery) string { return d.To.Phone }

// Send implements connector.Sender.
func (a *account) Send(ctx context.Context, d connector.Delivery) (connector.Result, error) {
	text := d.Content.Text
	if t := d.Content.Template; t != nil {
		text = t.Name
	}
	length := utf8.RuneCountInString(text)
	if a.mistake == "counts bytes" {
		length = len(text)
	}
	kind := d.Content.Kind()
	switch {
	case d.Channel != message.SMS && d.Channel != message.WhatsApp && a.mistake != "any channel",
		kind != message.KindText && (kind != message.KindTemplate || d.Channel != message.WhatsApp):
		return connector.Result{}, fault.New(fault.Unsupported, "kind_unsupported", "this cannot be sent")
	case number(&d) == "":
		return connector.Result{}, fault.New(fault.InvalidRecipient, "phone_missing", "no phone number")
	case length > maxText && a.mistake != "no limit":
		return connector.Result{}, fault.New(fault.ContentRejected, "text_too_long", "the text is too long")
	}
	if err := a.sendMistakes(ctx, &d); err != nil {
		return connector.Result{}, err
	}
	defer a.calls.Add(-1)
	if a.mistake == "lies" {
		return connector.Result{VendorID: "x"}, nil
	}
	if a.mistake == "sends emoji twice" && bytes.ContainsRune([]byte(text), 0x1F680) {
		_, _ = a.post(ctx, number(&d), text)
	}
	r, err := a.post(ctx, number(&d), text)
	if err != nil && a.mistake == "tries again" {
		r, err = a.post(ctx, number(&d), text)
	}
	if err != nil && a.mistake == "hopes" {
		return connector.Result{}, nil
	}
	if err == nil && a.mistake == "wedges" {
		<-a.turn
	}
	if err != nil && a.mistake == "tells the text" {
		err = fault.New(fault.From(err).Class, "failed", "sending %q failed: %w", text, err)
	}
	if err != nil && a.mistake == "plain errors" {
		return r, errors.New("it failed")
	}
	return r, err
}

func (a *account) sendMistakes(ctx context.Context, d *connector.Delivery) error {
	now := a.calls.Add(1)
	switch a.mistake {
	case "closes others":
		if a.shared.closed.Load() {
			return fault.New(fault.Internal, "closed", "it is closed")
		}
	case "crowded":
		if now > 8 {
			return fault.New(fault.Internal, "busy", "too many at once")
		}
	case "wedges": // a call that fails keeps its turn
		select {
		case a.turn <- struct{}{}:
		case <-ctx.Done():
			return fault.New(fault.OutcomeUnknown, "turn", "no turn")
		}
	case "logs the national number":
		slog.Info("sending", "to", "0"+strings.TrimPrefix(d.To.Phone, "+44"))
	case "logs the header":
		slog.Info("sending", "authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("toy@example.com:"+a.Token.Reveal())))
	case "logs the number":
		slog.Info("sending", "to", d.To.Phone)
	case "prints":
		_, _ = fmt.Fprintln(os.Stdout, "sending to", d.To.Phone)
	case "panics":
		panic("no")
	case "dies":
		os.Exit(3)
	}
	return nil
}

func (a *account) post(ctx context.Context, to, text string) (connector.Result, error) {
	body, err := json.Marshal(map[string]string{"to": to, "text": text})
	if err != nil {
		return connector.Result{}, fault.New(fault.Internal, "request", "%w", err)
	}
	if a.mistake == "ignores the context" {
		longer, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		ctx = longer
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.BaseURL+"/messages", bytes.NewReader(body))
	if err != nil {
		return connector.Result{}, fault.New(fault.Misconfigured, "request", "%w", err)
	}
	req.Header.Set("Authorization", "Bearer "+a.Token.Reveal())
	resp, err := a.client.Do(req)
	if err != nil {
		return connector.Result{}, a.failed(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return connector.Result{}, a.refused(resp)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, a.limit()))
	var v struct {
		ID message.VendorMessageID `json:"id"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &v)
	}
	if err != nil && a.mistake == "believes JSON" && json.Valid(raw) || len(raw) == 0 && a.mistake == "believes nothing" {
		return connector.Result{}, nil
	}
	if err != nil {
		return connector.Result{}, fault.New(a.class("garbage is internal", fault.Internal, fault.OutcomeUnknown), "answer", "the vendor's answer cannot be read")
	}
	return connector.Result{VendorID: v.ID}, nil
}

// class is wrong under a mistake and right otherwise.
func (a *account) class(mistake string, wrong, right fault.Class) fault.Class {
	if a.mistake == mistake {
		return wrong
	}
	return right
}

func (a *account) failed(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return fault.New(a.class("unreachable is unknown", fault.OutcomeUnknown, fault.Unavailable), "unreachable", "no connection")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fault.New(a.class("timeout is unavailable", fault.Unavailable, a.class("timeout is internal", fault.Internal, fault.OutcomeUnknown)), "timeout", "no answer")
	}
	return fault.New(a.class("drop is unavailable", fault.Unavailable, fault.OutcomeUnknown), "no_answer", "the connection was lost")
}

func (a *account) refused(resp *http.Response) error {
	classes := map[int]fault.Class{
		http.StatusTooManyRequests:    a.class("429 is internal", fault.Internal, fault.RateLimited),
		http.StatusUnauthorized:       a.class("401 is internal", fault.Internal, fault.Unauthorized),
		http.StatusServiceUnavailable: a.class("503 is internal", fault.Internal, fault.Unavailable),
		http.StatusBadRequest:         a.class("400 is unavailable", fault.Unavailable, fault.ContentRejected),
	}
	class := cmp.Or(classes[resp.StatusCode], a.class("500 is unavailable", fault.Unavailable, fault.OutcomeUnknown))
	f := fault.New(class, "http", "the vendor refused")
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && a.mistake != "no retry-after" {
		f = f.After(time.Duration(s) * time.Second)
	}
	if a.mistake == "repeats the vendor" {
		raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		f.VendorText = string(raw)
	}
	return f
}
