// Package jerr holds the journal's error type and its stable codes.
package jerr

import (
	"errors"
	"fmt"
	"strings"
)

// The stable codes of [Error].
const (
	CodeConfig       = "journal_config"             // the configuration contradicts itself
	CodeLocked       = "journal_locked"             // another process (or engine) has the directory open
	CodeOwned        = "journal_owned"              // another engine holds the lease on an external journal
	CodeFenced       = "journal_fenced"             // somebody else appended: this engine is no longer the owner
	CodePartitions   = "journal_partitions"         // the journal was created with another number of partitions
	CodeKey          = "journal_key"                // the encryption key is missing, wrong, or not wanted
	CodeCorrupt      = "journal_corrupt"            // frames or files are missing or damaged
	CodeNotWritable  = "journal_not_writable"       // the directory cannot be made or written
	CodeDiskFull     = "journal_disk_full"          // no room for the frame
	CodeDiskFailed   = "journal_disk_failed"        // the disk refused a write for another reason
	CodeUncertain    = "journal_uncertain"          // the frame may or may not be stored
	CodeUnreachable  = "journal_unreachable"        // the external NATS does not answer
	CodeUnauthorized = "journal_unauthorized"       // the external NATS refuses the credentials
	CodeTooOld       = "journal_server_too_old"     // the external NATS lacks what the journal needs
	CodeTooLarge     = "journal_frame_too_large"    // the frame or value is over the limit
	CodeTrimmed      = "journal_trimmed"            // the frame was trimmed
	CodeNoFrame      = "journal_no_frame"           // there is no frame at this sequence
	CodeClosed       = "journal_closed"             // the journal was closed
	CodeStart        = "journal_server_not_started" // the embedded server did not start
)

// Error is every failure that the journal reports, except the caller's own context errors while reading.
// Code is stable; Text says what happened and Advice what to do next. None of them carries frame data or credentials.
type Error struct {
	Code   string
	Text   string
	Advice string
	cause  error
}

// Error gives code, text and advice on one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Code)
	if e.Text != "" {
		b.WriteString(": " + e.Text)
	}
	if e.Advice != "" {
		b.WriteString("; " + e.Advice)
	}
	return b.String()
}

// Unwrap returns what caused the error, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is an Error with the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// New builds an Error. The text is formatted like fmt.Errorf, %w included.
func New(code, advice, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Text: err.Error(), Advice: advice, cause: errors.Unwrap(err)}
}

// Wrap builds an Error whose text is complete and whose cause is only for errors.Is and errors.As.
func Wrap(code, advice, text string, cause error) *Error {
	return &Error{Code: code, Text: text, Advice: advice, cause: cause}
}

// CodeOf returns the code of an Error in err's chain, or "".
func CodeOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// Advice that several errors give.
const (
	AdviceRoom    = "free disk space, trim the journal or raise its size limit; appends work again once there is room"
	AdviceRestore = "restore the directory from a backup, or move it away to start with an empty journal"
	AdviceRestart = "stop this engine; the journal's new owner carries on"
)

// Closed is the error of every call after Close.
func Closed() *Error {
	return New(CodeClosed, "open the journal again", "the journal is closed")
}

// Disk tells a full disk from a broken one by the text that the server logged for the failed write.
func Disk(text string) *Error {
	for _, s := range []string{"no space left", "not enough space", "disk quota", "quota exceeded", "file too large", "no room"} {
		if strings.Contains(strings.ToLower(text), s) {
			return New(CodeDiskFull, AdviceRoom, "no room for the journal: %s", text)
		}
	}
	return New(CodeDiskFailed, "check the disk and the permissions of the journal's directory; the next append tries again",
		"the disk refused a write: %s", text)
}
