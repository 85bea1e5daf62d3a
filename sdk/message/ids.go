// Package message is Hermod's vocabulary: messages, recipients, content, plans, attempts, outcomes, receipts and events.
//
// Every part of the system speaks these types; the package needs the standard library and sdk/fault only. All
// types are plain values: copy them freely, and do not share their maps between goroutines that write.
package message

// ID names a message. It is made by the engine, unique everywhere, and sorts by time of acceptance.
// Treat it as opaque text.
type ID string

// Key is the host's idempotency key: one key, one message. At most 256 bytes.
type Key string

// AccountID names one configured use of a connector, such as "convrs-uk". Unique within one engine.
type AccountID string

// ConnectorName names a connector program, such as "convrs".
type ConnectorName string

// VendorMessageID is the vendor's id for what one attempt sent. Unique only within its account; never parsed.
type VendorMessageID string

// VendorUserID is the vendor's id for a person. Unique only within its account; never parsed.
type VendorUserID string

// ConversationID is the vendor's id for a conversation. Unique only within its account; never parsed.
type ConversationID string

// EventID names an event. Unique everywhere together with the event's source.
type EventID string

// Channel is the way a message reaches a person. The set is open: a connector may use any name.
type Channel string

// Channels that several vendors share.
const (
	WhatsApp  Channel = "whatsapp"
	SMS       Channel = "sms"
	Telegram  Channel = "telegram"
	Viber     Channel = "viber"
	Messenger Channel = "messenger"
	Instagram Channel = "instagram"
	WebChat   Channel = "webchat"
	Email     Channel = "email"
)
