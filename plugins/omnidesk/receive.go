package omnidesk

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

const eventTyping message.EventType = "operator.typing"

var hookName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// Receive takes the hooks below chatServer, and a custom channel's messages on /channel. A hook that is not documented, or holds
// none of the names that are known, becomes an event omnidesk.HOOK with its payload.
func (a *account) Receive(_ context.Context, req *connector.Request) (*connector.Response, []message.Event, error) {
	secret, name, two := strings.Cut(strings.Trim(req.Path, "/"), "/")
	if !two {
		secret, name = "", secret
	}
	switch {
	case a.cfg.HookSecret == "" && a.cfg.HookAuth != "none":
		return nil, nil, fault.New(fault.Unauthorized, "hook_secret_missing", "hook calls cannot be checked: set hook_secret, or hook_auth to none")
	case !a.trusted(secret):
		return nil, nil, fault.New(fault.Unauthorized, "hook_secret", "the hook call lacks the secret: end chatServer, or the URL given to Omnidesk, with it")
	case !hookName.MatchString(name):
		return &connector.Response{Status: http.StatusNotFound}, nil, nil
	case req.Method != http.MethodPost:
		return &connector.Response{Status: http.StatusMethodNotAllowed, Header: http.Header{"Allow": {http.MethodPost}}}, nil, nil
	}
	h, err := readHook(req, a.cfg.HookFields)
	if err != nil {
		return nil, nil, fault.New(fault.ContentRejected, "payload_invalid", "the body of the hook call cannot be read: %w", err)
	}
	events := a.events(name, h)
	for i := range events {
		if in := events[i].Inbound; in != nil && in.Content.Media != nil && len(in.Content.Media.Data) > message.MaxMediaData {
			return &connector.Response{Status: http.StatusRequestEntityTooLarge}, nil, nil
		}
	}
	return &connector.Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte("ok")}, events, nil
}

// trusted compares hashes, so that neither content nor length of the secret shows in the time it takes.
func (a *account) trusted(segment string) bool {
	want, got := sha256.Sum256([]byte(a.cfg.HookSecret.Reveal())), sha256.Sum256([]byte(segment))
	return a.cfg.HookSecret == "" || subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// events reads one hook call. Each file of it is an event of its own.
func (a *account) events(name string, h *hook) []message.Event {
	session, at := h.get("session"), a.parseTime(h.get("time"))
	if at.IsZero() {
		at = a.now()
	}
	e := message.Event{Type: message.EventType("omnidesk." + name), Time: at, Account: a.name, User: message.VendorUserID(session),
		Conversation: message.ConversationID(session), Vendor: h.vendor}
	data := map[string]string{"ticketID": h.get("ticket"), "agent": h.get("agent"), "typing": h.get("typing")}
	maps.DeleteFunc(data, func(_, v string) bool { return v == "" })
	if len(data) > 0 {
		e.Data, _ = json.Marshal(data) // texts always marshal
	}
	if session != "" {
		e.Contact = &message.Contact{User: e.User, Phone: a.phoneOf(session)}
		switch name {
		case cmp.Or(a.cfg.EndHook, "endChatForCustomer"):
			e.Type = message.EventConversationClosed
		case "typingIndicatorForCustomer":
			e.Type = eventTyping
		case "messageForCustomer", "channel", "uploadForCustomer":
			if list := a.received(e, name, h); len(list) > 0 {
				return list
			}
		}
	}
	parts := [][]byte{[]byte(name), h.vendor}
	for _, file := range h.files {
		parts = append(parts, file.Data)
	}
	e.ID = a.eventID(h, parts...)
	return []message.Event{e}
}

// received makes an event of each content of a hook call. With the message's id and what it says, a call is known again though it
// says when, or how often, it was sent.
func (a *account) received(e message.Event, name string, h *hook) (list []message.Event) {
	e.Type = message.EventMessageReceived
	in := message.Inbound{VendorID: message.VendorMessageID(h.get("id")), Channel: channelDesk, From: "agent", Author: h.get("agent"), At: a.parseTime(h.get("time"))}
	for i, c := range h.contents(name == "uploadForCustomer") {
		in.Content = c
		said, _ := json.Marshal(c) // texts and bytes always marshal
		payload := h.vendor
		if in.VendorID != "" {
			payload = []byte(e.Conversation)
		}
		e.ID, e.Inbound = a.eventID(h, []byte(name), payload, []byte(in.VendorID), strconv.AppendInt(nil, int64(i), 10), said), new(in)
		list = append(list, e)
	}
	return list
}

// parseTime reads the documented form, which has no zone, RFC 3339 and Unix seconds. The zero time stands for anything else.
func (a *account) parseTime(v string) time.Time {
	for _, layout := range []string{time.DateTime, time.RFC3339} {
		if t, err := time.ParseInLocation(layout, v, a.zone); err == nil {
			return t.UTC()
		}
	}
	if s, err := strconv.ParseInt(v, 10, 64); err == nil && s > 1e9 && s < 1e10 {
		return time.Unix(s, 0).UTC()
	}
	return time.Time{}
}

// eventID makes the same id for the same call. Where that holds neither time nor id, an agent may say "ok" twice by equal
// calls, so only repeats within the setting hook_repeats count as one.
func (a *account) eventID(h *hook, parts ...[]byte) message.EventID {
	hash := sha256.New()
	for _, p := range parts {
		sum := sha256.Sum256(p)
		hash.Write(sum[:])
	}
	if h.get("id") == "" && a.parseTime(h.get("time")).IsZero() {
		if a.repeats == 0 {
			hash.Write([]byte(rand.Text()))
		} else {
			hash.Write(strconv.AppendInt(nil, a.now().Truncate(a.repeats).Unix(), 10))
		}
	}
	return message.EventID("omnidesk-" + hex.EncodeToString(hash.Sum(nil)[:16]))
}
