//go:build linux

package core_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// TestDiskFull fills the disk under a running engine: it says so, loses nothing, and goes on once there is room.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("no tmpfs for this user: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(mount, unix.MNT_DETACH) })
	ballast := filepath.Join(mount, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 16<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	v := newVendor(t)
	k := newKit(t, v, oneStep(""), func(c *core.Config) {
		c.Data = filepath.Join(mount, "journal")
		limited(connector.Limits{Concurrency: 16})(c)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	type sent struct {
		m   message.Message
		id  message.ID
		err error
	}
	var mu sync.Mutex
	var all []sent
	var wg sync.WaitGroup
	for s := range 8 {
		wg.Go(func() {
			for i := range 200 {
				m := text(8*i+s, strings.Repeat("x", 20<<10))
				m.Key = message.Key(m.To.Phone)
				id, err := k.Send(ctx, m)
				mu.Lock()
				all = append(all, sent{m, id, err})
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	refused := 0
	for _, s := range all {
		if s.err == nil {
			continue
		}
		if f := fault.From(s.err); f.Code != "journal_unavailable" || f.Class != fault.Unavailable {
			t.Errorf("refused with %v", s.err)
		}
		refused++
	}
	if refused == 0 {
		t.Fatalf("all of %d messages fitted", len(all))
	}
	if err := k.Ready(); fault.From(err) == nil || fault.From(err).Code != "journal_unavailable" {
		t.Errorf("Ready says %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for k.Ready() != nil { // the engine tries again by itself
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("there is room, and the engine takes nothing")
		}
	}
	for i := range all {
		id := k.send(all[i].m) // the same key: what was accepted is not accepted again, whatever Send said
		if all[i].err == nil && id != all[i].id {
			t.Errorf("a key has two messages")
		}
		k.ends(id, message.Accepted, "")
	}
	seen := map[message.ID]int{}
	for _, c := range v.seen() {
		if seen[c.Message]++; seen[c.Message] > 1 {
			t.Errorf("%s was called for twice", c.Message)
		}
	}
	if len(seen) != len(all) {
		t.Errorf("%d messages were called for, %d sent", len(seen), len(all))
	}
}

// A full disk does not keep an engine from stopping, nor those who wait for it.
func TestStopOnAFullDisk(t *testing.T) {
	t.Parallel()
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=6m"); err != nil {
		t.Skipf("no tmpfs for this user: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(mount, unix.MNT_DETACH) })
	k := newKit(t, newVendor(t), oneStep(""), func(c *core.Config) { c.Data, c.Partitions = filepath.Join(mount, "journal"), 1 })
	var wg sync.WaitGroup
	for s := range 16 {
		wg.Go(func() { // each key has several senders that wait for each other
			for i := range 1000 {
				m := text(i, strings.Repeat("x", 30<<10))
				m.Key = message.Key("key " + strings.Repeat("i", s%4+1) + m.To.Phone)
				if _, err := k.Send(context.Background(), m); err != nil {
					return
				}
			}
		})
	}
	for k.Ready() == nil {
		<-time.After(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	_ = k.Stop(ctx)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Stop took %s", took)
	}
	wg.Wait()
}
