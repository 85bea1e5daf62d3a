package rules_test

import (
	"time"

	"github.com/hermodhq/hermod/rules"
	"github.com/hermodhq/hermod/sdk/message"
)

// testCatalog is the small world of the tests and of the starter files.
func testCatalog() rules.Catalog {
	all := []message.ContentKind{message.KindText, message.KindTemplate, message.KindMedia, message.KindInteractive}
	receipts := []message.Outcome{message.Accepted, message.Sent, message.Delivered, message.Read}
	return rules.Catalog{
		Accounts: map[message.AccountID]rules.AccountInfo{
			"convrs-uk": {Connector: "convrs", Channels: []rules.ChannelInfo{
				{Channel: message.WhatsApp, Kinds: all, MaxText: 4096, Outcomes: receipts, Session: 24 * time.Hour},
				{Channel: message.SMS, Kinds: []message.ContentKind{message.KindText}, MaxText: 160, Outcomes: []message.Outcome{message.Accepted}, TTL: time.Hour},
			}},
			"chatondesk-in": {Connector: "chatondesk", Channels: []rules.ChannelInfo{
				{Channel: message.SMS, Kinds: []message.ContentKind{message.KindText}, MaxText: 160, Outcomes: []message.Outcome{message.Accepted, message.Delivered}, TTL: 30 * time.Minute},
			}},
			"omnidesk-nl": {Connector: "omnidesk", Channels: []rules.ChannelInfo{{Channel: message.Email}}},
		},
		Transforms: []string{"mask-cards", "shorten-links"},
	}
}
