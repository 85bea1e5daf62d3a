// Package abi holds the names and numbers of the transform ABI, version 1, which ABI.md in sdk/transform describes.
//
// It imports nothing, so that a guest which uses it stays small.
package abi

// The names that a module exports and imports.
const (
	Version      = 1
	HostModule   = "hermod_v1"        // the module that offers the host functions
	Marker       = "hermod_abi_v1"    // exported by a guest that speaks this version
	MarkerPrefix = "hermod_abi_v"     // what the marker of any version begins with
	Transform    = "hermod_transform" // exported: transforms the message under way
	Memory       = "memory"           // exported: the guest's linear memory
	Initialize   = "_initialize"      // exported by most: readies a fresh instance
)

// Status is what a host function answers: a length or OK when it is not negative, or what went wrong.
// The numbers are part of the ABI and never change.
type Status int32

// The statuses.
const (
	OK          Status = 0
	Missing     Status = -1 // the message has no such value
	UnknownPath Status = -2 // no field of a message has this path
	ReadOnly    Status = -3 // a transform may read the field, but not change it
	Invalid     Status = -4 // the value does not fit the field: not UTF-8, not JSON, or the wrong shape
	TooLarge    Status = -5 // the path, or all that the call has written, is over the limit
)

// String returns the status in words.
func (s Status) String() string {
	switch s {
	case Missing:
		return "the message has no such value"
	case UnknownPath:
		return "no field has this path"
	case ReadOnly:
		return "the field is read-only"
	case Invalid:
		return "the value does not fit the field"
	case TooLarge:
		return "the path or the value is too large"
	}
	return "ok"
}

// What hermod_transform returns. Any other number is a failure without a reason.
const (
	Done     = 0 // take the message as it is now
	Rejected = 1 // fail the step, for the reason given to the reject function
)

// The limits of one call.
const (
	MaxPath    = 512     // bytes of a path
	MaxWritten = 4 << 20 // bytes that one call may write into the message, paths included
)

// Level is how grave a line of the guest's log is.
type Level int32

// The levels.
const (
	Debug Level = 0
	Info  Level = 1
	Warn  Level = 2
	Error Level = 3
)
