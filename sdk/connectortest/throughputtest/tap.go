package throughputtest

import (
	"fmt"
	"io"
	"net"
	"sync"
)

// tap passes connections on, and keeps what is said on them.
type tap struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	talks  []*talk
}

// talk is one connection.
type talk struct {
	ends            []net.Conn
	asked, answered []byte
}

func newTap(target string) (*tap, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the connector's requests cannot be read: %w", err)
	}
	t := &tap{listener: l, target: target}
	t.running.Go(t.accept)
	return t, nil
}

func (t *tap) address() string { return t.listener.Addr().String() }

func (t *tap) accept() {
	for {
		near, err := t.listener.Accept()
		if err != nil {
			return // closed
		}
		far, err := net.Dial("tcp", t.target)
		if err != nil {
			_ = near.Close() // the connector's error says the rest
			continue
		}
		k := &talk{ends: []net.Conn{near, far}}
		t.mu.Lock()
		t.talks = append(t.talks, k)
		if t.closed {
			k.hangUp()
		}
		t.mu.Unlock()
		t.running.Go(func() { t.pass(k, far, near, &k.asked) })
		t.running.Go(func() { t.pass(k, near, far, &k.answered) })
	}
}

// pass copies one direction of a connection to its end, and keeps it before it passes it on.
func (t *tap) pass(k *talk, to, from net.Conn, kept *[]byte) {
	keep := writer(func(b []byte) (int, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		*kept = append(*kept, b...)
		return len(b), nil
	})
	_, _ = io.Copy(io.MultiWriter(keep, to), from) // however it ends
	k.hangUp()
}

func (k *talk) hangUp() {
	for _, end := range k.ends {
		_ = end.Close() // it may be closed
	}
}

type writer func(b []byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// forget drops what was kept.
func (t *tap) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.talks {
		k.asked, k.answered = nil, nil
	}
}

// said returns the requests since forget, connection by connection.
func (t *tap) said() (all []request, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.talks {
		requests, err := parse(k.asked, k.answered)
		if err != nil {
			return nil, err
		}
		all = append(all, requests...)
	}
	return all, nil
}

func (t *tap) close() {
	t.mu.Lock()
	t.closed = true
	_ = t.listener.Close() // nothing was written
	for _, k := range t.talks {
		k.hangUp()
	}
	t.mu.Unlock()
	t.running.Wait()
}
