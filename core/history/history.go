// Package history reads back from the journal what happened to messages: the timeline of one, and the events of all.
package history

import (
	"fmt"
	"time"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Status is where a message stands.
type Status struct {
	ID      message.ID        `json:"id"`
	Outcome message.Outcome   `json:"outcome,omitempty"` // the final outcome, or the best so far; empty while nothing is known
	Final   bool              `json:"final"`
	Reason  string            `json:"reason,omitempty"` // a stable code for the outcome, such as "no_receipt"
	Account message.AccountID `json:"account,omitempty"`
	Channel message.Channel   `json:"channel,omitempty"` // of the step that is, or was last, taken
}

// UnknownMessageError says that the engine has no such message: it never had, or its history has been trimmed.
type UnknownMessageError struct{ ID message.ID }

// Error names the id and what to do.
func (e *UnknownMessageError) Error() string {
	return fmt.Sprintf("message_unknown: there is no message %q here; check the id, and whether it is older than the journal's retention", e.ID)
}

// Timeline is everything that happened to one message, oldest first. It holds the message as it was accepted, personal
// data included.
type Timeline struct {
	Status
	Message message.Message `json:"message"`
	Plan    *message.Plan   `json:"plan,omitempty"`
	Entries []Entry         `json:"entries"`
}

// Entry is one thing that happened to a message.
type Entry struct {
	At       time.Time               `json:"at"`
	Type     message.EventType       `json:"type"`
	Step     int                     `json:"step"`              // 1 is the plan's first; 0: about no step
	Attempt  int                     `json:"attempt,omitempty"` // 1 is the first call
	Account  message.AccountID       `json:"account,omitempty"`
	Channel  message.Channel         `json:"channel,omitempty"`
	Outcome  message.Outcome         `json:"outcome,omitempty"`
	Fault    *fault.Fault            `json:"fault,omitempty"`
	VendorID message.VendorMessageID `json:"vendor_id,omitempty"`
	Detail   map[string]string       `json:"detail,omitempty"`
	Text     string                  `json:"text,omitempty"` // a stable code that says why, such as "no_receipt"
	Due      time.Time               `json:"due,omitzero"`   // what is waited for ends then
	Late     bool                    `json:"late,omitempty"` // a receipt for a step already left, or after the end
}
