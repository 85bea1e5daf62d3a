package convrsapi

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"

	"github.com/hermodhq/hermod/sdk/vendorhttp"
)

// Acknowledgement codes of GetMessageDetails and of delivery callbacks.
const (
	AckNotOnWhatsApp = -2 // the user does not exist on WhatsApp
	AckError         = -1 // an error occurred; see whatsappErrorCode
	AckServer        = 0  // at the server (WhatsApp)
	AckSent          = 1
	AckDelivered     = 2
	AckRead          = 3 // WhatsApp only
	AckReplied       = 10
)

// User is a person who chats with one of your bots.
type User struct {
	UID       string `json:"uid"`
	Name      string `json:"name"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Bot       string `json:"bot" jsonschema:"Telegram, Messenger, Web, Line, Viber, CMS (SMS) or WA3 (WhatsApp)"`
	BotID     int    `json:"botID"`
	Lang      string `json:"lang"`
	Created   string `json:"created" jsonschema:"ISO 8601"`
	Notes     string `json:"notes"`
	Email     string `json:"email"`
	Phone     string `json:"phone"`
	URL       string `json:"url"`
}

// ConversationMessage is one message of a conversation. Which fields are set depends on the command.
type ConversationMessage struct {
	CID        json.RawMessage `json:"cid,omitempty"`
	UID        string          `json:"uid,omitempty"`
	Email      string          `json:"email,omitempty"`
	Name       string          `json:"name,omitempty"`
	Phone      string          `json:"phone,omitempty"`
	URL        string          `json:"url,omitempty"`
	AgentID    json.RawMessage `json:"aid,omitempty"`
	Agent      string          `json:"agent,omitempty"`
	AgentEmail string          `json:"agentemail,omitempty"`
	MID        string          `json:"mid,omitempty"`
	Msg        string          `json:"msg,omitempty"`
	Type       string          `json:"typ,omitempty" jsonschema:"text, image, note, transfer or system"`
	Sender     string          `json:"sender,omitempty" jsonschema:"client, agent or system"`
	Date       string          `json:"dt,omitempty"`
	Bot        string          `json:"bot,omitempty"`
}

// OpenConversation is one row of GetOpenConversations.
type OpenConversation struct {
	ID            json.RawMessage `json:"id"`
	UID           string          `json:"uid"`
	AgentID       json.RawMessage `json:"aid,omitempty"`
	Agent         string          `json:"agent,omitempty"`
	BotID         json.RawMessage `json:"bid,omitempty"`
	Start         string          `json:"sdt,omitempty"`
	AgentMessages int             `json:"aco"`
	UserMessages  int             `json:"uco"`
}

// Object holds values by name. Numbers keep every digit, as json.Number.
type Object map[string]any

// UnmarshalJSON takes an object or null.
func (o *Object) UnmarshalJSON(raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode((*map[string]any)(o))
}

// Requests, each with the fields of its command.
type (
	// None is the input of commands without fields and the output of commands that answer ok only.
	None struct{}
	// UserRequest names a user.
	UserRequest struct {
		UID string `json:"uid"`
	}
	// GetUsersRequest filters GetUsers.
	GetUsersRequest struct {
		BotID       int    `json:"botID,omitempty"`
		CreatedDate string `json:"CreatedDate,omitempty" jsonschema:"users created after this ISO 8601 date"`
	}
	// SetUserDataRequest is the input of SetUserData.
	SetUserDataRequest struct {
		UID       string `json:"uid"`
		Data      Object `json:"data"`
		Route     string `json:"route,omitempty" jsonschema:"flow route to trigger afterwards"`
		Overwrite int    `json:"overwrite,omitempty" jsonschema:"1 replaces all data instead of merging"`
	}
	// SetUserNameRequest is the input of SetUserName.
	SetUserNameRequest struct {
		UID  string `json:"uid"`
		Name string `json:"name" jsonschema:"3 to 50 characters"`
	}
	// SetUserEmailRequest is the input of SetUserEmail.
	SetUserEmailRequest struct {
		UID   string `json:"uid"`
		Email string `json:"email"`
	}
	// SetUserNotesRequest is the input of SetUserNotes.
	SetUserNotesRequest struct {
		UID   string `json:"uid"`
		Notes string `json:"notes" jsonschema:"at most 1024 characters"`
	}
	// SetUserPhoneRequest is the input of SetUserPhone.
	SetUserPhoneRequest struct {
		UID   string `json:"uid"`
		Phone string `json:"phone" jsonschema:"international phone number"`
	}
	// UserTagRequest names a user and an existing tag.
	UserTagRequest struct {
		UID string `json:"uid"`
		Tag string `json:"tag" jsonschema:"3 to 50 characters"`
	}
	// CreateUserTagRequest is the input of CreateUserTag.
	CreateUserTagRequest struct {
		Tag         string `json:"tag" jsonschema:"3 to 50 characters"`
		Color       string `json:"color,omitempty" jsonschema:"such as #FF5733"`
		Description string `json:"description,omitempty" jsonschema:"at most 100 characters"`
	}
	// GetConversationsFlatRequest bounds GetConversationsFlat; the fields' names on the wire are Options.StartField and EndField.
	GetConversationsFlatRequest struct {
		Start string `json:"start,omitempty" jsonschema:"ISO 8601"`
		End   string `json:"end,omitempty" jsonschema:"ISO 8601"`
	}
	// SendWhatsAppTemplateRequest is the input of SendWhatsAppTemplate.
	SendWhatsAppTemplateRequest struct {
		BotID          int         `json:"botID"`
		Phone          string      `json:"phone" jsonschema:"international mobile phone number"`
		Language       string      `json:"language"`
		TemplateName   string      `json:"templateName"`
		Parameters     []Parameter `json:"parameters,omitempty"`
		Header         Object      `json:"header,omitempty" jsonschema:"the shape is not documented"`
		AgentEmail     string      `json:"agentEmail,omitempty"`
		WebhookURL     string      `json:"webhookURL,omitempty"`
		WebhookPayload Object      `json:"webhookPayload,omitempty" jsonschema:"comes back with every callback"`
		WebhookHeaders []any       `json:"webhookHeaders,omitempty" jsonschema:"the shape of an element is not documented"`
	}
	// Parameter is one value of a template.
	Parameter struct {
		Type string `json:"type" jsonschema:"text"`
		Text string `json:"text"`
	}
	// GetWhatsAppTemplateRequest names a template.
	GetWhatsAppTemplateRequest struct {
		BotID        int    `json:"botID"`
		Language     string `json:"language"`
		TemplateName string `json:"templateName"`
	}
	// SendSMSMessageRequest is the input of SendSMSMessage.
	SendSMSMessageRequest struct {
		BotID      int    `json:"botID"`
		Phone      string `json:"phone" jsonschema:"international mobile phone number"`
		Message    string `json:"message"`
		AgentEmail string `json:"agentEmail,omitempty"`
	}
	// SendTextMessageRequest is the input of SendTextMessage.
	SendTextMessageRequest struct {
		UID     string `json:"uid"`
		Message string `json:"message" jsonschema:"at most 2000 characters"`
	}
	// SendMessageRequest is the input of SendMessage.
	SendMessageRequest struct {
		Phone    string `json:"phone"`
		Route    string `json:"route" jsonschema:"at most 256 characters"`
		Message  string `json:"message,omitempty" jsonschema:"at most 2000 characters"`
		UserData Object `json:"userdata,omitempty"`
	}
	// MessageRequest names a message of SendSMSMessage or SendWhatsAppTemplate.
	MessageRequest struct {
		MID string `json:"mid"`
	}
)

// Replies that are not one of the objects above.
type (
	// Sent is the reply to SendWhatsAppTemplate and SendSMSMessage; SendMessage sets MID only.
	Sent struct {
		PhoneNumber string `json:"phoneNumber,omitempty" jsonschema:"normalized"`
		CountryISO2 string `json:"countryIso2,omitempty"`
		UID         string `json:"uid,omitempty"`
		MID         string `json:"mid"`
	}
	// Template is a WhatsApp template as Convrs has it cached.
	Template struct {
		Name       string          `json:"name"`
		Language   string          `json:"language"`
		Status     string          `json:"status" jsonschema:"such as APPROVED"`
		Components json.RawMessage `json:"components,omitempty" jsonschema:"the shape is not documented; WhatsApp's own in practice"`
	}
	// MessageDetails is the reply to GetMessageDetails.
	MessageDetails struct {
		UID               string `json:"uid"`
		BotID             int    `json:"botID"`
		Ack               *int   `json:"ack" jsonschema:"-2 not on WhatsApp, -1 error, 0 at the server, 1 sent, 2 delivered, 3 read, 10 replied"`
		WhatsAppErrorCode int    `json:"whatsappErrorCode,omitempty"`
		WhatsAppErrorDesc string `json:"whatsappErrorDesc,omitempty"`
	}
)

// Command is one command of the API, from In to Out.
type Command[In, Out any] struct {
	name string
	from place
}

// Name returns the command's name on the wire.
func (cmd Command[In, Out]) Name() string { return cmd.name }

// Do runs the command. Its errors are *Error, *StatusError and *NoReplyError.
func (cmd Command[In, Out]) Do(ctx context.Context, c *Client, in In) (Out, error) {
	var out Out
	payload, err := c.do(ctx, cmd.name, in, cmd.from)
	if err == nil && len(payload) > 0 {
		if err = json.Unmarshal(payload, &out); err != nil {
			err = &NoReplyError{Call: cmd.name, Reason: vendorhttp.ReplyInvalid, Sent: true, Err: err}
		}
	}
	return out, err
}

// The commands.
var (
	GetUser              = Command[UserRequest, User]{"GetUser", inData}
	GetUsers             = Command[GetUsersRequest, []User]{"GetUsers", inData} // at most 5000, without paging: step by CreatedDate
	SetUserData          = Command[SetUserDataRequest, None]{"SetUserData", beside}
	SetUserName          = Command[SetUserNameRequest, None]{"SetUserName", beside}
	SetUserEmail         = Command[SetUserEmailRequest, None]{"SetUserEmail", beside}
	SetUserNotes         = Command[SetUserNotesRequest, None]{"SetUserNotes", beside}
	SetUserPhone         = Command[SetUserPhoneRequest, None]{"SetUserPhone", beside}
	GetUserTags          = Command[UserRequest, []string]{"GetUserTags", inData}
	SetUserTag           = Command[UserTagRequest, None]{"SetUserTag", beside} // the tag must exist
	DeleteUserTag        = Command[UserTagRequest, None]{"DeleteUserTag", beside}
	CreateUserTag        = Command[CreateUserTagRequest, int]{"CreateUserTag", inData} // returns 1
	GetConversation      = Command[UserRequest, []ConversationMessage]{"GetConversation", inData}
	GetConversationsFlat = Command[GetConversationsFlatRequest, []ConversationMessage]{"GetConversationsFlat", inData} // finished ones, at most 1000
	GetOpenConversations = Command[None, []OpenConversation]{"GetOpenConversations", inData}
	SendWhatsAppTemplate = Command[SendWhatsAppTemplateRequest, Sent]{"SendWhatsAppTemplate", beside}
	GetWhatsAppTemplate  = Command[GetWhatsAppTemplateRequest, Template]{"GetWhatsAppTemplate", inTemplate}
	SendSMSMessage       = Command[SendSMSMessageRequest, Sent]{"SendSMSMessage", beside}
	SendTextMessage      = Command[SendTextMessageRequest, None]{"SendTextMessage", beside} // no message id comes back
	SendMessage          = Command[SendMessageRequest, Sent]{"SendMessage", beside}         // through a route that is configured at Convrs
	GetMessageDetails    = Command[MessageRequest, MessageDetails]{"GetMessageDetails", beside}
)

// fields names the dates as the options say.
func (r GetConversationsFlatRequest) fields(o *Options) any {
	fields := map[string]string{o.StartField: r.Start, o.EndField: r.End}
	maps.DeleteFunc(fields, func(_, v string) bool { return v == "" })
	return fields
}
