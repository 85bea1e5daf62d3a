// Package ids holds the ids of messages and what is derived from addresses: hashes and partitions.
package ids

import (
	"errors"
	"hash/fnv"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/hermodhq/hermod/sdk/message"
)

// ID is a message's id in 16 bytes: a UUID version 7 (RFC 9562) whose last byte is the partition, so that a receipt, a
// cancellation or a question about a message finds its owner without an index.
type ID [16]byte

// NewID returns a new id for a message of partition index.
func NewID(index int) (ID, error) {
	u, err := uuid.NewV7()
	if err != nil {
		return ID{}, err
	}
	u[15] = byte(index)
	return ID(u), nil
}

// ParseID reads an id. The error says that it is none.
func ParseID(id message.ID) (ID, error) {
	u, err := uuid.Parse(string(id))
	if err != nil || len(id) != 36 {
		return ID{}, errors.New("not a message id: ids are UUIDs as returned by Send")
	}
	return ID(u), nil
}

// Partition returns the number of the partition that owns the message.
func (id ID) Partition() int { return int(id[15]) }

// Message returns the id as text.
func (id ID) Message() message.ID { return message.ID(uuid.UUID(id).String()) }

// Hash is the same in every process: it decides which partition a recipient belongs to. Empty text is 0.
func Hash(s string) uint64 {
	if s == "" {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	sum := h.Sum64()
	sum ^= sum >> 33 // FNV's low bits are weak, and the partition is taken from them
	sum *= 0xff51afd7ed558ccd
	return sum ^ sum>>33
}

// PartitionOf returns which of n partitions an address belongs to.
func PartitionOf(address string, n int) int { return int(Hash(address) % uint64(n)) }

// Key is one idempotency key: its digest, its message, and when that was accepted.
type Key struct {
	Digest [16]byte
	ID     ID
	At     time.Time
}

// Nanos returns a time as Unix nanoseconds; the zero time is 0.
func Nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.After(farthest):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// farthest is the last time that 64 bits of nanoseconds hold: the year 2262. Later times count as that one.
var farthest = time.Unix(0, math.MaxInt64)

// FromNanos is the reverse of [Nanos].
func FromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
