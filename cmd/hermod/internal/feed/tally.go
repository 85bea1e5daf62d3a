package feed

import (
	"time"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/sdk/message"
)

// Stored is what a [Tally] calls messages that are stored and that no vendor has answered yet.
const Stored = "stored"

// Tally counts results. It is not safe for concurrent use.
type Tally struct {
	Lines    int            `json:"lines"`             // lines that had a final result
	Stored   int            `json:"stored"`            // messages that are in the journal
	Waiting  int            `json:"waiting,omitempty"` // stored, and still waiting for their outcome
	Reached  int            `json:"reached"`           // stored messages that got where they should
	Failed   int            `json:"failed"`            // messages that failed, were refused, or ended before they got where they should
	UnderWay int            `json:"under_way"`         // stored messages that did not get there while they were waited for, and go on
	Invalid  int            `json:"invalid"`           // lines that are not a valid message
	Outcomes map[string]int `json:"outcomes"`          // stored messages by outcome; "stored" where there is none yet
	Seconds  float64        `json:"seconds"`           // how long it took; set by Close
	Rate     float64        `json:"per_second"`        // stored messages a second; set by Close

	until   message.Outcome
	waiting map[int]bool // lines, at most MaxWaiting
	late    bool         // a message was under way when its time was up, and that is no courtesy
}

// NewTally returns an empty tally. A message whose final outcome ranks below until counts as failed.
func NewTally(until message.Outcome) *Tally {
	return &Tally{Outcomes: map[string]int{}, until: until, waiting: map[int]bool{}}
}

// Add counts one result.
func (t *Tally) Add(r Result) {
	switch {
	case r.Waiting:
		t.waiting[r.Line] = true
		t.Waiting = len(t.waiting)
		t.Stored++
		return
	case t.waiting[r.Line]:
		delete(t.waiting, r.Line)
		t.Waiting = len(t.waiting)
	case r.ID != "":
		t.Stored++
	}
	t.Lines++
	switch {
	case r.ID != "" && (r.Error != nil || r.Outcome == "" && t.until != ""):
		t.UnderWay++
		t.late = t.late || r.Error != nil
	case r.Error != nil && r.Error.Exit == problem.ExitUsage:
		t.Invalid++
	case r.Error != nil || r.Outcome != "" && r.Outcome.Rank() < max(1, t.until.Rank()):
		t.Failed++
	default:
		t.Reached++
	}
	if r.ID != "" {
		t.Outcomes[name(r.Outcome)]++
	}
}

func name(o message.Outcome) string {
	if o == "" {
		return Stored
	}
	return string(o)
}

// Close sets the duration and the rate.
func (t *Tally) Close(took time.Duration) {
	t.Seconds = took.Seconds()
	if took > 0 {
		t.Rate = float64(t.Stored) / took.Seconds()
	}
}

// Exit returns the exit code: usage when lines were invalid, else failed when messages failed or were late, else OK.
func (t *Tally) Exit() int {
	switch {
	case t.Invalid > 0:
		return problem.ExitUsage
	case t.Failed > 0 || t.late:
		return problem.ExitFailed
	}
	return problem.ExitOK
}
