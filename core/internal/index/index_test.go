package index_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hermodhq/hermod/core/internal/ids"
	"github.com/hermodhq/hermod/core/internal/index"
	"github.com/hermodhq/hermod/sdk/message"
)

// clock is a time that the test sets.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newID(t *testing.T, partition int) ids.ID {
	t.Helper()
	id, err := ids.NewID(partition)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// One of many senders gets the key; the others get its message, once it is durable.
func TestOneSenderGetsTheKey(t *testing.T) {
	k := index.NewKeys(time.Hour, time.Now)
	d := index.Digest("key")
	var mu sync.Mutex
	firsts := map[ids.ID]int{}
	winners := 0
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			id, err := ids.NewID(0)
			if err != nil {
				t.Error(err)
			}
			first, known, err := k.Reserve(t.Context(), d, id)
			if err != nil {
				t.Error(err)
			}
			if !known {
				k.Add(d, id, time.Now(), 1) // it is durable
			}
			mu.Lock()
			defer mu.Unlock()
			firsts[first]++
			if !known {
				winners++
			}
		})
	}
	wg.Wait()
	if winners != 1 || len(firsts) != 1 {
		t.Errorf("%d senders got the key, %d messages have it", winners, len(firsts))
	}
}

func TestReservedKeyIsGivenUp(t *testing.T) {
	k := index.NewKeys(time.Hour, time.Now)
	d := index.Digest("key")
	first, second := newID(t, 0), newID(t, 0)
	if _, known, err := k.Reserve(t.Context(), d, first); known || err != nil {
		t.Fatal(known, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := k.Reserve(ctx, d, second); !errors.Is(err, context.Canceled) {
		t.Errorf("who waits for the key and gives up: %v", err)
	}
	k.Release(d, second) // not its own: nothing happens
	got := make(chan error)
	go func() {
		id, known, err := k.Reserve(t.Context(), d, second)
		if known || id != second {
			err = fmt.Errorf("known %t", known)
		}
		got <- err
	}()
	k.Release(d, first)
	if err := <-got; err != nil {
		t.Error(err)
	}
	go func() {
		_, _, err := k.Reserve(t.Context(), d, first)
		got <- err
	}()
	k.Close()
	if err := <-got; !errors.Is(err, index.ErrClosed) {
		t.Errorf("who waits when all is closed: %v", err)
	}
}

func TestKeysWindow(t *testing.T) {
	c := &clock{t: time.Now()}
	k := index.NewKeys(time.Hour, c.now)
	old, young, other := newID(t, 1), newID(t, 1), newID(t, 2)
	k.Add(index.Digest("old"), old, c.t, 5)
	c.t = c.t.Add(30 * time.Minute)
	k.Add(index.Digest("young"), young, c.t, 6)
	k.Add(index.Digest("other"), other, c.t, 1)
	if list := k.Before(1, 6); len(list) != 1 || list[0].ID != old {
		t.Errorf("before frame 6 of partition 1: %+v", list)
	}
	c.t = c.t.Add(45 * time.Minute)
	if list := k.Before(1, 100); len(list) != 1 || list[0].ID != young {
		t.Errorf("when the first window has passed: %+v", list)
	}
	if _, known, _ := k.Reserve(t.Context(), index.Digest("old"), young); known {
		t.Error("a key is known after its window")
	}
}

// A key that was used again after its window belongs to the later message, in whatever order the partitions are read back.
func TestTheLaterKeyWins(t *testing.T) {
	c := &clock{t: time.Now()}
	for _, laterFirst := range []bool{true, false} {
		k := index.NewKeys(time.Hour, c.now)
		d := index.Digest("key")
		earlier, later := newID(t, 1), newID(t, 2)
		if laterFirst {
			k.Add(d, later, c.t, 1)
		}
		k.Add(d, earlier, c.t.Add(-2*time.Hour), 9)
		if !laterFirst {
			k.Add(d, later, c.t, 1)
		}
		if got, known, err := k.Reserve(t.Context(), d, newID(t, 3)); got != later || !known || err != nil {
			t.Errorf("the later one first %t: the key is known %t, as the later message's %t, %v", laterFirst, known, got == later, err)
			k.Release(d, got)
		}
	}
}

func TestVendors(t *testing.T) {
	c := &clock{t: time.Now()}
	v := index.NewVendors(c.now)
	a := index.Attempt{ID: newID(t, 0), Attempt: 2}
	early := message.Receipt{VendorID: "v1", Outcome: message.Sent}
	if _, known := v.Orphan("one", early, c.t); known {
		t.Error("a stranger is known")
	}
	if _, known := v.Orphan("two", early, c.t); known {
		t.Error("another account's stranger is known")
	}
	if got := v.Put("one", "v1", a); len(got) != 1 || got[0] != early {
		t.Errorf("the receipts that came before: %+v", got)
	}
	if got, ok := v.Find("one", "v1"); !ok || got != a {
		t.Errorf("found %+v, %t", got, ok)
	}
	if _, ok := v.Find("two", "v1"); ok {
		t.Error("a vendor's id counts for another account")
	}
	if got, known := v.Orphan("one", early, c.t); !known || got != a {
		t.Error("a receipt that comes later is an orphan")
	}
	v.Forget("one", "v1")
	if _, ok := v.Find("one", "v1"); ok {
		t.Error("it was not forgotten")
	}
	v.Orphan("one", message.Receipt{VendorID: "v2"}, c.t.Add(-2*time.Hour))
	if got := v.Put("one", "v2", a); len(got) != 0 {
		t.Error("a receipt of two hours ago was kept")
	}
}

// Strangers' receipts cannot fill the memory, and those that come for us still count.
func TestOrphansAreBounded(t *testing.T) {
	c := &clock{t: time.Now()}
	v := index.NewVendors(c.now)
	for i := range 150_000 {
		v.Orphan("one", message.Receipt{VendorID: message.VendorMessageID(fmt.Sprint("stranger-", i))}, c.t)
	}
	kept := 0
	for i := range 150_000 {
		kept += len(v.Put("one", message.VendorMessageID(fmt.Sprint("stranger-", i)), index.Attempt{}))
	}
	if kept > 16*4096 {
		t.Errorf("%d were kept", kept)
	}
	v.Orphan("one", message.Receipt{VendorID: "ours"}, c.t)
	if got := v.Put("one", "ours", index.Attempt{}); len(got) != 1 {
		t.Error("ours was lost")
	}
}

func TestContacts(t *testing.T) {
	c := index.NewContacts()
	at := time.Now()
	c.Wrote("+447700900000", message.WhatsApp, at)
	before := c.Last("+447700900000")
	c.Wrote("+447700900000", message.WhatsApp, at.Add(-time.Hour)) // older: it came late
	c.Wrote("+447700900000", message.SMS, at)
	c.Wrote("", message.SMS, at)
	c.Wrote("+447700900001", message.SMS, time.Time{})
	if got := c.Last("+447700900000"); !got[message.WhatsApp].Equal(at) || !got[message.SMS].Equal(at) {
		t.Errorf("last: %v", got)
	}
	if len(before) != 1 {
		t.Error("a map that was given out has changed")
	}
	if c.Last("") != nil || c.Last("+447700900001") != nil {
		t.Error("nobody wrote")
	}
}

func TestSeen(t *testing.T) {
	s := index.NewSeen()
	s.Add("one", "e1")
	s.Add("one", "")
	if !s.Has("one", "e1") || s.Has("two", "e1") || s.Has("one", "e2") || s.Has("one", "") {
		t.Error("what was seen is not what was added")
	}
}
