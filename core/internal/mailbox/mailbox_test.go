package mailbox_test

import (
	"sync"
	"testing"

	"github.com/hermodhq/hermod/core/internal/mailbox"
)

// Every item arrives once, those of one sender in their order, and the receiver is woken whenever something waits.
func TestMailbox(t *testing.T) {
	const senders, each = 8, 2000
	m := mailbox.New[[2]int]()
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				if !m.Put([2]int{s, i}) {
					t.Error("refused")
				}
			}
		})
	}
	next := [senders]int{}
	for got := 0; got < senders*each; {
		<-m.Signal()
		for m.Ready() {
			items := m.Take(100)
			if len(items) == 0 || len(items) > 100 {
				t.Fatalf("%d items", len(items))
			}
			for _, item := range items {
				if next[item[0]] != item[1] {
					t.Fatalf("sender %d: item %d when %d was next", item[0], item[1], next[item[0]])
				}
				next[item[0]]++
			}
			got += len(items)
		}
	}
	wg.Wait()
	m.Put([2]int{0, each})
	if left := m.Close(); len(left) != 1 || m.Put([2]int{}) || m.Ready() {
		t.Errorf("after Close: %v", left)
	}
}

func TestBroadcast(t *testing.T) {
	b := mailbox.NewBroadcast()
	first, same := b.Wait(), b.Wait()
	select {
	case <-first:
		t.Fatal("nothing has changed")
	default:
	}
	b.Send()
	<-first
	<-same
	select {
	case <-b.Wait():
		t.Fatal("nothing has changed since")
	default:
	}
}
