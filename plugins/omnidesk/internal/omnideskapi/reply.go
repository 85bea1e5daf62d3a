package omnideskapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/hermodhq/hermod/sdk/vendorhttp"
)

// Reply is what an endpoint answers. Omnidesk describes few answers: those in one of its envelopes (type items, item or result)
// fill the fields; any other JSON but a mere text is in Item or Items, and a file in Data. An empty answer is a good one.
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

// Empty says whether the answer was empty.
func (r *Reply) Empty() bool { return r.Type == "" && r.Items == nil && r.Item == nil && r.Data == "" }

// envelope has all documented envelopes. No type of a member makes it unreadable: an error must not pass for a good answer.
type envelope struct {
	Type      text            `json:"type"`
	Status    text            `json:"status"`
	Message   text            `json:"message"`
	TicketID  number          `json:"ticketID"`
	ItemStart number          `json:"itemStart"`
	ItemTotal number          `json:"itemTotal"`
	ItemLimit number          `json:"itemLimit"`
	Items     json.RawMessage `json:"items"`
	Item      json.RawMessage `json:"item"`
}

// text is a text; anything else is its JSON, null is empty.
type text string

// UnmarshalJSON does not fail.
func (t *text) UnmarshalJSON(raw []byte) error {
	if json.Unmarshal(raw, (*string)(t)) != nil {
		*t = text(raw)
	}
	return nil
}

// number is a number or a text that is one; anything else, and what fits no int, is 0.
type number int

// UnmarshalJSON does not fail.
func (n *number) UnmarshalJSON(raw []byte) error {
	if v, err := strconv.Atoi(strings.Trim(string(raw), `"`)); err == nil {
		*n = number(v)
	}
	return nil
}

// open reads an answer. An error envelope is an error with any HTTP status.
func open(call string, a *vendorhttp.Reply, files bool) (Reply, error) {
	body := bytes.TrimSpace(bytes.TrimPrefix(a.Body, []byte("\ufeff")))
	var e envelope
	known := len(body) > 0 && body[0] == '{' && json.Unmarshal(body, &e) == nil
	if !a.OK() || e.Type == "error" || e.Status == "error" {
		return Reply{}, &Error{Call: call, Status: a.Status, Text: string(e.Message), RetryAfter: a.RetryAfter}
	}
	var items []json.RawMessage
	switch list := json.Unmarshal(e.Items, &items) == nil && items != nil; {
	case len(body) == 0:
		return Reply{}, nil
	case known && (e.Type == "result" || list || e.Item != nil):
		return Reply{Type: string(e.Type), Message: string(e.Message), TicketID: int(e.TicketID), ItemStart: int(e.ItemStart), ItemTotal: int(e.ItemTotal),
			ItemLimit: int(e.ItemLimit), Items: items, Item: e.Item}, nil
	case body[0] == '[' && json.Unmarshal(body, &items) == nil:
		return Reply{Items: items}, nil
	case json.Valid(body) && (body[0] != '"' || files): // a mere text, such as "busy", is no answer
		return Reply{Item: body}, nil
	case files:
		return Reply{ContentType: a.Header.Get("Content-Type"), Data: base64.StdEncoding.EncodeToString(a.Body)}, nil
	}
	return Reply{}, &NoReplyError{Call: call, Reason: vendorhttp.ReplyInvalid, Sent: true, Err: errors.New("the answer is no JSON, or a mere text")}
}
