package chat2deskapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxLimit is the most rows that Chat2Desk gives in one page.
const MaxLimit = 200

// Endpoint is one endpoint that takes In. Of In, `id` goes into the path, the rest into the query of GET and the body of all others;
// `fields` is what no public document types, and is spread among the rest.
type Endpoint[In any] struct{ endpoint }

type endpoint struct{ method, path string }

// Name returns the endpoint as "GET clients/{id}".
func (e endpoint) Name() string { return e.method + " " + e.path }

// Raw makes the call and returns the answer as it came; of a list, one page. Its errors are *Error and *NoReplyError.
func (e Endpoint[In]) Raw(ctx context.Context, c *Client, in In) (Reply, error) {
	return e.do(ctx, c, in)
}

// Do makes the call and reads the answer's data into out, a pointer. Its errors are *Error and *NoReplyError.
func (e Endpoint[In]) Do(ctx context.Context, c *Client, in In, out any) error {
	_, err := e.read(ctx, c, in, out)
	return err
}

func (e endpoint) read(ctx context.Context, c *Client, in, out any) (Reply, error) {
	r, err := e.do(ctx, c, in)
	if err == nil && present(r.Data) && decode(r.Data, out) != nil {
		err = &NoReplyError{Call: e.Name(), Reason: ReplyInvalid, Sent: true, Err: errors.New("the data is not of the known shape")}
	}
	return r, err
}

func (e endpoint) do(ctx context.Context, c *Client, in any) (Reply, error) {
	target, body, err := e.request(c, in)
	if err != nil {
		return Reply{}, &NoReplyError{Call: e.Name(), Reason: RequestInvalid, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, e.timeout(c))
	defer cancel()
	return c.exchange(ctx, e.Name(), e.method, target, body)
}

func (e endpoint) timeout(c *Client) time.Duration {
	if e.path == "statistics" {
		return 3 * c.opts.Timeout
	}
	return c.opts.Timeout
}

func (e endpoint) request(c *Client, in any) (target string, body []byte, err error) {
	if body, err = json.Marshal(in); err != nil {
		return "", nil, err
	}
	target = c.opts.URL + "/" + e.path
	if e.method == http.MethodPost && !bytes.Contains(body, []byte(`"fields":`)) && !strings.Contains(e.path, "{") {
		return target, body, nil
	}
	var params, free map[string]json.RawMessage
	if err = json.Unmarshal(body, &params); err != nil {
		return "", nil, err
	}
	if json.Unmarshal(params["fields"], &free) == nil {
		delete(params, "fields")
		maps.Copy(free, params)
		params = free
	}
	if force, ok := params["force_assign"]; ok && strings.HasPrefix(e.path, "messages/") {
		params["force"] = force // which of the two Chat2Desk reads is not known
	}
	if before, after, ok := strings.Cut(target, "{id}"); ok {
		id := plain(params["id"])
		switch {
		case id == "" || id == "0":
			return "", nil, errors.New("the id is missing")
		case e.path == "tickets/{id}" && c.opts.TicketIDInBody && e.method != http.MethodGet:
			target = strings.TrimSuffix(before, "/")
		default:
			target = before + url.PathEscape(id) + after
			delete(params, "id")
		}
	}
	switch {
	case len(params) == 0:
		return target, nil, nil
	case e.method == http.MethodGet:
		q := url.Values{}
		for name, v := range params {
			q.Set(name, plain(v))
		}
		return target + "?" + q.Encode(), nil, nil
	}
	body, err = json.Marshal(params)
	return target, body, err
}

// plain writes a value as a query does: text without quotes. Absent, and null, is nothing.
func plain(raw json.RawMessage) string {
	var s string
	if !present(raw) || json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// All walks all pages of a list from where in says, with in's limit (2 to MaxLimit) or MaxLimit, and ends after the first error, when
// ctx ends, and at a page that brings nothing new. Lists with offset end at meta.total or at a short page. Messages go on from the
// greatest id seen (the least with direction_reverse, or order desc) and end at a short page. A row that two pages in succession
// share comes once: Chat2Desk does not say whether start_id itself is repeated, and lists grow while they are read.
func All[Row, In any](ctx context.Context, c *Client, e Endpoint[In], in In) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		w := walk{startID: e.path == ListMessages.path}
		raw, err := json.Marshal(in)
		if err == nil {
			err = json.Unmarshal(raw, &w.params)
		}
		if n := w.number("limit"); err == nil && (n < 2 || n > MaxLimit) { // one row a page could be start_id's own for ever
			w.set("limit", MaxLimit)
		}
		if w.startID {
			delete(w.params, "offset") // what it does there today is not known
		}
		for more := true; more && err == nil; {
			var r Reply
			var rows []Row
			var known []bool
			if r, err = e.read(ctx, c, w.params, &rows); err == nil {
				known, more = w.next(r)
			}
			for i, again := range known {
				if !again && !yield(rows[i], nil) {
					return
				}
			}
		}
		if err != nil {
			yield(*new(Row), err)
		}
	}
}

// walk goes from page to page.
type walk struct {
	startID bool // pages begin at start_id, in the place of offset
	params  map[string]json.RawMessage
	ids     []Text          // of the page before
	page    json.RawMessage // before
}

func (w *walk) set(name string, v int) { w.params[name] = strconv.AppendInt(nil, int64(v), 10) }

func (w *walk) number(name string) int {
	n, _ := strconv.Atoi(plain(w.params[name])) // absent is 0
	return n
}

// next says which rows of a page came before, and readies the parameters of the page after it.
func (w *walk) next(r Reply) (known []bool, more bool) {
	var rows []struct{ ID Text }
	_ = json.Unmarshal(r.Data, &rows) // rows without an id count as new, unless the whole page is the same
	meta := cmp.Or(r.Meta, &Meta{})
	same, fresh := bytes.Equal(r.Data, w.page), false
	var ids []Text
	var numbers []int
	for _, row := range rows {
		again := same || row.ID != "" && slices.Contains(w.ids, row.ID)
		known, ids, numbers, fresh = append(known, again), append(ids, row.ID), append(numbers, int(row.ID.Int())), fresh || !again
	}
	w.ids, w.page, more = ids, r.Data, fresh && len(rows) >= cmp.Or(meta.Limit, w.number("limit"))
	switch offset := w.number("offset") + len(rows); {
	case !fresh:
	case !w.startID:
		w.set("offset", offset)
		more = offset < meta.Total || more && meta.Total == 0
	case plain(w.params["direction_reverse"]) == "true", plain(w.params["order"]) == "desc":
		w.params["direction_reverse"] = json.RawMessage("true")
		w.set("start_id", slices.Min(numbers))
	default:
		w.set("start_id", slices.Max(numbers))
	}
	return known, more
}

// Reply is the envelope of an answer, with Data as it came.
type Reply struct {
	Data    json.RawMessage `json:"data,omitempty" jsonschema:"an object, or a list"`
	Meta    *Meta           `json:"meta,omitempty"`
	Message string          `json:"message,omitempty"`
}

// Meta is where a page stands in its list.
type Meta struct {
	Total  int `json:"total"`
	Limit  int `json:"limit"`
	Offset int `json:"offset"`
}

// UnmarshalJSON takes every value: an answer must not be lost for its meta.
func (m *Meta) UnmarshalJSON(raw []byte) error {
	var t struct{ Total, Limit, Offset Text }
	_ = json.Unmarshal(raw, &t) // what is no object reads as zeros
	*m = Meta{int(t.Total.Int()), int(t.Limit.Int()), int(t.Offset.Int())}
	return nil
}

type envelope struct {
	Status              Text // success or error; custom_client_fields says ok
	Data, Errors, Error json.RawMessage
	Meta                *Meta
	Message             Text
}

// open checks an answer: the envelope, a bare list (requests/:id/messages, operators/statuses), a bare object, and refusals of
// every known shape. Refusals come with HTTP status 200 as well.
func open(call string, status int, raw []byte, token string) (Reply, error) {
	good, body := status >= 200 && status < 300, bytes.TrimSpace(raw)
	var e envelope
	err := json.Unmarshal(body, &e)
	object := err == nil && len(body) > 0 && body[0] == '{'
	switch {
	case status == 204 && len(body) == 0:
		return Reply{}, nil
	case good && len(body) > 0 && body[0] == '[' && json.Valid(body):
		return Reply{Data: body}, nil
	case !object && len(body) < 100 && bytes.Contains(body, []byte("not_found")):
		return Reply{}, &Error{Call: call, Status: status, Text: "not_found"}
	case !object && good:
		return Reply{}, &NoReplyError{Call: call, Reason: ReplyInvalid, Sent: true, Err: errors.New("the reply is not a JSON object")}
	case !good || e.refuses():
		return Reply{}, &Error{Call: call, Status: status, Text: strings.ReplaceAll(e.text(), token, "[token]")}
	case e.Status == "" && !present(e.Data):
		e.Data = body
	}
	return Reply{Data: e.Data, Meta: e.Meta, Message: string(e.Message)}, nil
}

func present(raw json.RawMessage) bool { return len(raw) > 0 && !bytes.Equal(raw, []byte("null")) }

// nested reads older answers, which put the refusal into `data`. A message has a status, too, and so has a webhook: those have an id.
func (e *envelope) nested() (message Text, refused bool) {
	var d struct {
		Status, Message, ID Text
		MessageID           Text `json:"message_id"`
	}
	if json.Unmarshal(e.Data, &d) != nil {
		return "", false
	}
	return d.Message, d.Status == "error" && d.ID == "" && d.MessageID == ""
}

func (e *envelope) refuses() bool {
	_, nested := e.nested()
	switch e.Status {
	case "success", "ok":
		return nested
	case "":
		return nested || present(e.Errors) || present(e.Error) || !present(e.Data) && e.Message == "not_found"
	}
	return true
}

// text puts everything that a refusal says into one line: its parts, with the names of their fields, between semicolons.
func (e *envelope) text() string {
	nested, _ := e.nested()
	parts := slices.DeleteFunc([]string{string(e.Message), string(nested)}, func(s string) bool { return s == "" })
	all := strings.Join(flatten(flatten(parts, "", e.Error), "", e.Errors), "; ")
	return strings.ToValidUTF8(all[:min(len(all), 4096)], "")
}

// flatten reads a text, a list, an object, or all of these in each other.
func flatten(parts []string, name string, raw json.RawMessage) []string {
	var one string
	var list []json.RawMessage
	var byName map[string]json.RawMessage
	switch {
	case !present(raw):
	case json.Unmarshal(raw, &one) == nil:
		parts = append(parts, name+one)
	case json.Unmarshal(raw, &list) == nil:
		for _, v := range list {
			parts = flatten(parts, name, v)
		}
	case json.Unmarshal(raw, &byName) == nil:
		for _, key := range slices.Sorted(maps.Keys(byName)) {
			parts = flatten(parts, key+": ", byName[key])
		}
	default:
		parts = append(parts, name+string(raw))
	}
	return parts
}

// decode reads data into v. Some calls for one thing answer with a list of one.
func decode(data json.RawMessage, v any) error {
	var list []json.RawMessage
	err := tolerant(json.Unmarshal(data, v))
	if err != nil && json.Unmarshal(data, &list) == nil && len(list) == 1 {
		return tolerant(json.Unmarshal(list[0], v))
	}
	return err
}

// tolerant forgives single fields of a wrong type, as an empty object that comes as a list: the rest has been read.
func tolerant(err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && e.Field != "" {
		return nil
	}
	return err
}

func get[In any](path string) Endpoint[In]  { return Endpoint[In]{endpoint{"GET", path}} }
func post[In any](path string) Endpoint[In] { return Endpoint[In]{endpoint{"POST", path}} }
func put[In any](path string) Endpoint[In]  { return Endpoint[In]{endpoint{"PUT", path}} }
func del[In any](path string) Endpoint[In]  { return Endpoint[In]{endpoint{"DELETE", path}} }

// The endpoints. Read, Unread, Transfer and TransferToGroup change something although they are GET.
var (
	ListMessages        = get[MessagesRequest]("messages")
	GetMessage          = get[IDRequest]("messages/{id}")
	ReadMessage         = get[IDRequest]("messages/{id}/read")
	UnreadMessage       = get[IDRequest]("messages/{id}/unread")
	SendMessage         = post[SendRequest]("messages")
	Inbox               = post[InboxRequest]("messages/inbox")
	Transfer            = get[TransferRequest]("messages/{id}/transfer")
	TransferToGroup     = get[GroupTransferRequest]("messages/{id}/transfer_to_group")
	Assign              = post[AssignRequest]("messages/{id}/assign") // older form of Transfer
	ListClients         = get[ClientsRequest]("clients")
	GetClient           = get[IDRequest]("clients/{id}")
	GetTransports       = get[IDRequest]("clients/{id}/transport")
	LastQuestion        = get[IDRequest]("clients/{id}/last_question")
	ListClientDialog    = get[IDPage]("clients/{id}/dialogs")
	CreateClient        = post[CreateClientRequest]("clients") // see EnsureClient
	UpdateClient        = put[UpdateClientRequest]("clients/{id}")
	ListChannels        = get[ChannelsRequest]("channels")
	GetChannel          = get[IDRequest]("channels/{id}")
	HelpTransports      = get[None]("help/transports")
	ListTags            = get[Page]("tags")
	GetTag              = get[IDRequest]("tags/{id}")
	CreateTag           = post[CreateTagRequest]("tags")
	AssignTags          = post[AssignTagsRequest]("tags/assign_to")
	DeleteTag           = del[DeleteTagRequest]("tags/{id}/delete_from")
	ListOperators       = get[OperatorsRequest]("operators")
	CreateOperator      = post[FieldsRequest]("operators")
	UpdateOperator      = put[UpdateOperatorRequest]("operators/{id}")
	OperatorStatuses    = get[None]("operators/statuses")
	ListGroups          = get[Page]("operators_groups")
	ListAccessRights    = get[Page]("access_rights")
	GetAccessRight      = get[IDRequest]("access_rights/{id}")
	ListDialogs         = get[DialogsRequest]("dialogs")
	GetDialog           = get[IDRequest]("dialogs/{id}")
	UnansweredDialogs   = get[Page]("dialogs/unanswered")
	UpdateDialog        = put[UpdateDialogRequest]("dialogs/{id}")
	GetRequest          = get[IDRequest]("requests/{id}")
	RequestMessages     = get[IDRequest]("requests/{id}/messages")
	CloseRequests       = put[CloseRequest]("requests/close")
	ListTickets         = get[Page]("tickets")
	GetTicket           = get[TicketRequest]("tickets/{id}")
	CreateTicket        = post[FieldsRequest]("tickets")
	UpdateTicket        = put[UpdateTicketRequest]("tickets/{id}")
	DeleteTicket        = del[TicketRequest]("tickets/{id}")
	HelpTickets         = get[None]("help/tickets")
	Statistics          = get[StatisticsRequest]("statistics")
	ListWebhooks        = get[None]("webhooks")
	CreateWebhook       = post[WebhookRequest]("webhooks")
	UpdateWebhook       = put[UpdateWebhookRequest]("webhooks/{id}")
	DeleteWebhook       = del[IDRequest]("webhooks/{id}")
	SetWebHook          = post[URLRequest]("companies/web_hook")            // older than webhooks
	SetChatCloseWebHook = post[URLRequest]("companies/chat_close_web_hook") // older than webhooks
	ListTemplates       = get[Page]("templates")
	GetTemplate         = get[IDRequest]("templates/{id}")
	MenuItems           = get[MenuItemsRequest]("scenarios/menu_items")
	CustomFields        = get[Page]("custom_client_fields")
	APIInfo             = get[None]("companies/api_info")
	CompanyInfo         = get[None]("companies/info")
	UpdateCompany       = put[FieldsRequest]("companies") // known from an old manual only
	APIModes            = get[None]("help/api_modes")
	HelpRoles           = get[None]("help/roles")
	HelpDialogStates    = get[None]("help/dialog_states")
	ListRegions         = get[Page]("regions")
	ListCountries       = get[Page]("countries")
	QRDecode            = post[ImageRequest]("qr-decode")
)

// EnsureClient makes a client, or finds the one that exists: Chat2Desk then refuses, and tells the id in its refusal.
func EnsureClient(ctx context.Context, c *Client, in CreateClientRequest) (id int64, err error) {
	var p Person
	err = CreateClient.Do(ctx, c, in, &p)
	if id, ok := ExistingClient(err); ok {
		return id, nil
	}
	if err == nil && p.ID.Int() == 0 {
		err = &NoReplyError{Call: CreateClient.Name(), Reason: ReplyInvalid, Sent: true, Err: errors.New("the reply has no id")}
	}
	return p.ID.Int(), err
}

// Send makes the call SendMessage and insists on the message's id.
func Send(ctx context.Context, c *Client, in SendRequest) (m Message, err error) {
	err = SendMessage.Do(ctx, c, in, &m)
	if err == nil && m.MessageID == "" {
		err = &NoReplyError{Call: SendMessage.Name(), Reason: ReplyInvalid, Sent: true, Err: errors.New("the reply has no message_id")}
	}
	return m, err
}
