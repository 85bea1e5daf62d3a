package intake_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/index"
	"github.com/hermodhq/hermod/core/internal/intake"
	"github.com/hermodhq/hermod/internal/flow"
	"github.com/hermodhq/hermod/sdk/message"
)

// notebook is an owner that notes what it stores, in one list with the other partitions'.
type notebook struct {
	mu     *sync.Mutex
	list   *[]string
	refuse string // the event that it does not store
}

func (n notebook) note(what string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if what == n.refuse {
		return errors.New("disk full")
	}
	*n.list = append(*n.list, what)
	return nil
}

func (n notebook) Event(_ context.Context, _ ids.ID, ev flow.Event) error {
	return n.note(string(ev.VendorID))
}

func (n notebook) Receipt(_ context.Context, _ message.AccountID, _ ids.ID, ev flow.Event) error {
	return n.note(string(ev.VendorID))
}

func (n notebook) Report(_ context.Context, ev *message.Event, _ []byte, _ *message.Receipt) error {
	return n.note(string(ev.ID))
}

// What a vendor says in one request is stored in the order in which the vendor says it, up to what cannot be stored.
func TestEventsKeepTheirOrder(t *testing.T) {
	id, err := ids.NewID(3)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 40 {
		want = append(want, fmt.Sprint("e", i))
	}
	for _, refuse := range []string{"", "e20"} {
		var mu sync.Mutex
		var got []string
		owners := make([]intake.Owner, 4)
		for i := range owners {
			owners[i] = notebook{mu: &mu, list: &got, refuse: refuse}
		}
		s := intake.NewStore(intake.StoreConfig{Engine: "test", Owners: owners, Vendors: index.NewVendors(time.Now), Now: time.Now})
		var events []message.Event
		for i, name := range want {
			ev := message.Event{ID: message.EventID(name), User: message.VendorUserID(fmt.Sprint("user ", i))}
			if i%3 == 0 {
				ev.Type = message.EventReceipt
				ev.Receipt = &message.Receipt{Message: id.Message(), Attempt: 1, Outcome: message.Sent, VendorID: message.VendorMessageID(name)}
			}
			events = append(events, ev)
		}
		err := s.Add(t.Context(), "one", events)
		if stored := want[:20]; refuse != "" && (err == nil || !slices.Equal(got, stored)) {
			t.Errorf("stored %q before %q could not be: %v", got, refuse, err)
		} else if refuse == "" && (err != nil || !slices.Equal(got, want)) {
			t.Errorf("stored %q, %v", got, err)
		}
	}
}

// slow is an owner whose stores take until the test lets them end.
type slow struct {
	notebook
	begun chan struct{}
	end   chan error
}

func (s slow) Report(_ context.Context, ev *message.Event, _ []byte, _ *message.Receipt) error {
	s.begun <- struct{}{}
	if err := <-s.end; err != nil {
		return err
	}
	return s.note(string(ev.ID))
}

// A vendor that repeats an event while it is being stored finds it stored once, and by a repeat if the first could not be.
func TestRepeatsAtOnce(t *testing.T) {
	for _, failures := range []int{0, 3} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var got []string
			owner := slow{notebook{mu: &mu, list: &got}, make(chan struct{}, 16), make(chan error)}
			s := intake.NewStore(intake.StoreConfig{Engine: "test", Owners: []intake.Owner{owner}, Vendors: index.NewVendors(time.Now), Now: time.Now})
			errs := make(chan error, 16)
			for range 16 {
				go func() { errs <- s.Add(t.Context(), "one", []message.Event{{ID: "e", Type: "ticket.new"}}) }()
			}
			for i := range failures + 1 {
				synctest.Wait()
				if len(owner.begun) != i+1 {
					t.Fatalf("%d are being stored at once", len(owner.begun)-i)
				}
				if i < failures {
					owner.end <- errors.New("disk full")
				} else {
					owner.end <- nil
				}
			}
			failed := 0
			for range 16 {
				if <-errs != nil {
					failed++
				}
			}
			if len(got) != 1 || failed != failures {
				t.Errorf("stored %q, %d were refused, want %d", got, failed, failures)
			}
		})
	}
}
