package message

import "time"

// Plan is what a route decided for one message: an ordered list of steps, tried one at a time.
type Plan struct {
	Revision string        `json:"revision"`          // hash of the rule set that decided
	Route    string        `json:"route"`             // the route's name
	File     string        `json:"file,omitempty"`    // where the route stands
	Line     int           `json:"line,omitempty"`    // 1-based
	Steps    []Step        `json:"steps"`             // in the order in which they are tried
	Expires  time.Duration `json:"expires,omitempty"` // counted from acceptance; zero means never
	Strict   bool          `json:"strict,omitempty"`  // hold the recipient's next message until this one is final
}

// Step is one way of reaching the recipient.
type Step struct {
	Account    AccountID     `json:"account"`
	Channel    Channel       `json:"channel"`
	Content    Content       `json:"content,omitzero"`     // already rendered; zero means the message's own content
	Transforms []string      `json:"transforms,omitempty"` // names of transforms, applied in order before the call
	When       string        `json:"when,omitempty"`       // a condition over the attempts so far; empty means always
	Until      Outcome       `json:"until"`                // the outcome at which the step counts as done
	Within     time.Duration `json:"within,omitempty"`     // how long after the vendor's acceptance Until may take
	Unknown    Policy        `json:"unknown"`              // what to do when the outcome is not known
	Retries    int           `json:"retries"`              // further calls after the first, for faults that allow them
}

// Policy says what to do when it is not known whether the vendor took a message.
type Policy string

// The policies.
const (
	Wait   Policy = "wait"   // wait for a receipt until Within has passed, then the next step
	Next   Policy = "next"   // the next step at once
	Resend Policy = "resend" // call the same step again, which may duplicate the message
)
