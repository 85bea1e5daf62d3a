// Package rules decides how a message reaches its recipient. It reads rule files, checks all of them before anything
// runs, and gives each message its plan.
//
// Rule files are the *.yaml and *.yml files of one directory, in the order of their names; names that begin with a dot are
// skipped, and so are folders. Each holds:
//
//	routes:                          # the first route whose condition holds gives the plan
//	  - name: order-updates          # unique among all files
//	    when: msg.category == "order" and msg.to.country == "GB"   # an expr condition; left out: always
//	    transforms: [mask-cards]     # applied in every step, before the step's own
//	    expires: 1h                  # counted from acceptance; 24h when left out
//	    order: strict                # hold the recipient's next message until this one is final; left out: do not
//	    fallback:                    # steps, tried in order, one at a time
//	      - via: convrs-uk/whatsapp  # account/channel
//	        when: session_open("whatsapp")   # asked when the step is reached; may use attempts; left out: always
//	        text: "Hi {{ data.name }}"       # the content; left out: the message's own
//	        until: delivered         # accepted (when left out), sent, delivered, read or replied
//	        within: 2m               # how long `until` may take; needed above accepted when another step follows
//	        unknown: wait            # wait, next or resend; left out: wait where `within` is set, otherwise next
//	        retries: 3               # further calls after faults that allow them, 0 to 10; left out: 3, and 10 in the last step
//	unrouted: fail                   # needed unless the last route has no condition
//	reactions:                       # every reaction whose event and condition fit, each by itself
//	  - name: closed-conversation    # unique among all files
//	    on: conversation.closed      # an event type, or a prefix such as ticket.*
//	    when: event.account == "convrs-uk" and len(event.messages) > 10   # left out: always
//	    do:                          # one after the other; what comes after a failure is left undone
//	      - call: omnidesk-nl/message.chatbot   # account/operation
//	        with: {subject: "Conversation of {{ event.contact.name }}", brandID: "{{ 1 }}"}   # its input
//	      - send: {to: {phone: "{{ event.contact.phone }}"}, category: survey}   # also priority, content, data, labels
//	      - tell: closed             # the host gets an event reaction.told
//	        with: {name: "{{ event.contact.name }}"}
//	    retries: 3                   # further calls after faults that certainly took no effect, 0 to 10; left out: 3
//	    rate: 100                    # actions a minute, above which they wait; left out: 100
//
// The input of a call is checked against the operation's JSON Schema: keys and types when the file is loaded, values before each call.
// Actions that wait for their rate take up room: give a reaction to something frequent a rate of its own.
// A value that is one {{ expression }} keeps the expression's type. Expressions of reactions see event and now, and nothing else: event.type, id,
// time, account, message, user, conversation, contact, receipt, inbound, messages, summary (the messages as lines of text), data and vendor.
//
// A step's content is text, template, media or interactive, and subject beside them. Text may stand beside media and
// interactive. Texts hold {{ expressions }}. A value that is missing when the message is decided is an error of that message, never an
// empty text. Durations are Go's, and 2d. YAML anchors, aliases and tags are refused.
//
// Expressions see msg, data, now (the time of the decision, no clock), account("name").state and .queued,
// session_open("channel"), opted_out("channel"), and in a step's condition the attempts so far. A number, list or map of data that may be
// missing needs a default, as in (data.total ?? 0) > 100: a condition that cannot be evaluated is an error of that message.
package rules

import (
	"time"

	"github.com/hermodhq/hermod/sdk/message"
)

// Catalog is what rule files may refer to. It is plain data; Load does not keep it.
type Catalog struct {
	Accounts   map[message.AccountID]AccountInfo `json:"accounts"`
	Transforms []string                          `json:"transforms"`
}

// AccountInfo says what one account offers.
type AccountInfo struct {
	Connector message.ConnectorName `json:"connector"`
	Channels  []ChannelInfo         `json:"channels"`

	Operations []OperationInfo     `json:"operations,omitempty"` // for reactions
	Events     []message.EventType `json:"events,omitempty"`     // what the account reports, for reactions
}

// ChannelInfo says what one channel of an account can carry.
type ChannelInfo struct {
	Channel  message.Channel       `json:"channel"`
	Kinds    []message.ContentKind `json:"kinds"`    // empty: not known, everything is allowed
	MaxText  int                   `json:"max_text"` // characters; zero: no limit is known
	Outcomes []message.Outcome     `json:"outcomes"` // the positive outcomes that can be known; accepted always can
	Session  time.Duration         `json:"session"`  // free text only this long after the recipient's last message; zero: no such rule
	TTL      time.Duration         `json:"ttl"`      // how long the vendor itself keeps trying; zero: not known
}

// Input is what one decision looks at. Nothing in it is changed or kept.
type Input struct {
	Message *message.Message
	Now     time.Time                      // the time of the decision
	Health  func(message.AccountID) Health // live health of an account; nil: every account is closed with an empty queue
	Contact Contact
}

// Health is the state of an account at the time of the decision.
type Health struct {
	State  string // its breaker: closed (calls pass), open, half_open or paused; empty is closed
	Queued int    // messages that wait for the account
}

// Contact is what is known about the recipient.
type Contact struct {
	LastInbound map[message.Channel]time.Time // the recipient's last message on each channel
	OptedOut    []message.Channel             // channels that the recipient refuses
}

// Attempt is an earlier attempt at the same message, as conditions of steps see it.
type Attempt struct {
	Account message.AccountID
	Channel message.Channel
	Outcome message.Outcome
	Class   string // the fault's class, where there was one
	Code    string // the fault's code, where there was one
}

// Decision is what a rule set decided for one message.
type Decision struct {
	Plan     *message.Plan // nil when no route takes the message
	Route    string        // the name of the route
	Revision string        // the rule set that decided, also when no route takes the message
}
