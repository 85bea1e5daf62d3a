package rules_test

import (
	"encoding/json"
	"time"

	"github.com/hermodhq/hermod/rules"
	"github.com/hermodhq/hermod/sdk/message"
)

const chatbotSchema = `{"type":"object","required":["brandID","message"],"additionalProperties":false,"properties":{
	"brandID":{"type":"integer","minimum":1},"subject":{"type":"string"},"message":{"type":"string"},"from":{"type":"string"},
	"state":{"type":"string","enum":["open","pending","solved"]},"score":{"type":"number"},"tags":{"type":["null","array"],"items":{"type":"string"}},
	"customer":{"type":"object","required":["name"],"properties":{"name":{"type":"string"}},"additionalProperties":false},
	"fields":{"type":"object","additionalProperties":{"type":"string"}}}}`

// testCatalog is the small world of the tests and of the starter files.
func testCatalog() rules.Catalog {
	all := []message.ContentKind{message.KindText, message.KindTemplate, message.KindMedia, message.KindInteractive}
	receipts := []message.Outcome{message.Accepted, message.Sent, message.Delivered, message.Read}
	return rules.Catalog{
		Accounts: map[message.AccountID]rules.AccountInfo{
			"convrs-uk": {Connector: "convrs", Channels: []rules.ChannelInfo{
				{Channel: message.WhatsApp, Kinds: all, MaxText: 4096, Outcomes: receipts, Session: 24 * time.Hour},
				{Channel: message.SMS, Kinds: []message.ContentKind{message.KindText}, MaxText: 160, Outcomes: []message.Outcome{message.Accepted}, TTL: time.Hour},
			}, Events: []message.EventType{message.EventReceipt, message.EventConversationClosed, message.EventContactCreated, "ticket.changed"}},
			"chatondesk-in": {Connector: "chatondesk", Channels: []rules.ChannelInfo{
				{Channel: message.SMS, Kinds: []message.ContentKind{message.KindText}, MaxText: 160, Outcomes: []message.Outcome{message.Accepted}, TTL: 30 * time.Minute},
			}},
			"omnidesk-nl": {Connector: "omnidesk", Channels: []rules.ChannelInfo{{Channel: message.Email}}, Operations: []rules.OperationInfo{
				{Name: "message.chatbot", Mutates: true, Input: json.RawMessage(chatbotSchema)},
				{Name: "ticket.get", Input: json.RawMessage(`{"type":"object","properties":{"id":{"type":["null","integer"]}},"additionalProperties":false}`)},
				{Name: "api.call", Mutates: true},
			}},
		},
		Transforms: []string{"mask-cards", "shorten-links"},
	}
}
