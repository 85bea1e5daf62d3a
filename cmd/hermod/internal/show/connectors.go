package show

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hermodhq/hermod/sdk/connector"
)

// Connectors writes a table of connectors.
func Connectors(w io.Writer, all []connector.Description) error {
	t := table(w)
	fmt.Fprintln(t, "NAME\tVERSION\tCHANNELS\tOPERATIONS\tSUMMARY")
	for _, d := range all {
		channels := make([]string, len(d.Channels))
		for i, c := range d.Channels {
			channels[i] = string(c.Channel)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\n", d.Name, d.Version, dash(strings.Join(channels, ", ")), len(d.Operations), Plain(d.Summary))
	}
	return t.Flush()
}

// Connector writes everything about one connector that a person wants to know.
func Connector(w io.Writer, d *connector.Description) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s: %s\n", d.Name, d.Version, d.Summary)
	fmt.Fprintf(&b, "vendor:       %s\n", dash(d.Vendor))
	if d.Docs != "" {
		fmt.Fprintf(&b, "docs:         %s\n", d.Docs)
	}
	fmt.Fprintf(&b, "can:          %s\n", dash(capabilities(d.Capabilities)))
	fmt.Fprintf(&b, "limits:       %s\n", limits(d.Limits))
	events := make([]string, len(d.Events))
	for i, e := range d.Events {
		events[i] = string(e)
	}
	fmt.Fprintf(&b, "events:       %s\n", dash(strings.Join(events, ", ")))
	for _, section := range []func(io.Writer, *connector.Description) error{channels, fields, operations} {
		if err := section(&b, d); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, Plain(b.String()))
	return err
}

func capabilities(c connector.Capabilities) string {
	var parts []string
	for _, p := range []struct {
		has  bool
		text string
	}{{c.Send, "send messages"}, {c.Receive, "receive webhooks"}, {c.Listen, "listen"}, {c.Query, "query receipts"}} {
		if p.has {
			parts = append(parts, p.text)
		}
	}
	return strings.Join(parts, ", ")
}

func limits(l connector.Limits) string {
	var parts []string
	if l.PerSecond > 0 {
		parts = append(parts, fmt.Sprintf("%v a second", l.PerSecond))
	}
	if l.PerRecipientPerSecond > 0 {
		parts = append(parts, fmt.Sprintf("%v a second to one recipient", l.PerRecipientPerSecond))
	}
	if l.Concurrency > 0 {
		parts = append(parts, fmt.Sprintf("%d calls at once", l.Concurrency))
	}
	if len(parts) == 0 {
		return "none documented"
	}
	return strings.Join(parts, ", ")
}

func channels(w io.Writer, d *connector.Description) error {
	if len(d.Channels) == 0 {
		return nil
	}
	fmt.Fprint(w, "\nchannels\n")
	t := table(w)
	for _, c := range d.Channels {
		fmt.Fprintf(t, "  %s\t%s\treceipts %s (%s)\t%s\n", c.Channel, words(c.Kinds), c.Receipts, words(c.Outcomes), details(&c))
	}
	return t.Flush()
}

func details(c *connector.ChannelInfo) string {
	var parts []string
	if c.MaxText > 0 {
		parts = append(parts, fmt.Sprintf("at most %d characters", c.MaxText))
	}
	if c.Session > 0 {
		parts = append(parts, "free text only within "+span(c.Session)+" of the recipient's last message")
	}
	if c.TTL > 0 {
		parts = append(parts, "the vendor keeps trying for "+span(c.TTL))
	}
	if c.NeedsUserID {
		parts = append(parts, "needs the vendor's user id")
	}
	return strings.Join(parts, "; ")
}

// span writes a duration without the zeros that Go adds.
func span(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// schema is as much of a JSON Schema as a person needs.
type schema struct {
	Type        any                `json:"type"`
	Description string             `json:"description"`
	WriteOnly   bool               `json:"writeOnly"`
	Required    []string           `json:"required"`
	Properties  map[string]*schema `json:"properties"`
	Items       *schema            `json:"items"`
	Enum        []any              `json:"enum"`
}

func fields(w io.Writer, d *connector.Description) error {
	var s schema
	if len(d.Config) == 0 {
		return nil
	}
	if err := json.Unmarshal(d.Config, &s); err != nil {
		return fmt.Errorf("the configuration schema of %s: %w", d.Name, err)
	}
	fmt.Fprint(w, "\nconfig of an account\n")
	t := table(w)
	s.list(t, "  ")
	return t.Flush()
}

// list writes a line for each property, required ones first, and goes into objects.
func (s *schema) list(w io.Writer, prefix string) {
	names := slices.SortedFunc(maps.Keys(s.Properties), func(a, b string) int {
		ra, rb := slices.Contains(s.Required, a), slices.Contains(s.Required, b)
		if ra != rb {
			return map[bool]int{true: -1, false: 1}[ra]
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		p := s.Properties[name]
		marks := p.kind()
		if slices.Contains(s.Required, name) {
			marks += ", required"
		}
		if p.WriteOnly {
			marks += ", secret"
		}
		fmt.Fprintf(w, "%s%s\t%s\t%s\n", prefix, name, marks, p.Description)
		p.list(w, prefix+"  ")
	}
}

func (s *schema) kind() string {
	switch v := s.Type.(type) {
	case string:
		return v
	case []any:
		var all []string
		for _, one := range v {
			if one != "null" {
				all = append(all, fmt.Sprint(one))
			}
		}
		return strings.Join(all, " or ")
	}
	return "any"
}

func operations(w io.Writer, d *connector.Description) error {
	if len(d.Operations) == 0 {
		return nil
	}
	fmt.Fprint(w, "\noperations (* changes something at the vendor)\n")
	t := table(w)
	for _, o := range d.Operations {
		mark := " "
		if o.Mutates {
			mark = "*"
		}
		fmt.Fprintf(t, "%s %s\t%s\t%s\n", mark, o.Name, o.Endpoint, o.Summary)
	}
	return t.Flush()
}

func words[T ~string](list []T) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = string(v)
	}
	return dash(strings.Join(parts, ", "))
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
