package link

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/core/internal/journal/internal/jerr"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSyncAlways is about the option behind the promise of an fsync before an append returns.
func TestSyncAlways(t *testing.T) {
	for _, sync := range []bool{true, false} {
		spec := Spec{Dir: t.TempDir(), Sync: sync, Logger: slog.New(slog.DiscardHandler)}
		srv, err := newServer(spec, newTrouble())
		if err != nil {
			t.Fatal(err)
		}
		if err := startServer(t.Context(), srv, newTrouble()); err != nil {
			t.Fatal(err)
		}
		if got := srv.JetStreamConfig().SyncAlways; got != sync {
			t.Errorf("sync=%v: the server has %v", sync, got)
		}
		if srv.Addr() != nil {
			t.Errorf("the embedded server listens on %s", srv.Addr())
		}
		srv.Shutdown()
		srv.WaitForShutdown()
	}
}

func TestStartPanics(t *testing.T) {
	if err := startServer(t.Context(), nil, newTrouble()); jerr.CodeOf(err) != jerr.CodeCorrupt {
		t.Fatalf("a panic in the start gave %v", err)
	}
}

func TestStartCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l, err := Start(ctx, Spec{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err == nil { // it was faster
		l.Stop()
	} else if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestBridge(t *testing.T) {
	var out strings.Builder
	b := &bridge{log: slog.New(slog.NewTextHandler(&out, nil)), trouble: newTrouble()}
	b.Noticef("hello %d", 1)
	b.Warnf("slow %s", "disk")
	if out.String() == "" || strings.Contains(out.String(), "hello") || b.trouble.Found() {
		t.Errorf("log %q, trouble %v", out.String(), b.trouble.Found())
	}
	b.Errorf("Filestore [hermod_P1] Critical write error: write 1.blk: no space left on device")
	b.Errorf("JetStream failed to store a msg on stream '$G > hermod_P2': other")
	if !b.trouble.concerns("hermod_P1") || b.trouble.concerns("hermod_P2") || b.trouble.concerns("hermod_P11") {
		t.Error("the first failed write is in hermod_P1")
	}
	if got := jerr.CodeOf(b.trouble.Err()); got != jerr.CodeDiskFull {
		t.Errorf("code %s", got)
	}
}

func TestHosts(t *testing.T) {
	for in, want := range map[string]string{
		"nats://user:pass@a:1, b:2":  "a:1, b:2",
		"tls://tok@a:1":              "a:1",
		"nats://a:b:c@[::1]:x%zz/%%": "(an address that cannot be parsed)",
	} {
		if got := hosts(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestAtLeast(t *testing.T) {
	for version, want := range map[string]bool{"2.11.0": true, "2.15.2": true, "3.0.0": true, "2.10.29": false, "1.99.0": false, "": false, "x": false} {
		if got := atLeast(version, 2, 11); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
}

func FuzzParseAck(f *testing.F) {
	f.Add(`{"stream":"hermod_P0","seq":7}`)
	f.Add(`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 3"},"stream":"hermod_P0","seq":0}`)
	f.Add(`{}`)
	f.Fuzz(func(t *testing.T, raw string) {
		seq, refused, err := parseAck(&nats.Msg{Data: []byte(raw)})
		if stored := seq > 0; stored && (refused != nil || err != nil) || !stored && refused == nil && err == nil {
			t.Errorf("%q gives %d, %v, %v", raw, seq, refused, err)
		}
	})
}
