package core_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/message"
)

// everywhere sends a message to each partition, and waits for their ends.
func (k *kit) everywhere() {
	k.t.Helper()
	for i := range 40 {
		m := text(500+i, "somebody else's")
		m.Category = "short"
		k.reaches(k.send(m), "")
	}
}

// TestTrim lets the journal forget what is older than its retention: what is live and what keys stand for stays, over and over again.
func TestTrim(t *testing.T) {
	t.Parallel()
	c := newClock()
	v := newVendor(t)
	rules := "routes:\n  - name: short\n    when: msg.category == \"short\"\n    fallback:\n      - {via: one/sms}\n" +
		"  - name: long\n    expires: 60d\n    fallback:\n      - {via: one/whatsapp, text: \"first {{ data.n }}\", until: delivered, within: 20d}\n      - {via: two/sms, text: \"second {{ data.n }}\"}\nunrouted: fail\n"
	k := newKit(t, v, rules, func(cfg *core.Config) {
		cfg.Clock, cfg.Retention, cfg.IdempotencyWindow = c, time.Hour, 48*time.Hour
	})
	keyed := func(name string, i int) message.Message {
		m := text(i, "")
		m.Key, m.Data = message.Key(fmt.Sprint(name, i)), map[string]any{"n": i}
		return m
	}
	var short, waiting, scheduled []message.ID
	for i := range 8 {
		m := keyed("short", i)
		m.Category = "short"
		short = append(short, k.send(m))
		waiting = append(waiting, k.send(keyed("waiting", i)))
		m = keyed("scheduled", i)
		m.SendAt = c.Now().Add(10 * 24 * time.Hour)
		scheduled = append(scheduled, k.send(m))
	}
	for i := range short {
		k.ends(short[i], message.Accepted, "")
		k.reaches(waiting[i], message.Accepted)
	}
	first := v.count()
	for round := range 6 {
		c.pass(2 * time.Hour)
		k.everywhere()
		c.pass(2 * time.Minute)
		k.everywhere() // each partition looks at its log after a frame
		if round%2 == 1 {
			k.restart()
		}
	}
	gone := 0
	for i := range short {
		var unknown *core.UnknownMessageError
		if _, err := k.Trace(t.Context(), short[i]); errors.As(err, &unknown) {
			gone++
		}
		for _, id := range []message.ID{waiting[i], scheduled[i]} {
			tl, err := k.Trace(t.Context(), id)
			if err != nil || tl.Final || tl.Message.Key == "" || len(tl.Entries) == 0 || tl.Entries[0].Type != message.EventAccepted {
				t.Fatalf("a live message after trimming: %+v, %v", tl, err)
			}
		}
		for name, id := range map[string]message.ID{"short": short[i], "waiting": waiting[i], "scheduled": scheduled[i]} {
			m := keyed(name, i)
			m.Category = map[string]string{"short": "short"}[name]
			if again := k.send(m); again != id {
				t.Errorf("the key of %s %d was forgotten", name, i)
			}
		}
	}
	if gone != len(short) {
		t.Errorf("%d of %d old messages were trimmed", gone, len(short))
	}
	if n := v.count() - first; n != 12*40 {
		t.Errorf("%d calls, want those of the others alone: %d", n, 12*40)
	}
	for _, id := range waiting[:4] {
		k.told("one", receiptFor(id, 1, message.Delivered))
		k.ends(id, message.Delivered, "")
	}
	c.pass(21 * 24 * time.Hour)
	for i, id := range waiting[4:] {
		k.ends(id, message.Accepted, "")
		if got := k.timeline(id); !strings.Contains(got, "no_receipt") {
			t.Errorf("its timeline is\n%s", got)
		}
		tl, _ := k.Trace(t.Context(), id)
		if want := fmt.Sprint("second ", 4+i); tl.Plan == nil || tl.Plan.Steps[1].Content.Text != want {
			t.Errorf("the plan was not carried on: %+v", tl.Plan)
		}
	}
	for _, id := range scheduled {
		k.reaches(id, message.Accepted)
	}
	texts := map[string]bool{}
	for _, call := range v.seen() {
		texts[string(call.Account)+" "+call.Text] = true
	}
	for i := range 8 {
		if !texts[fmt.Sprint("one first ", i)] || (i >= 4) != texts[fmt.Sprint("two second ", i)] {
			t.Errorf("message %d: the vendor saw %v", i, texts)
		}
	}
}

// A ceiling in bytes trims finished messages before their time.
func TestTrimBySize(t *testing.T) {
	t.Parallel()
	c := newClock()
	k := newKit(t, newVendor(t), oneStep(""), func(cfg *core.Config) {
		cfg.Clock, cfg.MaxBytes, cfg.Partitions = c, 256<<10, 1
	})
	old := k.send(text(0, "old"))
	k.ends(old, message.Accepted, "")
	for range 40 {
		k.ends(k.send(text(1, strings.Repeat("x", 20<<10))), message.Accepted, "")
	}
	c.pass(2 * time.Minute)
	k.ends(k.send(text(1, "the last")), message.Accepted, "")
	k.ends(k.send(text(1, "after the trim")), message.Accepted, "")
	var unknown *core.UnknownMessageError
	if _, err := k.Trace(t.Context(), old); !errors.As(err, &unknown) {
		t.Errorf("the oldest message is still there: %v", err)
	}
	k.restart()
	k.ends(k.send(text(1, "goes on")), message.Accepted, "")
}
