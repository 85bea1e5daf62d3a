package chat2desksim

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hermodhq/hermod/plugins/chat2desk/internal/chat2deskapi"
)

type job struct {
	hook, url string
	body      []byte
}

// retries are how long Chat2Desk waits before it calls again.
var retries = []time.Duration{10 * time.Second, 5 * time.Minute, 2 * time.Hour}

// Emit sends an event of the given name with a payload to every webhook that wants it, as everything does that happens here.
func (s *Sim) Emit(event string, payload Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.emit(event, payload)
}

func (s *Sim) emit(event string, payload Object) {
	o := maps.Clone(payload)
	o["hook_type"], o["event_time"] = event, s.opts.Now().UTC().Format(time.RFC3339)
	if o["message_id"] != nil {
		delete(o, "id")
	}
	for _, w := range s.data["webhooks"] {
		channels := list(w["channels"])
		body, err := json.Marshal(o)
		if err != nil || w["status"] == "disable" || !slices.Contains(list(w["events"]), event) || len(channels) > 0 && !slices.Contains(channels, str(o["channel_id"])) {
			continue
		}
		select {
		case s.events <- job{str(w["id"]), str(w["url"]), body}:
		default: // lost, as the field's comment says
		}
	}
}

// dispatch makes the first calls in their order; repeats come when they come.
func (s *Sim) dispatch() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case j := <-s.events:
			if !s.post(j) {
				s.wg.Go(func() { s.repeat(j) })
			}
		}
	}
}

func (s *Sim) repeat(j job) {
	for _, d := range retries {
		select {
		case <-time.After(time.Duration(float64(d) * s.opts.Pace)):
			if s.post(j) {
				return
			}
		case <-s.ctx.Done():
			return
		}
	}
}

// post makes one call, and keeps the webhook's record of failures.
func (s *Sim) post(j job) bool {
	text := "unreachable"
	if req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, j.url, bytes.NewReader(j.body)); err == nil {
		if sign := s.opts.Signature; sign.Secret != "" && sign.Check() == nil {
			req.Header.Set(sign.Header, sign.Sign(req.Header, j.body))
		}
		req.Header.Set("Content-Type", "application/json")
		if res, err := s.client.Do(req); err == nil {
			_ = res.Body.Close()
			text = res.Status
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w, now := s.find("webhooks", j.hook), s.opts.Now()
	if w == nil || text[0] == '2' {
		delete(s.failing, j.hook)
		return true
	}
	if since, known := s.failing[j.hook]; !known {
		s.failing[j.hook] = now
	} else if now.Sub(since) > 5*time.Hour {
		w["status"] = "disable"
	}
	failures, _ := w["errors"].([]any)
	w["errors"] = append(failures, Object{"text": text, "created_at": now.Unix()})
	return false
}

func (s *Sim) progress(m Object, states []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, state := range states {
		word, reason, failed := strings.Cut(state, ": ")
		m["status"] = word
		data := Object{"client_id": m["client_id"], "message_id": m["id"], "status": word}
		if failed {
			data["error"] = reason
		}
		s.emit("outbox_status", Object{"data": data})
	}
}

func (s *Sim) saveWebhook(c *call) any {
	w, errs := s.find("webhooks", c.text("id")), Object{}
	if slices.ContainsFunc(s.data["webhooks"], func(o Object) bool { return o["url"] == c.Object["url"] && str(o["id"]) != c.text("id") }) {
		errs["url"] = []string{"is already used"}
	}
	if slices.ContainsFunc(list(c.Object["events"]), func(e string) bool { return !slices.Contains(chat2deskapi.Events(), e) }) {
		errs["events"] = []string{"is not included in the list"}
	}
	switch {
	case w == nil && c.text("id") != "":
		return unknown("webhooks")
	case w == nil && len(s.data["webhooks"]) >= 5:
		errs["base"] = []string{"there can be 5 webhooks"}
	}
	if len(errs) > 0 {
		return refusal{errors: errs}
	}
	if w == nil {
		w = s.add("webhooks", Object{"status": "enable", "errors": []any{}, "channels": []any{}, "source": "client"})
	}
	return c.set(w)
}
