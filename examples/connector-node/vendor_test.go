package connectornode

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	token      = "pigeon-token-0001"
	signingKey = "pigeon-signing-key-0001"
)

// pigeonPost is the vendor: it takes messages, and reports each as delivered to the callback that came with it.
type pigeonPost struct {
	ctx     context.Context
	reports sync.WaitGroup
	failed  chan error // reports that were not taken

	mu   sync.Mutex
	sent int
}

func newPigeonPost(ctx context.Context) *pigeonPost {
	return &pigeonPost{ctx: ctx, failed: make(chan error, 1)}
}

func (v *pigeonPost) taken() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.sent
}

func (v *pigeonPost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /balance":
		_, _ = fmt.Fprint(w, `{"amount": 12.5, "currency": "GBP"}`)
	case "POST /messages":
		v.take(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (v *pigeonPost) take(w http.ResponseWriter, r *http.Request) {
	var in struct{ To, Text, Reference, Callback string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.To == "" || in.Text == "" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprint(w, `{"error": {"code": "bad_text"}}`)
		return
	}
	v.mu.Lock()
	v.sent++
	id := "p" + strconv.Itoa(v.sent)
	v.mu.Unlock()
	_, _ = fmt.Fprintf(w, `{"id": %q}`, id)
	if in.Callback != "" {
		v.reports.Go(func() { v.report(in.Callback, receipt("e-"+id, id, "delivered")) })
	}
}

func receipt(event, id, status string) []byte {
	return fmt.Appendf(nil, `{"event": %q, "id": %q, "status": %q, "time": "2026-11-21T10:00:00.250Z"}`, event, id, status)
}

// sign returns the headers of a webhook.
func sign(at time.Time, body []byte) http.Header {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(signingKey))
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	h := http.Header{}
	h.Set("X-Pigeon-Time", seconds)
	h.Set("X-Pigeon-Signature", hex.EncodeToString(mac.Sum(nil)))
	return h
}

func (v *pigeonPost) report(callback string, body []byte) {
	req, err := http.NewRequestWithContext(v.ctx, http.MethodPost, callback, bytes.NewReader(body))
	if err != nil {
		v.fail(err)
		return
	}
	req.Header = sign(time.Now(), body)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		v.fail(err)
		return
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
		v.fail(fmt.Errorf("the webhook was answered with %s, %w", resp.Status, err))
	}
}

func (v *pigeonPost) fail(err error) {
	select {
	case v.failed <- err:
	default:
	}
}
