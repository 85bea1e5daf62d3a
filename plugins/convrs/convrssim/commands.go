package convrssim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hermodhq/hermod/plugins/convrs/internal/convrsapi"
)

const stamp = "2006-01-02T15:04:05.000Z"

// command holds the fields of every command.
type command struct {
	Token, Cmd, UID, Phone, Message, Route, Name, Email, Notes, Tag, Color, Description, CreatedDate string
	Language, TemplateName, AgentEmail, WebhookURL, MID, StartDate, EndDate                          string
	BotID, Overwrite                                                                                 int
	Data                                                                                             map[string]any
	WebhookPayload                                                                                   json.RawMessage
	WebhookHeaders                                                                                   []struct{ Name, Value string }

	phone    string // normalized
	badPhone int    // or why it is not a phone number
}

// fields are what a reply or an event holds.
type fields map[string]any

var (
	phonePattern = regexp.MustCompile(`^\+?[1-9][0-9 -]*$`)
	colorPattern = regexp.MustCompile(`^(#[0-9A-Fa-f]{6})?$`)
	texts        = map[int]string{1005: "unknown user", 3002: "WhatsApp error", 131047: "Re-engagement message"}
	countries    = []string{"1US", "31NL", "33FR", "34ES", "39IT", "44GB", "49DE", "55BR", "65SG", "91IN"}
)

// when writes a check as a value: cmp.Or over several gives the errorCode of the first that fails.
func when(failed bool, code int) int {
	if failed {
		return code
	}
	return 0
}

func longer(s string, most int) bool { return utf8.RuneCountInString(s) > most }

func short(s string) bool { return utf8.RuneCountInString(s) < 3 || longer(s, 50) }

// normalize accepts the documented forms of phone numbers.
func (c *command) normalize() {
	digits := strings.NewReplacer("+", "", " ", "", "-", "").Replace(c.Phone)
	c.badPhone = cmp.Or(when(c.Phone == "", 1009), when(!phonePattern.MatchString(c.Phone), 1006), when(len(digits) < 7 || len(digits) > 15, 1007))
	if c.badPhone == 0 {
		c.phone = "+" + digits
	}
}

func country(phone string) string {
	for _, c := range countries {
		if prefix := c[:len(c)-2]; strings.HasPrefix(phone[1:], prefix) {
			return c[len(prefix):]
		}
	}
	return "ZZ"
}

// run executes a command.
func (s *Sim) run(c *command, b *Behavior, invalid error) fields {
	s.mu.Lock()
	defer s.mu.Unlock()
	sends := strings.HasPrefix(c.Cmd, "Send") // these check their fields before they fail as told
	code := cmp.Or(when(invalid != nil, 1017), when(c.Token == "", 1000), when(c.Token != s.opts.Token, 1001), when(!sends, b.Error))
	var out fields
	switch {
	case code != 0:
	case sends:
		out, code = s.send(c, b)
	case strings.Contains(c.Cmd, "User") && c.Cmd != "GetUsers" && c.Cmd != "CreateUserTag" || c.Cmd == "GetConversation":
		out, code = s.onUser(c)
	default:
		out, code = s.query(c)
	}
	if out == nil {
		out = fields{}
	}
	if code != 0 {
		out = fields{"error": cmp.Or(texts[code], fmt.Sprintf("error %d", code)), "errorCode": code}
	}
	if code == 3002 {
		out["whatsappErrorCode"] = cmp.Or(b.WhatsAppError, 131047)
		out["whatsappErrorDesc"] = cmp.Or(texts[cmp.Or(b.WhatsAppError, 131047)], "WhatsApp refused")
	}
	out["ok"], out["cmd"] = when(code == 0, 1), c.Cmd
	return out
}

// query answers commands about the organization.
func (s *Sim) query(c *command) (fields, int) {
	switch c.Cmd {
	case "GetUsers":
		return fields{"data": s.list(c)}, 0
	case "CreateUserTag":
		code := cmp.Or(when(short(c.Tag), 3050), when(!colorPattern.MatchString(c.Color), 3051), when(longer(c.Description, 100), 3052))
		if code == 0 {
			s.opts.Tags = append(s.opts.Tags, c.Tag)
		}
		return fields{"data": 1}, code
	case "GetConversationsFlat":
		start, end := convrsapi.ParseTime(c.StartDate), convrsapi.ParseTime(c.EndDate)
		return fields{"data": s.flat(start, end)}, cmp.Or(when(c.EndDate != "" && end.IsZero(), 1002), when(c.StartDate != "" && start.IsZero(), 1003),
			when(!end.IsZero() && start.After(end), 1021))
	case "GetOpenConversations":
		return fields{"data": append([]OpenConversation{}, s.opts.Open...)}, 0
	case "GetWhatsAppTemplate":
		t, code := s.template(c)
		return fields{"template": t}, code
	case "GetMessageDetails":
		if m := s.messages[c.MID]; m != nil {
			return fields{"uid": m.UID, "botID": m.BotID, "ack": m.Ack}, 0
		}
		return nil, 1020
	}
	return nil, 1004
}

// onUser answers commands about a user.
func (s *Sim) onUser(c *command) (fields, int) {
	u := s.users[c.UID]
	if code := cmp.Or(when(c.UID == "", 1025), when(u == nil, 1005)); code != 0 {
		return nil, code
	}
	badTag := cmp.Or(when(short(c.Tag), 3050), when(!slices.Contains(s.opts.Tags, c.Tag), 3053))
	switch c.Cmd {
	case "GetUser":
		return fields{"data": u.User}, 0
	case "GetUserTags":
		return fields{"data": append([]string{}, u.tags...)}, 0
	case "GetConversation":
		return fields{"data": s.conversation(u.UID)}, 0
	case "SetUserTag":
		if badTag == 0 && !slices.Contains(u.tags, c.Tag) {
			u.tags = append(u.tags, c.Tag)
		}
		return nil, badTag
	case "DeleteUserTag":
		u.tags = slices.DeleteFunc(u.tags, func(t string) bool { return t == c.Tag })
		return nil, badTag
	case "SetUserData":
		if u.data == nil || c.Overwrite == 1 {
			u.data = map[string]any{}
		}
		for k, v := range c.Data {
			u.data[k] = v
		}
		return nil, when(c.Route != "" && !s.routeExists(c.Route), 1012)
	}
	return nil, s.change(u, c)
}

// change sets one field of a user and tells of it.
func (s *Sim) change(u *person, c *command) int {
	before, code := u.User, 1004
	switch c.Cmd {
	case "SetUserName":
		u.Name, code = c.Name, when(short(c.Name), 1022)
		u.FirstName, u.LastName, _ = strings.Cut(c.Name, " ")
	case "SetUserEmail":
		_, err := mail.ParseAddress(c.Email)
		u.Email, code = c.Email, when(err != nil, 1024)
	case "SetUserNotes":
		u.Notes, code = c.Notes, when(longer(c.Notes, 1024), 1023)
	case "SetUserPhone":
		u.Phone, code = c.phone, c.badPhone
	}
	if code != 0 {
		u.User = before
		return code
	}
	field := strings.ToLower(strings.TrimPrefix(c.Cmd, "SetUser"))
	s.Emit(fields{"cmd": convrsapi.OnUserUpdate, "ok": 1, "data": fields{"user": u.User, "update": fields{field: cmp.Or(c.Name, c.Email, c.Notes, c.phone)}}})
	return 0
}

func (s *Sim) list(c *command) []User {
	list := []User{}
	after := convrsapi.ParseTime(c.CreatedDate)
	for _, u := range s.users {
		if (c.BotID == 0 || u.BotID == c.BotID) && (after.IsZero() || convrsapi.ParseTime(u.Created).After(after)) {
			list = append(list, u.User)
		}
	}
	slices.SortFunc(list, func(a, b User) int { return strings.Compare(a.Created+a.UID, b.Created+b.UID) })
	return list[:min(len(list), 5000)]
}

// conversation returns the messages of one user, or of all.
func (s *Sim) conversation(uid string) []ConversationMessage {
	return slices.DeleteFunc(append([]ConversationMessage{}, s.opts.Conversations...), func(m ConversationMessage) bool { return uid != "" && m.UID != uid })
}

// flat returns the messages between two dates, of at most 1000 conversations.
func (s *Sim) flat(start, end time.Time) []ConversationMessage {
	seen := map[string]bool{}
	return slices.DeleteFunc(s.conversation(""), func(m ConversationMessage) bool {
		at := convrsapi.ParseTime(m.Date)
		if at.Before(start) || !end.IsZero() && at.After(end) || len(seen) == 1000 && !seen[string(m.CID)] {
			return true
		}
		seen[string(m.CID)] = true
		return false
	})
}

func (s *Sim) routeExists(route string) bool {
	return len(s.opts.Routes) == 0 || slices.Contains(s.opts.Routes, route)
}

func (s *Sim) badBot(id int, platform string) int {
	platforms, known := s.opts.Bots[id]
	return cmp.Or(when(id == 0, 1008), when(!known, 1015), when(!strings.Contains(platforms, platform), 1016))
}

func (s *Sim) template(c *command) (*Template, int) {
	if code := cmp.Or(s.badBot(c.BotID, "WA3"), when(c.TemplateName == "", 3003), when(c.Language == "", 3004)); code != 0 {
		return nil, code
	}
	if s.opts.Templates == nil {
		return &Template{Name: c.TemplateName, Language: c.Language, Status: "APPROVED"}, 0
	}
	for _, t := range s.opts.Templates {
		if t.Name == c.TemplateName && t.Language == c.Language {
			return &t, 0
		}
	}
	return nil, cmp.Or(when(len(s.opts.Templates) == 0, 3000), 3001)
}

// send checks a sending command, takes its message, and answers.
func (s *Sim) send(c *command, b *Behavior) (fields, int) {
	code, platform, u := 1004, "", s.users[c.UID]
	badText := cmp.Or(when(c.Message == "" && c.Cmd != "SendMessage", 1010), when(longer(c.Message, 2000), 1013))
	switch c.Cmd {
	case "SendWhatsAppTemplate":
		var t *Template
		platform = "wa3"
		t, code = s.template(c)
		code = cmp.Or(c.badPhone, code, when(t != nil && t.Status != "APPROVED", 3001))
	case "SendSMSMessage":
		platform = "cms"
		code = cmp.Or(c.badPhone, s.badBot(c.BotID, "CMS"), badText)
	case "SendMessage":
		code = cmp.Or(c.badPhone, when(c.Route == "", 1011), when(longer(c.Route, 256), 1014), when(!s.routeExists(c.Route), 1012), badText)
	case "SendTextMessage":
		code = cmp.Or(when(c.UID == "", 1025), when(u == nil, 1005), badText)
		if code == 0 && s.opts.Session > 0 && strings.Contains(c.UID, "-wa3-") && s.opts.Now().Sub(u.said) > s.opts.Session {
			code = 3002
		}
	}
	code = cmp.Or(code, when(c.AgentEmail != "" && !slices.Contains(s.opts.Agents, c.AgentEmail), 2002))
	if code = cmp.Or(s.limited(cmp.Or(c.phone, c.UID), code), b.Error); code != 0 {
		return nil, code
	}
	m := &Message{UID: c.UID, Phone: c.phone, BotID: c.BotID, Cmd: c.Cmd, Text: c.Message, Template: cmp.Or(c.TemplateName, c.Route)}
	if platform != "" {
		m.UID = fmt.Sprintf("%d-%s-%s", c.BotID, platform, c.phone[1:])
	}
	s.take(c, b, m)
	switch {
	case c.Cmd == "SendTextMessage":
		return nil, 0
	case platform == "":
		return fields{"mid": m.MID}, 0
	case s.users[m.UID] == nil:
		u := User{UID: m.UID, Bot: strings.ToUpper(platform), BotID: c.BotID, Phone: c.phone, Created: s.opts.Now().UTC().Format(stamp)}
		s.users[m.UID] = &person{User: u}
		s.Emit(fields{"cmd": convrsapi.OnUserCreate, "ok": 1, "data": u})
	}
	return fields{"phoneNumber": c.phone, "countryIso2": country(c.phone), "uid": m.UID, "mid": m.MID}, 0
}

// limited enforces both rates on commands that are good otherwise.
func (s *Sim) limited(to string, code int) int {
	now := s.opts.Now()
	switch last, again := s.sent[to]; {
	case code != 0:
		return code
	case s.opts.PerToken > 0 && !s.token.AllowN(now, 1):
		return 2008
	case s.opts.PerNumber > 0 && again && now.Sub(last) < time.Duration(float64(time.Second)/s.opts.PerNumber):
		return 2007
	}
	s.sent[to] = now
	return 0
}

// take keeps a message and starts its progress.
func (s *Sim) take(c *command, b *Behavior, m *Message) {
	m.MID = fmt.Sprintf("%016x%08x", s.rng.Uint64(), s.rng.Uint32())
	if s.opts.NewMID != nil {
		m.MID = s.opts.NewMID()
	}
	s.messages[m.MID] = m
	if s.order = append(s.order, m); len(s.order) > s.opts.Keep {
		delete(s.messages, s.order[0].MID)
		s.order = s.order[1:]
	}
	if len(b.Acks) > 0 && s.ctx.Err() == nil {
		s.wg.Go(func() { s.progress(c, b, m) })
	}
}
