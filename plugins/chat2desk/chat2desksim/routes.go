package chat2desksim

import (
	"cmp"
	_ "embed" // the default rows
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

//go:embed defaults.json
var defaults string

// handler answers one endpoint: with a refusal, a bare value, a page, any value as data, or nil for no data. The lock is held.
type handler = func(s *Sim, c *call) any

type (
	refusal struct { // an answer with status "error"
		message string
		errors  any
	}
	bare struct{ any } // without an envelope
	page struct {
		rows                 []Object
		total, limit, offset int
		status               string
	}
)

var routes = map[string]handler{
	"GET messages": (*Sim).messages, "GET messages/{id}": one("messages"), "POST messages": (*Sim).send, "POST messages/inbox": (*Sim).inbox,
	"GET messages/{id}/read": mark(1), "GET messages/{id}/unread": mark(0), "GET messages/{id}/transfer": transfer("operators", "operator_id", "Operator"),
	"GET messages/{id}/transfer_to_group": transfer("operators_groups", "group_id", "Operator group"), "POST messages/{id}/assign": transfer("operators", "operator_id", "Operator"),
	"GET clients": rows("clients", "phone"), "GET clients/{id}": one("clients"), "POST clients": (*Sim).createClient, "PUT clients/{id}": change("clients", "client_updated"),
	"GET clients/{id}/transport": rows("clients/transport", "client_id=id"), "GET clients/{id}/last_question": one("clients/last_question"), "GET clients/{id}/dialogs": rows("dialogs", "client_id=id"),
	"GET channels": rows("channels", "phone"), "GET channels/{id}": one("channels"), "GET help/transports": first("help/transports"),
	"GET tags": rows("tags"), "GET tags/{id}": one("tags"), "POST tags": store("tags", ""), "POST tags/assign_to": (*Sim).assign, "DELETE tags/{id}/delete_from": (*Sim).untag,
	"GET operators": rows("operators", "phone", "email", "online", "role", "status"), "POST operators": store("operators", ""), "PUT operators/{id}": change("operators", "operator_status_changed"),
	"GET operators/statuses": func(s *Sim, _ *call) any { return bare{s.data["operators/statuses"]} }, "GET operators_groups": rows("operators_groups"),
	"GET access_rights": rows("access_rights"), "GET access_rights/{id}": one("access_rights"),
	"GET dialogs": rows("dialogs", "operator_id", "state"), "GET dialogs/{id}": one("dialogs"), "GET dialogs/unanswered": rows("dialogs/unanswered"), "PUT dialogs/{id}": (*Sim).updateDialog,
	"GET requests/{id}": one("requests"), "GET requests/{id}/messages": (*Sim).requestMessages, "PUT requests/close": (*Sim).closeRequest,
	"GET tickets": rows("tickets"), "GET tickets/{id}": one("tickets"), "POST tickets": store("tickets", "new_ticket"), "PUT tickets/{id}": change("tickets", "ticket_updated"),
	"PUT tickets": change("tickets", "ticket_updated"), "DELETE tickets/{id}": remove("tickets", "ticket_deleted"), "DELETE tickets": remove("tickets", "ticket_deleted"),
	"GET help/tickets": first("help/tickets"), "GET statistics": (*Sim).statistics,
	"GET webhooks": rows("webhooks"), "POST webhooks": (*Sim).saveWebhook, "PUT webhooks/{id}": (*Sim).saveWebhook, "DELETE webhooks/{id}": remove("webhooks", ""),
	"POST companies/web_hook": nothing, "POST companies/chat_close_web_hook": nothing, "PUT companies": nothing, "GET companies/info": first("companies/info"),
	"GET companies/api_info": first("companies/api_info"), "GET help/api_modes": rows("help/api_modes"), "GET help/roles": first("help/roles"), "GET help/dialog_states": first("help/dialog_states"),
	"GET templates": rows("templates"), "GET templates/{id}": one("templates"), "GET scenarios/menu_items": rows("scenarios/menu_items", "channel_id"),
	"GET custom_client_fields": func(s *Sim, c *call) any { p := s.page(c, s.data["custom_client_fields"]); p.status = "ok"; return p },
	"GET regions":              rows("regions"), "GET countries": rows("countries"), "POST qr-decode": first("qr-decode"),
}

func nothing(*Sim, *call) any { return nil }

// filtered returns the rows that the call's filters let through. "field=param" filters a field by another parameter.
func (c *call) filtered(list []Object, filters ...string) []Object {
	wants := map[string]string{}
	for _, f := range filters {
		field, param, _ := strings.Cut(f, "=")
		wants[field] = c.text(cmp.Or(param, field))
	}
	maps.DeleteFunc(wants, func(_, want string) bool { return want == "" })
	return slices.DeleteFunc(slices.Clone(list), func(o Object) bool {
		for field, want := range wants {
			if str(o[field]) != want {
				return true
			}
		}
		return false
	})
}

// rows lists a kind of thing by the filters it knows, and ignores all others.
func rows(name string, filters ...string) handler {
	return func(s *Sim, c *call) any { return s.page(c, c.filtered(s.data[name], filters...)) }
}

// statistics are rows by report and day, which only one report repeats.
func (s *Sim) statistics(c *call) any {
	p := s.page(c, c.filtered(s.data["statistics"], "report", "date"))
	for i := range p.rows {
		p.rows[i] = maps.Clone(p.rows[i])
		if delete(p.rows[i], "report"); c.text("report") != "operator_stats" {
			delete(p.rows[i], "date")
		}
	}
	return p
}

func (s *Sim) page(c *call, list []Object) page {
	if c.text("order") == "desc" {
		slices.Reverse(list)
	}
	p := page{total: len(list), limit: min(max(cmp.Or(c.number("limit"), 20), 1), 200), offset: max(c.number("offset"), 0)}
	from := min(p.offset, len(list))
	p.rows = append([]Object{}, list[from:min(from+p.limit, len(list))]...)
	return p
}

// messages goes on from start_id, to older ones with direction_reverse.
func (s *Sim) messages(c *call) any {
	start, back := c.number("start_id"), c.text("direction_reverse") == "true"
	if delete(c.Object, "offset"); back {
		c.Object["order"] = "desc"
	}
	list := c.filtered(s.data["messages"], "transport", "channel_id", "client_id", "type", "dialog_id", "read", "operator_id")
	return s.page(c, slices.DeleteFunc(list, func(o Object) bool {
		id, _ := strconv.Atoi(str(o["id"]))
		return start > 0 && (!back && id < start || back && id > start)
	}))
}

func one(name string) handler {
	return func(s *Sim, c *call) any {
		if o := s.find(name, c.text("id")); o != nil {
			return o
		}
		return unknown(name)
	}
}

func unknown(name string) any {
	if name == "dialogs" || name == "requests" {
		return refusal{message: "not_found"}
	}
	return wrong("id", "%s not found", strings.ToUpper(name[:1])+strings.TrimSuffix(name[1:], "s"))
}

func wrong(field, format string, args ...any) refusal {
	return refusal{errors: Object{field: []string{fmt.Sprintf(format, args...)}}}
}

func first(name string) handler {
	return func(s *Sim, _ *call) any { return append(s.data[name], Object{})[0] }
}

func (s *Sim) find(name, id string) Object {
	for _, o := range s.data[name] {
		if str(o["id"]) == id {
			return o
		}
	}
	return nil
}

func (s *Sim) add(name string, o Object) Object {
	s.last++
	if o["id"] = s.last; name == "tickets" {
		o["id"] = fmt.Sprintf("TICK-%d", s.last)
	}
	s.data[name] = append(s.data[name][max(0, len(s.data[name])-kept):], o)
	return o
}

var renamed = map[string]string{"nickname": "assigned_name", "assigned_phone": "client_phone", "tag_label": "label", "tag_description": "description", "tag_group_id": "group_id"}

func (c *call) set(o Object) Object {
	for k, v := range c.Object {
		if k != "id" {
			o[cmp.Or(renamed[k], k)] = v
		}
	}
	return o
}

// tell emits an event about a thing: clients stand at the top of the payload, all others under their name.
func (s *Sim) tell(event, name string, o Object) any {
	payload := Object{strings.TrimSuffix(name, "s"): o}
	if name == "clients" {
		payload = o
	}
	if s.emit(event, payload); event == "client_updated" || name == "tags" || name == "messages" {
		return nil // these answer without data
	}
	return o
}

func store(name, event string) handler {
	return func(s *Sim, c *call) any { return s.tell(event, name, s.add(name, c.set(Object{}))) }
}

func change(name, event string) handler {
	return func(s *Sim, c *call) any {
		if o := s.find(name, c.text("id")); o != nil {
			return s.tell(event, name, c.set(o))
		}
		return unknown(name)
	}
}

func remove(name, event string) handler {
	return func(s *Sim, c *call) any {
		for i, o := range s.data[name] {
			if str(o["id"]) == c.text("id") {
				s.data[name] = slices.Delete(s.data[name], i, i+1)
				s.tell(event, name, o)
				return nil
			}
		}
		return unknown(name)
	}
}

func mark(read int) handler {
	return func(s *Sim, c *call) any {
		c.Object["read"] = read
		return change("messages", "")(s, c)
	}
}

func transfer(to, param, title string) handler {
	return func(s *Sim, c *call) any {
		m := s.find("messages", c.text("id"))
		switch {
		case m == nil:
			return unknown("messages")
		case s.find(to, c.text(param)) == nil:
			return wrong(param, "%s not found", title)
		}
		if d := s.find("dialogs", str(m["dialog_id"])); d != nil && param == "operator_id" {
			d[param] = c.Object[param]
		}
		s.emit("dialog_transferred", Object{"client_id": m["client_id"], "dialog_id": m["dialog_id"], param: c.Object[param]})
		return nil
	}
}

func (s *Sim) misled(c *call) any {
	transport, channel := c.text("transport"), c.text("channel_id")
	has := func(o Object) bool { return transport == "" || slices.Contains(list(o["transports"]), transport) }
	switch {
	case !slices.ContainsFunc(s.data["channels"], has):
		return wrong("transport", "Transport %s is incorrect", transport)
	case channel != "" && s.find("channels", channel) == nil:
		return wrong("channel", "Channel %s not found", channel)
	}
	return nil
}

func list(v any) (out []string) {
	rows, _ := v.([]any)
	for _, x := range rows {
		out = append(out, str(x))
	}
	return out
}

func (s *Sim) dialog(client any, state string) Object {
	for _, d := range s.data["dialogs"] {
		if str(d["client_id"]) == str(client) && d["state"] == state {
			return d
		}
	}
	return nil
}

// say adds a message to the client's dialog and request, both opened where need be, and emits its event.
func (s *Sim) say(event string, client, m Object, open bool) Object {
	m["client_id"], m["created"] = client["id"], s.now()
	d := s.dialog(client["id"], "open")
	if d == nil && open {
		r := s.add("requests", Object{"client_id": client["id"]})
		if d = s.dialog(client["id"], "closed"); d == nil { // else a new request in the same dialog
			d = s.add("dialogs", Object{"client_id": client["id"], "operator_id": nil, "begin": s.now()})
		}
		d["state"], d["last_request_id"] = "open", r["id"]
		s.emit("new_request", Object{"client_id": client["id"], "dialog_id": d["id"], "request_id": r["id"], "channel_id": m["channel_id"]})
	}
	m["dialog_id"], m["request_id"] = d["id"], d["last_request_id"]
	s.latest[str(client["id"])] = m
	payload := maps.Clone(s.add("messages", m))
	payload["message_id"], payload["client"] = m["id"], client
	s.emit(event, payload)
	return m
}

func (s *Sim) now() string { return s.opts.Now().UTC().Format("2006-01-02T15:04:05") + " UTC" }

// send takes a message, and lets the script decide what becomes of it.
func (s *Sim) send(c *call) any {
	client, kind := s.find("clients", c.text("client_id")), cmp.Or(c.text("type"), "to_client")
	switch misled := s.misled(c); {
	case client == nil:
		return wrong("client_id", "Client not found")
	case c.text("text")+c.text("attachment")+c.text("pdf") == "":
		return wrong("text", "can't be blank")
	case misled != nil:
		return misled
	case strings.Contains(c.text("attachment"), "missing"):
		return refusal{errors: "attachment link can not be loaded"}
	}
	event := map[string]string{"comment": "comment", "to_client": "outbox", "autoreply": "outbox"}[kind]
	m := c.set(Object{"read": 1, "status": "pending", "type": kind, "extra_data": Object{"external_id": c.Object["external_id"]}})
	for _, k := range []string{"transport", "channel_id"} {
		m[k] = cmp.Or(m[k], s.latest[str(client["id"])][k])
	}
	s.say(event, client, m, c.text("open_dialog") != "false")
	if event == "outbox" {
		s.wg.Go(func() { s.progress(m, c.states) })
	}
	out := Object{"message_id": m["id"]}
	for _, k := range []string{"channel_id", "operator_id", "transport", "type", "client_id", "dialog_id", "request_id"} {
		out[k] = m[k]
	}
	return out
}

func (s *Sim) inbox(c *call) any {
	from, _ := c.Object["from_client"].(Object)
	id, phone, channel := str(from["id"]), str(from["phone"]), s.find("channels", c.text("channel_id"))
	switch {
	case !slices.Contains(list(channel["transports"]), "external"):
		return wrong("channel_id", "Channel not found")
	case (id == "") == (phone == ""):
		return wrong("from_client", "give exactly one of id and phone")
	case c.text("body")+c.text("attachment")+c.text("image")+c.text("video") == "":
		return wrong("body", "can't be blank")
	case c.text("attachment_filename") != "" && c.text("attachment") == "":
		return wrong("attachment_filename", "attachment is required")
	}
	phone = cmp.Or(phone, "[external] "+id)
	i := slices.IndexFunc(s.data["clients"], func(o Object) bool { return str(o["phone"]) == phone })
	if i < 0 {
		i = len(s.data["clients"])
		s.tell("new_client", "clients", s.add("clients", Object{"phone": phone, "external_id": from["id"], "assigned_name": from["nickname"], "client_phone": c.Object["client_phone"],
			"custom_fields": c.Object["custom_fields"], "channels": []any{Object{"id": channel["id"], "transports": []any{"external"}}}}))
	}
	s.say("inbox", s.data["clients"][i], Object{"type": "from_client", "text": c.text("body"), "transport": cmp.Or(c.text("transport"), "external"), "channel_id": channel["id"], "read": 0,
		"external_id": c.Object["external_id"], "extra_data": c.Object["extra_data"], "photo": c.Object["image"], "video": c.Object["video"],
		"attachments": []any{Object{"name": c.Object["attachment_filename"], "link": c.Object["attachment"]}}}, true)
	return nil
}

func (s *Sim) createClient(c *call) any {
	phone, misled := c.text("phone"), s.misled(c)
	switch i := slices.IndexFunc(s.data["clients"], func(o Object) bool { return str(o["phone"]) == phone }); {
	case phone == "" || strings.Trim(phone, "0123456789") != "":
		return wrong("phone", "Phone is incorrect")
	case misled != nil:
		return misled
	case i >= 0:
		return refusal{errors: Object{"client": []string{"Client already exists", fmt.Sprintf(`{"id":%v}`, s.data["clients"][i]["id"])}}}
	}
	c.Object["channels"] = []any{Object{"id": c.Object["channel_id"], "transports": []any{c.text("transport")}}}
	return store("clients", "new_client")(s, c)
}

// assign puts tags on a target; unknown tags are passed over, and a tag may be put on twice.
func (s *Sim) assign(c *call) any {
	kind := c.text("assignee_type")
	target := s.find(kind+"s", c.text("assignee_id"))
	if target == nil || kind != "client" && kind != "request" {
		return refusal{message: kind + " does not belong to your company"}
	}
	tags, _ := target["tags"].([]any)
	for _, id := range list(c.Object["tag_ids"]) {
		if tag := s.find("tags", id); tag != nil && !slices.ContainsFunc(tags, same(id)) {
			tags = append(tags, tag)
			s.emit("add_tag_to_"+kind, Object{"id": tag["id"], kind + "_id": target["id"]})
		}
	}
	target["tags"] = tags
	return nil
}

func same(id string) func(any) bool {
	return func(v any) bool { o, _ := v.(Object); return str(o["id"]) == id }
}

func (s *Sim) untag(c *call) any {
	kind := "client"
	if c.text("request_id") != "" {
		kind = "request"
	}
	target := s.find(kind+"s", c.text(kind+"_id"))
	tags, _ := target["tags"].([]any)
	switch {
	case s.find("tags", c.text("id")) == nil:
		return refusal{message: "tag does not exist"}
	case !slices.ContainsFunc(tags, same(c.text("id"))):
		return refusal{message: kind + " not found"}
	}
	target["tags"] = slices.DeleteFunc(tags, same(c.text("id")))
	s.emit("delete_tag_from_"+kind, Object{"id": c.Object["id"], kind + "_id": target["id"]})
	return nil
}

func (s *Sim) updateDialog(c *call) any {
	d, state := s.find("dialogs", c.text("id")), c.text("state")
	switch {
	case d == nil:
		return unknown("dialogs")
	case state != "" && str(d["state"]) == state:
		return refusal{errors: "Dialog already has state " + state}
	}
	if c.set(d); state == "closed" {
		event := Object{"client_id": d["client_id"], "dialog_id": d["id"], "request_id": d["last_request_id"]}
		s.emit("close_request", event)
		s.emit("close_dialog", event)
	}
	return nil
}

func (s *Sim) closeRequest(c *call) any {
	if d := s.dialog(c.Object["client_id"], "open"); d != nil {
		return s.updateDialog(&call{Object: Object{"id": d["id"], "state": "closed"}})
	}
	return refusal{message: "request not found"}
}

func (s *Sim) requestMessages(c *call) any {
	if s.find("requests", c.text("id")) == nil {
		return bare{"not_found"}
	}
	return bare{c.filtered(s.data["requests/messages"], "request_id=id")}
}
