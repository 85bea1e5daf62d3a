package react_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/core/internal/react"
	"github.com/hermodhq/hermod/rules"
	"github.com/hermodhq/hermod/sdk/message"
)

var errStopped = errors.New("stopped")

// world is a journal, a vendor and a host, in memory. It outlives the reactors that work on it.
type world struct {
	t     *testing.T
	rules atomic.Pointer[rules.Set]

	mu      sync.Mutex
	events  []message.Event
	changed chan struct{}
	cursor  []byte
	dead    bool // the engine was killed: nothing is stored any more
	sent    map[message.Key]message.Message
	calls   []string
	limit   chan struct{}                                                                 // set: a call waits for it, as for its account's limit
	invoke  func(n int, operation string, input json.RawMessage) (json.RawMessage, error) // n calls were made before
	sending func(n int) error
	stored  func(ev *message.Event) error

	unread    int  // so often the labels cannot be read
	abandoned bool // calls are out until they are given up
}

const routes = "routes: [{name: all, fallback: [{via: desk/chat}]}]\n"

func newWorld(t *testing.T, reactions string) *world {
	w := &world{t: t, changed: make(chan struct{}), sent: map[message.Key]message.Message{}}
	w.load(reactions)
	return w
}

func (w *world) load(reactions string) *rules.Set {
	w.t.Helper()
	fs := afero.NewMemMapFs()
	if err := afero.WriteFile(fs, "rules/a.yaml", []byte(routes+reactions), 0o600); err != nil {
		w.t.Fatal(err)
	}
	set, err := rules.Load(fs, "rules", rules.Catalog{Accounts: map[message.AccountID]rules.AccountInfo{"desk": {
		Channels: []rules.ChannelInfo{{Channel: "chat"}}, Events: []message.EventType{"ticket.new", "ticket.other", "ticket.closed"},
		Operations: []rules.OperationInfo{{Name: "write", Mutates: true}, {Name: "read"}},
	}}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.rules.Store(set)
	return set
}

// start starts a reactor as an engine does.
func (w *world) start() *react.Reactor {
	w.t.Helper()
	r, err := react.Open(w.t.Context(), react.Config{
		Engine: "test", Rules: w.rules.Load, Follow: w.follow, End: w.end, Stopped: errStopped, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Cursor:    func(context.Context) ([]byte, error) { w.mu.Lock(); defer w.mu.Unlock(); return w.cursor, nil },
		SetCursor: w.setCursor, Store: w.store, Send: w.send, Invoke: w.call, Labels: w.labels,
		After: func(d time.Duration) (<-chan time.Time, func()) {
			t := time.NewTimer(d)
			return t.C, func() { t.Stop() }
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	r.Start(w.t.Context())
	return r
}

// stop stops a reactor, which gets a minute.
func (w *world) stop(r *react.Reactor) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), time.Minute)
	defer cancel()
	<-r.Stop(ctx)
}

// kill ends a reactor with nothing recorded from now on, and lets the next one begin.
func (w *world) kill(r *react.Reactor) {
	w.mu.Lock()
	w.dead = true
	w.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	<-r.Stop(ctx)
	w.mu.Lock()
	w.dead = false
	w.mu.Unlock()
}

func (w *world) end() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return binary.BigEndian.AppendUint64(nil, uint64(len(w.events)))
}

func (w *world) setCursor(_ context.Context, place []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return errStopped
	}
	w.cursor = place
	return nil
}

func (w *world) follow(ctx context.Context, p react.Place, handle react.Handle) error {
	next := int(binary.BigEndian.Uint64(p.From))
	for {
		w.mu.Lock()
		list, changed := w.events[next:len(w.events):len(w.events)], w.changed
		w.mu.Unlock()
		for i := range list {
			if err := handle(ctx, list[i]); err != nil {
				return err
			}
			next++
		}
		if len(list) > 0 {
			if err := p.Moved(ctx, binary.BigEndian.AppendUint64(nil, uint64(next))); err != nil {
				return err
			}
			continue
		}
		if p.Closing() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *world) store(_ context.Context, ev *message.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return errStopped
	}
	if w.stored != nil {
		if err := w.stored(ev); err != nil {
			return err
		}
	}
	w.add(*ev)
	return nil
}

func (w *world) add(ev message.Event) {
	w.events = append(w.events, ev)
	close(w.changed)
	w.changed = make(chan struct{})
}

// vendor lets the vendor report an event of a person.
func (w *world) vendor(typ message.EventType, id message.EventID, user message.VendorUserID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.add(message.Event{ID: id, Source: "hermod/test/desk", Type: typ, Account: "desk", User: user, Contact: &message.Contact{Phone: "+447700900123", Name: "Ada"}})
}

func (w *world) send(_ context.Context, m message.Message) (message.ID, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return "", errStopped
	}
	if w.sending != nil {
		if err := w.sending(len(w.sent)); err != nil {
			return "", err
		}
	}
	id := message.ID("m-" + m.Key)
	if _, known := w.sent[m.Key]; !known {
		w.sent[m.Key] = m
		w.add(message.Event{ID: message.EventID(id) + "-finished", Source: "hermod/test", Type: message.EventFinished, Message: id})
	}
	return id, nil
}

func (w *world) labels(_ context.Context, id message.ID) (map[string]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unread > 0 {
		w.unread--
		return nil, errors.New("the log cannot be read")
	}
	for key, m := range w.sent {
		if "m-"+string(key) == string(id) {
			return m.Labels, nil
		}
	}
	return nil, nil
}

func (w *world) call(ctx context.Context, account message.AccountID, operation string, input json.RawMessage, before func() error) (json.RawMessage, error) {
	if w.limit != nil {
		select {
		case <-w.limit:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err := before(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	if w.dead {
		w.mu.Unlock()
		return nil, errStopped
	}
	n := len(w.calls)
	w.calls = append(w.calls, fmt.Sprintf("%s/%s %s", account, operation, input))
	invoke := w.invoke
	w.mu.Unlock()
	if w.abandoned {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if invoke == nil {
		return json.RawMessage(`{"id":1}`), nil
	}
	return invoke(n, operation, input)
}

// outcomes gives the events about reactions, as type, name and fault.
func (w *world) outcomes() (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ev := range w.events {
		var rep react.Report
		if json.Unmarshal(ev.Data, &rep) != nil || rep.Reaction == "" {
			continue
		}
		s := string(ev.Type[len("reaction."):]) + " " + rep.Reaction
		if rep.Fault != nil {
			s += " " + rep.Fault.Code
		}
		all = append(all, s)
	}
	return all
}

func (w *world) called() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls)
}

// virtual runs a test in virtual time.
func virtual(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}
