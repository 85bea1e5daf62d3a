package core_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

// vendor is a stand-in for a vendor: real HTTP, every call recorded as it comes in.
type vendor struct {
	*httptest.Server
	answer func(ctx context.Context, c vendCall, n int) vendReply // n calls were made before; nil: takes everything
	gate   func(moment string, c vendCall)                        // nil: nothing
	query  func(q connector.Query) message.Receipt                // nil: nothing is known
	status func(c vendCall) int                                   // nil: 200
	opens  func(id message.AccountID) vendReply                   // nil: every account may be opened

	mu      sync.Mutex
	calls   []vendCall
	changed chan struct{} // closed at the next call or report
	reports map[message.AccountID][]vendEvent
	acked   map[message.AccountID]int
	closed  chan struct{}
}

func newVendor(t testing.TB) *vendor {
	v := &vendor{changed: make(chan struct{}), reports: map[message.AccountID][]vendEvent{}, acked: map[message.AccountID]int{}, closed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/send", v.serveSend)
	mux.HandleFunc("/gate/{moment}", func(w http.ResponseWriter, r *http.Request) {
		c := take[vendCall](r)
		if _, gate, _, _ := v.ways(); gate != nil {
			gate(r.PathValue("moment"), c)
		}
		give(w, struct{}{})
	})
	mux.HandleFunc("/query", func(w http.ResponseWriter, r *http.Request) {
		q, out := take[connector.Query](r), message.Receipt{}
		if _, _, query, _ := v.ways(); query != nil {
			out = query(q)
		}
		give(w, out)
	})
	mux.HandleFunc("/open", func(w http.ResponseWriter, r *http.Request) { give(w, v.opens(take[message.AccountID](r))) })
	mux.HandleFunc("/reports", v.serveReports)
	v.Server = httptest.NewServer(mux)
	t.Cleanup(func() { close(v.closed); v.CloseClientConnections(); v.Close() })
	return v
}

func take[T any](r *http.Request) (v T) {
	_ = json.NewDecoder(r.Body).Decode(&v)
	return v
}

func give(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

func (v *vendor) serveSend(w http.ResponseWriter, r *http.Request) {
	c := take[vendCall](r)
	v.mu.Lock()
	n := len(v.calls)
	v.calls = append(v.calls, c)
	v.wake()
	v.mu.Unlock()
	answer, _, _, status := v.ways()
	if status != nil {
		if s := status(c); s != http.StatusOK {
			w.WriteHeader(s)
			return
		}
	}
	var out vendReply
	if answer != nil {
		out = answer(r.Context(), c, n)
	}
	if out.ID == "" && out.Class == "" {
		out.ID = vendID(c.Message, c.Attempt)
	}
	give(w, out)
}

// ways returns how the vendor behaves.
func (v *vendor) ways() (func(context.Context, vendCall, int) vendReply, func(string, vendCall), func(connector.Query) message.Receipt, func(vendCall) int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.answer, v.gate, v.query, v.status
}

// behaves makes the vendor behave as has been set. A kit's start and send call it.
func (v *vendor) behaves() {
	v.mu.Lock()
	defer v.mu.Unlock()
}

func vendID(id message.ID, attempt int) message.VendorMessageID {
	return message.VendorMessageID(fmt.Sprintf("v-%s-%d", id, attempt))
}

func (v *vendor) wake() {
	close(v.changed)
	v.changed = make(chan struct{})
}

func (v *vendor) serveReports(w http.ResponseWriter, r *http.Request) {
	page := take[vendPage](r)
	for {
		v.mu.Lock()
		if page.From >= 0 {
			v.acked[page.Account] = page.From
		}
		from := v.acked[page.Account]
		list := v.reports[page.Account][from:]
		changed := v.changed
		v.mu.Unlock()
		if len(list) > 0 {
			give(w, vendReports{From: from, Events: list[:min(len(list), 256)]})
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		case <-v.closed:
			return
		}
	}
}

// report tells an account's listener something.
func (v *vendor) report(account message.AccountID, e vendEvent) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reports[account] = append(v.reports[account], e)
	v.wake()
}

// count returns how many calls there have been.
func (v *vendor) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.calls)
}

// seen returns all calls so far.
func (v *vendor) seen() []vendCall {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]vendCall(nil), v.calls...)
}

// await waits until there have been n calls, and returns them.
func (v *vendor) await(t testing.TB, n int) []vendCall {
	t.Helper()
	for {
		v.mu.Lock()
		calls, changed := v.calls[:len(v.calls):len(v.calls)], v.changed
		v.mu.Unlock()
		if len(calls) >= n {
			return calls
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatalf("%d of %d calls when the test's time ran out", len(calls), n)
		case <-time.After(30 * time.Second):
			t.Fatalf("%d of %d calls after 30 s", len(calls), n)
		}
	}
}

// settings returns the configuration of an account of vend.
func (v *vendor) settings(gates bool) json.RawMessage {
	text, _ := json.Marshal(map[string]any{"url": v.URL, "token": vendToken, "gates": gates})
	return text
}

const vendToken = "plantedsecret0123456789abcdef0123456789"

// kit is an engine with its files, so that it can be started again.
type kit struct {
	*core.Engine
	t     testing.TB
	v     *vendor
	cfg   core.Config
	rules afero.Fs
}

// twoSteps are rules whose first step waits for a receipt and whose second is a text message at another account.
func twoSteps(first string) string {
	return "routes:\n  - name: all\n    fallback:\n      - via: one/whatsapp\n        " + first + "\n      - via: two/sms\nunrouted: fail\n"
}

// oneStep are rules with a single step at account one.
func oneStep(more string) string {
	return "routes:\n  - name: all\n    fallback:\n      - via: one/sms\n        " + more + "\n"
}

// newKit starts an engine with accounts one and two at the vendor.
func newKit(t testing.TB, v *vendor, rules string, change func(*core.Config)) *kit {
	t.Helper()
	fs := afero.NewMemMapFs()
	k := &kit{t: t, v: v, rules: fs, cfg: core.Config{
		Data: t.TempDir(), Rules: fs, Connectors: []connector.Connector{vend()},
		Accounts: map[message.AccountID]core.Account{
			"one": {Connector: "vend", Config: v.settings(false)}, "two": {Connector: "vend", Config: v.settings(false)},
		},
	}}
	k.write(rules)
	if change != nil {
		change(&k.cfg)
	}
	k.start()
	t.Cleanup(k.stop)
	return k
}

func (k *kit) write(rules string) {
	k.t.Helper()
	if err := afero.WriteFile(k.rules, "rules/routes.yaml", []byte(rules), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kit) start() {
	k.t.Helper()
	k.v.behaves()
	engine, err := core.New(k.cfg)
	if err != nil {
		k.t.Fatal(err)
	}
	if err := engine.Start(context.WithoutCancel(k.t.Context())); err != nil {
		k.t.Fatal(err)
	}
	k.Engine = engine
}

func (k *kit) stop() {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := k.Stop(ctx); err != nil {
		k.t.Error(err)
	}
}

// restart stops the engine and starts another over the same journal.
func (k *kit) restart() {
	k.t.Helper()
	k.stop()
	k.start()
}

func (k *kit) send(m message.Message) message.ID {
	k.t.Helper()
	k.v.behaves()
	id, err := k.Send(k.t.Context(), m)
	if err != nil {
		k.t.Fatal(err)
	}
	return id
}

// ends waits for a message's final outcome and compares it with what is wanted.
func (k *kit) ends(id message.ID, outcome message.Outcome, reason string) core.Status {
	k.t.Helper()
	s := k.reaches(id, "")
	if s.Outcome != outcome || s.Reason != reason {
		k.t.Fatalf("ended as %s (%q), want %s (%q)\n%s", s.Outcome, s.Reason, outcome, reason, k.timeline(id))
	}
	return s
}

// reaches waits until a message has come as far as until.
func (k *kit) reaches(id message.ID, until message.Outcome) core.Status {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), 30*time.Second)
	defer cancel()
	s, err := k.Wait(ctx, id, until)
	if err != nil {
		k.t.Fatalf("%v: it stands at %+v\n%s", err, s, k.timeline(id))
	}
	return s
}

// timeline is a message's history, a line for each entry.
func (k *kit) timeline(id message.ID) string {
	t, err := k.Trace(k.t.Context(), id)
	if err != nil {
		return err.Error()
	}
	return lines(t.Entries)
}

// waitsFor follows the events until a message's timeline names something.
func (k *kit) waitsFor(id message.ID, what string) {
	k.t.Helper()
	if strings.Contains(k.timeline(id), what) {
		return
	}
	k.until("waits for "+what, func(message.Event) bool { return strings.Contains(k.timeline(id), what) })
}

func lines(entries []core.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%s", e.Type)
		for _, part := range []string{string(e.Account), string(e.Channel), string(e.Outcome), e.Text} {
			if part != "" {
				b.WriteString(" " + part)
			}
		}
		if e.Fault != nil {
			b.WriteString(" " + string(e.Fault.Class) + "/" + e.Fault.Code)
		}
		if e.Late {
			b.WriteString(" late")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// webhook posts events to the engine's handler, signed with a token, and returns the answer.
func (k *kit) webhook(account, token string, body []byte) *httptest.ResponseRecorder {
	k.t.Helper()
	req := httptest.NewRequestWithContext(k.t.Context(), http.MethodPost, "/"+account+"/events", bytes.NewReader(body))
	req.Header.Set("X-Sign", vendSign(token, body))
	w := httptest.NewRecorder()
	k.Webhooks().ServeHTTP(w, req)
	return w
}

// told posts events that must be taken.
func (k *kit) told(account string, events ...vendEvent) {
	k.t.Helper()
	body, err := json.Marshal(events)
	if err != nil {
		k.t.Fatal(err)
	}
	if w := k.webhook(account, vendToken, body); w.Code != http.StatusAccepted {
		k.t.Fatalf("the webhook was answered %d %s", w.Code, w.Body)
	}
}

func receiptFor(id message.ID, attempt int, o message.Outcome) vendEvent {
	return vendEvent{Receipt: &message.Receipt{VendorID: vendID(id, attempt), Outcome: o}}
}

// until reads events up to one.
func (k *kit) until(subscriber string, last func(message.Event) bool) (all []message.Event) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), 30*time.Second)
	defer cancel()
	enough := fmt.Errorf("enough")
	err := k.Events(ctx, subscriber, func(_ context.Context, ev message.Event) error {
		all = append(all, ev)
		if last(ev) {
			return enough
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "enough") {
		k.t.Fatalf("%d events, then %v", len(all), err)
	}
	return all
}

// phone returns the i-th of 4,000 numbers that are reserved for fiction.
func phone(i int) string {
	areas := []int{201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 229, 231, 234, 239, 240, 248, 251, 252, 253, 254}
	if i %= 4000; i < 1000 {
		return fmt.Sprintf("+447700900%03d", i)
	}
	i -= 1000
	return fmt.Sprintf("+1%d5550%d", areas[i/100%len(areas)], 100+i%100)
}

// text is a message with a text of its own.
func text(i int, s string) message.Message {
	return message.Message{To: message.Recipient{Phone: phone(i)}, Content: message.Content{Text: s}}
}
