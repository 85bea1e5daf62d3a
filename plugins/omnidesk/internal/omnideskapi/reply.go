package omnideskapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
)

// Reply is what an endpoint answers. Omnidesk describes few answers: those in one of its envelopes (type items, item or result)
// fill the fields; any other JSON is in Item or Items, and what is no JSON in Data. An empty answer is a good one.
type Reply struct {
	Type        string            `json:"type,omitempty" jsonschema:"items, item or result; empty where the answer has no envelope"`
	Message     string            `json:"message,omitempty" jsonschema:"of a result, such as Message sent."`
	TicketID    int               `json:"ticketID,omitempty"`
	ItemStart   int               `json:"itemStart,omitempty"`
	ItemTotal   int               `json:"itemTotal,omitempty"`
	ItemLimit   int               `json:"itemLimit,omitempty"`
	Items       []json.RawMessage `json:"items,omitempty"`
	Item        json.RawMessage   `json:"item,omitempty"`
	ContentType string            `json:"contentType,omitempty" jsonschema:"of data"`
	Data        string            `json:"data,omitempty" jsonschema:"base64, of an answer that is no JSON, such as a file"`
}

// envelope has all documented envelopes, with numbers that may come as text.
type envelope struct {
	Type      string            `json:"type"`
	Status    any               `json:"status"`
	Message   string            `json:"message"`
	TicketID  json.Number       `json:"ticketID"`
	ItemStart json.Number       `json:"itemStart"`
	ItemTotal json.Number       `json:"itemTotal"`
	ItemLimit json.Number       `json:"itemLimit"`
	Items     []json.RawMessage `json:"items"`
	Item      json.RawMessage   `json:"item"`
}

func (e *envelope) failed() bool { return e.Type == "error" || e.Status == "error" }

// open reads an answer. An error envelope is an error with any HTTP status.
func open(call string, a *answer) (Reply, error) {
	body := bytes.TrimSpace(a.body)
	var e envelope
	known := len(body) > 0 && body[0] == '{' && json.Unmarshal(body, &e) == nil
	switch ok := a.status >= 200 && a.status <= 299; {
	case !ok || known && e.failed():
		return Reply{}, &Error{Call: call, Status: a.status, Text: e.Message, RetryAfter: a.retryAfter}
	case len(body) == 0:
		return Reply{}, nil
	case known && (e.Type == "result" || e.Items != nil || e.Item != nil):
		return Reply{Type: e.Type, Message: e.Message, TicketID: number(e.TicketID), ItemStart: number(e.ItemStart), ItemTotal: number(e.ItemTotal),
			ItemLimit: number(e.ItemLimit), Items: e.Items, Item: e.Item}, nil
	case body[0] == '[':
		var items []json.RawMessage
		if json.Unmarshal(body, &items) == nil {
			return Reply{Items: items}, nil
		}
	case json.Valid(body):
		return Reply{Item: body}, nil
	}
	return Reply{ContentType: a.contentType, Data: base64.StdEncoding.EncodeToString(a.body)}, nil
}

// number is the value of a number; 0 when there is none.
func number(n json.Number) int {
	v, _ := strconv.Atoi(n.String())
	return v
}
