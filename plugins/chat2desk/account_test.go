package chat2desk_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/hermodhq/hermod/plugins/chat2desk/chat2desksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// TestConnectionsReused holds that concurrent sends share a bounded set of connections.
func TestConnectionsReused(t *testing.T) {
	sim := chat2desksim.New(chat2desksim.Options{})
	defer sim.Close()
	var mu sync.Mutex
	conns, seen := map[string]bool{}, map[message.ID]bool{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		conns[r.RemoteAddr] = true
		mu.Unlock()
		sim.ServeHTTP(w, r)
	}))
	defer srv.Close()
	a := openAccount(t, srv.URL+"/v1", map[string]any{"connections": 4})
	var batch []connector.Delivery
	for i := range 200 {
		d := text("whatsapp", 100)
		d.Message, d.Attempt = message.ID(fmt.Sprint(i)), 1
		batch = append(batch, d)
	}
	a.Deliver(t.Context(), batch, func(x connector.Answer) {
		mu.Lock()
		defer mu.Unlock()
		if x.Err != nil || seen[x.Message] {
			t.Errorf("answer %+v", x)
		}
		seen[x.Message] = true
	})
	if len(seen) != 200 || len(conns) > 4 {
		t.Errorf("%d answers over %d connections, want 200 over at most 4", len(seen), len(conns))
	}
}

// TestConfiguration holds what is refused at opening, and that no secret shows.
func TestConfiguration(t *testing.T) {
	for name, cfg := range map[string]string{
		"no token":      `{}`,
		"empty token":   `{"token":""}`,
		"two lines":     `{"token":"` + secret + `\nX: y"}`,
		"plain http":    `{"token":"` + secret + `","base_url":"http://api.chat2desk.com/v1"}`,
		"no url":        `{"token":"` + secret + `","base_url":"api.chat2desk.com"}`,
		"bad duration":  `{"token":"` + secret + `","timeout":"soon"}`,
		"bad choice":    `{"token":"` + secret + `","webhook_auth":"maybe"}`,
		"bad algorithm": `{"token":"` + secret + `","signature_algorithm":"md5"}`,
		"bad encoding":  `{"token":"` + secret + `","signature_encoding":"morse"}`,
		"unknown name":  `{"token":"` + secret + `","tokn":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := vendor().Open(t.Context(), connector.AccountConfig{Account: "c2d", Config: json.RawMessage(cfg)})
			wantFault(t, err, fault.Misconfigured, "config_invalid")
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
	var schema struct {
		Properties map[string]struct {
			WriteOnly bool `json:"writeOnly"`
		}
	}
	if err := json.Unmarshal(vendor().Describe().Config, &schema); err != nil || !schema.Properties["token"].WriteOnly || !schema.Properties["webhook_secret"].WriteOnly {
		t.Errorf("secrets are not marked: %v %+v", err, schema)
	}
}

// TestTokenScheme holds the raw token, and the word before it where one is set.
func TestTokenScheme(t *testing.T) {
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		_, _ = io.WriteString(w, `{"status":"success","data":{"message_id":1}}`)
	}))
	defer srv.Close()
	for scheme, want := range map[string]string{"": chat2desksim.Token, "Bearer": "Bearer " + chat2desksim.Token} {
		if deliver(t, openAccount(t, srv.URL, map[string]any{"token_scheme": scheme}), text("sms", 1)); got != want {
			t.Errorf("scheme %q sends %q", scheme, got)
		}
	}
}

// TestNothingShows runs every failure and searches logs and errors for secrets, numbers and texts.
func TestNothingShows(t *testing.T) {
	var logs bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(old)
	var suffixes []string
	for i := range 22 {
		suffixes = append(suffixes, fmt.Sprint(i+10))
	}
	sim, url := startSim(t, chat2desksim.Options{Data: people(suffixes...)})
	a := openAccount(t, url, map[string]any{"timeout": "100ms", "webhook_secret": secret, "webhook_auth": "path"})
	keep := func(err error) {
		raw, jsonErr := json.Marshal(err)
		if jsonErr != nil {
			t.Fatal(jsonErr)
		}
		logs.WriteString(err.Error() + "\n" + string(raw) + "\n" + fmt.Sprintf("%+v", err) + "\n")
	}
	told := "bad phone +447700900140 token " + chat2desksim.Token + ": Hi Ada"
	for _, s := range suffixes {
		if x := deliver(t, a, text("whatsapp", "+4477009001"+s)); x.Err != nil {
			keep(x.Err)
		}
	}
	sim.Next("POST messages", chat2desksim.Behavior{Error: told}, chat2desksim.Behavior{Body: told})
	sim.Next("GET messages", chat2desksim.Behavior{Status: 500})
	keep(deliver(t, a, text("whatsapp", 1)).Err)
	keep(deliver(t, a, text("whatsapp", 1)).Err)
	keep(deliver(t, a, text("whatsapp", "+447700900199")).Err)
	_, _, err := a.Receive(t.Context(), post("/events/wrong", `{"phone":"+447700900140"}`))
	keep(err)
	_, _, err = a.Receive(t.Context(), post("/events/"+secret, `"+447700900140 Ada"`))
	keep(err)
	for _, what := range []string{chat2desksim.Token, secret, "7700900", "Ada"} {
		if i := strings.Index(logs.String(), what); i >= 0 {
			t.Errorf("%q shows: %s", what, logs.String()[max(0, i-200):i+len(what)])
		}
	}
	if logs.Len() < 1000 {
		t.Error("too little was collected for this test to mean anything")
	}
}
