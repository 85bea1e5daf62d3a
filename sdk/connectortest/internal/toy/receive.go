package toy

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

const maxAge = 5 * time.Minute

type payload struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	From string `json:"from"`
	Text string `json:"text"`
}

// Receive implements connector.Receiver.
func (a *account) Receive(_ context.Context, req *connector.Request) (*connector.Response, []message.Event, error) {
	switch a.mistake {
	case "indexes the body":
		_ = req.Body[1]
	case "logs webhooks":
		slog.Info("received", "body", string(req.Body))
	}
	at := req.Header.Get("X-Time")
	if a.mistake != "trusts everyone" && !a.signed(at, req) {
		return nil, nil, fault.New(a.class("forged is content", fault.ContentRejected, fault.Unauthorized), "signature", "the signature does not fit")
	}
	seconds, err := strconv.ParseInt(at, 10, 64)
	if a.mistake != "trusts everyone" && a.mistake != "never stale" && (err != nil || time.Since(time.Unix(seconds, 0)).Abs() > maxAge) {
		return nil, nil, fault.New(fault.Unauthorized, "stale", "the signature is too old")
	}
	var p payload
	if err := json.Unmarshal(req.Body, &p); err != nil && a.mistake != "believes noise" {
		return nil, nil, fault.New(fault.ContentRejected, "payload", "the payload cannot be read")
	}
	return a.reply(), []message.Event{a.event(p)}, nil
}

func (a *account) signed(at string, req *connector.Request) bool {
	signature := req.Header.Get("X-Signature")
	if a.mistake == "any signature" {
		return signature != ""
	}
	return hmac.Equal([]byte(Sign(a.Secret.Reveal(), at, req.Body)), []byte(signature))
}

func (a *account) reply() *connector.Response {
	if a.mistake == "odd status" {
		return &connector.Response{Status: 42}
	}
	return nil
}

func (a *account) event(p payload) message.Event {
	e := message.Event{ID: message.EventID("toy-" + p.ID), Type: message.EventMessageReceived, Time: time.Now(), Account: a.name}
	if p.Type == "receipt" {
		e.Type, e.Receipt = message.EventReceipt, &message.Receipt{VendorID: "m1", Outcome: message.Delivered}
	} else {
		e.Inbound = &message.Inbound{VendorID: message.VendorMessageID(p.ID), Channel: message.WhatsApp, From: p.From, Content: message.Content{Text: p.Text}}
	}
	switch a.mistake {
	case "random ids":
		e.ID = message.EventID(rand.Text())
	case "counts events":
		e.ID = message.EventID(strconv.Itoa(int(a.events.Add(1))))
	case "knows better":
		if e.Receipt != nil {
			e.Receipt.Outcome = message.Replied
		}
	case "same ids":
		e.ID = "toy"
	case "wrong event":
		e.Type, e.Receipt = message.EventContactCreated, nil
	case "receipt of nothing":
		if e.Receipt != nil {
			e.Receipt = &message.Receipt{Outcome: message.Failed}
		}
	}
	return e
}

// Sign is the vendor's signature of a webhook body at a Unix time.
func Sign(secret, at string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, at+".")
	_, _ = mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// Query implements connector.Querier.
func (a *account) Query(ctx context.Context, q connector.Query) (message.Receipt, error) {
	var v struct{ State message.Outcome }
	if err := a.get(ctx, "/messages/"+string(q.VendorID), &v); err != nil && a.mistake != "knows everything" {
		return message.Receipt{}, err
	}
	if a.mistake == "empty receipts" {
		v.State = ""
	}
	return message.Receipt{VendorID: q.VendorID, Outcome: v.State}, nil
}

// Listen implements connector.Listener.
func (a *account) Listen(ctx context.Context, emit func(context.Context, message.Event) error) error {
	if a.mistake == "stops listening" {
		return nil
	}
	if a.mistake == "listens on" {
		defer func() { <-a.stuck }()
	}
	for after := ""; ctx.Err() == nil; {
		var p payload
		if err := a.get(ctx, "/updates?after="+after, &p); ctx.Err() != nil {
			break
		} else if err != nil {
			return err
		}
		after = p.ID
		if a.mistake == "is deaf" {
			continue
		}
		if err := emit(ctx, a.event(p)); err != nil && a.mistake != "goes on to the next" {
			return err
		}
	}
	return ctx.Err()
}

func (a *account) get(ctx context.Context, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.BaseURL+path, http.NoBody)
	if err != nil {
		return fault.New(fault.Internal, "request", "the request cannot be made")
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return a.failed(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(v) != nil {
		return fault.New(fault.ContentRejected, "unknown", "the vendor does not know it")
	}
	return nil
}
