package chat2deskapi

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha1" // for accounts that sign so
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Events returns the names of all webhook events.
func Events() []string {
	return []string{"inbox", "outbox", "outbox_status", "comment", "new_client", "client_updated", "client_added_to_blacklist", "new_request", "close_request",
		"close_dialog", "dialog_transferred", "add_tag_to_client", "delete_tag_from_client", "add_tag_to_request", "delete_tag_from_request", "new_qr_code",
		"operator_status_changed", "operator_authentication_updated", "new_ticket", "ticket_updated", "ticket_deleted", "imported_message"}
}

// Unnamed is the HookType of a call that names no event and is no message, as those of the older webhook of closed chats may be.
const Unnamed = "unnamed"

// Hook is a webhook call. Which fields are set depends on HookType; Message holds the flat ones. In new_client, client_updated and
// client_added_to_blacklist the client stands at the top, and Client is read from there.
type Hook struct {
	Message
	HookType  Text            `json:"hook_type"`
	Client    Person          `json:"client"`
	EventTime Text            `json:"event_time"`
	Data      json.RawMessage `json:"data"`   // of outbox_status
	Ticket    json.RawMessage `json:"ticket"` // of ticket events
}

// ParseHook reads a webhook call. Fields of an unexpected type are left out, since the payloads are not documented; a call without
// hook_type, as the older webhooks make, is an inbox or outbox by its type, else it is Unnamed. It fails on what is no JSON object.
func ParseHook(raw []byte) (Hook, error) {
	var h Hook
	if err := tolerant(json.Unmarshal(raw, &h)); err != nil || !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		return h, errors.New("not a JSON object")
	}
	switch {
	case h.HookType != "":
	case h.MessageID != "" && h.Type == "from_client":
		h.HookType = "inbox"
	case h.MessageID != "" && (h.Type == "to_client" || h.Type == "autoreply"):
		h.HookType = "outbox"
	default:
		h.HookType = Unnamed
	}
	if h.Client.ID == "" && slices.Contains([]Text{"new_client", "client_updated", "client_added_to_blacklist"}, h.HookType) {
		_ = json.Unmarshal(raw, &h.Client) // what can be read was checked above
	}
	return h, nil
}

// Signature says how webhook calls are signed with an HMAC. Chat2Desk signs since 2025-06-06, but no public document tells the
// header, the algorithm, the encoding or what is signed, so all of them can be set.
type Signature struct {
	Header    string // X-Chat2Desk-Signature, a placeholder
	Algorithm string // sha256 (default), sha1 or sha512
	Encoding  string // hex (default) or base64
	Prefix    string // before the signature in the header, such as "sha256="; none by default
	Content   string // what is signed: {body}, the raw body, by default; {NAME} is another header, as in {X-Timestamp}.{body}
	Secret    string
	hash      func() hash.Hash
}

var placeholders = regexp.MustCompile(`\{[^{}]*\}`)

// Check fills the defaults in, and fails on an unknown algorithm or encoding, and on a content without the body.
func (s *Signature) Check() error {
	if s.Content = cmp.Or(s.Content, "{body}"); !strings.Contains(s.Content, "{body}") {
		return errors.New("what is signed must hold {body}")
	}
	s.Header, s.Algorithm, s.Encoding = cmp.Or(s.Header, "X-Chat2Desk-Signature"), cmp.Or(s.Algorithm, "sha256"), cmp.Or(s.Encoding, "hex")
	s.hash = map[string]func() hash.Hash{"sha256": sha256.New, "sha1": sha1.New, "sha512": sha512.New}[s.Algorithm]
	if s.hash == nil || s.Encoding != "hex" && s.Encoding != "base64" {
		return errors.New("the signature's algorithm must be sha256, sha1 or sha512, its encoding hex or base64")
	}
	return nil
}

// Sign returns the header's value for a call with the other headers and the body. Call Check first.
func (s *Signature) Sign(header http.Header, body []byte) string {
	mac := hmac.New(s.hash, []byte(s.Secret))
	mac.Write(placeholders.ReplaceAllFunc([]byte(s.Content), func(name []byte) []byte {
		if string(name) == "{body}" {
			return body
		}
		return []byte(header.Get(string(name[1 : len(name)-1])))
	}))
	if s.Encoding == "base64" {
		return s.Prefix + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return s.Prefix + hex.EncodeToString(mac.Sum(nil))
}

// Verify fails unless exactly one signature stands in the header and fits the body. Call Check first. Without a secret nothing fits.
func (s *Signature) Verify(header http.Header, body []byte) error {
	values := header.Values(s.Header)
	if s.Secret == "" || len(values) != 1 {
		return fmt.Errorf("the call carries %d signatures in %s, want one", len(values), s.Header)
	}
	value := strings.TrimSpace(values[0])
	if s.Encoding == "hex" && strings.HasPrefix(value, s.Prefix) {
		value = s.Prefix + strings.ToLower(value[len(s.Prefix):])
	}
	if !hmac.Equal([]byte(value), []byte(s.Sign(header, body))) {
		return errors.New("the signature does not fit the body")
	}
	return nil
}
