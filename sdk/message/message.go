package message

import "time"

// Message is what the host wants delivered to one recipient.
type Message struct {
	ID       ID                `json:"id,omitempty"`       // set by the engine at acceptance; a host leaves it empty
	Key      Key               `json:"key,omitempty"`      // idempotency key; empty means every Send is a new message
	To       Recipient         `json:"to"`                 // who shall get it
	Category string            `json:"category,omitempty"` // the host's own word for the kind of message; rules match on it
	Priority Priority          `json:"priority,omitempty"` // urgent goes before normal, normal before bulk; empty is normal
	Content  Content           `json:"content,omitzero"`   // what to say; a route's step may replace it
	Data     map[string]any    `json:"data,omitempty"`     // values for the rules' templates and conditions: JSON values only
	Labels   map[string]string `json:"labels,omitempty"`   // the host's own marks; the label "tenant" is what fairness goes by
	SendAt   time.Time         `json:"send_at,omitzero"`   // not before; zero is now
	Expires  time.Time         `json:"expires,omitzero"`   // no vendor is called after; zero leaves it to the route
}

// Tenant returns the label that fairness between tenants goes by; empty when there is none.
func (m *Message) Tenant() string { return m.Labels["tenant"] }

// Priority orders messages that wait for the same account.
type Priority string

// The priorities. Empty means Normal.
const (
	Urgent Priority = "urgent" // one-time codes
	Normal Priority = "normal"
	Bulk   Priority = "bulk" // campaigns
)

// Recipient is who shall get a message: a phone number, an e-mail address, or vendor user ids, at least one of them.
type Recipient struct {
	Phone   string                     `json:"phone,omitempty"`   // E.164 after acceptance, e.g. "+447700900123"
	Country string                     `json:"country,omitempty"` // ISO 3166-1 alpha-2; derived from the phone number at acceptance
	Email   string                     `json:"email,omitempty"`   // RFC 5322 addr-spec
	Users   map[AccountID]VendorUserID `json:"users,omitempty"`   // the person's id at an account
	Name    string                     `json:"name,omitempty"`    // a display name, where a vendor wants one
}

// Address returns what identifies the recipient for order and pacing: the phone number, else the e-mail address,
// else the least account's user id. Empty when there is none.
func (r *Recipient) Address() string {
	switch {
	case r.Phone != "":
		return r.Phone
	case r.Email != "":
		return r.Email
	}
	var account AccountID
	for a := range r.Users {
		if account == "" || a < account {
			account = a
		}
	}
	if account == "" {
		return ""
	}
	return string(account) + "/" + string(r.Users[account])
}

// ContentKind is one kind of content.
type ContentKind string

// The kinds of content.
const (
	KindText        ContentKind = "text"
	KindTemplate    ContentKind = "template"
	KindMedia       ContentKind = "media"
	KindInteractive ContentKind = "interactive"
)

// Content is what a message says. Text may stand alone, or beside media (a caption) and interactive parts (the body).
// At most one of Template, Media and Interactive is set.
type Content struct {
	Text        string       `json:"text,omitempty"`
	Subject     string       `json:"subject,omitempty"` // e-mail and tickets
	Template    *Template    `json:"template,omitempty"`
	Media       *Media       `json:"media,omitempty"`
	Interactive *Interactive `json:"interactive,omitempty"`
}

// Kind returns the most specific kind that is set, and "" when nothing is.
func (c *Content) Kind() ContentKind {
	switch {
	case c.Template != nil:
		return KindTemplate
	case c.Interactive != nil:
		return KindInteractive
	case c.Media != nil:
		return KindMedia
	case c.Text != "":
		return KindText
	}
	return ""
}

// Template is a message that the vendor or channel has approved beforehand.
type Template struct {
	Name     string         `json:"name"`               // the vendor's name or id of the template
	Language string         `json:"language,omitempty"` // the vendor's language code, e.g. "en"
	Params   []string       `json:"params,omitempty"`   // values in the order of the template's placeholders
	Named    map[string]any `json:"named,omitempty"`    // values by name, for vendors whose placeholders have names
	Header   *Media         `json:"header,omitempty"`   // a media header, where the template has one
}

// Media is a file that the vendor fetches, or whose bytes are sent along.
type Media struct {
	Type string `json:"type"`           // image, video, audio or document
	URL  string `json:"url,omitempty"`  // where the vendor fetches it
	Data []byte `json:"data,omitempty"` // the bytes, where there is no URL
	Name string `json:"name,omitempty"` // a file name to show
	MIME string `json:"mime,omitempty"` // RFC 6838 media type
}

// Interactive is a choice that the recipient makes by pressing.
type Interactive struct {
	Buttons  []Button  `json:"buttons,omitempty"`
	Header   string    `json:"header,omitempty"`
	Footer   string    `json:"footer,omitempty"`
	Menu     string    `json:"menu,omitempty"`     // the label that opens the list
	Sections []Section `json:"sections,omitempty"` // a list
}

// Button is one button. Type is reply (the default), url, phone or location; Payload is what comes back or where it leads.
type Button struct {
	Type    string `json:"type,omitempty"`
	Text    string `json:"text"`
	Payload string `json:"payload,omitempty"`
	Color   string `json:"color,omitempty"`
}

// Section is one part of a list.
type Section struct {
	Title string `json:"title,omitempty"`
	Rows  []Row  `json:"rows"`
}

// Row is one choice of a list.
type Row struct {
	ID          string `json:"id"`
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
}
