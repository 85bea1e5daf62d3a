package transform

// Class is the kind of a refusal. Each has the meaning of the class of the same name in sdk/fault; they stand here
// again because that package would make every guest a quarter larger.
type Class string

// The classes a transform may refuse a message with. Those about accounts and vendors' answers are not for transforms;
// given all the same, they count as Internal.
const (
	InvalidRecipient    Class = "invalid_recipient"    // next step: this recipient cannot be reached this way
	Unsubscribed        Class = "unsubscribed"         // no further step: the recipient must not be contacted
	ContentRejected     Class = "content_rejected"     // next step: this content must not go out this way
	TemplateUnavailable Class = "template_unavailable" // next step: the template cannot be used
	SessionClosed       Class = "session_closed"       // next step: free text is not possible now
	RecipientBusy       Class = "recipient_busy"       // the same step again, later
	RateLimited         Class = "rate_limited"         // the same step again, later
	Unavailable         Class = "unavailable"          // the same step again, later
	Unsupported         Class = "unsupported"          // next step: this channel cannot carry the content
	Internal            Class = "internal"             // next step: a defect in the transform
)

// Rejection is a transform's refusal of a message; see [Reject].
type Rejection struct {
	Class Class
	Code  string // stable, snake_case, at most 64 bytes, for example "blocked_word"
	Text  string // what happened, for a person; no secret, phone number or message text
}

// Error gives the class, the code and the text.
func (r *Rejection) Error() string { return string(r.Class) + " [" + r.Code + "]: " + r.Text }

// Reject returns an error that refuses the message: the step fails with a fault of this class and code, and no vendor is called
// for it. Any other error that a transform returns counts as Internal with code "transform_error".
func Reject(class Class, code, text string) error {
	return &Rejection{Class: class, Code: code, Text: text}
}

// rejection finds the refusal in err's chain; any other error is a defect of the transform.
func rejection(err error) *Rejection {
	for e := err; e != nil; {
		if r, ok := e.(*Rejection); ok {
			return r
		}
		u, ok := e.(interface{ Unwrap() error })
		if !ok {
			break
		}
		e = u.Unwrap()
	}
	return &Rejection{Class: Internal, Code: "transform_error", Text: err.Error()}
}
