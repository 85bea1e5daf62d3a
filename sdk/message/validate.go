package message

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message/internal/strict"
)

// Bounds of [Message.Validate], in bytes unless said otherwise.
const (
	MaxKey       = 256
	MaxText      = 64 << 10  // content.text
	MaxShortText = 4 << 10   // any other text of the content, and names
	MaxURL       = 2 << 10   // content.media.url
	MaxMediaData = 512 << 10 // content.media.data; larger files go by url
	MaxLabel     = 1 << 10   // a label's value
	MaxData      = 256 << 10 // names and texts of data together
	MaxDataDepth = 16        // levels of data
	maxName      = 256       // names of labels, accounts, templates, categories
	maxEntries   = 256       // members of one JSON object
	maxItems     = 256       // buttons, sections, rows, template parameters, labels, users
	maxDataItems = 10_000    // values of data, all levels together
	maxContent   = 256 << 10 // all texts of a message together, data and media apart
)

// Validate checks what the types cannot say, and returns the first finding as an [*Error], or nil. Empty content is allowed:
// a route's step may bring it. Phone numbers are checked for their length only; the engine normalises them.
// It changes nothing and may be called from several goroutines.
func (m *Message) Validate() error {
	return check(func(c *checker) { c.message(m) })
}

// Validate checks content by itself, as [Message.Validate] does; paths begin inside the content.
func (c *Content) Validate() error {
	return check(func(k *checker) { k.content("", c) })
}

// check runs without paths, and once more with them when there is a finding.
func check(run func(*checker)) error {
	quick := checker{}
	if run(&quick); quick.err == nil {
		return nil
	}
	exact := checker{paths: strict.Paths{Redact: fault.Redact}}
	run(&exact)
	return exact.err
}

func (c *checker) message(m *Message) {
	c.text("key", string(m.Key), MaxKey)
	c.text("category", m.Category, maxName)
	c.word("priority", string(m.Priority), string(Urgent), string(Normal), string(Bulk))
	c.recipient("to", &m.To)
	c.content("content", &m.Content)
	c.labels("labels", m.Labels)
	c.data("data", m.Data)
	c.time("send_at", m.SendAt)
	c.time("expires", m.Expires)
	if !m.Expires.IsZero() && !m.SendAt.IsZero() && !m.Expires.After(m.SendAt) {
		c.fail(CodeExpiresTooEarly, "expires", "must be later than send_at")
	}
}

// checker keeps the first finding.
type checker struct {
	err   *Error
	paths strict.Paths
	bytes int // of texts so far
}

func (c *checker) fail(code, path, text string) {
	if c.err == nil {
		c.err = newError(code, path, text)
	}
}

func (c *checker) text(path, s string, limit int) {
	c.textIn("", path, s, limit)
}

// textIn is text for a field below a path.
func (c *checker) textIn(path, name, s string, limit int) {
	c.bytes += len(s)
	switch {
	case len(s) > limit:
		c.fail(CodeTooLong, strict.Join(path, name), fmt.Sprintf("has %d bytes, at most %d are allowed", len(s), limit))
	case c.bytes > maxContent:
		c.fail(CodeTooLong, strict.Join(path, name), fmt.Sprintf("brings the message's texts to more than %d bytes together", maxContent))
	case !utf8.ValidString(s):
		c.fail(CodeTextInvalid, strict.Join(path, name), "is not valid UTF-8")
	}
}

func (c *checker) requireIn(path, name, s string) {
	if s == "" {
		c.fail(CodeRequired, strict.Join(path, name), "must be set")
	}
}

// word wants one of the allowed words or nothing.
func (c *checker) word(path, s string, allowed ...string) {
	if s == "" || c.err != nil || slices.Contains(allowed, s) {
		return
	}
	c.fail(CodeUnknownValue, path, "must be one of "+strings.Join(allowed, ", "))
	c.err.Suggestion = strict.Nearest(s, allowed)
}

func (c *checker) count(path string, n, limit int) bool {
	if n > limit {
		c.fail(CodeTooMany, path, fmt.Sprintf("has %d entries, at most %d are allowed", n, limit))
	}
	return c.err == nil
}

func (c *checker) time(path string, t time.Time) {
	if !t.IsZero() && (t.Year() < 1 || t.Year() > 9999) {
		c.fail(CodeTimeInvalid, path, "must lie in the years 1 to 9999")
	}
}

func (c *checker) recipient(path string, r *Recipient) {
	if r.Phone == "" && r.Email == "" && len(r.Users) == 0 {
		c.fail(CodeRecipientMissing, path, `needs a phone number, an e-mail address or a user id: set "to.phone", "to.email" or "to.users"`)
		return
	}
	c.textIn(path, "phone", r.Phone, maxName)
	c.textIn(path, "email", r.Email, maxName+64)
	c.textIn(path, "name", r.Name, maxName)
	if n := len(r.Country); n != 0 && n != 2 {
		c.fail(CodeUnknownValue, strict.Join(path, "country"), `must be a two-letter country code (ISO 3166-1) such as "GB"`)
	}
	if !c.count(path, len(r.Users), maxItems) {
		return
	}
	for account, user := range r.Users {
		if account == "" || user == "" {
			c.least(CodeRequired, named(strict.Join(path, "users"), string(account)), "needs an account's name and a user id")
		}
		c.pair(c.paths.Field(path, "users"), string(account), string(user), MaxLabel)
	}
}

// least keeps, of several findings in a map, the one with the least path, so that the answer does not depend on the map's order.
func (c *checker) least(code, path, text string) {
	if c.err == nil || path < c.err.Path {
		c.err = newError(code, path, text)
	}
}

// named puts a name that the caller chose behind a path.
func named(path, name string) string { return strict.Join(path, strict.Shown(name, fault.Redact)) }

// pair checks one entry of a map of texts.
func (c *checker) pair(path, name, value string, limit int) {
	switch {
	case len(name) > maxName:
		c.least(CodeTooLong, named(path, name), fmt.Sprintf("has a name of %d bytes, at most %d are allowed", len(name), maxName))
	case len(value) > limit:
		c.least(CodeTooLong, named(path, name), fmt.Sprintf("has %d bytes, at most %d are allowed", len(value), limit))
	case !utf8.ValidString(name) || !utf8.ValidString(value):
		c.least(CodeTextInvalid, named(path, name), "is not valid UTF-8")
	}
}

func (c *checker) labels(path string, labels map[string]string) {
	if c.err != nil || !c.count(path, len(labels), maxItems) {
		return
	}
	for name, value := range labels {
		c.pair(path, name, value, MaxLabel)
	}
}
