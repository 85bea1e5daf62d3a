package journal

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hermodhq/hermod/core/internal/journal/internal/link"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// natsServer starts a server of its own on a loopback port, as an operator would.
func natsServer(t *testing.T, change func(*server.Options)) string {
	t.Helper()
	opts := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true,
		StoreDir: t.TempDir(), SyncAlways: true}
	if change != nil {
		change(opts)
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not listen")
	}
	return srv.ClientURL()
}

func externalConfig(url, owner string) Config {
	return Config{URL: url, Partitions: 2, Owner: owner}
}

func TestExternal(t *testing.T) {
	url := natsServer(t, nil)
	j := start(t, externalConfig(url, "one"))
	p := j.Partition(0)
	first, last := p.Bounds() // the owner's mark
	if first != 1 || last != 1 {
		t.Fatalf("bounds %d %d", first, last)
	}
	fill(t, p, 2, 1500)
	expect(t, p, 2, 1500)
	if err := p.TrimBefore(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	if err := j.SetCursor(t.Context(), "somebody", []byte("here")); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), externalConfig(url, "two"))
	wantCode(t, err, CodeOwned)
	if !strings.Contains(err.Error(), "owned by one; its lease ends at 20") {
		t.Errorf("%q does not name owner and end", err)
	}
	stop(t, j)

	j = start(t, externalConfig(url, "two")) // the lease was given back
	expect(t, j.Partition(0), 1000, 1500)
	if v, err := j.Cursor(t.Context(), "somebody"); err != nil || string(v) != "here" {
		t.Fatalf("cursor %q, %v", v, err)
	}
	_, err = j.Partition(0).Read(t.Context(), 1501)
	wantCode(t, err, CodeNoFrame) // the mark of the second owner
	fill(t, j.Partition(0), 1502, 1503)
	stop(t, j)
	cfg := externalConfig(url, "three")
	cfg.Partitions = 5
	_, err = Open(t.Context(), cfg)
	wantCode(t, err, CodePartitions)
}

func TestExternalRefused(t *testing.T) {
	secured := natsServer(t, func(o *server.Options) { o.Username, o.Password = "somebody", "s3cret" })
	plain := natsServer(t, func(o *server.Options) { o.JetStream = false })
	wrong := strings.Replace(secured, "nats://", "nats://somebody:n0tit@", 1)
	for url, want := range map[string]string{secured: CodeUnauthorized, wrong: CodeUnauthorized, plain: CodeUnreachable, "nats://127.0.0.1:1": CodeUnreachable} {
		_, err := Open(t.Context(), externalConfig(url, ""))
		wantCode(t, err, want)
		if strings.Contains(err.Error(), "n0tit") {
			t.Errorf("%q carries the password", err)
		}
	}
	cfg := externalConfig(strings.Replace(secured, "nats://", "nats://somebody:s3cret@", 1), "")
	stop(t, start(t, cfg))
}

func TestExternalCeiling(t *testing.T) {
	cfg := externalConfig(natsServer(t, nil), "one")
	cfg.MaxBytes = 2 << 20
	p := start(t, cfg).Partition(0)
	var err error
	for range 100 {
		if _, err = p.Append(t.Context(), make([]byte, 64<<10)); err != nil {
			break
		}
	}
	wantCode(t, err, CodeDiskFull)
	if err := p.TrimBefore(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Append(t.Context(), make([]byte, 64<<10)); err != nil {
		t.Fatalf("after the trim: %v", err)
	}
}

// TestFenced takes the lease away behind the first owner's back: what it appends then must not be stored.
func TestFenced(t *testing.T) {
	url := natsServer(t, nil)
	one := start(t, externalConfig(url, "one"))
	fill(t, one.Partition(0), 2, 5)
	kv, err := one.link.JS.KeyValue(t.Context(), "hermod_OWNER")
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Purge(t.Context(), "owner"); err != nil {
		t.Fatal(err)
	}
	two := start(t, externalConfig(url, "two"))
	_, err = one.Partition(0).Append(t.Context(), frameData(6))
	wantCode(t, err, CodeFenced)
	<-one.Lost()
	if !errors.Is(one.Err(), ErrFenced) {
		t.Fatalf("Err: %v", one.Err())
	}
	_, err = one.Partition(1).Append(t.Context(), frameData(2))
	wantCode(t, err, CodeFenced)
	wantCode(t, one.SetCursor(t.Context(), "somebody", nil), CodeFenced)
	expect(t, two.Partition(0), 2, 5)
	fill(t, two.Partition(0), 7, 8)
	stop(t, one) // must not take the lease from the new owner
	_, err = Open(t.Context(), externalConfig(url, "three"))
	wantCode(t, err, CodeOwned)
}

// proxy passes connections on to a server until it is told to swallow the answers or to cut everything.
type proxy struct {
	net.Listener
	target  string
	swallow atomic.Bool
	deaf    atomic.Bool
	mu      sync.Mutex
	conns   []net.Conn
	wg      sync.WaitGroup
}

func newProxy(t *testing.T, url string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, target: strings.TrimPrefix(url, "nats://")}
	p.wg.Go(p.serve)
	t.Cleanup(func() { _ = l.Close(); p.cut(); p.wg.Wait() })
	return p
}

func (p *proxy) url() string { return "nats://" + p.Addr().String() }

func (p *proxy) serve() {
	for {
		in, err := p.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.target)
		if err != nil || p.deaf.Load() {
			_ = in.Close()
			if err == nil {
				_ = out.Close()
			}
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, in, out)
		p.mu.Unlock()
		p.wg.Go(func() { _, _ = io.Copy(out, in); _ = out.Close() })
		p.wg.Go(func() { _, _ = io.Copy(&gate{in, &p.swallow}, out); _ = in.Close() })
	}
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

type gate struct {
	w       io.Writer
	swallow *atomic.Bool
}

func (g *gate) Write(b []byte) (int, error) {
	if g.swallow.Load() {
		return len(b), nil
	}
	return g.w.Write(b)
}

// TestLeaseLost cuts an engine off: after its lease another takes over, and the first knows that it lost.
func TestLeaseLost(t *testing.T) {
	url := natsServer(t, nil)
	px := newProxy(t, url)
	cfg := externalConfig(px.url(), "one")
	cfg.Lease = 500 * time.Millisecond
	one := start(t, cfg)
	fill(t, one.Partition(0), 2, 3)
	px.deaf.Store(true)
	px.cut()
	cfg = externalConfig(url, "two")
	_, err := Open(t.Context(), cfg)
	wantCode(t, err, CodeOwned)
	<-one.Lost()
	var two *Journal
	for deadline := time.Now().Add(20 * time.Second); two == nil; {
		if two, err = Open(t.Context(), cfg); err != nil {
			wantCode(t, err, CodeOwned)
		}
		if time.Now().After(deadline) {
			t.Fatal("the lease did not end")
		}
	}
	defer stop(t, two)
	wantCode(t, one.Err(), CodeOwned)
	_, err = one.Partition(0).Append(t.Context(), frameData(4))
	wantCode(t, err, CodeOwned)
	fill(t, two.Partition(0), 5, 6)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := one.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestAnswerLost loses the answer to an append that was stored, and the connection with it: one frame, and success.
func TestAnswerLost(t *testing.T) {
	url := natsServer(t, nil)
	px := newProxy(t, url)
	cfg := externalConfig(px.url(), "one")
	cfg.retryWait = 200 * time.Millisecond
	j := start(t, cfg)
	p := j.Partition(0)
	fill(t, p, 2, 3)
	px.swallow.Store(true)
	observer, err := link.Dial(t.Context(), url, "", "observer")
	if err != nil {
		t.Fatal(err)
	}
	defer observer.Stop()
	var wg sync.WaitGroup
	wg.Go(func() { // as soon as the frame is stored, the answers come through again
		waitForSeq(t, observer.JS, p.stream, 4)
		px.cut()
		px.swallow.Store(false)
	})
	f, err := p.Append(t.Context(), frameData(4))
	wg.Wait()
	if err != nil || f.Seq != 4 {
		t.Fatalf("%+v, %v", f, err)
	}
	fill(t, p, 5, 6)
	expect(t, p, 2, 6)
}

func waitForSeq(t *testing.T, js jetstream.JetStream, stream string, seq uint64) {
	for t.Context().Err() == nil {
		s, err := js.Stream(t.Context(), stream)
		if err != nil {
			t.Error(err)
			return
		}
		if s.CachedInfo().State.LastSeq >= seq {
			return
		}
	}
}
