package message

import (
	"encoding/json"
	"time"

	"github.com/hermodhq/hermod/sdk/fault"
)

// Outcome says where an attempt or a message stands.
type Outcome string

// The outcomes. Accepted to Replied rank upwards; the others end an attempt or a message.
const (
	Accepted  Outcome = "accepted"  // the vendor took it
	Sent      Outcome = "sent"      // the vendor passed it on
	Delivered Outcome = "delivered" // it reached the recipient's device
	Read      Outcome = "read"      // the recipient saw it
	Replied   Outcome = "replied"   // the recipient answered

	Failed   Outcome = "failed"   // it will not arrive
	Expired  Outcome = "expired"  // its time ran out first
	Canceled Outcome = "canceled" // the host took it back first
	Unknown  Outcome = "unknown"  // the vendor may or may not have taken it
)

// Rank orders the positive outcomes from 1 (accepted) to 5 (replied); all others are 0.
func (o Outcome) Rank() int {
	switch o {
	case Accepted:
		return 1
	case Sent:
		return 2
	case Delivered:
		return 3
	case Read:
		return 4
	case Replied:
		return 5
	}
	return 0
}

// Valid reports whether o is one of the declared outcomes.
func (o Outcome) Valid() bool {
	return o.Rank() > 0 || o == Failed || o == Expired || o == Canceled || o == Unknown
}

// Receipt is a vendor's report about an attempt. Attempt and Message are set where the vendor echoes what it was given;
// otherwise VendorID finds the attempt.
type Receipt struct {
	VendorID VendorMessageID `json:"vendor_id,omitempty"`
	Message  ID              `json:"message,omitempty"`
	Attempt  int             `json:"attempt,omitempty"` // 1 is the first call for the message
	Outcome  Outcome         `json:"outcome"`           // a positive outcome, or Failed with Fault
	Fault    *fault.Fault    `json:"fault,omitempty"`
	At       time.Time       `json:"at,omitzero"` // the vendor's time; zero where it gives none
}

// Event is anything that happened: to a message, in a conversation, to a contact, in the engine. It has the shape of a
// CloudEvents 1.0 event: Source and ID together are unique, and a repeat carries the same two.
type Event struct {
	ID           EventID         `json:"id"`
	Source       string          `json:"source"` // "hermod/<engine>" or "hermod/<engine>/<account>"
	Type         EventType       `json:"type"`
	Time         time.Time       `json:"time"`
	Account      AccountID       `json:"account,omitempty"`
	Message      ID              `json:"message,omitempty"` // the message it is about, where there is one
	Receipt      *Receipt        `json:"receipt,omitempty"` // type receipt only
	User         VendorUserID    `json:"user,omitempty"`
	Conversation ConversationID  `json:"conversation,omitempty"`
	Contact      *Contact        `json:"contact,omitempty"`
	Inbound      *Inbound        `json:"inbound,omitempty"`  // message.received, and each message of a closed conversation
	Messages     []Inbound       `json:"messages,omitempty"` // conversation.closed: the conversation's messages
	Data         json.RawMessage `json:"data,omitempty"`     // type-specific detail, for types that have no field of their own
	Vendor       json.RawMessage `json:"vendor,omitempty"`   // the vendor's payload as it came
}

// EventType names a kind of event.
type EventType string

// Event types that connectors emit. The set is open: ticket.* and operator.* carry their detail in Data.
const (
	EventReceipt            EventType = "receipt"
	EventMessageReceived    EventType = "message.received"
	EventConversationClosed EventType = "conversation.closed"
	EventContactCreated     EventType = "contact.created"
	EventContactUpdated     EventType = "contact.updated"
	EventContactDeleted     EventType = "contact.deleted"
	EventContactBlocked     EventType = "contact.blocked"
	EventContactUnblocked   EventType = "contact.unblocked"
)

// Event types that the engine emits, one for each entry of a message's timeline.
const (
	EventAccepted  EventType = "message.accepted"
	EventPlanned   EventType = "message.planned"
	EventAttempted EventType = "message.attempted"
	EventAnswered  EventType = "message.answered"
	EventReceipted EventType = "message.receipted"
	EventStepLeft  EventType = "message.step_left"
	EventFinished  EventType = "message.finished"
)

// Event types that the engine emits for the reactions of rule files.
const (
	EventReactionStarted   EventType = "reaction.started"   // an operation that changes something is about to be called
	EventReactionRetrying  EventType = "reaction.retrying"  // it certainly took no effect, and is called again
	EventReactionDone      EventType = "reaction.done"      // a call was answered, or a message accepted
	EventReactionFailed    EventType = "reaction.failed"    // an action did not happen
	EventReactionUnknown   EventType = "reaction.unknown"   // a call may or may not have taken effect; it is not repeated
	EventReactionTold      EventType = "reaction.told"      // a signal of a rule to the host
	EventReactionThrottled EventType = "reaction.throttled" // a reaction is above its rate; its actions wait
)

// Contact is a person as a vendor knows them.
type Contact struct {
	User   VendorUserID      `json:"user,omitempty"`
	Name   string            `json:"name,omitempty"`
	Phone  string            `json:"phone,omitempty"`
	Email  string            `json:"email,omitempty"`
	Fields map[string]string `json:"fields,omitempty"`
}

// Inbound is one message of a conversation.
type Inbound struct {
	VendorID VendorMessageID `json:"vendor_id,omitempty"`
	Channel  Channel         `json:"channel,omitempty"`
	From     string          `json:"from,omitempty"` // client, agent, bot or system
	Author   string          `json:"author,omitempty"`
	Content  Content         `json:"content"`
	At       time.Time       `json:"at,omitzero"`
}
