package index

import (
	"sync"
	"time"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/sdk/message"
)

// Limits of what is kept for receipts that come before their attempt is known.
const (
	orphanAge  = time.Hour
	mostOrphan = 4096 // per shard
)

// Vendors finds the attempt that a vendor's message id stands for, and keeps receipts that come before the id is known.
type Vendors struct {
	now    func() time.Time
	shards [shards]vendorShard
}

// Attempt is one attempt of a message.
type Attempt struct {
	ID      ids.ID
	Attempt uint8
}

type vendorShard struct {
	mu      sync.Mutex
	known   map[uint64]Attempt
	orphans map[uint64][]orphan
	count   int
}

type orphan struct {
	receipt message.Receipt
	at      time.Time
}

// NewVendors returns an empty table.
func NewVendors(now func() time.Time) *Vendors {
	v := &Vendors{now: now}
	for i := range v.shards {
		v.shards[i].known, v.shards[i].orphans = map[uint64]Attempt{}, map[uint64][]orphan{}
	}
	return v
}

func (v *Vendors) shard(account message.AccountID, id message.VendorMessageID) (*vendorShard, uint64) {
	h := Hash(account, string(id))
	return &v.shards[h%shards], h
}

// Find returns the attempt with a vendor's id.
func (v *Vendors) Find(account message.AccountID, id message.VendorMessageID) (Attempt, bool) {
	s, h := v.shard(account, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.known[h]
	return a, ok
}

// Put remembers an attempt's vendor id, and returns the receipts that came before it.
func (v *Vendors) Put(account message.AccountID, id message.VendorMessageID, a Attempt) []message.Receipt {
	s, h := v.shard(account, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[h] = a
	waiting := s.orphans[h]
	if waiting == nil {
		return nil
	}
	delete(s.orphans, h)
	s.count -= len(waiting)
	out := make([]message.Receipt, len(waiting))
	for i := range waiting {
		out[i] = waiting[i].receipt
	}
	return out
}

// Forget drops a vendor id.
func (v *Vendors) Forget(account message.AccountID, id message.VendorMessageID) {
	s, h := v.shard(account, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, h)
}

// Orphan keeps a receipt until its attempt is known, for at most an hour. It returns the attempt when that has become known
// meanwhile; then nothing is kept.
func (v *Vendors) Orphan(account message.AccountID, r message.Receipt, at time.Time) (Attempt, bool) {
	if v.now().Sub(at) > orphanAge {
		return Attempt{}, false
	}
	s, h := v.shard(account, r.VendorID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.known[h]; ok {
		return a, true
	}
	if s.count >= mostOrphan {
		s.sweep(v.now())
	}
	if s.count < mostOrphan {
		s.orphans[h] = append(s.orphans[h], orphan{receipt: r, at: at})
		s.count++
	}
	return Attempt{}, false
}

// sweep drops what is too old, and if nothing is, everything: the journal still has them as events.
func (s *vendorShard) sweep(now time.Time) {
	for h, list := range s.orphans {
		if now.Sub(list[len(list)-1].at) > orphanAge {
			delete(s.orphans, h)
			s.count -= len(list)
		}
	}
	if s.count >= mostOrphan {
		clear(s.orphans)
		s.count = 0
	}
}
