package chatondeskapi

import (
	"bytes"
	"encoding/json"
	"regexp"
)

// Requests, each with the documented fields of its call. Times are written YYYY-MM-DD HH:MM:SS; their zone is not documented.
type (
	// None is the input of calls without fields.
	None struct{}
	// TemplateRequest is the input of structuredpush with type template.
	TemplateRequest struct {
		StructureID string `json:"structureid" jsonschema:"id of the template"`
		Channel     string `json:"channel" jsonschema:"system name, such as whatsapp or smsalert"`
		Phone       string `json:"phone" jsonschema:"one number, or several separated by commas; with or without country code"`
		Data        Values `json:"data,omitempty" jsonschema:"values of the template's placeholders, by name"`
		Schedule    string `json:"schedule,omitempty" jsonschema:"YYYY-MM-DD HH:MM:SS; known from the vendor's plugin only"`
	}
	// TextRequest is the input of structuredpush with type message.
	TextRequest struct {
		Phone   string `json:"phone" jsonschema:"one number, or several separated by commas; with or without country code"`
		Channel string `json:"channel" jsonschema:"system name, such as whatsapp or smsalert"`
		Message string `json:"message"`
	}
	// ProfileRequest is the input of createprofile.
	ProfileRequest struct {
		Datas ProfileData `json:"datas"`
	}
	// ProfileData describes a new profile. The spelling of the last field is the vendor's.
	ProfileData struct {
		Name              string   `json:"name,omitempty"`
		Email             string   `json:"email,omitempty"`
		Phone             string   `json:"phone,omitempty"`
		BotID             string   `json:"bot_id,omitempty"`
		Chatuserchennelid []string `json:"Chatuserchennelid,omitempty" jsonschema:"system names of channels"`
	}
	// HistoryRequest is the input of chathistory.
	HistoryRequest struct {
		ProfileID string `json:"profile_id"`
		Limit     string `json:"limit,omitempty" jsonschema:"records on a page; default 10"`
		Page      string `json:"page,omitempty" jsonschema:"default 1"`
		Order     string `json:"order,omitempty" jsonschema:"asc or desc"`
	}
	// TemplatesRequest is the input of templatelist.
	TemplatesRequest struct {
		Limit      string `json:"limit,omitempty" jsonschema:"number of templates; the greatest is not documented"`
		SearchName string `json:"searchname,omitempty" jsonschema:"part of the template's name"`
	}
	// SendCodeRequest is the input of mverify that sends a one-time code.
	SendCodeRequest struct {
		StructureID string `json:"structureid" jsonschema:"id of the template"`
		Channel     string `json:"channel" jsonschema:"system name, such as whatsapp or smsalert"`
		Phone       string `json:"phone"`
		Data        Values `json:"data,omitempty" jsonschema:"values of the template's placeholders, by name"`
	}
	// CheckCodeRequest is the input of mverify that checks a one-time code.
	CheckCodeRequest struct {
		Channel string `json:"channel" jsonschema:"system name, such as whatsapp or smsalert"`
		Phone   string `json:"phone"`
		Code    string `json:"code" jsonschema:"what the person entered"`
	}
	// RemindersRequest is the input of reminderlist.
	RemindersRequest struct {
		ProfileID string `json:"profile_id,omitempty"`
		ID        string `json:"id,omitempty"`
		Limit     string `json:"limit,omitempty"`
		Page      string `json:"page,omitempty"`
		Order     string `json:"order,omitempty" jsonschema:"asc or desc"`
	}
	// CreateReminderRequest is the input of createreminder.
	CreateReminderRequest struct {
		ProfileID string `json:"profile_id"`
		Message   string `json:"message"`
		ReminderDetails
	}
	// UpdateReminderRequest is the input of updatereminder.
	UpdateReminderRequest struct {
		ID        string `json:"id"`
		ProfileID string `json:"profile_id,omitempty"`
		Message   string `json:"message,omitempty"`
		ReminderDetails
	}
	// ReminderDetails are the fields that creating and updating share.
	ReminderDetails struct {
		Time      string `json:"time,omitempty" jsonschema:"YYYY-MM-DD HH:MM:SS"`
		SentTo    string `json:"sent_to,omitempty" jsonschema:"user or self"`
		Status    string `json:"status,omitempty" jsonschema:"active, completed or canceled"`
		Type      string `json:"type,omitempty" jsonschema:"one-time or recurring"`
		Frequency string `json:"frequency,omitempty" jsonschema:"of recurring ones: daily, weekly, monthly or yearly"`
		Value     string `json:"value,omitempty" jsonschema:"repetitions, such as 1, 2 or 3"`
		EndTime   string `json:"endtime,omitempty" jsonschema:"of recurring ones: YYYY-MM-DD HH:MM:SS"`
	}
)

// Replies.
type (
	// Done is a reply that says only that it was done. No call of ChatOnDesk gives a message id.
	Done struct {
		Description string `json:"description"`
	}
	// ProfileCreated is the reply to createprofile.
	ProfileCreated struct {
		Description string `json:"description"`
		ProfileID   Text   `json:"profile_id"`
	}
	// ReminderSaved is the reply to createreminder and updatereminder.
	ReminderSaved struct {
		Description string `json:"description"`
		ReminderID  Text   `json:"reminder_id"`
	}
	// Verification is the reply to a check of a code. Only Verified tells: status and HTTP status are good in both cases.
	Verification struct {
		Description string `json:"description"`
		Verified    bool   `json:"verified"`
	}
	// List is the reply of calls that list. Description is set where the vendor answers with a text in the place of records.
	List[T any] struct {
		Description string `json:"description,omitempty"`
		Records     []T    `json:"records"`
	}
	// HistoryRecord is one record of chathistory.
	HistoryRecord struct {
		Chatlog Chatlog         `json:"Chatlog"`
		Channel Channel         `json:"Channel"`
		Profile json.RawMessage `json:"Profile,omitempty" jsonschema:"not documented; an empty array in the example"`
	}
	// Chatlog is one exchange of a conversation.
	Chatlog struct {
		Input    Text     `json:"input" jsonschema:"what the person wrote"`
		Response string   `json:"response" jsonschema:"what was answered: a JSON document in a text"`
		Date     string   `json:"date" jsonschema:"YYYY-MM-DD HH:MM:SS, zone not documented"`
		Messages []Values `json:"messages,omitempty" jsonschema:"the response, read; absent where it is not JSON"`
	}
	// Channel is a channel of the account.
	Channel struct {
		SystemName string `json:"system_name" jsonschema:"such as whatsapp, smsalert or website"`
	}
	// Record is one record of templatelist or channellist. The document's example of channellist shows templates.
	Record struct {
		Structuredtemplate *Structuredtemplate `json:"Structuredtemplate,omitempty"`
		Channel            *Channel            `json:"Channel,omitempty"`
	}
	// Structuredtemplate is a template; its id is the structureid of sending.
	Structuredtemplate struct {
		ID       Text   `json:"id"`
		Name     string `json:"name"`
		Template string `json:"template" jsonschema:"a JSON document in a text, with header and body"`
	}
	// Reminder is one record of reminderlist.
	Reminder struct {
		ID           Text   `json:"id"`
		ProfileID    Text   `json:"profile_id"`
		ReminderText string `json:"reminder_text"`
		CreatedAt    string `json:"created_at"`
	}
	// Balance is the reply to getbalance.
	Balance struct {
		Wallet Wallet `json:"Wallet"`
	}
	// Wallet is what the account has left.
	Wallet struct {
		Balance  Text `json:"balance"`
		Currency Text `json:"currency"`
	}
)

var placeholder = regexp.MustCompile(`##(\w+)##`)

// Placeholders returns the names between ## in the template, each once, in the order in which they first stand.
func (t *Structuredtemplate) Placeholders() []string {
	var names []string
	seen := map[string]bool{}
	for _, m := range placeholder.FindAllStringSubmatch(t.Template, -1) {
		if !seen[m[1]] {
			seen[m[1]] = true
			names = append(names, m[1])
		}
	}
	return names
}

// read decodes the document in Response: an array of objects, or one object.
func (l *Chatlog) read() {
	if json.Unmarshal([]byte(l.Response), &l.Messages) == nil {
		return
	}
	var one Values
	if l.Messages = nil; json.Unmarshal([]byte(l.Response), &one) == nil && one != nil {
		l.Messages = []Values{one}
	}
}

// Values are values by name. Numbers keep every digit, as json.Number.
type Values map[string]any

// UnmarshalJSON takes an object or null.
func (v *Values) UnmarshalJSON(raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode((*map[string]any)(v))
}

// UnmarshalJSON takes an object, and the empty array that stands for a record that is not there: the example of chathistory
// has one in the place of a profile.
func (c *Channel) UnmarshalJSON(raw []byte) error {
	if string(bytes.TrimSpace(raw)) == "[]" {
		*c = Channel{}
		return nil
	}
	type plain Channel
	return json.Unmarshal(raw, (*plain)(c))
}
