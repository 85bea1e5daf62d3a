package report

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hermodhq/hermod/core/history"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// fallback is the timeline of a message that WhatsApp did not deliver in time, over midnight, with a late receipt.
func fallback() history.Timeline {
	at := time.Date(2026, 8, 30, 23, 58, 30, 104e6, time.UTC)
	after := func(d time.Duration) time.Time { return at.Add(d) }
	whatsapp, sms := message.AccountID("convrs-uk"), message.AccountID("chatondesk-in")
	return history.Timeline{
		Status: history.Status{ID: "01a2", Outcome: message.Sent, Final: true, Account: sms, Channel: message.SMS},
		Message: message.Message{ID: "01a2", Key: "order-1042-shipped", Category: "order",
			To: message.Recipient{Phone: "+447700900123", Country: "GB"}, Content: message.Content{Text: "a secret text"}},
		Plan: &message.Plan{Revision: "3f2a9c11aa77bb00", Route: "order-updates", File: "rules/10-orders.yaml", Line: 3, Expires: time.Hour, Strict: true,
			Steps: []message.Step{
				{Account: whatsapp, Channel: message.WhatsApp, Until: message.Delivered, Within: 2 * time.Minute, Unknown: message.Wait, Retries: 2, Transforms: []string{"mask-cards"}},
				{Account: sms, Channel: message.SMS, Until: message.Sent, Unknown: message.Next, When: `health("convrs-uk") != "ok"`},
			}},
		Entries: []history.Entry{
			{At: at, Type: message.EventAccepted},
			{At: after(time.Millisecond), Type: message.EventPlanned},
			{At: after(2 * time.Millisecond), Type: message.EventAttempted, Step: 1, Attempt: 1, Account: whatsapp, Channel: message.WhatsApp},
			{At: after(90 * time.Millisecond), Type: message.EventAnswered, Step: 1, Attempt: 1, Outcome: message.Failed, Due: after(time.Second),
				Fault: fault.New(fault.RateLimited, "slow_down", "too fast").WithVendor("429", "wait\x1b[31m").After(time.Second)},
			{At: after(time.Second), Type: message.EventAttempted, Step: 1, Attempt: 2, Account: whatsapp, Channel: message.WhatsApp},
			{At: after(1300 * time.Millisecond), Type: message.EventAnswered, Step: 1, Attempt: 2, Outcome: message.Accepted, VendorID: "8812",
				Due: after(121300 * time.Millisecond), Detail: map[string]string{"transport": "wa", "bot": "3941"}},
			{At: after(121300 * time.Millisecond), Type: message.EventStepLeft, Step: 1, Text: "no_receipt"},
			{At: after(121400 * time.Millisecond), Type: message.EventAttempted, Step: 2, Attempt: 1, Account: sms, Channel: message.SMS},
			{At: after(121900 * time.Millisecond), Type: message.EventAnswered, Step: 2, Attempt: 1, Outcome: message.Sent, VendorID: "x1"},
			{At: after(121900 * time.Millisecond), Type: message.EventFinished, Step: 2, Outcome: message.Sent},
			{At: after(300 * time.Second), Type: message.EventReceipted, Step: 1, Attempt: 2, Outcome: message.Delivered, Late: true},
			{At: after(400 * time.Second), Type: "message.replayed", Text: "by_hand"},
		},
	}
}

func TestRenderTimeline(t *testing.T) {
	var b strings.Builder
	if err := RenderTimeline(&b, fallback()); err != nil {
		t.Fatal(err)
	}
	for _, private := range []string{"7700900123", "secret text", "\x1b"} {
		if strings.Contains(b.String(), private) {
			t.Errorf("the timeline shows %q", private)
		}
	}
	golden(t, "fallback.txt", b.String())
}

func TestRenderTimelineOfLittle(t *testing.T) {
	var b strings.Builder
	for _, timeline := range []history.Timeline{
		{Status: history.Status{ID: "m1"}, Message: message.Message{To: message.Recipient{Email: "ada@example.com"}}},
		{Status: history.Status{ID: "m2", Outcome: message.Failed, Final: true, Reason: "no_route"}, Message: message.Message{To: message.Recipient{Users: map[message.AccountID]message.VendorUserID{"a": "1"}}}},
		{Status: history.Status{ID: "m3", Outcome: message.Accepted, Account: "a", Channel: "sms"}, Message: message.Message{To: message.Recipient{Phone: "+4477"}}, Plan: &message.Plan{Route: "r"}},
	} {
		if err := RenderTimeline(&b, timeline); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "little.txt", b.String())
}

func TestTable(t *testing.T) {
	var tally Tally
	var b strings.Builder
	for range 12 {
		tally.Add("convrs-uk/whatsapp", message.Delivered)
	}
	if err := Table(&b, &tally); err != nil {
		t.Fatal(err)
	}
	b.WriteString("\n")
	tally.Add("chatondesk-in/sms", message.Sent)
	tally.Add("chatondesk-in/sms", message.Failed)
	tally.Add("", "")
	if err := Table(&b, &tally); err != nil {
		t.Fatal(err)
	}
	golden(t, "table.txt", b.String())
}

type full struct{}

var errFull = errors.New("no space")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrors(t *testing.T) {
	if err := RenderTimeline(full{}, fallback()); !errors.Is(err, errFull) {
		t.Error(err)
	}
	if err := Table(full{}, &Tally{}); !errors.Is(err, errFull) {
		t.Error(err)
	}
}
