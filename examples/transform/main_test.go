package main

import (
	"testing"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
	"github.com/hermodhq/hermod/sdk/transformtest"
)

var ada = message.Recipient{Phone: "+447700900123", Country: "GB"}

func text(s string) message.Message {
	return message.Message{To: ada, Content: message.Content{Text: s}}
}

func template(params ...string) message.Message {
	return message.Message{To: ada, Content: message.Content{Template: &message.Template{Name: "receipt", Params: params}}}
}

func file(name string) message.Message {
	return message.Message{To: ada, Content: message.Content{Media: &message.Media{Type: "document", URL: "https://example.com/a.pdf", Name: name}}}
}

func TestMaskCards(t *testing.T) {
	transformtest.Run(t, maskCards, ".", []transformtest.Case{
		{Name: "nothing to hide", In: text("Your order 1042 has shipped."), Want: text("Your order 1042 has shipped.")},
		{Name: "card in text", In: text("Paid with 4111111111111111."), Want: text("Paid with ************1111.")},
		{Name: "spaces and dashes stay", In: text("4111 1111 1111 1111 or 4111-1111-1111-1111"), Want: text("**** **** **** 1111 or ****-****-****-1111")},
		{Name: "wrong check digit", In: text("4111111111111112"), Want: text("4111111111111112")},
		{Name: "too short", In: text("411111111111"), Want: text("411111111111")},
		{Name: "too long", In: text("41111111111111111111111"), Want: text("41111111111111111111111")},
		{Name: "no text", In: text(""), Want: text("")},
		{Name: "template", In: template("Ada", "4111111111111111"), Want: template("Ada", "************1111")},
		{Name: "file name", In: file("4111111111111111.pdf"), Fault: &fault.Fault{Class: fault.ContentRejected, Code: "card_in_file_name"}},
		{Name: "good file name", In: file("receipt.pdf"), Want: file("receipt.pdf")},
	})
}

func FuzzMask(f *testing.F) {
	f.Add("4111 1111 1111 1111")
	f.Add("- 4- 1  ")
	f.Fuzz(func(t *testing.T, s string) {
		masked, found := mask(s)
		if len(masked) != len(s) || found == (masked == s) {
			t.Errorf("mask(%q) = %q, %v", s, masked, found)
		}
		if again, found := mask(masked); found && again == masked {
			t.Errorf("mask(%q) = %q, but says it found a card", masked, again)
		}
	})
}
