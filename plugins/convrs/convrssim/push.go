package convrssim

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/coder/websocket"

	"github.com/hermodhq/hermod/plugins/convrs/internal/convrsapi"
)

// progress walks a message through its acknowledgements and calls back about templates.
func (s *Sim) progress(c *command, b *Behavior, m *Message) {
	for _, step := range b.Acks {
		if !s.sleep(s.ctx, step.After) {
			return
		}
		s.mu.Lock()
		if step.Ack < 0 || m.Ack >= 0 && step.Ack > m.Ack {
			m.Ack = step.Ack
		}
		s.mu.Unlock()
		if c.WebhookURL == "" || c.Cmd != "SendWhatsAppTemplate" {
			continue
		}
		payload := fields{"ok": 1, "mid": m.MID, "uid": m.UID, "botID": m.BotID, "ack": step.Ack, "timestamp": s.opts.Now().UTC().Format("2006-01-02T15:04:05")}
		if c.WebhookPayload != nil {
			payload["webhookPayload"] = c.WebhookPayload
		}
		if step.Ack == convrsapi.AckError && b.WhatsAppError != 0 {
			payload["whatsappErrorCode"] = b.WhatsAppError
		}
		if raw, err := json.Marshal(payload); err == nil {
			s.post(c.WebhookURL, raw, c)
		}
	}
}

// post makes one webhook call; any answer will do.
func (s *Sim) post(url string, body []byte, c *command) {
	select {
	case s.posts <- struct{}{}:
		defer func() { <-s.posts }()
	case <-s.ctx.Done():
		return
	}
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	for _, h := range c.WebhookHeaders {
		req.Header.Set(h.Name, h.Value)
	}
	if res, err := s.client.Do(req); err == nil {
		_ = res.Body.Close()
	}
}

// Emit sends an event, such as {"cmd":"onUserDisable","ok":1,"uid":"..."}, to the webhook and the websocket.
func (s *Sim) Emit(event any) {
	if raw, err := json.Marshal(event); err == nil {
		select {
		case s.events <- raw:
		default: // lost, as the field comment says
		}
	}
}

// Say adds a message to a user's conversation; one from the client opens the WhatsApp session.
func (s *Sim) Say(m ConversationMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.Conversations = append(s.opts.Conversations, m)
	if u := s.users[m.UID]; u != nil && m.Sender == "client" {
		u.said = s.opts.Now()
	}
}

// CloseConversation tells that an agent closed the user's conversation.
func (s *Sim) CloseConversation(uid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Emit(fields{"cmd": convrsapi.OnUserConversation, "ok": 1, "uid": uid, "data": s.conversation(uid)})
}

// dispatch sends events in their order.
func (s *Sim) dispatch() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case raw := <-s.events:
			if ws := s.swap(nil, nil); ws != nil {
				_ = ws.Write(s.ctx, websocket.MessageText, raw)
			}
			if s.opts.WebhookURL != "" {
				s.post(s.opts.WebhookURL, raw, &command{})
			}
		}
	}
}

// swap puts to in the place of the connected websocket if that is from, and returns the one that was connected.
func (s *Sim) swap(from, to *websocket.Conn) *websocket.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.socket
	if was == from {
		s.socket = to
	}
	return was
}

// serveSocket serves one websocket, frame by frame.
func (s *Sim) serveSocket(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = ws.CloseNow() }()
	defer s.swap(ws, nil)
	for open, connected := true, false; open; {
		_, raw, err := ws.Read(s.ctx)
		if err != nil {
			return
		}
		var out []byte
		if out, open = s.frame(raw, r.RemoteAddr, ws, &connected); out != nil && ws.Write(s.ctx, websocket.MessageText, out) != nil {
			return
		}
	}
}

// frame answers one frame, and says whether the connection stays. The first must be connect; a newer websocket ends the older.
func (s *Sim) frame(raw []byte, remote string, ws *websocket.Conn, connected *bool) ([]byte, bool) {
	var c command
	_ = json.Unmarshal(raw, &c) // handle reports it
	switch {
	case c.Cmd == "connect" && c.Token == s.opts.Token:
		*connected = true
		old := s.swap(nil, nil)
		if s.swap(old, ws); old != nil && old != ws {
			_ = old.Write(s.ctx, websocket.MessageText, []byte(`{"ok":0,"error":"connection reused","errorCode":1018}`))
			_ = old.CloseNow()
		}
		return []byte(`{"cmd":"connected","ok":1}`), true
	case c.Cmd == "connect":
		return []byte(`{"cmd":"connect","ok":0,"error":"invalid token","errorCode":1001}`), false
	case !*connected:
		return []byte(`{"ok":0,"error":"connect expected","errorCode":1019}`), false
	case c.Cmd == "heartbeat":
		return []byte(`{"ok":1,"cmd":"heartbeat","data":{"datetime":"` + s.opts.Now().UTC().Format(stamp) + `"}}`), true
	}
	b, out := s.handle(s.ctx, raw, remote)
	if b.Drop || b.Status != 0 || b.Hang {
		return nil, b.Hang
	}
	return out, true
}
