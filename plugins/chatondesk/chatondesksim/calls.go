package chatondesksim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hermodhq/hermod/plugins/chatondesk/internal/chatondeskapi"
)

// Texts of errors, as the vendor's plugin knows them.
const (
	badCredentials   = "invalid username/password."
	unknownStructure = "Unknown structure id"
	notApproved      = "Ensure to send only Approved template"
	noChannel        = "no channel available for your account"
)

const timeForm = "2006-01-02 15:04:05"

var (
	phonePattern = regexp.MustCompile(`^\+?[0-9]{7,15}$`)
	formName     = regexp.MustCompile(`\[([^\]]*)\]`)
)

// answer is a reply with its HTTP status.
type answer struct {
	status int
	body   map[string]any
}

func reply(description any, more ...string) answer {
	a := answer{http.StatusOK, map[string]any{"status": "success", "description": description}}
	for i := 0; i+1 < len(more); i += 2 {
		a.body[more[i]] = more[i+1]
	}
	return a
}

func refuse(status int, text string) answer {
	return answer{status, map[string]any{"status": "error", "description": text}}
}

// write sends the answer; a text may be wrapped in an object with desc.
func (a answer) write(w http.ResponseWriter, b *Behavior) {
	if text, ok := a.body["description"].(string); ok && b.Desc {
		a.body["description"] = map[string]string{"desc": text}
	}
	raw, err := json.Marshal(a.body)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(append(bytes.Repeat([]byte(" "), b.Spaces), raw...))
}

func fromJSON(raw []byte) (map[string]any, error) {
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return fields, d.Decode(&fields)
}

// fromForm reads names such as data[name] as PHP does; lists stay maps of their positions.
func fromForm(form url.Values) map[string]any {
	fields := map[string]any{}
	for name, values := range form {
		into := fields
		key, _, _ := strings.Cut(name, "[")
		for _, m := range formName.FindAllStringSubmatch(name, -1) {
			below, ok := into[key].(map[string]any)
			if !ok {
				below = map[string]any{}
				into[key] = below
			}
			into, key = below, m[1]
		}
		into[key] = values[0]
	}
	return fields
}

func (c *call) get(name string) string { return text(c.Fields[name]) }

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

func (c *call) object(name string) map[string]any {
	o, _ := c.Fields[name].(map[string]any)
	return o
}

// sends reports whether the call sends a message: a check of a code has the path of its sending.
func (c *call) sends() bool {
	return c.name == "structuredpush.json" || c.name == "mverify.json" && c.get("code") == ""
}

// known reports whether the credentials are right.
func (s *Sim) known(c *call) bool {
	if key := c.get("apikey"); key != "" {
		return key == s.opts.APIKey
	}
	return s.opts.User != "" && c.get("user") == s.opts.User && c.get("pwd") == s.opts.Password
}

type handler struct {
	method string
	needs  []string // fields that must be there
	do     func(s *Sim, c *call) answer
}

// handlers answers calls by path. Where label and example of the document differ in the method, both are taken.
var handlers = map[string]handler{
	"/api/structuredpush.json":         {"", []string{"phone", "channel", "type"}, (*Sim).push},
	"/chatbot/api/mverify.json":        {"", []string{"phone", "channel"}, (*Sim).verify},
	"/chatbot/api/createprofile.json":  {"", []string{"datas"}, (*Sim).createProfile},
	"/chatbot/api/chathistory.json":    {"GET", []string{"profile_id"}, (*Sim).history},
	"/chatbot/api/templatelist.json":   {"GET", nil, (*Sim).templates},
	"/chatbot/api/channellist.json":    {"GET", nil, (*Sim).channels},
	"/chatbot/api/reminderlist.json":   {"GET", nil, (*Sim).listReminders},
	"/chatbot/api/createreminder.json": {"", []string{"profile_id", "message"}, (*Sim).saveReminder},
	"/chatbot/api/updatereminder.json": {"", []string{"id"}, (*Sim).saveReminder},
	"/chatbot/api/getbalance.json":     {"", nil, (*Sim).wallet},
}

// run executes a call.
func (s *Sim) run(c *call) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := handlers[c.Path]
	switch {
	case !ok:
		return refuse(http.StatusNotFound, "unknown call")
	case c.Method != http.MethodPost && c.Method != h.method:
		return refuse(http.StatusMethodNotAllowed, "method not allowed")
	case c.invalid != nil:
		return refuse(http.StatusBadRequest, "malformed request")
	case !s.known(c):
		return refuse(http.StatusUnauthorized, badCredentials)
	}
	for _, name := range h.needs {
		if c.get(name) == "" && len(c.object(name)) == 0 {
			return refuse(http.StatusBadRequest, name+" is missing")
		}
	}
	return h.do(s, c)
}

// take checks what all sending has in common, and keeps a message for each number.
func (s *Sim) take(c *call, m Message) (answer, bool) {
	phones := strings.Split(c.get("phone"), ",")
	for i, p := range phones {
		phones[i] = strings.TrimSpace(p)
		if !phonePattern.MatchString(phones[i]) {
			return refuse(http.StatusBadRequest, "phone is not a number: "+phones[i]), false
		}
	}
	if !slices.Contains(s.opts.Channels, c.get("channel")) {
		return refuse(http.StatusBadRequest, "unknown channel"), false
	}
	cost := s.opts.Cost * float64(len(phones))
	if cost > s.balance {
		return refuse(http.StatusPaymentRequired, "insufficient balance"), false
	}
	s.balance -= cost
	m.Call, m.Type, m.Channel, m.Data, m.Schedule = c.name, c.get("type"), c.get("channel"), c.object("data"), c.get("schedule")
	for _, m.Phone = range phones {
		if len(s.messages) < s.opts.Keep {
			s.messages = append(s.messages, m)
		}
	}
	return answer{}, true
}

// template looks the template up and renders its body.
func (s *Sim) template(c *call) (Message, string) {
	m := Message{StructureID: c.get("structureid")}
	i := slices.IndexFunc(s.opts.Templates, func(t Structuredtemplate) bool { return string(t.ID) == m.StructureID })
	switch {
	case m.StructureID == "" || i < 0 && s.opts.Templates != nil:
		return m, unknownStructure
	case slices.Contains(s.opts.Unapproved, m.StructureID):
		return m, notApproved
	case i >= 0:
		var t struct{ Body struct{ Message string } }
		_ = json.Unmarshal([]byte(s.opts.Templates[i].Template), &t)
		m.Text = t.Body.Message
		for name, v := range c.object("data") {
			m.Text = strings.ReplaceAll(m.Text, "##"+name+"##", text(v))
		}
	}
	return m, ""
}

func (s *Sim) push(c *call) answer {
	m, done, refusal := Message{Text: c.get("message")}, "successfully sent", ""
	switch c.get("type") {
	case "template":
		done = "Template message sent successfully"
		m, refusal = s.template(c)
	case "message":
		if m.Text == "" {
			return refuse(http.StatusBadRequest, "message is missing")
		}
	default:
		return refuse(http.StatusBadRequest, "unknown type")
	}
	if refusal != "" {
		return refuse(http.StatusOK, refusal)
	}
	if a, ok := s.take(c, m); !ok {
		return a
	}
	return reply(done)
}

// verify sends a code, or checks one where the field code is there. A wrong code is a success.
func (s *Sim) verify(c *call) answer {
	key := c.get("channel") + " " + strings.TrimPrefix(c.get("phone"), "+")
	if code := c.get("code"); code != "" {
		if s.codes[key] != code {
			return reply(chatondeskapi.CodeDoesntMatch)
		}
		delete(s.codes, key)
		return reply(map[string]string{"desc": chatondeskapi.CodeMatched})
	}
	m, refusal := s.template(c)
	if refusal != "" {
		return refuse(http.StatusOK, refusal)
	}
	m.Code = fmt.Sprintf("%04d", s.rng.IntN(10000))
	a, ok := s.take(c, m)
	if !ok {
		return a
	}
	s.codes[key] = m.Code
	return reply("successfully sent")
}

func (s *Sim) newID() string {
	if s.opts.NewID != nil {
		return s.opts.NewID()
	}
	s.ids++
	return strconv.Itoa(1000 + s.ids)
}

func (s *Sim) createProfile(c *call) answer {
	return reply("Profile has been created successfully", "profile_id", s.newID())
}

// page cuts a list by page and limit.
func page[T any](c *call, list []T) []T {
	number, _ := strconv.Atoi(orElse(c.get("page"), "1"))
	limit, _ := strconv.Atoi(orElse(c.get("limit"), "10"))
	limit = min(max(limit, 0), 1000)
	from := min(min(max(number-1, 0), len(list))*limit, len(list))
	return append([]T{}, list[from:min(from+limit, len(list))]...)
}

func (s *Sim) history(c *call) answer {
	records, ok := s.opts.History[c.get("profile_id")]
	if !ok {
		return refuse(http.StatusNotFound, "unknown profile")
	}
	records = slices.SortedStableFunc(slices.Values(records), func(a, b HistoryRecord) int { return strings.Compare(a.Chatlog.Date, b.Chatlog.Date) })
	if c.get("order") == "desc" {
		slices.Reverse(records)
	}
	return reply(page(c, records))
}

func (s *Sim) templates(c *call) answer {
	if s.opts.AsDocumented {
		return reply("successfully sent")
	}
	return reply(page(c, s.templateRecords(c.get("searchname"))))
}

func (s *Sim) templateRecords(search string) []map[string]any {
	list := []map[string]any{}
	for _, t := range s.opts.Templates {
		if strings.Contains(strings.ToLower(t.Name), strings.ToLower(search)) {
			list = append(list, map[string]any{"Structuredtemplate": t})
		}
	}
	return list
}

func (s *Sim) channels(*call) answer {
	if s.opts.AsDocumented {
		return reply(s.templateRecords(""))
	}
	if len(s.opts.Channels) == 0 {
		a := refuse(http.StatusOK, "")
		a.body["description"] = map[string]string{"desc": noChannel}
		return a
	}
	list := []map[string]any{}
	for _, name := range s.opts.Channels {
		list = append(list, map[string]any{"Channel": map[string]string{"system_name": name}})
	}
	return reply(list)
}

func (s *Sim) listReminders(c *call) answer {
	list := []Reminder{}
	for _, r := range s.reminders {
		if id, profile := c.get("id"), c.get("profile_id"); (id == "" || id == string(r.ID)) && (profile == "" || profile == string(r.ProfileID)) {
			list = append(list, r)
		}
	}
	if c.get("order") == "desc" {
		slices.Reverse(list)
	}
	return reply(page(c, list))
}

var reminderValues = map[string][]string{
	"sent_to": {"user", "self"}, "status": {"active", "completed", "canceled"},
	"type": {"one-time", "recurring"}, "frequency": {"daily", "weekly", "monthly", "yearly"},
}

// saveReminder creates one, or changes the one named by id.
func (s *Sim) saveReminder(c *call) answer {
	for _, name := range slices.Sorted(maps.Keys(reminderValues)) {
		if v := c.get(name); v != "" && !slices.Contains(reminderValues[name], v) {
			return refuse(http.StatusBadRequest, name+" is invalid")
		}
	}
	for _, name := range []string{"time", "endtime"} {
		if _, err := time.Parse(timeForm, c.get(name)); err != nil && c.get(name) != "" {
			return refuse(http.StatusBadRequest, name+" is invalid")
		}
	}
	if c.name == "createreminder.json" {
		r := Reminder{ID: chatondeskapi.Text(s.newID()), ProfileID: chatondeskapi.Text(c.get("profile_id")), ReminderText: c.get("message"), CreatedAt: s.opts.Now().Format(timeForm)}
		s.reminders = append(s.reminders, r)
		return reply("Reminder created successfully", "reminder_id", string(r.ID))
	}
	i := slices.IndexFunc(s.reminders, func(r Reminder) bool { return string(r.ID) == c.get("id") })
	if i < 0 {
		return refuse(http.StatusNotFound, "unknown reminder")
	}
	s.reminders[i].ReminderText = orElse(c.get("message"), s.reminders[i].ReminderText)
	return reply("Reminder updated successfully", "reminder_id", c.get("id"))
}

func (s *Sim) wallet(*call) answer {
	return reply(map[string]any{"Wallet": map[string]any{"balance": s.balance, "currency": s.opts.Currency}})
}
