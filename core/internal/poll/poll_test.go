package poll_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/poll"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

// TestPauses asks about an attempt at the documented times, through errors and silence, and ends when all is known or the time is over.
func TestPauses(t *testing.T) {
	tests := []struct {
		name    string
		answers []message.Outcome // "" is silence
		due     time.Duration
		want    []time.Duration
	}{
		{"until delivered", []message.Outcome{"", message.Sent, message.Sent, message.Delivered}, time.Hour, []time.Duration{1, 3, 7, 15}},
		{"until it failed", []message.Outcome{message.Failed}, time.Hour, []time.Duration{1}},
		{"until the step waits no longer", nil, 20 * time.Second, []time.Duration{1, 3, 7, 15}},
		{"never more than a minute apart", nil, 4 * time.Minute, []time.Duration{1, 3, 7, 15, 31, 63, 123, 183}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var asked []time.Duration
				var receipts []message.Outcome
				p := poll.New(poll.Config{
					Query: func(_ context.Context, _ message.AccountID, q connector.Query) (message.Receipt, error) {
						asked = append(asked, time.Since(began)/time.Second)
						if n := len(asked); n <= len(tt.answers) {
							return message.Receipt{VendorID: q.VendorID, Outcome: tt.answers[n-1]}, nil
						}
						return message.Receipt{}, errors.New("the vendor is down")
					},
					Receipt: func(_ context.Context, _ ids.ID, _ int, r message.Receipt) error {
						receipts = append(receipts, r.Outcome)
						return nil
					},
					Now: time.Now, Logger: slog.New(slog.DiscardHandler),
					After: func(d time.Duration) (<-chan time.Time, func()) {
						timer := time.NewTimer(d)
						return timer.C, func() { timer.Stop() }
					},
				})
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
				defer cancel()
				p.Add(&message.Step{Account: "one", Channel: message.SMS}, "v1", ids.ID{1}, 1, began.Add(tt.due))
				p.Run(ctx)
				if len(asked) != len(tt.want) {
					t.Fatalf("asked at %v, want %v", asked, tt.want)
				}
				for i := range asked {
					if asked[i] != tt.want[i] {
						t.Errorf("asked at %v, want %v", asked, tt.want)
					}
				}
				told := 0
				for _, o := range tt.answers {
					if o != "" {
						told++
					}
				}
				if len(receipts) != told {
					t.Errorf("told %v", receipts)
				}
			})
		})
	}
}
