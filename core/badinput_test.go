package core_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/core/catalog"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
	"github.com/hermodhq/hermod/sdk/transformtest"
)

// stillWorks sends a message through everything.
func (k *kit) stillWorks() {
	k.t.Helper()
	k.ends(k.send(text(999, "still works")), message.Accepted, "")
}

func TestMalformedMessages(t *testing.T) {
	t.Parallel()
	k := newKit(t, newVendor(t), oneStep(""), nil)
	tests := []struct {
		code string
		edit func(*message.Message)
	}{
		{"id_set", func(m *message.Message) { m.ID = "mine" }},
		{"recipient_missing", func(m *message.Message) { m.To = message.Recipient{} }},
		{"phone_too_short", func(m *message.Message) { m.To.Phone = "+44 12" }},
		{"value_unknown", func(m *message.Message) { m.Priority = "asap" }},
		{"too_long", func(m *message.Message) { m.Content.Text = strings.Repeat("x", 65<<10) }},
		{"text_invalid", func(m *message.Message) { m.Content.Text = "\xff" }},
		{"data_not_json", func(m *message.Message) { m.Data = map[string]any{"f": func() {}} }},
		{"expires_before_send_at", func(m *message.Message) { m.SendAt = time.Now().Add(time.Hour); m.Expires = time.Now() }},
	}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			m := text(0, "hello")
			tt.edit(&m)
			_, err := k.Send(t.Context(), m)
			e, ok := errors.AsType[*message.Error](err)
			if !ok || e.Code != tt.code || e.Text == "" {
				t.Errorf("got %v, want the code %s", err, tt.code)
			}
		})
	}
	k.stillWorks()
}

// TestLargeMessages sends many large messages at once: together they are larger than any frame of the journal.
func TestLargeMessages(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	k := newKit(t, v, oneStep(""), func(c *core.Config) { c.Partitions = 1 })
	largest := text(0, strings.Repeat("x", message.MaxText))
	largest.Content.Media = &message.Media{Type: "image", Data: make([]byte, message.MaxMediaData)}
	largest.Data = map[string]any{}
	for _, name := range []string{"a", "b", "c"} {
		largest.Data[name] = strings.Repeat("\x01", 80<<10) // six bytes each in JSON
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 600 {
		wg.Go(func() {
			m := text(i, strings.Repeat("y", 30<<10))
			if i%100 == 0 {
				m.Content, m.Data = largest.Content, largest.Data
			}
			if _, err := k.Send(ctx, m); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	k.stillWorks()
	k.restart()
	k.stillWorks()
}

// Everything that waits for an account goes on when the account becomes unusable, however much it is.
func TestManyAreBarredAtOnce(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	letGo := make(chan struct{})
	v.answer = func(ctx context.Context, c vendCall, _ int) vendReply {
		if c.Account == "one" {
			select {
			case <-letGo:
			case <-ctx.Done():
			}
			return vendReply{Class: fault.Unauthorized, Code: "bad_token"}
		}
		return vendReply{}
	}
	messages := 14_000 // one entry for each would be more than a frame can hold
	if testing.Short() {
		messages = 3000
	}
	k := newKit(t, v, "routes:\n  - name: all\n    fallback:\n      - {via: one/sms}\n      - {via: two/sms, when: msg.category != \"late\"}\n", func(c *core.Config) {
		c.Partitions = 1
		limited(connector.Limits{Concurrency: 1})(c)
	})
	var wg sync.WaitGroup
	ids := make([]message.ID, messages)
	for s := range 100 {
		wg.Go(func() {
			for i := s; i < messages; i += 100 {
				m := text(i, "hello")
				m.Category = "late"
				id, err := k.Send(t.Context(), m)
				if err != nil {
					t.Error(err)
				}
				ids[i] = id
			}
		})
	}
	wg.Wait()
	close(letGo)
	for _, id := range ids {
		if s := k.reaches(id, ""); s.Outcome != message.Failed {
			t.Fatalf("it ended as %+v", s)
		}
	}
	k.stillWorks()
}

func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	good := func() core.Config {
		return core.Config{Data: t.TempDir(), Connectors: []connector.Connector{vend()},
			Accounts: map[message.AccountID]core.Account{"one": {Connector: "vend"}}}
	}
	tests := []struct {
		code string
		edit func(*core.Config)
	}{
		{"config_data", func(c *core.Config) { c.Data = "" }},
		{"config_data", func(c *core.Config) { c.NATS = &core.NATS{URL: "nats://127.0.0.1:1"} }},
		{"config_nats", func(c *core.Config) { c.Data, c.NATS = "", &core.NATS{} }},
		{"config_durability", func(c *core.Config) { c.Durability = "maybe" }},
		{"config_negative", func(c *core.Config) { c.Retention = -1 }},
		{"config_negative", func(c *core.Config) { c.Partitions = 257 }},
		{"config_accounts", func(c *core.Config) { c.Accounts = nil }},
		{"config_account", func(c *core.Config) { c.Accounts["a/b"] = core.Account{Connector: "vend"} }},
		{"config_account", func(c *core.Config) { c.Accounts["b"] = core.Account{} }},
		{"config_connectors", func(c *core.Config) { c.Connectors = append(c.Connectors, vend()) }},
		{"config_public_url", func(c *core.Config) { c.PublicURL = "example.com" }},
		{"config_region", func(c *core.Config) { c.DefaultRegion = "Great Britain" }},
	}
	for _, tt := range tests {
		c := good()
		tt.edit(&c)
		_, err := core.New(c)
		e, ok := errors.AsType[*core.ConfigError](err)
		if !ok || e.Code != tt.code || e.Field == "" || e.Advice == "" {
			t.Errorf("got %v, want the code %s", err, tt.code)
		}
	}
}

// Whatever keeps an engine from starting is named, and leaves nothing behind: the next one starts over the same journal.
func TestCannotStart(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	k := newKit(t, v, oneStep(""), nil)
	k.stillWorks()
	plugins := t.TempDir()
	if err := os.WriteFile(filepath.Join(plugins, "hermod-quits"), []byte("#!/bin/sh\necho 'no licence' >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := catalog.Pin(plugins); err != nil {
		t.Fatal(err)
	}
	same := k.cfg.Data
	k.stop()
	tests := []struct {
		name string
		edit func(*core.Config)
		want []string
	}{
		{"account without its settings", func(c *core.Config) { c.Accounts["bad"] = core.Account{Connector: "vend"} }, []string{"account bad", "config_invalid", "url"}},
		{"connector that is not there", func(c *core.Config) { c.Accounts["bad"] = core.Account{Connector: "nosuch"} }, []string{"config_connector_unknown", "nosuch"}},
		{"plugin that exits at once", func(c *core.Config) {
			c.Plugins = plugins
			c.Accounts["bad"] = core.Account{Connector: "quits"}
		}, []string{"connector quits", "no licence"}},
		{"rules that are wrong", func(c *core.Config) {
			c.Rules = afero.NewMemMapFs()
			_ = afero.WriteFile(c.Rules, "rules/10-bad.yaml", []byte("routes:\n  - name: x\n    wen: true\n"), 0o600)
		}, []string{"10-bad.yaml:3:5", "wen", "when"}},
		{"journal of another size", func(c *core.Config) { c.Partitions = 7 }, []string{"partitions"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := k.cfg
			c.Accounts = map[message.AccountID]core.Account{"one": k.cfg.Accounts["one"]}
			tt.edit(&c)
			began := time.Now()
			e, err := core.New(c)
			if err == nil {
				err = e.Start(t.Context())
			}
			if err == nil {
				t.Fatal("it started")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if took := time.Since(began); took > 12*time.Second {
				t.Errorf("it took %s to say so", took)
			}
		})
	}
	k.start()
	k.stillWorks()
	other, err := core.New(core.Config{Data: same, Rules: k.rules, Connectors: k.cfg.Connectors, Accounts: k.cfg.Accounts})
	if err == nil {
		err = other.Start(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "locked") {
		t.Errorf("a second engine over the same journal: %v", err)
	}
	k.stillWorks()
}

func TestBadWebhooks(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	k := newKit(t, v, twoSteps(waitForDelivery), nil)
	id := k.send(text(0, "hello"))
	k.reaches(id, message.Accepted)
	server := httptest.NewServer(http.StripPrefix("/webhooks", k.Webhooks()))
	defer server.Close()
	post := func(path, sign string, body io.Reader) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Sign", sign)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer func() { _ = resp.Body.Close() }()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	forged := []byte(`[{"Receipt":{"vendor_id":"v-` + string(id) + `-1","outcome":"delivered"}}]`)
	tests := []struct {
		name, path, sign string
		body             io.Reader
		status           int
		code             string
	}{
		{"wrong signature", "/webhooks/one/x", "00", bytes.NewReader(forged), http.StatusUnauthorized, "signature_wrong"},
		{"not JSON", "/webhooks/one/x", vendSign(vendToken, []byte("hello")), strings.NewReader("hello"), http.StatusBadRequest, "body_invalid"},
		{"empty", "/webhooks/one/x", "", http.NoBody, http.StatusUnauthorized, "signature_wrong"},
		{"no such account", "/webhooks/nobody/x", "", strings.NewReader("hello"), http.StatusNotFound, "account_unknown"},
		{"no account", "/webhooks/", "", strings.NewReader("hello"), http.StatusNotFound, "account_unknown"},
		{"50 MB", "/webhooks/one/x", "", bytes.NewReader(make([]byte, 50<<20)), http.StatusRequestEntityTooLarge, "body_too_large"},
	}
	for _, tt := range tests {
		status, body := post(tt.path, tt.sign, tt.body)
		if status == 0 && tt.code == "body_too_large" { // the server hung up before all of it was sent, as it may
			continue
		}
		if status != tt.status || !strings.Contains(body, `"code":"`+tt.code+`"`) {
			t.Errorf("%s: %d %s, want %d with the code %s", tt.name, status, body, tt.status, tt.code)
		}
	}
	if s := k.now(id); s.Outcome != message.Accepted {
		t.Errorf("a forged receipt was believed: %+v", s)
	}
	if status, body := post("/webhooks/one/x", vendSign(vendToken, forged), bytes.NewReader(forged)); status != http.StatusAccepted {
		t.Errorf("the good one: %d %s", status, body)
	}
	k.ends(id, message.Delivered, "")
	k.stop()
	if status, body := post("/webhooks/one/x", vendSign(vendToken, forged), bytes.NewReader(forged)); status != http.StatusServiceUnavailable || !strings.Contains(body, "engine_not_ready") {
		t.Errorf("after Stop: %d %s", status, body)
	}
}

// TestBadEditWhileRunning edits the files of a folder, as an operator does.
func TestBadEditWhileRunning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(rules string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "routes.yaml"), []byte(rules), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(oneStep(`text: "old"`))
	logged := make(chan string, 100)
	v := newVendor(t)
	k := newKit(t, v, oneStep(""), func(c *core.Config) {
		c.Rules, c.RulesDir = afero.NewOsFs(), dir
		c.Logger = slog.New(hook(func(r slog.Record) { logged <- r.Message + attrs(r) }))
	})
	until := func(parts ...string) {
		t.Helper()
		deadline := time.After(20 * time.Second)
		for {
			select {
			case line := <-logged:
				all := true
				for _, p := range parts {
					all = all && strings.Contains(line, p)
				}
				if all {
					return
				}
			case <-deadline:
				t.Fatalf("nothing was logged with %q", parts)
			}
		}
	}
	until("rules are live")
	revision := k.Revision()
	k.stillWorks()
	write("routes:\n  - name: all\n    fallback:\n      - {via: one/sms, txt: \"new\"}\n")
	until("the rules were refused", "routes.yaml:4:", "txt", "text")
	k.stillWorks()
	if k.Revision() != revision {
		t.Error("a bad edit changed the revision")
	}
	write(oneStep(`text: "new"`))
	until("rules are live")
	k.stillWorks()
	calls := v.seen()
	if len(calls) != 3 || calls[0].Text != "old" || calls[1].Text != "old" || calls[2].Text != "new" {
		t.Errorf("the vendor saw %+v", calls)
	}
}

// TestTransformFails lets a WebAssembly transform fail in every way it can: the step is left without a call.
func TestTransformFails(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds a transform")
	}
	dir := t.TempDir()
	if err := transformtest.BuildTo(t.Context(), "internal/wasmhost/testdata/guest", filepath.Join(dir, "guest.wasm")); err != nil {
		t.Fatal(err)
	}
	v := newVendor(t)
	k := newKit(t, v, twoSteps("transforms: [guest]"), func(c *core.Config) { c.Transforms, c.TransformsDir = afero.NewOsFs(), dir })
	send := func(do string) message.ID {
		m := text(0, "Hello")
		m.Data = map[string]any{"do": do}
		return k.send(m)
	}
	k.ends(send("upper"), message.Accepted, "")
	if c := v.seen(); len(c) != 1 || c[0].Text != "HELLO" || c[0].Account != "one" {
		t.Fatalf("the vendor saw %+v", c)
	}
	for i, do := range []string{"reject", "panic", "exit", "loop", "grow", "invalid"} {
		id := send(do)
		k.ends(id, message.Accepted, "")
		c := v.seen()
		if len(c) != i+2 || c[i+1].Account != "two" || c[i+1].Text != "Hello" {
			t.Errorf("%s: the vendor saw %+v\n%s", do, c[len(c)-1], k.timeline(id))
		}
	}
	k.ends(send("upper"), message.Accepted, "")
}
