package index

import (
	"maps"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/hermodhq/hermod/sdk/message"
)

// mostContacts bounds the recipients whose last messages are remembered.
const mostContacts = 100_000

// Contacts remembers when people last wrote, per channel, for rules that ask whether a channel's session is open.
type Contacts struct {
	mu   sync.Mutex
	last *lru.Cache[string, map[message.Channel]time.Time]
}

// NewContacts returns an empty table.
func NewContacts() *Contacts {
	last, err := lru.New[string, map[message.Channel]time.Time](mostContacts)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &Contacts{last: last}
}

// Wrote notes that the person at an address wrote on a channel.
func (c *Contacts) Wrote(address string, channel message.Channel, at time.Time) {
	if address == "" || at.IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	have, _ := c.last.Get(address)
	if !have[channel].Before(at) {
		return
	}
	have = maps.Clone(have) // readers may hold the old one
	if have == nil {
		have = map[message.Channel]time.Time{}
	}
	have[channel] = at
	c.last.Add(address, have)
}

// Last returns when the person at an address last wrote, per channel. The map is read only; nil when nothing is known.
func (c *Contacts) Last(address string) map[message.Channel]time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	have, _ := c.last.Get(address)
	return have
}

// mostSeen bounds the vendors' event ids that are remembered.
const mostSeen = 65536

// Seen remembers the newest events, so that a vendor's repeats can be dropped.
type Seen struct{ ids *lru.Cache[uint64, struct{}] }

// NewSeen returns an empty memory.
func NewSeen() *Seen {
	ids, err := lru.New[uint64, struct{}](mostSeen)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &Seen{ids: ids}
}

// Has reports whether the event has come before. An event without an id never has.
func (s *Seen) Has(account message.AccountID, id message.EventID) bool {
	return id != "" && s.ids.Contains(Hash(account, string(id)))
}

// Add remembers an event.
func (s *Seen) Add(account message.AccountID, id message.EventID) {
	if id != "" {
		s.ids.Add(Hash(account, string(id)), struct{}{})
	}
}
