package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hermodhq/hermod/core/internal/pluginhost/ledger"
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

var errUnknown, errRefused, errDown = errors.New("unknown"), errors.New("refused"), errors.New("down")

// model is what must hold whatever happens: one answer for each delivery, and one that fits where the delivery was.
type model struct {
	l       *ledger.Ledger
	put     int
	queued  map[message.ID]bool
	flying  map[message.ID]uint64
	answers map[message.ID]error
}

func (m *model) hand(t *rapid.T, answers []connector.Answer) {
	for _, a := range answers {
		if _, twice := m.answers[a.Message]; twice {
			t.Fatalf("%s was answered twice", a.Message)
		}
		m.answers[a.Message] = a.Err
		_, flew := m.flying[a.Message]
		certain := errors.Is(a.Err, errRefused) || errors.Is(a.Err, errDown) || fault.From(a.Err) != nil && fault.From(a.Err).Code == "connector_busy"
		if flew == certain {
			t.Fatalf("%s is answered %v, and in flight: %v", a.Message, a.Err, flew)
		}
		delete(m.flying, a.Message)
		delete(m.queued, a.Message)
	}
}

func TestEachDeliveryIsAnsweredOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{
			l: ledger.New(20, time.Minute), queued: map[message.ID]bool{}, flying: map[message.ID]uint64{}, answers: map[message.ID]error{},
		}
		t.Repeat(map[string]func(*rapid.T){
			"open": func(*rapid.T) { m.l.Open() },
			"shut": func(*rapid.T) { m.l.Shut() },
			"put": func(t *rapid.T) {
				batch := make([]connector.Delivery, rapid.IntRange(0, 30).Draw(t, "n"))
				for i := range batch {
					m.put++
					batch[i].Message = message.ID(fmt.Sprint(m.put))
					m.queued[batch[i].Message] = true
				}
				m.hand(t, m.l.Put(batch, func() error { return errDown }))
			},
			"take off": func(t *rapid.T) {
				batch, from := m.l.TakeOff(rapid.IntRange(0, 10).Draw(t, "window"), nil)
				for i, d := range batch {
					if !m.queued[d.Message] {
						t.Fatalf("%s took off without being queued", d.Message)
					}
					delete(m.queued, d.Message)
					m.flying[d.Message] = from + uint64(i)
				}
			},
			"land": func(t *rapid.T) {
				answers := []*pb.Answer{{Sequence: rapid.Uint64Range(0, uint64(m.put+1)).Draw(t, "sequence")}, nil}
				m.l.Land(append(answers, answers...))
			},
			"settle":   func(t *rapid.T) { m.l.Settle(rapid.Uint64Range(0, uint64(m.put+1)).Draw(t, "s"), errUnknown) },
			"expire":   func(*rapid.T) { m.l.Expire(time.Now().Add(2 * time.Minute)) },
			"end":      func(*rapid.T) { m.l.End(errUnknown, errRefused) },
			"hand out": func(t *rapid.T) { m.hand(t, m.l.HandOut(false)) },
		})
		m.l.End(errUnknown, errRefused)
		m.hand(t, m.l.HandOut(true))
		if !m.l.Drained() || len(m.answers) != m.put || len(m.flying)+len(m.queued) != 0 {
			t.Fatalf("%d of %d are answered", len(m.answers), m.put)
		}
		if late := m.l.Put(make([]connector.Delivery, 3), func() error { return errDown }); len(late) != 3 {
			t.Fatalf("after the last HandOut %d of 3 came back", len(late))
		}
	})
}

func TestOrderIsKept(t *testing.T) {
	l := ledger.New(1000, time.Minute)
	l.Open()
	var ids []message.ID
	for i := range 100 {
		l.Put([]connector.Delivery{{Message: message.ID(fmt.Sprint(2 * i))}, {Message: message.ID(fmt.Sprint(2*i + 1))}}, nil)
		batch, _ := l.TakeOff(1000, nil)
		for _, d := range batch[:min(1, len(batch))] {
			ids = append(ids, d.Message)
		}
		for _, d := range batch[min(1, len(batch)):] {
			ids = append(ids, d.Message)
		}
	}
	if len(ids) != 200 || !slices.IsSortedFunc(ids, func(a, b message.ID) int { return len(a) - len(b) }) {
		t.Errorf("order %v", ids)
	}
}

func TestSilence(t *testing.T) {
	l := ledger.New(10, time.Second)
	l.Open()
	l.Put(make([]connector.Delivery, 2), nil)
	_, from := l.TakeOff(10, nil)
	if s := l.Expire(time.Now()); s != 0 {
		t.Errorf("silent for %s before an answer was missed", s)
	}
	if s := l.Expire(time.Now().Add(time.Minute)); s < 50*time.Second {
		t.Errorf("silent for %s after a minute without an answer", s)
	}
	if late := l.Land([]*pb.Answer{{Sequence: from}}); late != 1 {
		t.Errorf("%d late answers", late)
	}
	if s := l.Expire(time.Now().Add(time.Hour)); s != 0 {
		t.Errorf("silent for %s after an answer, though a late one", s)
	}
}
