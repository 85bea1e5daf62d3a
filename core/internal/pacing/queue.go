package pacing

import (
	"container/list"

	"github.com/hermodhq/hermod/core/internal/pacing/internal/heap"
)

// bulkEvery is the share of bulk while normal messages wait as well: every tenth grant.
const bulkEvery = 10

// key names a waiting item.
type key struct {
	ref       uint64
	partition int32
}

// node is a waiting item.
type node struct {
	item       Item
	number     uint64 // in the order of submission
	prev, next int32  // the recipient's other items in the lane
	recipient  int32
}

// line is what waits for one recipient in one lane, oldest first.
type line struct {
	head, tail int32
	pos        int32 // the recipient's place in the heap of the head's tenant; none while it is in no heap
}

// recipient exists while something waits for it, or its spacing has not passed.
type recipient struct {
	hash    uint64
	free    int64 // when it may be granted again
	cooling bool  // it waits for its call to leave, then for free, and stands in no heap
	lines   [lanes]line
}

// tenant has the recipients whose next item in a lane is the tenant's and may be granted.
type tenant struct {
	id    uint64
	ready heap.Heap
	turn  *list.Element
}

// laneQueue has the tenants of one lane that have something ready, in the order of their turns.
type laneQueue struct {
	tenants map[uint64]*tenant
	turns   list.List
}

// queue orders what waits. Every recipient with waiting items is either cooling, or stands in the heap of one tenant for
// each lane in which it has items. All operations take logarithmic time. The account's lock guards it.
type queue struct {
	nodes      slab[node]
	recipients slab[recipient]
	byHash     map[uint64]int32
	byKey      map[key]int32
	lanes      [lanes]laneQueue
	cooling    fifo[int32] // in the order of recipient.free: spacing is the same for all
	numbers    uint64
	sinceBulk  int
	peak       int
}

func newQueue() *queue {
	q := &queue{byHash: map[uint64]int32{}, byKey: map[key]int32{}}
	for i := range q.lanes {
		q.lanes[i].tenants = map[uint64]*tenant{}
	}
	return q
}

// len is the number of waiting items.
func (q *queue) len() int { return q.nodes.used }

// add puts an item at the end of its recipient's line.
func (q *queue) add(item Item) {
	item.Lane = min(item.Lane, Bulk)
	r := q.recipientOf(item.Recipient)
	i := q.nodes.add()
	l := &q.recipients.at(r).lines[item.Lane]
	*q.nodes.at(i) = node{item: item, number: q.numbers, prev: l.tail, next: none, recipient: r}
	q.numbers++
	q.byKey[key{item.Ref, item.Partition}] = i
	q.peak = max(q.peak, len(q.byKey))
	if l.tail != none {
		q.nodes.at(l.tail).next = i
		l.tail = i
		return
	}
	l.head, l.tail = i, i
	if !q.recipients.at(r).cooling {
		q.enlist(r, item.Lane)
	}
}

func (q *queue) recipientOf(hash uint64) int32 {
	if r, ok := q.byHash[hash]; ok {
		return r
	}
	r := q.recipients.add()
	empty := line{head: none, tail: none, pos: none}
	*q.recipients.at(r) = recipient{hash: hash, lines: [lanes]line{empty, empty, empty}}
	q.byHash[hash] = r
	return r
}

// enlist puts a recipient into the heap of the tenant whose item is first in its line.
func (q *queue) enlist(r int32, lane Lane) {
	lq := &q.lanes[lane]
	head := q.nodes.at(q.recipients.at(r).lines[lane].head)
	t := lq.tenants[head.item.Tenant]
	if t == nil {
		t = &tenant{id: head.item.Tenant}
		t.ready.Moved = func(r, to int32) { q.recipients.at(r).lines[lane].pos = to }
		t.turn = lq.turns.PushBack(t)
		lq.tenants[t.id] = t
	}
	t.ready.Push(heap.Entry{Number: head.number, Value: r})
}

// delist takes a recipient out of the heap that it stands in for the lane, if any.
func (q *queue) delist(r int32, lane Lane) {
	l := &q.recipients.at(r).lines[lane]
	if l.pos == none {
		return
	}
	lq := &q.lanes[lane]
	t := lq.tenants[q.nodes.at(l.head).item.Tenant]
	t.ready.Remove(l.pos)
	if len(t.ready.Entries) == 0 {
		lq.turns.Remove(t.turn)
		delete(lq.tenants, t.id)
	}
}

// ready reports whether there is an item that no recipient's spacing holds back.
func (q *queue) ready() bool {
	return q.lanes[Urgent].turns.Len()+q.lanes[Normal].turns.Len()+q.lanes[Bulk].turns.Len() > 0
}

// lane chooses the lane of the next grant; something is ready.
func (q *queue) lane() Lane {
	switch {
	case q.lanes[Urgent].turns.Len() > 0:
		return Urgent
	case q.lanes[Bulk].turns.Len() == 0:
		return Normal
	case q.lanes[Normal].turns.Len() == 0:
		return Bulk
	}
	if q.sinceBulk++; q.sinceBulk >= bulkEvery {
		q.sinceBulk = 0
		return Bulk
	}
	return Normal
}

// take removes the next item; something is ready. With cool set, its recipient is left alone until [queue.left] or [queue.skipped].
func (q *queue) take(cool bool) Item {
	lane := q.lane()
	turns := &q.lanes[lane].turns
	turn := turns.Front()
	turns.MoveToBack(turn)
	r := turn.Value.(*tenant).ready.Entries[0].Value
	if cool {
		for l := range lanes {
			q.delist(r, l)
		}
		rec := q.recipients.at(r)
		rec.cooling = true
		return q.unlink(rec.lines[lane].head)
	}
	q.delist(r, lane)
	item := q.unlink(q.recipients.at(r).lines[lane].head)
	if q.recipients.at(r).lines[lane].head != none {
		q.enlist(r, lane)
	}
	q.release(r)
	return item
}

// left says that a taken item's call has gone, and until when its recipient is to be left alone. The times only grow.
func (q *queue) left(hash uint64, until int64) {
	r := q.byHash[hash]
	q.recipients.at(r).free = until
	q.cooling.push(r)
}

// skipped says that a taken item's call was not made.
func (q *queue) skipped(hash uint64) { q.warmUp(q.byHash[hash]) }

// unlink takes an item out of its recipient's line, and forgets it.
func (q *queue) unlink(i int32) Item {
	n := q.nodes.at(i)
	l := &q.recipients.at(n.recipient).lines[n.item.Lane]
	if n.prev == none {
		l.head = n.next
	} else {
		q.nodes.at(n.prev).next = n.next
	}
	if n.next == none {
		l.tail = n.prev
	} else {
		q.nodes.at(n.next).prev = n.prev
	}
	item := n.item
	if k := (key{item.Ref, item.Partition}); q.byKey[k] == i {
		delete(q.byKey, k)
	}
	q.nodes.remove(i)
	return item
}

// cancel removes a waiting item.
func (q *queue) cancel(ref uint64, partition int32) bool {
	i, ok := q.byKey[key{ref, partition}]
	if !ok {
		return false
	}
	n := q.nodes.at(i)
	r, lane := n.recipient, n.item.Lane
	rec := q.recipients.at(r)
	first := rec.lines[lane].head == i
	if first {
		q.delist(r, lane)
	}
	q.unlink(i)
	if first && rec.lines[lane].head != none && !rec.cooling {
		q.enlist(r, lane)
	}
	q.release(r)
	return true
}

// release forgets a recipient for whom nothing waits and whose spacing has passed.
func (q *queue) release(r int32) {
	rec := q.recipients.at(r)
	if rec.cooling {
		return
	}
	for l := range rec.lines {
		if rec.lines[l].head != none {
			return
		}
	}
	delete(q.byHash, rec.hash)
	q.recipients.remove(r)
	if q.recipients.used == 0 && q.peak > 4*chunkSize { // maps do not shrink by themselves
		q.byHash, q.byKey, q.peak = map[uint64]int32{}, map[key]int32{}, 0
	}
}

// warm lets the recipients go on whose spacing has passed.
func (q *queue) warm(now int64) {
	for q.cooling.n > 0 {
		r := q.cooling.front()
		rec := q.recipients.at(r)
		if rec.free > now {
			return
		}
		q.cooling.pop()
		q.warmUp(r)
	}
}

func (q *queue) warmUp(r int32) {
	rec := q.recipients.at(r)
	rec.cooling = false
	for l := range lanes {
		if rec.lines[l].head != none {
			q.enlist(r, l)
		}
	}
	q.release(r)
}

// nextWarm returns when the next recipient may go on.
func (q *queue) nextWarm() int64 {
	if q.cooling.n == 0 {
		return never
	}
	return q.recipients.at(q.cooling.front()).free
}

// lastWarm returns when all recipients can be forgotten that nothing waits for.
func (q *queue) lastWarm() int64 {
	if q.cooling.n == 0 {
		return never
	}
	return q.recipients.at(q.cooling.back()).free
}
