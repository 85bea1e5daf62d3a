package chat2deskapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strconv"
	"time"
)

// Text is a value that comes as text, as a number or as null. Anything else reads as empty.
type Text string

// UnmarshalJSON takes every value.
func (t *Text) UnmarshalJSON(raw []byte) error {
	switch {
	case raw[0] == '"':
		return json.Unmarshal(raw, (*string)(t))
	case raw[0] != '{' && raw[0] != '[' && !bytes.Equal(raw, []byte("null")):
		*t = Text(raw)
	}
	return nil
}

// Int reads a number; anything else is 0.
func (t Text) Int() int64 {
	n, _ := strconv.ParseInt(string(t), 10, 64)
	return n
}

// The objects whose fields matter most; read all others into types of your own, or into a map. encoding/json finds names without
// regard to case.
type (
	// Media are a message's files: absolute URLs, or paths below a storage host. Broken attachments have no link.
	Media struct {
		Photo, Video, Audio, PDF Text
		Attachments              []struct{ Name, Link Text }
	}
	// Message is a message of GET messages, or the answer to POST messages, which says message_id. Status and RecipientStatus are no
	// documented set.
	Message struct {
		MessageID                                  Text `json:"message_id"`
		ID, Text, Transport, Type, Created, Status Text
		RecipientStatus                            Text            `json:"recipient_status"`
		DialogID                                   Text            `json:"dialog_id"`
		OperatorID                                 Text            `json:"operator_id"`
		ChannelID                                  Text            `json:"channel_id"`
		ClientID                                   Text            `json:"client_id"`
		RequestID                                  Text            `json:"request_id"`
		ExternalID                                 Text            `json:"external_id"`
		Coordinates                                Text            // of a place, in the place of a text
		ExtraData                                  json.RawMessage `json:"extra_data"`
		Media
	}
	// Person is a client: one who writes to the company. Phone is digits, or "[tg] 900100" and the like where there is no number.
	// What is written as nickname is AssignedName here, and assigned_phone is ClientPhone.
	Person struct {
		ID, Name, Username, Comment, Phone Text
		AssignedName                       Text            `json:"assigned_name"`
		ClientPhone                        Text            `json:"client_phone"`
		ExternalID                         Text            `json:"external_id"`
		ClientExternalID                   Text            `json:"client_external_id"`
		CustomFields                       map[string]Text `json:"custom_fields"`
		Channels                           []struct {
			ID         Text
			Transports []Text
		}
	}
)

// OwnID returns the external_id that the sender of the message gave, from either of its places.
func (m *Message) OwnID() string {
	var extra struct {
		ExternalID Text `json:"external_id"`
	}
	if m.ExternalID == "" {
		_ = json.Unmarshal(m.ExtraData, &extra) // absent as a rule
	}
	return string(cmp.Or(m.ExternalID, extra.ExternalID))
}

// ParseTime reads the times of the API: "2020-03-08T22:24:48 UTC", ISO 8601, Unix seconds. The zero time stands for anything else. A
// time without a zone is taken for UTC; those of statistics are in the company's zone, which no answer names.
func ParseTime(s string) time.Time {
	for _, layout := range []string{"2006-01-02T15:04:05 UTC", time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 0 && n < 1<<35 {
		return time.Unix(n, 0).UTC()
	}
	return time.Time{}
}

// Requests, each with the known fields of its endpoint.
type (
	// None is the input of endpoints without fields.
	None struct{}
	// IDRequest names one thing by its id.
	IDRequest struct {
		ID int64 `json:"id"`
	}
	// Page says which rows of a list are wanted.
	Page struct {
		Limit  int `json:"limit,omitempty" jsonschema:"rows; default 20, at most 200"`
		Offset int `json:"offset,omitempty" jsonschema:"rows to leave out; default 0"`
	}
	// IDPage is a page of what belongs to one thing.
	IDPage struct {
		ID int64 `json:"id"`
		Page
	}
	// MessagesRequest filters GET messages, whose pages begin at StartID; what Offset does there today is not known. Filters that
	// Chat2Desk does not know are ignored by it.
	MessagesRequest struct {
		Page
		Order            string `json:"order,omitempty" jsonschema:"asc or desc"`
		StartID          int64  `json:"start_id,omitempty"`
		DirectionReverse bool   `json:"direction_reverse,omitempty" jsonschema:"with start_id: older messages"`
		Transport        string `json:"transport,omitempty"`
		ChannelID        int64  `json:"channel_id,omitempty"`
		ClientID         int64  `json:"client_id,omitempty"`
		Type             string `json:"type,omitempty" jsonschema:"to_client, from_client, autoreply or system"`
		DialogID         int64  `json:"dialog_id,omitempty"`
		Read             *int   `json:"read,omitempty" jsonschema:"0 or 1"`
		OperatorID       int64  `json:"operator_id,omitempty"`
		StartDate        string `json:"start_date,omitempty" jsonschema:"seen as DD-MM-YYYY"`
		FinishDate       string `json:"finish_date,omitempty" jsonschema:"seen as DD-MM-YYYY"`
	}
	// Button is a button below a message or of a keyboard.
	Button struct {
		Type    string `json:"type" jsonschema:"reply, location, phone, email or url"`
		Text    string `json:"text"`
		Payload string `json:"payload,omitempty"`
		Color   string `json:"color,omitempty" jsonschema:"red, green, blue or yellow; online chat only"`
		URL     string `json:"url,omitempty" jsonschema:"of type url"`
	}
	// Keyboard is a reply keyboard.
	Keyboard struct {
		Buttons []Button `json:"buttons"`
	}
	// SendRequest is the body of POST messages.
	SendRequest struct {
		ClientID           int64           `json:"client_id"`
		Text               string          `json:"text,omitempty" jsonschema:"required unless there is a file"`
		Attachment         string          `json:"attachment,omitempty" jsonschema:"public direct URL"`
		AttachmentFilename string          `json:"attachment_filename,omitempty"`
		PDF                string          `json:"pdf,omitempty" jsonschema:"URL; older than attachment"`
		Type               string          `json:"type,omitempty" jsonschema:"to_client (default), autoreply, system (not sent) or comment (internal note)"`
		Transport          string          `json:"transport,omitempty" jsonschema:"default: that of the client's last message"`
		ChannelID          int64           `json:"channel_id,omitempty" jsonschema:"default: that of the client's last message"`
		OperatorID         int64           `json:"operator_id,omitempty" jsonschema:"default: that of the dialog"`
		OpenDialog         *bool           `json:"open_dialog,omitempty" jsonschema:"default true"`
		Encrypted          bool            `json:"encrypted,omitempty"`
		ExternalID         string          `json:"external_id,omitempty" jsonschema:"the caller's own id; not enforced to be unique"`
		ReplyMessageID     int64           `json:"reply_message_id,omitempty" jsonschema:"the message to quote"`
		InlineButtons      []Button        `json:"inline_buttons,omitempty"`
		Keyboard           *Keyboard       `json:"keyboard,omitempty"`
		Interactive        json.RawMessage `json:"interactive,omitempty" jsonschema:"list or buttons for wa_dialog; the shape is not documented"`
	}
	// FromClient says whose message it is: exactly one of ID and Phone.
	FromClient struct {
		ID       string `json:"id,omitempty" jsonschema:"id in the external source"`
		Phone    string `json:"phone,omitempty" jsonschema:"digits"`
		Nickname string `json:"nickname,omitempty"`
		Avatar   string `json:"avatar,omitempty" jsonschema:"URL"`
	}
	// InboxRequest is the body of POST messages/inbox.
	InboxRequest struct {
		ChannelID          int64          `json:"channel_id" jsonschema:"the external channel"`
		Body               string         `json:"body,omitempty" jsonschema:"required unless there is a file"`
		FromClient         FromClient     `json:"from_client"`
		Transport          string         `json:"transport,omitempty"`
		ClientPhone        string         `json:"client_phone,omitempty"`
		CustomFields       map[string]any `json:"custom_fields,omitempty" jsonschema:"values by field id"`
		Attachment         string         `json:"attachment,omitempty" jsonschema:"URL"`
		AttachmentFilename string         `json:"attachment_filename,omitempty" jsonschema:"together with attachment only"`
		Image              string         `json:"image,omitempty" jsonschema:"URL; older than attachment"`
		Video              string         `json:"video,omitempty" jsonschema:"URL; older than attachment"`
		Location           map[string]any `json:"location,omitempty" jsonschema:"lat and lon"`
		ExternalID         string         `json:"external_id,omitempty" jsonschema:"one client has it in extra_data"`
		ExtraData          map[string]any `json:"extra_data,omitempty"`
	}
	// AssignRequest hands a message's dialog to an operator, in the older way.
	AssignRequest struct {
		ID         int64 `json:"id"`
		OperatorID int64 `json:"operator_id"`
	}
	// TransferRequest hands a message's dialog to an operator.
	TransferRequest struct {
		AssignRequest
		ForceAssign *bool `json:"force_assign,omitempty" jsonschema:"goes out as force, too: which of the two is read is not known"`
	}
	// GroupTransferRequest hands a message's dialog to an operator group.
	GroupTransferRequest struct {
		ID          int64 `json:"id"`
		GroupID     int64 `json:"group_id"`
		ForceAssign *bool `json:"force_assign,omitempty" jsonschema:"goes out as force, too: which of the two is read is not known"`
	}
	// ClientsRequest filters GET clients.
	ClientsRequest struct {
		Page
		Order string `json:"order,omitempty" jsonschema:"asc or desc"`
		Phone string `json:"phone,omitempty" jsonschema:"digits"`
		Tags  string `json:"tags,omitempty" jsonschema:"tag ids, separated by commas"`
	}
	// CreateClientRequest is the body of POST clients.
	CreateClientRequest struct {
		Phone         string         `json:"phone" jsonschema:"digits with country code"`
		Transport     string         `json:"transport"`
		ChannelID     int64          `json:"channel_id,omitempty" jsonschema:"required by some sources, optional by others"`
		Nickname      string         `json:"nickname,omitempty" jsonschema:"comes back as assigned_name"`
		AssignedPhone string         `json:"assigned_phone,omitempty" jsonschema:"comes back as client_phone"`
		Name          string         `json:"name,omitempty"`
		CustomFields  map[string]any `json:"custom_fields,omitempty" jsonschema:"values by field id"`
	}
	// UpdateClientRequest changes a client.
	UpdateClientRequest struct {
		ID            int64          `json:"id"`
		Name          string         `json:"name,omitempty"`
		Nickname      *string        `json:"nickname,omitempty" jsonschema:"comes back as assigned_name"`
		Comment       *string        `json:"comment,omitempty"`
		ExtraComment1 *string        `json:"extra_comment_1,omitempty"`
		ExtraComment2 *string        `json:"extra_comment_2,omitempty"`
		ExtraComment3 *string        `json:"extra_comment_3,omitempty"`
		ExternalID    any            `json:"external_id,omitempty" jsonschema:"text or number"`
		CustomFields  map[string]any `json:"custom_fields,omitempty" jsonschema:"values by field id"`
	}
	// ChannelsRequest filters GET channels.
	ChannelsRequest struct {
		Page
		Phone string `json:"phone,omitempty"`
	}
	// CreateTagRequest is the body of POST tags.
	CreateTagRequest struct {
		TagGroupID     int64  `json:"tag_group_id"`
		TagLabel       string `json:"tag_label"`
		TagDescription string `json:"tag_description,omitempty"`
		TagBgColor     string `json:"tag_bg_color,omitempty"`
		TagTextColor   string `json:"tag_text_color,omitempty"`
		OrderShow      int    `json:"order_show,omitempty"`
	}
	// AssignTagsRequest puts tags on a client or a request.
	AssignTagsRequest struct {
		TagIDs       []int64 `json:"tag_ids"`
		AssigneeType string  `json:"assignee_type" jsonschema:"client or request"`
		AssigneeID   int64   `json:"assignee_id"`
	}
	// DeleteTagRequest takes a tag from a client or a request.
	DeleteTagRequest struct {
		ID        int64 `json:"id" jsonschema:"the tag"`
		ClientID  int64 `json:"client_id,omitempty"`
		RequestID int64 `json:"request_id,omitempty"`
	}
	// OperatorsRequest filters GET operators.
	OperatorsRequest struct {
		Page
		Phone  string `json:"phone,omitempty"`
		Email  string `json:"email,omitempty"`
		Online *int   `json:"online,omitempty" jsonschema:"0 or 1"`
		Role   string `json:"role,omitempty"`
		Status string `json:"status,omitempty"`
	}
	// FieldsRequest is the body of an endpoint whose fields no public document tells.
	FieldsRequest struct {
		Fields map[string]any `json:"fields" jsonschema:"sent as the body"`
	}
	// UpdateOperatorRequest changes an operator.
	UpdateOperatorRequest struct {
		ID       int64          `json:"id"`
		StatusID int64          `json:"status_id,omitempty"`
		Fields   map[string]any `json:"fields,omitempty" jsonschema:"further fields, which no public document tells"`
	}
	// TicketRequest names a ticket, such as TICK-910.
	TicketRequest struct {
		ID string `json:"id"`
	}
	// UpdateTicketRequest changes a ticket.
	UpdateTicketRequest struct {
		TicketRequest
		Fields map[string]any `json:"fields,omitempty" jsonschema:"what to change; no public document tells the names beside summary and description"`
	}
	// DialogsRequest filters GET dialogs.
	DialogsRequest struct {
		Page
		Order      string `json:"order,omitempty" jsonschema:"asc or desc"`
		OperatorID int64  `json:"operator_id,omitempty"`
		State      string `json:"state,omitempty" jsonschema:"open or closed"`
	}
	// UpdateDialogRequest opens, closes or hands over a dialog.
	UpdateDialogRequest struct {
		ID          int64           `json:"id"`
		State       string          `json:"state,omitempty" jsonschema:"open or closed"`
		OperatorID  json.RawMessage `json:"operator_id,omitempty" jsonschema:"a number, or null for nobody"`
		InitiatorID int64           `json:"initiator_id,omitempty"`
		ForceAssign *bool           `json:"force_assign,omitempty"`
	}
	// CloseRequest closes the requests of a client.
	CloseRequest struct {
		ClientID int64 `json:"client_id"`
	}
	// StatisticsRequest names a report of one day.
	StatisticsRequest struct {
		Report string `json:"report" jsonschema:"rating, request_stats, operator_events, operator_stats or operator_replies (the last name is inferred)"`
		Date   string `json:"date" jsonschema:"YYYY-MM-DD"`
		Page
	}
	// WebhookRequest creates a webhook.
	WebhookRequest struct {
		Name     string   `json:"name"`
		URL      string   `json:"url"`
		Events   []string `json:"events"`
		Channels []int64  `json:"channels,omitzero" jsonschema:"only events of these channels; an empty list is all of them"`
		Status   string   `json:"status,omitempty" jsonschema:"enable or disable"`
		Order    int      `json:"order,omitempty"`
	}
	// UpdateWebhookRequest changes a webhook.
	UpdateWebhookRequest struct {
		ID int64 `json:"id"`
		WebhookRequest
	}
	// URLRequest sets one of the two older webhooks; an empty URL removes it.
	URLRequest struct {
		URL string `json:"url"`
	}
	// MenuItemsRequest filters GET scenarios/menu_items.
	MenuItemsRequest struct {
		ChannelID int64 `json:"channel_id,omitempty"`
	}
	// ImageRequest names a picture.
	ImageRequest struct {
		ImagePath string `json:"image_path" jsonschema:"URL"`
	}
)
