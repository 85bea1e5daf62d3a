package chatondeskapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/hermodhq/hermod/sdk/vendorhttp"
)

type endpoint struct {
	method  string
	name    string // last element of the path
	chatbot bool   // below ChatbotURL
	kind    string // the field type, where the endpoint tells calls apart by it
}

// Call is one call of the API, from In to Out.
type Call[In, Out any] struct {
	endpoint
	read    func(r *reply) (Out, error)
	refused func(e *Error) (Out, bool) // takes an error for a reply; nil takes none
}

// Endpoint returns the method and the documented path.
func (c Call[In, Out]) Endpoint() string {
	if c.chatbot {
		return c.method + " /chatbot/api/" + c.name
	}
	return c.method + " /api/" + c.name
}

// Do makes the call. Its errors are *Error and *NoReplyError.
func (c Call[In, Out]) Do(ctx context.Context, client *Client, in In) (Out, error) {
	var out Out
	r, err := client.do(ctx, &c.endpoint, in)
	if e, ok := errors.AsType[*Error](err); ok && c.refused != nil {
		if out, ok = c.refused(e); ok {
			return out, nil
		}
	}
	if err != nil {
		return out, err
	}
	if out, err = c.read(r); err != nil {
		return out, &NoReplyError{Call: c.name, Reason: vendorhttp.ReplyInvalid, Sent: true, Err: withoutValue(err)}
	}
	return out, nil
}

func push(kind string) endpoint {
	return endpoint{http.MethodPost, "structuredpush.json", false, kind}
}

func chatbot(name, kind string) endpoint {
	return endpoint{http.MethodPost, name + ".json", true, kind}
}

// The calls. The lists are documented as GET, and posted in all of the document's examples but reminderlist's.
var (
	SendTemplate   = Call[TemplateRequest, Done]{push("template"), done, nil}
	SendText       = Call[TextRequest, Done]{push("message"), done, nil}
	CreateProfile  = Call[ProfileRequest, ProfileCreated]{chatbot("createprofile", ""), profileCreated, nil}
	ChatHistory    = Call[HistoryRequest, List[HistoryRecord]]{chatbot("chathistory", ""), history, nil}
	TemplateList   = Call[TemplatesRequest, List[Record]]{chatbot("templatelist", ""), list[Record], nil}
	ChannelList    = Call[None, List[Record]]{chatbot("channellist", ""), list[Record], nil}
	SendCode       = Call[SendCodeRequest, Done]{chatbot("mverify", "template"), done, nil}
	CheckCode      = Call[CheckCodeRequest, Verification]{chatbot("mverify", ""), verification, mismatch}
	ReminderList   = Call[RemindersRequest, List[Reminder]]{endpoint{http.MethodGet, "reminderlist.json", true, ""}, list[Reminder], nil}
	CreateReminder = Call[CreateReminderRequest, ReminderSaved]{chatbot("createreminder", ""), reminderSaved, nil}
	UpdateReminder = Call[UpdateReminderRequest, ReminderSaved]{chatbot("updatereminder", ""), reminderSaved, nil}
	GetBalance     = Call[None, Balance]{chatbot("getbalance", ""), balance, nil} // known from the vendor's plugin only
)

func done(r *reply) (Done, error) { return Done{r.text()}, nil }

func profileCreated(r *reply) (ProfileCreated, error) {
	return ProfileCreated{r.text(), r.ProfileID}, nil
}

func reminderSaved(r *reply) (ReminderSaved, error) {
	return ReminderSaved{r.text(), r.ReminderID}, nil
}

func history(r *reply) (List[HistoryRecord], error) {
	l, err := list[HistoryRecord](r)
	for i := range l.Records {
		l.Records[i].Chatlog.read()
	}
	return l, err
}

// verification believes one text only: a wrong code is answered with success too.
func verification(r *reply) (Verification, error) {
	text := r.text()
	return Verification{text, strings.EqualFold(strings.TrimSpace(text), CodeMatched)}, nil
}

// mismatch takes a wrong code that is told as an error for the answer that it is.
func mismatch(e *Error) (Verification, bool) {
	return Verification{Description: e.Text}, strings.EqualFold(strings.TrimSpace(e.Text), CodeDoesntMatch)
}

func balance(r *reply) (Balance, error) {
	l, err := list[Balance](r)
	if err == nil && (len(l.Records) == 0 || l.Records[0].Wallet.Balance == "") {
		err = errors.New("the Wallet is missing")
	}
	if err != nil {
		return Balance{}, err
	}
	return l.Records[0], nil
}
