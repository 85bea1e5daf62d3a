package record_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/record"
	"github.com/hermodhq/hermod/internal/flow"
	journalv1 "github.com/hermodhq/hermod/proto/hermod/journal/v1"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// frameOf makes a frame with three entries for each of n messages.
func frameOf(tb testing.TB, n int) ([]byte, []ids.ID) {
	tb.Helper()
	var b record.Builder
	b.Begin(time.Now())
	all := make([]ids.ID, n)
	for i := range all {
		id, err := ids.NewID(i % 4)
		if err != nil {
			tb.Fatal(err)
		}
		all[i] = id
	}
	for step, kind := range []journalv1.Kind{journalv1.Kind_KIND_ACCEPTED, journalv1.Kind_KIND_GRANTED, journalv1.Kind_KIND_ANSWERED} {
		for i := range all {
			entry := b.Add(&all[i], kind)
			entry.Attempt = int32(step)
			if step == 0 {
				entry.Message, entry.Shape = []byte(fmt.Sprintf(`{"n":%d}`, i)), b.Shape([]byte(`{"route":"a"}`))
			}
		}
	}
	data, err := b.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return data, all
}

// About finds the same as decoding everything.
func TestAbout(t *testing.T) {
	data, all := frameOf(t, 50)
	for i, id := range all {
		f, err := record.About(data, id)
		if err != nil || len(f.Entries) != 3 || len(f.Shapes) != 1 {
			t.Fatalf("%d entries, %v", len(f.GetEntries()), err)
		}
		if got := string(f.Entries[0].GetMessage()); got != fmt.Sprintf(`{"n":%d}`, i) || f.Entries[2].GetAttempt() != 2 {
			t.Errorf("entries of another message: %s", got)
		}
	}
	if f, err := record.About(data, ids.ID{}); err != nil || len(f.Entries) != 0 {
		t.Errorf("of nobody: %d entries, %v", len(f.GetEntries()), err)
	}
}

// FuzzAbout reads whatever the disk gives back.
func FuzzAbout(f *testing.F) {
	data, all := frameOf(f, 3)
	f.Add(data, all[0][:])
	f.Add(data[:len(data)-5], all[1][:])
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, all[2][:])
	f.Fuzz(func(t *testing.T, data, raw []byte) {
		var id ids.ID
		copy(id[:], raw)
		about, err := record.About(data, id)
		if err != nil {
			return
		}
		for _, entry := range about.GetEntries() {
			if string(entry.GetId()) != string(id[:]) {
				t.Error("an entry about another message")
			}
			_, _ = record.PlanOf(about, entry)
		}
	})
}

func TestState(t *testing.T) {
	at := time.Unix(1_700_000_000, 5).UTC()
	states := []flow.State{
		{},
		{Phase: flow.Waiting, Step: 2, Due: at, Expires: at.Add(time.Hour), Landed: message.Delivered, Canceled: true,
			Attempts: []flow.Attempt{{Step: 1, Outcome: message.Unknown, Class: fault.OutcomeUnknown, Code: "x", VendorID: "v"}, {Step: 2}}},
		{Phase: flow.Done, Outcome: message.Failed, Reason: "no_receipt"},
	}
	for _, s := range states {
		if diff := cmp.Diff(s, record.StateFrom(record.StateOf(&s), record.Words{})); diff != "" {
			t.Error(diff)
		}
	}
	f := fault.New(fault.RateLimited, "slow", "slow down").WithVendor("429", "busy").After(time.Second)
	if got := record.Fault(record.FaultOf(f)); got.Error() != f.Error() || got.RetryAfter != time.Second || record.Fault(nil) != nil {
		t.Errorf("a fault came back as %v", got)
	}
}

func TestPlan(t *testing.T) {
	p := &message.Plan{Revision: "r", Route: "a", Steps: []message.Step{{Account: "one"}, {Account: "two", Content: message.Content{Text: "hello"}}}}
	contents, err := record.ContentsOf(p)
	if err != nil {
		t.Fatal(err)
	}
	f := &journalv1.Frame{Shapes: [][]byte{[]byte(`{"revision":"r","route":"a","steps":[{"account":"one"},{"account":"two"}]}`)}}
	got, err := record.PlanOf(f, &journalv1.Entry{Shape: 1, Contents: contents})
	if err != nil || cmp.Diff(p, got) != "" {
		t.Errorf("%v %s", err, cmp.Diff(p, got))
	}
	for name, entry := range map[string]*journalv1.Entry{
		"a shape that is not there": {Shape: 2}, "contents that are none": {Shape: 1, Contents: []byte("{")},
	} {
		if _, err := record.PlanOf(f, entry); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if p, err := record.PlanOf(f, &journalv1.Entry{}); p != nil || err != nil {
		t.Error("a plan out of nothing")
	}
	if _, err := record.Open([]byte{0xff}); err == nil {
		t.Error("a damaged frame was read")
	}
}

func BenchmarkAbout(b *testing.B) {
	data, all := frameOf(b, 700)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := record.About(data, all[350]); err != nil {
			b.Fatal(err)
		}
	}
}
