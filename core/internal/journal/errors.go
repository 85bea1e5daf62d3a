package journal

import "github.com/hermodhq/hermod/core/internal/journal/internal/jerr"

// Error is every failure that this package reports, except the caller's own context errors. Code is stable; Text says what
// happened and Advice what to do next. None of them carries frame data or credentials.
type Error = jerr.Error

// The stable codes of [Error].
const (
	CodeConfig       = jerr.CodeConfig       // the configuration contradicts itself
	CodeLocked       = jerr.CodeLocked       // another process (or engine) has the directory open
	CodeOwned        = jerr.CodeOwned        // another engine holds the lease on an external journal
	CodeFenced       = jerr.CodeFenced       // somebody else appended: this engine is no longer the owner
	CodePartitions   = jerr.CodePartitions   // the journal was created with another number of partitions
	CodeKey          = jerr.CodeKey          // the encryption key is missing, wrong, or not wanted
	CodeCorrupt      = jerr.CodeCorrupt      // frames or files are missing or damaged
	CodeNotWritable  = jerr.CodeNotWritable  // the directory cannot be made or written
	CodeDiskFull     = jerr.CodeDiskFull     // no room for the frame
	CodeDiskFailed   = jerr.CodeDiskFailed   // the disk refused a write for another reason
	CodeUncertain    = jerr.CodeUncertain    // the frame may or may not be stored
	CodeUnreachable  = jerr.CodeUnreachable  // the external NATS does not answer
	CodeUnauthorized = jerr.CodeUnauthorized // the external NATS refuses the credentials
	CodeTooOld       = jerr.CodeTooOld       // the external NATS lacks what the journal needs
	CodeTooLarge     = jerr.CodeTooLarge     // the frame or value is over the limit
	CodeTrimmed      = jerr.CodeTrimmed      // the frame was trimmed
	CodeNoFrame      = jerr.CodeNoFrame      // there is no frame at this sequence
	CodeClosed       = jerr.CodeClosed       // the journal was closed
	CodeStart        = jerr.CodeStart        // the embedded server did not start
)

// Sentinels for [errors.Is]; they match any [Error] of the same code.
var (
	ErrTrimmed   error = &Error{Code: CodeTrimmed}
	ErrNoFrame   error = &Error{Code: CodeNoFrame}
	ErrFenced    error = &Error{Code: CodeFenced}
	ErrDiskFull  error = &Error{Code: CodeDiskFull}
	ErrUncertain error = &Error{Code: CodeUncertain}
	ErrClosed    error = &Error{Code: CodeClosed}
)
