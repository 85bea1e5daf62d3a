// Package index holds the engine's look-up tables that span partitions: idempotency keys, and vendors' message ids. They are
// rebuilt from the journal when the engine starts. All methods are safe for concurrent use.
package index

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/sdk/message"
)

const shards = 16

// Digest returns a key's digest, which is what the journal stores.
func Digest(k message.Key) [16]byte {
	sum := sha256.Sum256([]byte(k))
	return [16]byte(sum[:16])
}

// Keys remembers idempotency keys for a window of time.
type Keys struct {
	gone   chan struct{} // closed by Close
	window time.Duration
	now    func() time.Time
	shards [shards]keyShard
}

type keyShard struct {
	mu      sync.Mutex
	known   map[[16]byte]known
	pending map[[16]byte]*pending
}

type known struct {
	id  ids.ID
	at  int64 // Unix nanoseconds
	seq uint64
}

// pending is a key whose message is on its way into the journal.
type pending struct {
	id   ids.ID
	done chan struct{} // closed when it is known or given up
}

// NewKeys returns an empty table that remembers keys for window.
func NewKeys(window time.Duration, now func() time.Time) *Keys {
	k := &Keys{gone: make(chan struct{}), window: window, now: now}
	for i := range k.shards {
		k.shards[i].known, k.shards[i].pending = map[[16]byte]known{}, map[[16]byte]*pending{}
	}
	return k
}

func (k *Keys) shard(d [16]byte) *keyShard { return &k.shards[d[0]%shards] }

// Reserve returns the id of the message that already has this key, or takes the key for id and returns false. While
// another message with the key is on its way, Reserve waits until that one is durable or given up.
func (k *Keys) Reserve(ctx context.Context, d [16]byte, id ids.ID) (ids.ID, bool, error) {
	s := k.shard(d)
	for {
		s.mu.Lock()
		if have, ok := s.known[d]; ok && k.now().UnixNano()-have.at < int64(k.window) {
			s.mu.Unlock()
			return have.id, true, nil
		}
		wait := s.pending[d]
		if wait == nil {
			s.pending[d] = &pending{id: id, done: make(chan struct{})}
			s.mu.Unlock()
			return id, false, nil
		}
		s.mu.Unlock()
		select {
		case <-wait.done:
		case <-k.gone:
			return ids.ID{}, false, ErrClosed
		case <-ctx.Done():
			return ids.ID{}, false, ctx.Err()
		}
	}
}

// ErrClosed says that it will not become known what became of the message that has the key.
var ErrClosed = errors.New("the keys are closed")

// Close lets those go who wait for a key. Call it once, when nothing becomes durable any more.
func (k *Keys) Close() { close(k.gone) }

// Release gives a reserved key up: its message was certainly not stored.
func (k *Keys) Release(d [16]byte, id ids.ID) {
	s := k.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.pending[d]; p != nil && p.id == id {
		delete(s.pending, d)
		close(p.done)
	}
}

// Add takes up a key that the journal holds in frame seq of its message's partition.
func (k *Keys) Add(d [16]byte, id ids.ID, at time.Time, seq uint64) {
	s := k.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if have, ok := s.known[d]; !ok || have.at <= at.UnixNano() { // partitions are read back in any order
		s.known[d] = known{id: id, at: at.UnixNano(), seq: seq}
	}
	if p := s.pending[d]; p != nil {
		delete(s.pending, d)
		close(p.done)
	}
}

// Before returns the keys of a partition that stand in frames before seq and still count. It forgets those of every partition
// whose window has passed.
func (k *Keys) Before(index int, seq uint64) []ids.Key {
	oldest := k.now().Add(-k.window).UnixNano()
	var out []ids.Key
	for i := range k.shards {
		s := &k.shards[i]
		s.mu.Lock()
		for d, have := range s.known {
			switch {
			case have.at < oldest:
				delete(s.known, d)
			case have.id.Partition() == index && have.seq < seq:
				out = append(out, ids.Key{Digest: d, ID: have.id, At: time.Unix(0, have.at)})
			}
		}
		s.mu.Unlock()
	}
	return out
}

var seed = maphash.MakeSeed()

// Hash returns a hash that stays the same while the process lives.
func Hash(account message.AccountID, text string) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	_, _ = h.WriteString(string(account))
	_ = h.WriteByte(0)
	_, _ = h.WriteString(text)
	return h.Sum64()
}
