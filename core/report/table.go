package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hermodhq/hermod/sdk/message"
)

// Tally counts outcomes by the step they came from. The zero value is ready; it is not safe for concurrent use.
type Tally struct {
	steps map[string]map[message.Outcome]int
}

// Add counts one message. step is what the row is called, usually account/channel, and "-" where there is none yet; an
// empty outcome counts as "stored".
func (t *Tally) Add(step string, outcome message.Outcome) {
	if t.steps == nil {
		t.steps = map[string]map[message.Outcome]int{}
	}
	if step == "" {
		step = "-"
	}
	if t.steps[step] == nil {
		t.steps[step] = map[message.Outcome]int{}
	}
	if outcome == "" {
		outcome = stored
	}
	t.steps[step][outcome]++
}

// stored stands for messages that no vendor has answered yet.
const stored message.Outcome = "stored"

// Table writes the tally as a table: a row for each step, a column for each outcome that occurred, and sums where there is
// more than one. It returns the writer's error.
func Table(w io.Writer, t *Tally) error {
	order := []message.Outcome{stored, message.Accepted, message.Sent, message.Delivered, message.Read, message.Replied,
		message.Failed, message.Expired, message.Canceled, message.Unknown}
	sums := map[message.Outcome]int{}
	for _, row := range t.steps {
		for o, n := range row {
			sums[o] += n
		}
	}
	columns := slices.DeleteFunc(order, func(o message.Outcome) bool { return sums[o] == 0 })
	rows := [][]string{{"step"}}
	for _, o := range columns {
		rows[0] = append(rows[0], string(o))
	}
	rows[0] = append(rows[0], "all")
	for _, step := range slices.Sorted(maps.Keys(t.steps)) {
		rows = append(rows, row(step, columns, t.steps[step]))
	}
	if len(t.steps) > 1 {
		rows = append(rows, row("all", columns, sums))
	}
	var b strings.Builder
	numbers(rows)
	align(&b, rows)
	_, err := io.WriteString(w, plain(b.String()))
	return err
}

func row(name string, columns []message.Outcome, counts map[message.Outcome]int) []string {
	cells := []string{name}
	all := 0
	for _, o := range columns {
		all += counts[o]
		cells = append(cells, fmt.Sprint(counts[o]))
	}
	return append(cells, fmt.Sprint(all))
}

// numbers pads all columns but the first on the left.
func numbers(rows [][]string) {
	for i, width := range widths(rows) {
		for _, r := range rows {
			if i > 0 && i < len(r) {
				r[i] = strings.Repeat(" ", width-utf8.RuneCountInString(r[i])) + r[i]
			}
		}
	}
}

// align writes rows in columns that are two spaces apart, with nothing behind the last cell.
func align(b *strings.Builder, rows [][]string) {
	width := widths(rows)
	for _, r := range rows {
		line := ""
		for i, cell := range r {
			line += cell + strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)+2)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

func widths(rows [][]string) []int {
	var width []int
	for _, r := range rows {
		for i, cell := range r {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	return width
}
