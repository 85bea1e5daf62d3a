package core_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/message"
)

// natsServer starts a server of its own on a loopback port, as an operator would.
func natsServer(t *testing.T) string {
	t.Helper()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true,
		StoreDir: t.TempDir(), SyncAlways: true})
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

// TestExternalNATS uses a NATS that is there already: the configuration alone is different.
func TestExternalNATS(t *testing.T) {
	t.Parallel()
	url := natsServer(t)
	v := newVendor(t)
	k := newKit(t, v, twoSteps(waitForDelivery), func(c *core.Config) {
		c.Data, c.NATS = "", &core.NATS{URL: url}
	})
	m := text(0, "hello")
	m.Key = "one"
	id := k.send(m)
	k.reaches(id, message.Accepted)
	k.restart()
	if again := k.send(m); again != id {
		t.Errorf("the key has two messages")
	}
	k.told("one", receiptFor(id, 1, message.Delivered))
	k.ends(id, message.Delivered, "")
	k.once(id)
	if n := v.count(); n != 1 {
		t.Errorf("%d calls, want one", n)
	}
	other, err := core.New(k.cfg)
	if err == nil {
		err = other.Start(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "owned by") {
		t.Errorf("a second engine over the same journal: %v", err)
	}
	k.stillWorksThere()
}

func (k *kit) stillWorksThere() {
	k.t.Helper()
	k.reaches(k.send(text(1, "still works")), message.Accepted)
}

// A message that is larger than the server takes is refused, and holds up nobody.
func TestExternalNATSTakesLess(t *testing.T) {
	t.Parallel()
	url := natsServer(t) // 1 MiB in one message, which is NATS's default
	k := newKit(t, newVendor(t), oneStep(""), func(c *core.Config) {
		c.Data, c.NATS, c.Partitions = "", &core.NATS{URL: url}, 1
	})
	large := text(0, "hello")
	large.Data = map[string]any{"a": strings.Repeat("\x01", 200<<10)} // six bytes each in JSON
	_, err := k.Send(t.Context(), large)
	if e, ok := errors.AsType[*message.Error](err); !ok || e.Code != "too_large" {
		t.Errorf("a message of 1.2 MiB: %v", err)
	}
	k.ends(k.send(text(1, "still works")), message.Accepted, "")
}
