package omnideskapi

import (
	"bytes"
	"encoding/json"
)

// The tag rule says what Omnidesk documents about a parameter: required, min and max (characters of text, value of numbers), re
// (a name in patterns), and where it goes when not into the body (path, query). Parameters of GET and DELETE go into the query.
// The parameters chatServer, chatAccountToken and channelID are taken from the options where they are empty. Zero values are
// not sent; a pointer is what tells a zero that means something from a parameter that is not given.

// Parameters that several operations share.
type (
	None struct{} // the input of operations without parameters
	Item struct {
		ID int `json:"id" rule:"path required min=1"`
	} // names one item
	Fields       map[string]any // parameters by Omnidesk's own names; numbers read from JSON keep every digit
	Undocumented struct {
		Fields Fields `json:"fields,omitempty" jsonschema:"parameters by Omnidesk's own names"`
	} // holds parameters that Omnidesk does not document, or that are an account's own
	ItemFields struct {
		Item
		Undocumented
	} // is Undocumented for one item
	Page struct {
		ItemStart *int `json:"itemStart,omitempty" rule:"min=0" jsonschema:"first item, from 0"`
		ItemLimit *int `json:"itemLimit,omitempty" rule:"min=1" jsonschema:"items at most; 15 when not given"`
	} // bounds a list; each has a documented maximum of its own
	List struct {
		Query string `json:"query,omitempty" rule:"min=1 re=query" jsonschema:"search for this: letters, digits and spaces"`
		Page
	} // is the input of lists whose search is bounded
	FreeList struct {
		Query string `json:"query,omitempty" rule:"min=1" jsonschema:"search for this"`
		Page
	} // is the input of lists whose search is not bounded
)

// Parameters of the Chat controller. "User" is the agent at Omnidesk.
type (
	Server struct {
		ChatServer string `json:"chatServer,omitempty" rule:"required min=5 re=server" jsonschema:"base URL of your hooks; the account's own when not given"`
	} // the base URL of your hooks
	Token struct {
		ChatAccountToken string `json:"chatAccountToken,omitempty" rule:"required min=10 re=token" jsonschema:"the account's own when not given"`
	} // the chat account's token, made in Omnidesk
	ChatConfig struct {
		Server
		Token
	} // the input of requestChatConfig
	ChatMessage struct {
		ChatConfig
		ChatSessionID            string `json:"chatSessionID" rule:"required min=10 max=65 re=session" jsonschema:"your id of the session; another id makes another ticket"`
		ChannelID                *int   `json:"channelID,omitempty" rule:"min=1" jsonschema:"8 is live chat"`
		Message                  string `json:"message" rule:"required min=1"`
		URL                      string `json:"url,omitempty" rule:"min=1" jsonschema:"page that the chat came from"`
		MessageNumber            *int   `json:"messageNumber,omitempty" rule:"min=1 max=50"`
		UsedPredefinedUserInput  any    `json:"usedPredefinedUserInput,omitempty" rule:"min=1" jsonschema:"text, or the boolean of the documented default"`
		AdditionalData           string `json:"additionalData,omitempty" rule:"min=1"`
		ExternalAddressOverwrite string `json:"externalAddressOverwrite,omitempty" rule:"min=1"`
		CustomerName             string `json:"customerName,omitempty" rule:"re=name" jsonschema:"letters a to z, digits and spaces"`
		EmailAddress             string `json:"emailAddress,omitempty" rule:"re=email"`
		PhoneNumber              string `json:"phoneNumber,omitempty" rule:"re=phone" jsonschema:"with a leading +"`
	} // the input of notifyUserNewChatMessage
	ChatEnd struct {
		Server
		ChatSessionID string `json:"chatSessionID" rule:"required min=10 re=plainsession" jsonschema:"letters, digits and hyphens; no leading + here"`
	} // the input of notifyUserEndChat
	ChatEvent struct {
		ChatEnd
		Event string `json:"event" rule:"required" jsonschema:"such as startedtyping; the other values are not documented"`
	} // the input of notifyUserNewChatEvent
	ChatVisit struct {
		ChatEnd
		URL string `json:"url" rule:"required min=4"`
	} // the input of notifyUserVisited
	ChatAttachment struct {
		ChatServer       string `json:"chatServer,omitempty" rule:"query required min=5 re=server" jsonschema:"base URL of your hooks; the account's own when not given"`
		ChatSessionID    string `json:"chatSessionID" rule:"query required min=10 re=session"`
		ChatAccountToken string `json:"chatAccountToken,omitempty" rule:"query required min=10 re=token" jsonschema:"the account's own when not given"`
		PhoneNumber      string `json:"phoneNumber,omitempty" rule:"query re=anyphone"`
		MessageNumber    *int   `json:"messageNumber,omitempty" rule:"query"`
		File             string `json:"file" rule:"file required" jsonschema:"base64"`
		FileName         string `json:"fileName,omitempty" rule:"filename" jsonschema:"used where files are sent as binary parts only"`
	} // the input of addAttachment: all of it goes into the query but the file
	ChatOrigin struct {
		ChatConfig
		Origin string `json:"origin" rule:"required min=1 re=origin" jsonschema:"host name"`
		IP     string `json:"ip" rule:"required min=5"`
	} // the input of checkOriginAndIP
)

// Parameters of the other controllers.
type (
	NewMessage struct {
		TicketID         int     `json:"ticketID" rule:"required min=1"`
		Type             string  `json:"type" rule:"required min=1 re=messagetype" jsonschema:"a channel's number, calllog or contactform"`
		Message          string  `json:"message" rule:"required min=5"`
		ToAddress        *string `json:"toAddress,omitempty" jsonschema:"several e-mail addresses with a comma between"`
		CCInput          string  `json:"ccInput,omitempty" rule:"re=email"`
		BCCInput         string  `json:"bccInput,omitempty" rule:"re=email"`
		RespondMessageID int     `json:"respondMessageID,omitempty"`
		Plaintext        string  `json:"plaintext,omitempty" jsonschema:"e-mail only; falls back to message"`
		ForwardedFileIDs []int   `json:"forwardedFileIDs,omitempty"`
		SendAt           string  `json:"sendAt,omitempty" rule:"re=time" jsonschema:"YYYY-MM-DD HH:MM:SS"`
		UserID           int     `json:"userID,omitempty"`
		SubmitStatus     string  `json:"submitStatus,omitempty" jsonschema:"such as open; the values are not documented"`
	} // the input of POST message. The ticket must exist
	ChatbotMessage struct {
		BrandID int    `json:"brandID" rule:"required min=1"`
		Message string `json:"message" rule:"required min=1"`
		Subject string `json:"subject" rule:"required min=1"`
		From    string `json:"from" rule:"required min=1"`
	} // the input of POST message/chatbot: a ticket and its message
	TicketList struct {
		ApplyView      string `json:"applyView,omitempty" rule:"min=2 re=view"`
		Query          string `json:"query,omitempty"`
		SearchArchived string `json:"searchArchived,omitempty" jsonschema:"default no; the other values are not documented"`
		Status         string `json:"status,omitempty" jsonschema:"new, open, pending, holding or solved are known"`
		Page
	} // the input of GET ticket
	TicketItem struct {
		Item
		GetTicketHistory *bool `json:"getTicketHistory,omitempty" jsonschema:"adds events to the timeline"`
	} // the input of GET ticket/{id}
	NewCustomer struct {
		TicketID            int    `json:"ticket_id,omitempty"`
		NoSync              *bool  `json:"noSync,omitempty"`
		CustomerLinkChannel string `json:"customer_link_channel,omitempty" jsonschema:"e-mail address, E.164 phone number or account"`
		FirstName           string `json:"firstname,omitempty"`
		LastName            string `json:"lastname,omitempty"`
		BrandID             int    `json:"brand_id,omitempty"`
		PrimaryID           string `json:"primary_id,omitempty"`
		ChannelID           string `json:"channel_id,omitempty" rule:"re=linkchannel" jsonschema:"email, telephone, facebook or twitter"`
		Undocumented
	} // the input of POST customer
	CustomerUpdate struct {
		ExternalPrimaryID string  `json:"externalPrimaryID,omitempty"`
		BrandID           int     `json:"brandID,omitempty"`
		FirstName         *string `json:"firstname,omitempty"`
		LastName          *string `json:"lastname,omitempty"`
		Undocumented
	} // the input of PUT customer/updateCustomer. What is absent is kept
	FormItem struct {
		Item
		TicketID int `json:"ticketID,omitempty" jsonschema:"return this ticket's values"`
	} // the input of GET form/{id}
	FormField struct {
		FormID           int      `json:"form_id,omitempty"`
		Title            string   `json:"title,omitempty"`
		InputType        string   `json:"input_type,omitempty" rule:"re=inputtype" jsonschema:"text, textarea, textreadonly, texthidden, select, selectreadonly or selecthidden"`
		FieldOrder       *int     `json:"field_order,omitempty"`
		RequiredStatuses []string `json:"required_statuses,omitempty" rule:"re=status" jsonschema:"open, pending, holding, solved"`
	} // the input of POST formfield
	FormFieldUpdate struct {
		Item
		FormField
		ExternalCode *string `json:"external_code,omitempty"`
	} // the input of PUT formfield/{id}
	UserList struct {
		FreeList
		ActiveOnly *bool `json:"activeOnly,omitempty"`
		Extended   *bool `json:"extended,omitempty" jsonschema:"true when not given"`
	} // the input of GET user
	UserSettings struct {
		UserID int `json:"userID,omitempty"`
	} // the input of GET user/settings
	NewChannel struct {
		Name                  string  `json:"name,omitempty" rule:"re=channelname"`
		Icon                  string  `json:"icon,omitempty" rule:"re=icon" jsonschema:"chat when not given"`
		CustomChannelEndpoint string  `json:"custom_channel_endpoint,omitempty" rule:"re=endpoint" jsonschema:"where Omnidesk posts agents' messages"`
		CustomChannelSecret   *string `json:"custom_channel_secret,omitempty"`
		IncludeSignature      *bool   `json:"include_signature,omitempty" jsonschema:"the agent's text signature"`
	} // the input of POST channel
	ChannelUpdate struct {
		Item
		NewChannel
		WarningEN              *string `json:"custom_channel_warning_en,omitempty"`
		WarningNL              *string `json:"custom_channel_warning_nl,omitempty"`
		AvailableInQuickTicket *bool   `json:"custom_channel_available_in_quick_ticket,omitempty"`
	} // the input of PUT channel/{id}
	AnyCall struct {
		Method string `json:"method" rule:"method required re=method" jsonschema:"GET, POST, PUT or DELETE"`
		Path   string `json:"path" rule:"path required re=path" jsonschema:"below /api/v2/, such as statisticsv2"`
		Query  Fields `json:"query,omitempty" rule:"query"`
		Fields Fields `json:"fields,omitempty" jsonschema:"body"`
	} // a call of what this package does not name
)

// UnmarshalJSON reads an object.
func (f *Fields) UnmarshalJSON(raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode((*map[string]any)(f))
}
