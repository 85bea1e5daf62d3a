package react

import (
	"context"
	"sync"
	"time"

	"github.com/hermodhq/hermod/rules"
	"github.com/hermodhq/hermod/sdk/message"
)

// task is what one reaction wants done about one event.
type task struct {
	want     rules.Reaction
	event    *message.Event
	depth    int // of what the actions cause
	revision string
	epoch    *epoch
}

// lanes keep the tasks about one conversation, person or message in order. Each lane with tasks has a goroutine.
type lanes struct {
	mu     sync.Mutex
	queues map[string][]*task
}

func laneOf(ev *message.Event) string {
	account := string(ev.Account)
	switch {
	case ev.Conversation != "":
		return account + "/conversation/" + string(ev.Conversation)
	case ev.User != "":
		return account + "/user/" + string(ev.User)
	case ev.Message != "":
		return "message/" + string(ev.Message)
	}
	return ev.Source + "/" + string(ev.ID)
}

func (r *Reactor) enqueue(ctx context.Context, t *task) {
	lane := laneOf(t.event)
	r.lanes.mu.Lock()
	queue, busy := r.lanes.queues[lane]
	r.lanes.queues[lane] = append(queue, t)
	r.lanes.mu.Unlock()
	if !busy {
		r.tasks.Go(func() { r.serve(ctx, lane) })
	}
}

// serve carries a lane's tasks out until there are none.
func (r *Reactor) serve(ctx context.Context, lane string) {
	for {
		r.lanes.mu.Lock()
		queue := r.lanes.queues[lane]
		if len(queue) == 0 {
			delete(r.lanes.queues, lane)
			r.lanes.mu.Unlock()
			return
		}
		t := queue[0]
		r.lanes.queues[lane] = queue[1:]
		r.lanes.mu.Unlock()
		finished := r.carryOut(ctx, t)
		<-r.slots
		r.mu.Lock()
		if finished {
			t.epoch.tasks--
		}
		r.mu.Unlock()
	}
}

// rates hold back reactions that are above their rate.
type rates struct {
	mu      sync.Mutex
	windows map[string]*window
}

// window holds when a reaction's last actions were, as many as it may have in a minute.
type window struct {
	times []time.Time
	next  int
	held  bool
}

// maxWindows bounds how many reactions' rates are kept: names change when rule files do.
const maxWindows = 10_000

// turn returns how long an action must wait for its turn; first says that the reaction was not held back before.
func (x *rates) turn(reaction string, rate int, now time.Time) (wait time.Duration, first bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	w := x.windows[reaction]
	if w == nil || len(w.times) != rate {
		if len(x.windows) >= maxWindows {
			clear(x.windows)
		}
		w = &window{times: make([]time.Time, rate)}
		x.windows[reaction] = w
	}
	at := now
	if free := w.times[w.next].Add(time.Minute); free.After(now) {
		at = free
	}
	w.times[w.next] = at
	w.next = (w.next + 1) % rate
	held := at.After(now)
	first, w.held = held && !w.held, held
	return at.Sub(now), first
}
