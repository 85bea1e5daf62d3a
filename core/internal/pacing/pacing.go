// Package pacing decides when the next call to a vendor may be made: limits per account and per recipient, urgent
// messages before bulk ones, fairness between tenants, and a circuit breaker per account.
//
// One [Account] paces one account of the engine, for all of its senders. Items are submitted, wait as long as they have to,
// are granted, leave for the vendor, and are done when their call has ended. Nothing is granted twice and nothing is lost.
//
// Limits. A grant is not yet a call: the attempt is put on record first, which takes a time that varies. So an account with a limit
// grants a little ahead, 200 ms and while it is late 400 ms more, and its calls then pass [Account.Leave], where the limit is kept: at
// most PerSecond calls leave in any window of one second, wherever it begins, and the calls of one recipient lie as far apart as they
// must. Calls are spaced evenly. A margin of 1.1 per cent covers what usually varies between leaving and arriving; a call whose answer
// comes later than usual is counted from as much later, half a second at most and within a budget. No more leave than the connector works
// on at once. Lateness of timers and records is caught up, within the window, so that at least 98 per cent of the limit is used while
// enough is waiting, as long as records take less than those 200 ms. A limit that is not a whole number is kept by the spacing; a
// window then holds at most the next whole number. A burst is not allowed after idleness either: vendors count in windows that we do
// not see. What left before the account was made is not known to it.
//
// RATIONALE.md, "Why is a limit kept a second time, after the record?", has the figures.
//
// Order. The items of one recipient are granted in the order of submission within a lane. A recipient that has to wait
// holds up nobody else. Urgent goes before normal and bulk, always. Of normal and bulk, when both wait, every tenth grant
// is bulk, so that bulk is slow but never stands still. Within a lane, tenants take turns, one item each.
//
// Neither x/time/rate nor a leaky bucket fits here: a token bucket that may burst breaks the window, and one that may not
// loses what timers are late. The breaker is sony/gobreaker.
package pacing

import (
	"time"

	"github.com/hermodhq/hermod/sdk/fault"
)

// Lane orders items that wait for the same account.
type Lane uint8

// The lanes, first to last.
const (
	Urgent Lane = iota
	Normal
	Bulk
	lanes
)

// Item is one call that wants to be made. It has 32 bytes and no pointers: a million may wait.
type Item struct {
	Ref       uint64 // the caller's own handle; unique among waiting items together with Partition
	Recipient uint64 // a hash of the recipient's address: what the limit per recipient and the order go by
	Tenant    uint64 // a hash of the tenant: what fairness goes by
	Partition int32  // the caller's own, carried along
	Lane      Lane   // values beyond Bulk count as Bulk
	era       uint16 // the breaker's count of state changes when the item was granted
}

// Result says how a granted call ended.
type Result struct {
	Item    Item
	Class   fault.Class // empty when the vendor took the message
	Skipped bool        // no call was made: frees the place and tells the breaker nothing
	Left    Left        // what Leave returned; zero when the call has not passed it
}

// Left tells a call that has left an account from others.
type Left struct {
	slot int32 // from 1
	at   int64
}

// Limits bound an account. Zero means not limited, except for Concurrency.
type Limits struct {
	PerSecond             float64 // calls in any one second
	PerRecipientPerSecond float64 // the same for one recipient; 0.1 is one in ten seconds
	Concurrency           int     // items granted and not yet done; zero is DefaultConcurrency
	Calls                 int     // with a limit: items that have left and are not yet done. What a connector keeps waiting would go in a lump later
}

// DefaultConcurrency is used where Limits.Concurrency is zero.
const DefaultConcurrency = 1024

// AccountConfig is what an account needs.
type AccountConfig struct {
	Limits  Limits
	Breaker Breaker
	// Grant gets items that may be called now, in order, at most Concurrency of them before they are done. It is called from inside
	// Submit, Done, Resume, Cancel, Pause, RetryAfter and Run, one call at a time for an account. It must not block; it may call the
	// account's methods. The slice is valid during the call only.
	Grant func([]Item)
}

// State says whether an account grants.
type State string

// The states.
const (
	Closed   State = "closed"    // the usual: it grants
	Open     State = "open"      // too many calls failed: it grants nothing for a while
	HalfOpen State = "half_open" // a few calls try whether the vendor is back
	Paused   State = "paused"    // it grants nothing until Resume
)

// Health is where an account stands.
type Health struct {
	State    State
	Reason   string    // why it is paused, the last fault's class when open or half-open, "retry_after" while the vendor asked to wait
	Since    time.Time // when the state began
	Until    time.Time // when it grants again, where that is known
	Queued   int       // items that wait
	InFlight int       // items granted and not yet done
}

// maxRetryAfter bounds what a vendor can ask for in one answer.
const maxRetryAfter = time.Hour
