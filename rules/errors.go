package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hermodhq/hermod/rules/internal/content"
	"github.com/hermodhq/hermod/rules/internal/eval"
	"github.com/hermodhq/hermod/rules/internal/files"
	"github.com/hermodhq/hermod/rules/internal/reaction"
	"github.com/hermodhq/hermod/rules/internal/strict"
)

// The stable codes of [Error].
const (
	CodeUnreadable         = files.CodeUnreadable    // the directory or a file cannot be read
	CodeEmpty              = "rules_empty"           // there is no route and no reaction
	CodeTooLarge           = files.CodeTooLarge      // a file or the directory is above the limits
	CodeTooMany            = "errors_too_many"       // more errors than are shown
	CodeYAMLSyntax         = "yaml_syntax"           // not YAML
	CodeYAMLFeature        = strict.CodeFeature      // YAML that rule files do not use: anchors, aliases, tags, several documents
	CodeKeyUnknown         = strict.CodeKeyUnknown   // a key that does not exist here
	CodeKeyDuplicate       = strict.CodeKeyDuplicate // a key that stands twice
	CodeKeyMissing         = strict.CodeKeyMissing   // a key that is needed
	CodeValueType          = strict.CodeValueType    // text where a list is needed, and the like
	CodeValueInvalid       = strict.CodeValueInvalid // a value that is not allowed here
	CodeReactionDuplicate  = reaction.CodeDuplicate  // two reactions with one name
	CodeEventUnknown       = reaction.CodeEvent      // an event that no account reports
	CodeOperationUnknown   = reaction.CodeOperation  // an operation that the account does not have
	CodeRouteDuplicate     = "route_duplicate"       // two routes with one name
	CodeRouteUnreachable   = "route_unreachable"     // no message can get to the route
	CodeStepUnreachable    = "step_unreachable"      // no message can get to the step
	CodeDefaultMissing     = "default_missing"       // no route for the rest
	CodeAccountUnknown     = eval.CodeAccount        // an account that does not exist
	CodeChannelUnknown     = eval.CodeChannel        // a channel that the account does not have
	CodeTransformUnknown   = "transform_unknown"     // a transform that does not exist
	CodeContentConflict    = content.CodeConflict    // contents that cannot stand together
	CodeContentUnsupported = "content_unsupported"   // content that the channel cannot carry
	CodeTextTooLong        = "text_too_long"         // longer than the channel allows
	CodeOutcomeUnsupported = "outcome_unsupported"   // `until` an outcome that the channel never reports
	CodeWithinMissing      = "within_missing"        // a wait without a bound, and a step after it
	CodeTTL                = "ttl_exceeds_within"    // the vendor may still deliver after the fallback
	CodeExprSyntax         = eval.CodeSyntax         // an expression that cannot be read
	CodeExprType           = eval.CodeType           // types that do not fit
	CodeExprUnknownName    = eval.CodeUnknownName    // a name or field that does not exist
	CodeExprForbidden      = eval.CodeForbidden      // what expressions in rules must not do
	CodeTemplateSyntax     = eval.CodeTemplate       // {{ }} that cannot be read
)

// Codes of the faults that [Set.Decide] and [Set.Allowed] return, beside the class content_rejected.
const (
	FaultValueMissing = eval.CodeValueMissing // a text needs a value that the message does not have
	FaultValueInvalid = eval.CodeValueInvalid // a text's expression gives nothing that can be written
	FaultCondition    = "condition_failed"    // a condition cannot be evaluated for this message
)

// maxErrors bounds how many errors are reported at once.
const maxErrors = 50

// Error is one mistake in a rule file.
type Error struct {
	Code       string `json:"code"`                 // stable
	File       string `json:"file"`                 // the directory as given, and the file's name
	Line       int    `json:"line,omitempty"`       // from 1; zero when it is about the whole file or directory
	Column     int    `json:"column,omitempty"`     // from 1, in characters
	Text       string `json:"text"`                 // what is wrong
	Suggestion string `json:"suggestion,omitempty"` // what to do
	Excerpt    string `json:"excerpt,omitempty"`    // the source line, and below it a caret under the column
	cause      error
}

// Error gives the place, the text, the code, the source line with a caret, and the suggestion, on several lines.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	fmt.Fprintf(&b, ": %s [%s]", e.Text, e.Code)
	if line, caret, ok := strings.Cut(e.Excerpt, "\n"); ok {
		number := fmt.Sprint(e.Line)
		fmt.Fprintf(&b, "\n  %s | %s\n  %s | %s", number, line, strings.Repeat(" ", len(number)), caret)
	}
	if e.Suggestion != "" {
		b.WriteString("\n  " + e.Suggestion)
	}
	return b.String()
}

// Unwrap returns the cause, where another package's error is one.
func (e *Error) Unwrap() error { return e.cause }

// Errors is every mistake found at once, at most 50, in the order of files, lines and columns.
type Errors []*Error

// Error gives all of them, with an empty line between.
func (e Errors) Error() string {
	texts := make([]string, len(e))
	for i, one := range e {
		texts[i] = one.Error()
	}
	return strings.Join(texts, "\n\n")
}

// Unwrap gives each of them to errors.Is and errors.As.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// finish sorts the errors and cuts what is above the bound.
func (e Errors) finish() Errors {
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if len(e) <= maxErrors {
		return e
	}
	more := &Error{Code: CodeTooMany, File: e[maxErrors].File, Text: fmt.Sprintf("%d more errors are not shown; mend these first", len(e)-maxErrors)}
	return append(e[:maxErrors:maxErrors], more)
}
