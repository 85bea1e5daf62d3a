package convrsapi

import (
	"encoding/json"
	"errors"
	"time"
)

// Names of the events in Push.Cmd.
const (
	OnUserCreate       = "onUserCreate"
	OnUserUpdate       = "onUserUpdate"
	OnUserDelete       = "onUserDelete"
	OnUserDisable      = "onUserDisable"
	OnUserEnable       = "onUserEnable"
	OnUserConversation = "onUserConversation"
)

// Push is what Convrs sends by itself, by webhook or websocket: an event, which has Cmd, or a delivery callback, which has
// MID and Ack instead.
type Push struct {
	Cmd               string          `json:"cmd"`
	UID               string          `json:"uid"`
	Data              json.RawMessage `json:"data"` // User, UserUpdate or []ConversationMessage, by Cmd
	MID               string          `json:"mid"`
	BotID             int             `json:"botID"`
	Ack               *int            `json:"ack"` // see the Ack constants
	Timestamp         string          `json:"timestamp"`
	WebhookPayload    json.RawMessage `json:"webhookPayload"`
	WhatsAppErrorCode int             `json:"whatsappErrorCode"` // hinted at for AckError
	WhatsAppErrorDesc string          `json:"whatsappErrorDesc"`
}

// UserUpdate is the data of onUserUpdate: the full user, and the changed fields only.
type UserUpdate struct {
	User   User            `json:"user"`
	Update json.RawMessage `json:"update"`
}

// IsCallback tells a delivery callback from an event.
func (p *Push) IsCallback() bool { return p.Cmd == "" }

// ParsePush reads an event or a callback. It fails on what is neither.
func ParsePush(raw []byte) (Push, error) {
	var p Push
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, err
	}
	if p.IsCallback() && (p.MID == "" || p.Ack == nil) {
		return p, errors.New("neither an event (cmd) nor a delivery callback (mid and ack)")
	}
	return p, nil
}

// ParseTime reads the times of the API: ISO 8601, in UTC where no zone is given. The zero time stands for anything else.
func ParseTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
