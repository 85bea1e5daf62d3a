// Package report renders what an engine knows for people: the timeline of one message, and tables of outcomes.
//
// Recipients are shown shortened and message text not at all, so that what is printed can be passed on.
package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/hermodhq/hermod/core/history"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// RenderTimeline writes what happened to a message and why, oldest first: each line has the time of day (UTC), the time since
// acceptance, the step and what happened at it. It returns the writer's error.
func RenderTimeline(w io.Writer, t history.Timeline) error {
	var b strings.Builder
	head(&b, &t)
	plan(&b, t.Plan)
	entries(&b, &t)
	_, err := io.WriteString(w, plain(b.String()))
	return err
}

func head(b *strings.Builder, t *history.Timeline) {
	fmt.Fprintf(b, "message %s: %s\n", t.ID, standing(t))
	m := &t.Message
	facts := []string{"to " + shorten(&m.To)}
	if m.To.Country != "" {
		facts = append(facts, "country "+m.To.Country)
	}
	if m.Category != "" {
		facts = append(facts, "category "+m.Category)
	}
	if m.Key != "" {
		facts = append(facts, "key "+string(m.Key))
	}
	if kind := m.Content.Kind(); kind != "" {
		facts = append(facts, "content "+string(kind))
	}
	fmt.Fprintf(b, "  %s\n", strings.Join(facts, ", "))
}

// standing says where the message is, in a few words.
func standing(t *history.Timeline) string {
	text := string(t.Outcome)
	switch {
	case text == "" && t.Plan == nil:
		text = "stored, not planned yet"
	case text == "":
		text = "stored, no vendor has answered yet"
	}
	if t.Account != "" && t.Outcome != "" {
		text += " by " + place(t.Account, t.Channel)
	}
	if t.Final {
		text += " (final)"
	} else {
		text += " (under way)"
	}
	if t.Reason != "" {
		text += ": " + explain(t.Reason)
	}
	return text
}

func plan(b *strings.Builder, p *message.Plan) {
	if p == nil {
		return
	}
	fmt.Fprintf(b, "route %s", p.Route)
	if p.File != "" {
		fmt.Fprintf(b, " (%s:%d)", p.File, p.Line)
	}
	if p.Revision != "" {
		fmt.Fprintf(b, ", rules revision %s", short(p.Revision))
	}
	if p.Expires > 0 {
		fmt.Fprintf(b, ", expires %s after acceptance", p.Expires)
	}
	if p.Strict {
		b.WriteString(", holds the recipient's next message")
	}
	b.WriteString("\n")
	rows := make([][]string, len(p.Steps))
	for i, s := range p.Steps {
		rows[i] = []string{fmt.Sprintf("  step %d", i+1), place(s.Account, s.Channel), until(&s), conditions(&s)}
	}
	align(b, rows)
}

func until(s *message.Step) string {
	text := "until " + string(s.Until)
	if s.Within > 0 {
		text += " within " + s.Within.String()
	}
	return text
}

func conditions(s *message.Step) string {
	var parts []string
	if s.Unknown != "" {
		parts = append(parts, "if unknown: "+string(s.Unknown))
	}
	if s.Retries > 0 {
		parts = append(parts, fmt.Sprintf("retries: %d", s.Retries))
	}
	if s.When != "" {
		parts = append(parts, "only when "+s.When)
	}
	if len(s.Transforms) > 0 {
		parts = append(parts, "transforms: "+strings.Join(s.Transforms, ", "))
	}
	return strings.Join(parts, ", ")
}

func entries(b *strings.Builder, t *history.Timeline) {
	if len(t.Entries) == 0 {
		return
	}
	start := t.Entries[0].At.UTC()
	fmt.Fprintf(b, "\n%s UTC\n", start.Format("2006-01-02"))
	rows := make([][]string, len(t.Entries))
	var last history.Entry
	for i, e := range t.Entries {
		said := e
		if e.Due.Equal(last.Due) {
			e.Due = time.Time{} // said already
		}
		if e.Attempt == last.Attempt && e.VendorID == last.VendorID {
			e.VendorID = ""
		}
		last = said
		rows[i] = []string{"  " + clock(start, e.At.UTC()), offset(e.At.Sub(start)), at(&e), what(&e, t.Plan)}
	}
	align(b, rows)
}

// clock gives the time of day, and the date where it is another one.
func clock(start, at time.Time) string {
	layout := "15:04:05.000"
	if at.YearDay() != start.YearDay() || at.Year() != start.Year() {
		layout = "2006-01-02 15:04:05.000"
	}
	return at.Format(layout)
}

func offset(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("+%.3fs", d.Seconds())
	}
	return "+" + d.Round(100*time.Millisecond).String()
}

func at(e *history.Entry) string {
	if e.Step == 0 {
		return "-"
	}
	if e.Attempt > 0 {
		return fmt.Sprintf("step %d, call %d", e.Step, e.Attempt)
	}
	return fmt.Sprintf("step %d", e.Step)
}

// what says in words what an entry is about.
func what(e *history.Entry, p *message.Plan) string {
	switch e.Type {
	case message.EventAccepted:
		return "accepted: stored in the journal" + due(e, "; waits until ")
	case message.EventPlanned:
		if p == nil {
			return "planned"
		}
		return "planned: route " + p.Route + " gives " + count(len(p.Steps), "step")
	case message.EventAttempted:
		return "calls " + place(e.Account, e.Channel)
	case message.EventAnswered:
		return "answer: " + result(e) + due(e, "; waits until ")
	case message.EventReceipted:
		late := ""
		if e.Late {
			late = "late "
		}
		return late + "receipt: " + result(e) + due(e, "; waits until ")
	case message.EventStepLeft:
		next := "no step is left"
		if p != nil && e.Step < len(p.Steps) {
			next = "goes on to " + place(p.Steps[e.Step].Account, p.Steps[e.Step].Channel)
		}
		return "leaves the step: " + explain(e.Text) + "; " + next
	case message.EventFinished:
		return "final: " + result(e)
	}
	return string(e.Type) + ": " + result(e)
}

// result gives an entry's outcome with everything that explains it.
func result(e *history.Entry) string {
	text := string(e.Outcome)
	if e.Text != "" {
		text = join(text, ": ", explain(e.Text))
	}
	if e.Fault != nil {
		text = join(text, ": ", describe(e.Fault, e.Account))
	}
	if e.VendorID != "" {
		text += ", vendor id " + string(e.VendorID)
	}
	for _, k := range slices.Sorted(maps.Keys(e.Detail)) {
		text += ", " + k + " " + e.Detail[k]
	}
	return text
}

func describe(f *fault.Fault, account message.AccountID) string {
	text := f.Error()
	if f.RetryAfter > 0 {
		text += fmt.Sprintf(", asks to wait %s", f.RetryAfter)
	}
	advice := f.Advice()
	if account != "" {
		advice = strings.ReplaceAll(advice, "NAME", string(account))
	}
	return text + " (" + advice + ")"
}

func due(e *history.Entry, before string) string {
	if e.Due.IsZero() {
		return ""
	}
	return before + clock(e.At.UTC(), e.Due.UTC())
}

func join(a, between, b string) string {
	if a == "" {
		return b
	}
	return a + between + b
}

// explain puts the engine's stable codes into words; the code stays, so that it can be searched for.
func explain(code string) string {
	words := map[string]string{
		"no_receipt":       "the receipt that the step waits for did not come in time",
		"no_step_allowed":  "no step's condition allows a call",
		"no_route":         "no route takes this message",
		"outcome_unknown":  "it is not known whether the vendor took the message",
		"landed_late":      "an earlier step's message arrived after all",
		"cancel_came_late": "the vendor had taken the message before it was canceled",
		"engine_restarted": "the engine stopped between the call and its answer",
	}[code]
	if words == "" {
		return code
	}
	return words + " [" + code + "]"
}

func place(a message.AccountID, c message.Channel) string { return string(a) + "/" + string(c) }

func short(revision string) string {
	if len(revision) > 12 {
		return revision[:12]
	}
	return revision
}

// shorten names a recipient so that those who know them recognise them, and nobody else does.
func shorten(to *message.Recipient) string {
	switch {
	case to.Phone != "":
		n := len(to.Phone)
		if n <= 6 {
			return "…"
		}
		return to.Phone[:3] + "…" + to.Phone[n-3:]
	case to.Email != "":
		name, host, _ := strings.Cut(to.Email, "@")
		return string([]rune(name + " ")[:1]) + "…@" + host
	case len(to.Users) > 0:
		return "a user of " + string(slices.Sorted(maps.Keys(to.Users))[0])
	}
	return "nobody"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// plain removes control characters, which vendors' texts could bring to a terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' {
			return -1
		}
		return r
	}, s)
}
