// Package show writes the command's results for people: tables, descriptions and progress; and JSON for programs.
package show

import (
	"bytes"
	"encoding/json"
	"io"
	"text/tabwriter"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/sdk/message"
)

// JSON writes v as one indented JSON document.
func JSON(w io.Writer, v any) error {
	text, err := marshal(v)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return err
	}
	_, err = b.WriteTo(w)
	return err
}

// Line writes v as one line of JSON.
func Line(w io.Writer, v any) error {
	text, err := marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// Plain removes control characters from what others have written.
func Plain(s string) string { return problem.Plain(s) }

// Standing says in a few words where a message is.
func Standing(o message.Outcome, final bool, reason string) string {
	text := string(o)
	if text == "" {
		text = "stored"
	}
	if !final {
		text += " (under way)"
	}
	if reason != "" {
		text += ": " + Plain(reason)
	}
	return text
}

// table returns a writer that aligns columns separated by tabs. Flush ends it.
func table(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }
