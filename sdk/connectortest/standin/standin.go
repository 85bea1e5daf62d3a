// Package standin plays a vendor that behaves well or badly on command, for tests of a connector.
package standin

// Behavior says how a stand-in treats the calls that send a message, or all calls.
type Behavior string

// The behaviors. Those that take a message and do not say so keep the handler's answer from the connector.
const (
	Accept       Behavior = "accept"                   // take the message and say so
	RateLimited  Behavior = "rate_limited"             // refuse as too fast
	RateLimitFor Behavior = "rate_limited_retry_after" // refuse as too fast, and say to come back after RetryAfter
	Unreachable  Behavior = "unreachable"              // refuse connections
	Down         Behavior = "down"                     // say that nothing is served now
	Unauthorized Behavior = "unauthorized"             // refuse the credentials
	Echo         Behavior = "echo"                     // refuse, and repeat the whole request in the error
	HangBefore   Behavior = "timeout_before"           // never answer, and take nothing
	HangAfter    Behavior = "timeout_after"            // take the message and never answer
	DropAfter    Behavior = "dropped_after"            // take the message and cut the connection
	FailAfter    Behavior = "failed_after"             // take the message and answer with a server's error
	Garbage      Behavior = "garbage"                  // take the message and answer with what is no answer
	Empty        Behavior = "empty"                    // take the message and answer with success and no body
	Oversized    Behavior = "oversized"                // take the message and answer with OversizedBytes bytes
)

// What the behaviors RateLimitFor, Garbage and Oversized mean.
const (
	RetryAfter     = 2         // seconds
	GarbageAnswers = 4         // Garbage has so many: each call of Behave or BehaveToAll goes on to the next
	OversizedBytes = 128 << 20 // an answer that no connector should read to its end: far more than one may read and the system keeps for it
)

// Counts are what a stand-in has seen since it was made.
type Counts struct {
	Calls   int   // calls that send a message, or all calls while it behaves to all; taken or not
	Taken   int   // messages taken
	Other   int   // calls that send nothing, where they can be told
	Now     int   // calls under way
	AtOnce  int   // the most calls under way at once since Behave was called
	Written int64 // the most bytes of one oversized answer since then: what the connector read, and what the system keeps for it
}

// Vendor is a stand-in. Its methods may be called from several goroutines at once.
type Vendor interface {
	// Behave sets how calls are treated from now on. It fails when this stand-in cannot behave so.
	Behave(b Behavior) error
	// BehaveToAll does the same for every call, also for those that send nothing, until Behave is called.
	BehaveToAll(b Behavior) error
	// Counts returns what was seen so far.
	Counts() Counts
}
