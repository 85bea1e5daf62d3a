// Package fault says why something failed, as a class that tells the engine what to do next.
//
// A connector turns a vendor's codes into a [Fault]; the class crosses the process border as a field, never as text.
// The package needs the standard library only.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Class is the kind of a failure. Each class has one meaning for the engine: see [Class.Action] and [Class.Taken].
type Class string

// The classes. A connector that meets a vendor code it does not know uses Internal, or OutcomeUnknown
// when the vendor may have taken the message.
const (
	InvalidRecipient    Class = "invalid_recipient"    // the address does not exist on this channel
	Unsubscribed        Class = "unsubscribed"         // the recipient refuses automatic messages
	ContentRejected     Class = "content_rejected"     // this content can never be sent this way
	TemplateUnavailable Class = "template_unavailable" // the template is unknown, paused or not approved
	SessionClosed       Class = "session_closed"       // the channel's free-text window is closed (WhatsApp: 24 hours)
	RecipientBusy       Class = "recipient_busy"       // the recipient is talking to an agent
	RateLimited         Class = "rate_limited"         // too fast; see Fault.RetryAfter
	QuotaExhausted      Class = "quota_exhausted"      // the account's credit or plan is used up
	Unauthorized        Class = "unauthorized"         // the account's credentials are refused
	Misconfigured       Class = "misconfigured"        // the account's configuration is wrong
	Unsupported         Class = "unsupported"          // the connector cannot do this
	Unavailable         Class = "unavailable"          // the vendor is down, or could not be reached before it took the message
	OutcomeUnknown      Class = "outcome_unknown"      // the vendor may or may not have taken the message
	Internal            Class = "internal"             // a defect in the connector or in the vendor's answer
)

// Action is what the engine does after a failed attempt.
type Action string

// The actions.
const (
	Retry Action = "retry" // call the same step again, after a backoff or RetryAfter
	Next  Action = "next"  // go on to the next step
	Stop  Action = "stop"  // call nobody else for this message
	Pause Action = "pause" // stop using the account until it is mended, and go on to the next step
	Ask   Action = "ask"   // the step's `unknown` policy decides: wait, next or resend
)

// Certainty says whether the vendor took the message.
type Certainty string

// The certainties.
const (
	NotTaken Certainty = "not_taken" // certainly not taken: calling again cannot duplicate
	MayTaken Certainty = "may_taken" // perhaps taken: calling again may duplicate
)

type meaning struct {
	action Action
	taken  Certainty
	advice string
}

var meanings = map[Class]meaning{
	InvalidRecipient:    {Next, NotTaken, "check the recipient's address for this channel"},
	Unsubscribed:        {Stop, NotTaken, "do not contact this recipient until they opt in again"},
	ContentRejected:     {Next, NotTaken, "change the content or the route's step"},
	TemplateUnavailable: {Next, NotTaken, "check the template's name, language and approval with the vendor"},
	SessionClosed:       {Next, NotTaken, "use a template, or wait for the recipient to write"},
	RecipientBusy:       {Retry, NotTaken, "the message is tried again later"},
	RateLimited:         {Retry, NotTaken, "lower the account's limits if this lasts"},
	QuotaExhausted:      {Pause, NotTaken, "top up the vendor account, then run `hermod accounts resume NAME`"},
	Unauthorized:        {Pause, NotTaken, "put the right credentials into the configuration and restart; or mend it at the vendor, then run `hermod accounts resume NAME`"},
	Misconfigured:       {Pause, NotTaken, "correct the account's configuration and restart; or mend it at the vendor, then run `hermod accounts resume NAME`"},
	Unsupported:         {Next, NotTaken, "use a channel that can carry this content"},
	Unavailable:         {Retry, NotTaken, "wait for the vendor, or look at its status page"},
	OutcomeUnknown:      {Ask, MayTaken, "the rule's `unknown` setting decides whether to wait, go on or resend"},
	Internal:            {Next, NotTaken, "report the vendor code to the connector's authors"},
}

// Classes returns every class, in the order of their declaration.
func Classes() []Class {
	return []Class{InvalidRecipient, Unsubscribed, ContentRejected, TemplateUnavailable, SessionClosed, RecipientBusy,
		RateLimited, QuotaExhausted, Unauthorized, Misconfigured, Unsupported, Unavailable, OutcomeUnknown, Internal}
}

// Known reports whether c is one of the declared classes.
func (c Class) Known() bool { _, ok := meanings[c]; return ok }

// Action returns what the engine does after a fault of this class. An unknown class counts as Internal.
func (c Class) Action() Action { return c.meaning().action }

// Taken says whether the vendor may have taken the message. An unknown class counts as Internal.
func (c Class) Taken() Certainty { return c.meaning().taken }

// Advice tells a person what to do next. NAME in it stands for the account's name. [Fault.Advice] knows better where there is a code.
func (c Class) Advice() string { return c.meaning().advice }

func (c Class) meaning() meaning {
	if m, ok := meanings[c]; ok {
		return m
	}
	return meanings[Internal]
}

// Fault is a classified failure. It implements error. Text must carry no secret, phone number or message text:
// build it with [New] and [Fault.WithVendor], which redact.
type Fault struct {
	Class      Class         `json:"class"`
	Code       string        `json:"code,omitempty"`        // a stable code of ours or the connector's, e.g. "engine_restarted"
	Text       string        `json:"text,omitempty"`        // what happened, for a person
	VendorCode string        `json:"vendor_code,omitempty"` // the vendor's own code
	VendorText string        `json:"vendor_text,omitempty"` // the vendor's own text, redacted
	RetryAfter time.Duration `json:"retry_after,omitempty"` // in nanoseconds; zero when the vendor did not say
	cause      error
}

// New returns a fault. The text is formatted like [fmt.Errorf], %w included, and redacted.
func New(class Class, code, format string, args ...any) *Fault {
	err := fmt.Errorf(format, args...)
	cause := errors.Unwrap(err)
	if _, several := err.(interface{ Unwrap() []error }); several {
		cause = err
	}
	return &Fault{Class: class, Code: code, Text: Redact(err.Error()), cause: cause}
}

// WithVendor returns a copy that carries the vendor's own code and text. The text is redacted.
func (f *Fault) WithVendor(code, text string) *Fault {
	g := *f
	g.VendorCode, g.VendorText = code, Redact(text)
	return &g
}

// After returns a copy that asks not to be retried before d has passed.
func (f *Fault) After(d time.Duration) *Fault {
	g := *f
	g.RetryAfter = d
	return &g
}

// Error gives the class, the code, the text and the vendor's code and text.
func (f *Fault) Error() string {
	var b strings.Builder
	b.WriteString(string(f.Class))
	if f.Code != "" {
		b.WriteString(" [" + f.Code + "]")
	}
	if f.Text != "" {
		b.WriteString(": " + f.Text)
	}
	if f.VendorCode != "" || f.VendorText != "" {
		b.WriteString(" (vendor said " + strings.TrimSpace(f.VendorCode+" "+f.VendorText) + ")")
	}
	return b.String()
}

// Unwrap returns the cause within this process. It does not cross the process border.
func (f *Fault) Unwrap() error { return f.cause }

// Is reports whether target is a fault of the same class and, where target has one, the same code.
func (f *Fault) Is(target error) bool {
	t, ok := target.(*Fault)
	return ok && t.Class == f.Class && (t.Code == "" || t.Code == f.Code)
}

// From returns the fault in err's chain. Any other error becomes an Internal fault with code "unclassified";
// nil stays nil.
func From(err error) *Fault {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	return &Fault{Class: Internal, Code: "unclassified", Text: Redact(err.Error()), cause: err}
}
