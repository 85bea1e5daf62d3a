package omnidesk

import (
	"cmp"
	"context"
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

// Receive takes the hooks below chatServer, and a custom channel's messages on /channel. A hook that is not documented, or holds none of the names that are known, becomes an event omnidesk.HOOK with its payload.
func (a *account) Receive(_ context.Context, req *connector.Request) (*connector.Response, []message.Event, error) {
	secret, name, two := strings.Cut(strings.Trim(req.Path, "/"), "/")
	if !two {
		secret, name = "", secret
	}
	switch {
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
	e := a.event(name, h)
	if e.Inbound != nil && e.Inbound.Content.Media != nil && len(e.Inbound.Content.Media.Data) > message.MaxMediaData {
		return &connector.Response{Status: http.StatusRequestEntityTooLarge}, nil, nil
	}
	return &connector.Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte("ok")}, []message.Event{e}, nil
}

// trusted compares hashes, so that neither content nor length of the secret shows in the time it takes.
func (a *account) trusted(segment string) bool {
	want, got := sha256.Sum256([]byte(a.cfg.HookSecret.Reveal())), sha256.Sum256([]byte(segment))
	return a.cfg.HookSecret == "" || subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// event reads one hook.
func (a *account) event(name string, h *hook) message.Event {
	session, at := h.get("session"), a.parseTime(h.get("time"))
	in := message.Inbound{VendorID: message.VendorMessageID(h.get("id")), Channel: channelDesk, From: "agent", Author: h.get("agent"), At: at}
	e := message.Event{Time: a.now(), Account: a.name, User: message.VendorUserID(session), Conversation: message.ConversationID(session), Vendor: h.vendor,
		ID: a.eventID(in.VendorID != "" || !at.IsZero(), []byte(name), h.vendor, h.file.Data)}
	if session != "" {
		e.Contact = &message.Contact{User: e.User, Phone: a.phoneOf(session)}
	}
	known := session != ""
	switch name {
	case cmp.Or(a.cfg.EndHook, "endChatForCustomer"):
		e.Type = message.EventConversationClosed
	case "typingIndicatorForCustomer":
		e.Type = eventTyping
	case "messageForCustomer", "channel":
		in.Content.Text = h.get("message")
		known = known && in.Content.Text != ""
		e.Type, e.Inbound = message.EventMessageReceived, &in
	case "uploadForCustomer":
		in.Content.Media = h.media()
		known = known && in.Content.Media != nil
		e.Type, e.Inbound = message.EventMessageReceived, &in
	default:
		known = false
	}
	if !known {
		e.Type, e.Inbound = message.EventType("omnidesk."+name), nil
	}
	data := map[string]string{"ticketID": h.get("ticket"), "agent": in.Author, "typing": h.get("typing")}
	maps.DeleteFunc(data, func(_, v string) bool { return v == "" })
	if len(data) > 0 {
		e.Data, _ = json.Marshal(data) // texts always marshal
	}
	return e
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
// calls, so only repeats within the same minute count as one.
func (a *account) eventID(timed bool, parts ...[]byte) message.EventID {
	h := sha256.New()
	for _, p := range parts {
		sum := sha256.Sum256(p)
		h.Write(sum[:])
	}
	if !timed {
		h.Write(strconv.AppendInt(nil, a.now().Truncate(time.Minute).Unix(), 10))
	}
	return message.EventID("omnidesk-" + hex.EncodeToString(h.Sum(nil)[:16]))
}
