package core_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// audit is what the events say of every message in the journal.
type audit struct {
	t        *testing.T
	messages map[message.ID]*audited
}

// audited is one message's record.
type audited struct {
	accepted, finished int
	outcome            message.Outcome
	reason             string
	attempts           []audited1 // 0 is the first
	entries            []core.Entry
}

// audited1 is one attempt's record.
type audited1 struct {
	step    int
	account message.AccountID
	outcome message.Outcome // of the answer; "" when there is none
	fault   *fault.Fault
	answers int
}

// newAudit reads the events of all messages from the journal's beginning, until n of them have ended.
func newAudit(t *testing.T, k *kit, n int) *audit {
	t.Helper()
	a := &audit{t: t, messages: map[message.ID]*audited{}}
	seen, ended := map[message.EventID]bool{}, 0
	k.until("audit", func(ev message.Event) bool {
		if ev.Message == "" || ev.Data == nil {
			return false
		}
		if seen[ev.ID] {
			t.Errorf("event %s came twice", ev.ID)
		}
		seen[ev.ID] = true
		a.take(ev)
		if ev.Type == message.EventFinished {
			ended++
		}
		return ended >= n && ev.Type == message.EventFinished
	})
	return a
}

func (a *audit) take(ev message.Event) {
	var e core.Entry
	if err := json.Unmarshal(ev.Data, &e); err != nil {
		a.t.Fatal(err)
	}
	m := a.messages[ev.Message]
	if m == nil {
		m = &audited{}
		a.messages[ev.Message] = m
	}
	m.entries = append(m.entries, e)
	switch ev.Type {
	case message.EventAccepted:
		m.accepted++
	case message.EventFinished:
		m.finished++
		m.outcome, m.reason = e.Outcome, e.Text
	case message.EventAttempted:
		if e.Attempt != len(m.attempts)+1 {
			a.t.Errorf("%s: attempt %d is recorded after %d others", ev.Message, e.Attempt, len(m.attempts))
		}
		m.attempts = append(m.attempts, audited1{step: e.Step, account: e.Account})
	case message.EventAnswered:
		n := e.Attempt
		if n == 0 {
			n = len(m.attempts)
		}
		if n < 1 || n > len(m.attempts) {
			a.t.Errorf("%s: attempt %d is answered and was never recorded", ev.Message, n)
			return
		}
		at := &m.attempts[n-1]
		at.outcome, at.fault = e.Outcome, e.Fault
		at.answers++
	}
}

// unknown reports whether the attempt is recorded as unknown.
func (a *audited1) unknown() bool { return a.fault != nil && a.fault.Class == fault.OutcomeUnknown }

// judge compares the record with what the vendor saw.
func (a *audit) judge(calls []vendCall, acked map[int]message.ID) {
	a.t.Helper()
	policy := map[message.ID]int{}
	for key, id := range acked {
		if _, twice := policy[id]; twice {
			a.t.Errorf("two keys have the message %s", id)
		}
		policy[id] = key % 3
		if a.messages[id] == nil {
			a.t.Errorf("%s was accepted, and there is no event about it", id)
		}
	}
	if len(a.messages) != len(acked) {
		a.t.Errorf("%d messages in the journal for %d keys", len(a.messages), len(acked))
	}
	if a.t.Failed() {
		a.t.FailNow()
	}
	seen := map[message.ID][]vendCall{}
	for _, c := range calls {
		seen[c.Message] = append(seen[c.Message], c)
	}
	unknown, repeated := 0, 0
	for id, m := range a.messages {
		u, r := a.one(id, m, seen[id], policy[id] == 2)
		unknown, repeated = unknown+u, repeated+r
		if a.t.Failed() {
			a.t.Fatalf("%s\n%s\nvendor saw %+v", id, lines(m.entries), seen[id])
		}
	}
	a.t.Logf("%d messages, %d calls, %d attempts recorded as unknown, %d calls repeated", len(a.messages), len(calls), unknown, repeated)
}

// one judges one message. It returns how many attempts are recorded as unknown, and how many calls repeat an earlier one of their step.
func (a *audit) one(id message.ID, m *audited, calls []vendCall, resend bool) (unknown, repeated int) {
	if m.accepted != 1 || m.finished != 1 {
		a.t.Errorf("%s was accepted %d times and ended %d times", id, m.accepted, m.finished)
	}
	made := make([]int, len(m.attempts))
	for _, c := range calls {
		if c.Attempt < 1 || c.Attempt > len(m.attempts) || m.attempts[c.Attempt-1].account != c.Account {
			a.t.Errorf("%s: the vendor was called for attempt %d at %s, which is not recorded", id, c.Attempt, c.Account)
			return
		}
		made[c.Attempt-1]++
	}
	called := map[int][]int{} // by step: the attempts that the vendor saw
	for i := range m.attempts {
		at := &m.attempts[i]
		if at.answers != 1 || made[i] > 1 {
			a.t.Errorf("%s: attempt %d was answered %d times and the vendor called %d times", id, i+1, at.answers, made[i])
		}
		if at.unknown() {
			unknown++
		}
		if at.fault == nil && made[i] != 1 || at.fault != nil && !at.unknown() && made[i] != 0 {
			a.t.Errorf("%s: attempt %d ended as %q (%v), and the vendor was called %d times", id, i+1, at.outcome, at.fault, made[i])
		}
		if earlier := called[at.step]; len(earlier) > 0 && made[i] > 0 {
			repeated++
		}
		for _, j := range called[at.step] { // the step is called again
			if !resend || !m.attempts[j].unknown() {
				a.t.Errorf("%s: attempt %d repeats attempt %d, which ended as %q (%v)", id, i+1, j+1, m.attempts[j].outcome, m.attempts[j].fault)
			}
		}
		if made[i] > 0 || at.unknown() {
			called[at.step] = append(called[at.step], i)
		}
	}
	took := slices.ContainsFunc(m.attempts, func(at audited1) bool { return at.fault == nil })
	doubt := slices.ContainsFunc(m.attempts, func(at audited1) bool { return at.unknown() })
	switch {
	case m.outcome.Rank() > 0 && len(calls) > 0:
	case m.outcome == message.Unknown && doubt && !took:
	default:
		a.t.Errorf("%s ended as %s (%s) after %d calls", id, m.outcome, m.reason, len(calls))
	}
	return unknown, repeated
}
