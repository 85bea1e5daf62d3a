package accounts

import (
	"strings"
	"time"

	"github.com/hermodhq/hermod/core/internal/pacing"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// The states of an account.
const (
	Closed   = string(pacing.Closed)   // the usual, named after its breaker: calls pass
	Held     = "held"                  // the vendor asked to wait, until Status.Until
	Open     = string(pacing.Open)     // its last calls failed: none pass, until Status.Until
	HalfOpen = string(pacing.HalfOpen) // a few calls try whether the vendor is back
	Paused   = string(pacing.Paused)   // until a person has mended it and resumes it
	Down     = "down"                  // it could not be opened, or its connector has died; it is tried again at Status.Until
)

// States returns every state that [Status] may have.
func States() []string { return []string{Closed, Held, Open, HalfOpen, Paused, Down} }

// Status is the state of one account.
type Status struct {
	Account   message.AccountID     `json:"account"`
	Connector message.ConnectorName `json:"connector"`
	State     string                `json:"state"`            // closed (calls pass), held, open, half_open, paused, or down (not opened)
	Queued    int                   `json:"queued"`           // messages that wait for their turn
	InFlight  int                   `json:"in_flight"`        // calls under way
	Reason    string                `json:"reason,omitempty"` // the class of the fault behind the state, retry_after, or connector_down
	Text      string                `json:"text,omitempty"`   // what the connector said: redacted, or its code
	Advice    string                `json:"advice,omitempty"` // what a person does about it
	Since     time.Time             `json:"since,omitzero"`   // when the state began, unless it is closed
	Until     time.Time             `json:"until,omitzero"`   // when calls pass again or the account is tried again, where that is known
}

// Statuses returns every account's state, in the order of their names.
func (b *Book[A]) Statuses() []Status {
	all := make([]Status, 0, len(b.cfg.Names))
	for _, id := range b.cfg.Names {
		all = append(all, b.status(id))
	}
	return all
}

// Each tells every account's name and state, how many messages wait and how many calls are under way.
func (b *Book[A]) Each(tell func(name, state string, waiting, underWay int)) {
	for _, s := range b.Statuses() {
		tell(string(s.Account), s.State, s.Queued, s.InFlight)
	}
}

func (b *Book[A]) status(id message.AccountID) Status {
	h := b.cfg.Pace(id)
	s := Status{Account: id, Connector: b.cfg.Connector(id), State: string(h.State), Queued: h.Queued, InFlight: h.InFlight, Reason: h.Reason, Since: h.Since, Until: h.Until}
	b.mu.Lock()
	a, open := b.open[id]
	if down := b.shut[id]; down != nil {
		s.Reason, s.Text, s.Since, s.Until = string(down.fault.Class), down.fault.Error(), down.since, down.next
		s.Advice = down.fault.Advice()
	}
	b.mu.Unlock()
	var trouble *fault.Fault
	if open {
		trouble = b.cfg.Trouble(a)
	}
	switch {
	case !open:
		s.State = Down
	case trouble != nil:
		s.State, s.Reason, s.Text, s.Since, s.Until = Down, trouble.Code, trouble.Text, time.Time{}, time.Time{}
		if trouble.RetryAfter > 0 {
			s.Until = b.cfg.Now().Add(trouble.RetryAfter)
		}
	case h.State == pacing.Paused:
		if code := b.cfg.PauseCode(id); code != "" {
			s.Text = h.Reason + " [" + code + "]"
		}
	case h.State == pacing.Closed && h.Until.IsZero():
		s.Since = time.Time{}
	case h.State == pacing.Closed:
		s.State, s.Since = Held, time.Time{} // when it was held is not kept
	}
	s.Advice = strings.ReplaceAll(advice(&s), "NAME", string(id))
	return s
}

func advice(s *Status) string {
	switch class := fault.Class(s.Reason); {
	case s.Advice != "":
		return s.Advice
	case s.State == Down && !class.Known() && s.Reason != "":
		return "the log says how its program ended; its messages wait"
	case s.State == Open || s.State == HalfOpen:
		return "look at the vendor's status page; it is tried again by itself"
	case s.State == Held:
		return "lower the account's limits if this lasts"
	case s.State == Paused && class.Known():
		return class.Advice()
	}
	return ""
}
