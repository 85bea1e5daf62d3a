package partition

import (
	"context"
	"time"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/journal"
	"github.com/hermodhq/hermod/core/internal/pacing"
	"github.com/hermodhq/hermod/core/internal/table"
	"github.com/hermodhq/hermod/internal/flow"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Log is the partition's durable log.
type Log interface {
	Append(ctx context.Context, data []byte) (journal.Frame, error)
	Read(ctx context.Context, seq uint64) (journal.Frame, error)
	Scan(ctx context.Context, from uint64, fn func(journal.Frame) error) error
	Bounds() (first, last uint64)
	SeekTime(ctx context.Context, t time.Time) (uint64, error)
	TrimBefore(ctx context.Context, seq uint64) error
	Stats() journal.Stats
	Limit() int // bytes of a frame; it does not change
}

// Host is what a partition asks of its engine. The owner's goroutine calls it, so every method must return quickly.
type Host interface {
	// Plan decides for a message whose time has come.
	Plan(m *message.Message) (*message.Plan, error)
	// Allowed evaluates a step's condition.
	Allowed(when string, m *message.Message, plan *message.Plan, attempts []flow.Attempt) bool
	// Submit asks pacing for turns; Owner.Granted or Owner.Barred answers each, perhaps before Submit returns.
	Submit(account message.AccountID, turns []pacing.Item)
	// Withdraw takes back a turn that is no longer wanted. It may be too late: then it is granted, and skipped.
	Withdraw(account message.AccountID, turn pacing.Item)
	// Skip gives a granted turn back without a call.
	Skip(account message.AccountID, turn pacing.Item)
	// Call hands recorded attempts to their connectors; Owner.Answered answers each.
	Call(calls []table.Call)
	// Pause stops the use of an account until it is mended; Hold for as long as its vendor asked.
	Pause(account message.AccountID, reason, code string)
	Hold(account message.AccountID, d time.Duration)
	// Sent tells which vendor id an attempt has, and returns the receipts that came before.
	// Forget tells that an id's message is no longer remembered.
	Sent(account message.AccountID, vendor message.VendorMessageID, id ids.ID, attempt int) []message.Receipt
	Forget(account message.AccountID, vendor message.VendorMessageID)
	// Await tells that an attempt waits for a receipt until due, for vendors that must be asked; recovered says that a receipt may
	// have been missed while no engine ran.
	Await(step *message.Step, vendor message.VendorMessageID, id ids.ID, attempt int, due time.Time, recovered bool)
	// Key takes up a key found in the log; KeysBefore lists those of this partition before seq that still count.
	Key(digest [16]byte, id ids.ID, at time.Time, seq uint64)
	KeysBefore(index int, seq uint64) []ids.Key
	// Unkey gives up the key of a message that was certainly not stored.
	Unkey(digest [16]byte, id ids.ID)
	// Orphan takes up a receipt found in the log whose attempt was not known; Inbound an inbound event.
	Orphan(r message.Receipt, account message.AccountID, at time.Time)
	Inbound(e *message.Event)
	// Counted takes up what an event did, for metrics; ended says that it gave the message its final outcome.
	Counted(kind flow.Kind, st *flow.State, ended bool)
	// Committed tells of a new frame, and Stalled that the journal refuses frames (nil: it takes them again).
	Committed(index int, frame uint64)
	Stalled(index int, err error)
}

// input is one thing for the owner to do. Exactly one of its parts is set.
type input struct {
	accept  *accept
	granted *granted
	barred  *barred
	event   *event
	report  *report
	ask     func() // runs while the frame is gathered
	look    func() // runs once the frame is durable
}

// accept is a message to be taken.
type accept struct {
	new  *table.NewMessage
	done chan error
}

// granted are turns that pacing gave.
type granted struct {
	account message.AccountID
	turns   []pacing.Item
}

// barred are turns whose account cannot be used now; without turns, all that wait for it.
type barred struct {
	granted
	fault *fault.Fault
}

// event is a flow event for a message.
type event struct {
	id     ids.ID
	ev     flow.Event
	detail map[string]string
	from   message.AccountID // whose vendor reports it; empty: it is no report, or its attempt was looked up
	done   chan error        // nil: nobody waits
}

// report is a vendor's event about no message of ours (or a receipt whose attempt is not known), to be stored.
type report struct {
	json    []byte
	account message.AccountID
	orphan  *message.Receipt
	event   *message.Event
	done    chan error
}

func (i *input) fail(err error) {
	switch {
	case i.accept != nil:
		i.accept.done <- err
	case i.event != nil && i.event.done != nil:
		i.event.done <- err
	case i.report != nil:
		i.report.done <- err
	}
}
