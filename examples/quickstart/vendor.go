package main

import (
	_ "embed" // for the messages and the rules
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hermodhq/hermod/plugins/convrs/convrssim"
)

//go:embed messages.jsonl
var messages string

//go:embed rules/routes.yaml
var routes string

const (
	perSecond   = 50   // messages that the vendor takes in a second
	whatsAppBot = 3941 // at the simulator
	smsBot      = 3942
)

// vendor is Convrs, simulated on loopback.
type vendor struct {
	sim  *convrssim.Sim
	url  string
	wire atomic.Pointer[tripwire]
}

// tripwire closes reached at the last of so many calls.
type tripwire struct {
	left    atomic.Int64
	reached chan struct{}
}

func startVendor() (*vendor, error) {
	v := &vendor{}
	v.sim = convrssim.New(convrssim.Options{
		PerToken: perSecond, PerNumber: 1, Session: 24 * time.Hour, Seed: 725, Users: customers(),
		Script: func(c convrssim.Call) convrssim.Behavior { v.called(); return outcome(c) },
	})
	var err error
	v.url, err = v.sim.Start()
	v.write()
	return v, err
}

// after returns a channel that is closed when so many more messages have come to the vendor.
func (v *vendor) after(calls int) <-chan struct{} {
	w := &tripwire{reached: make(chan struct{})}
	w.left.Store(int64(calls))
	v.wire.Store(w)
	return w.reached
}

func (v *vendor) called() {
	if w := v.wire.Load(); w != nil && w.left.Add(-1) == 0 {
		close(w.reached)
	}
}

// customers are those who wrote to the company before: all who have an appointment.
func customers() []convrssim.User {
	var users []convrssim.User
	for _, m := range scripted() {
		if m.Category == "reminder" {
			users = append(users, convrssim.User{UID: uid(m.To.Phone), BotID: whatsAppBot, Bot: "WA3", Phone: m.To.Phone})
		}
	}
	return users
}

// write lets two customers of three have written within the last 24 hours. For the others, WhatsApp takes templates only.
func (v *vendor) write() {
	for i, u := range customers() {
		if i%3 != 0 {
			v.sim.Say(convrssim.ConversationMessage{UID: u.UID, Sender: "client"})
		}
	}
}

// uid is Convrs's user id of a WhatsApp contact.
func uid(phone string) string { return strconv.Itoa(whatsAppBot) + "-wa3-" + phone[1:] }

// outcome decides what becomes of a call, by the roll: the same in every run for the same number and count of calls.
func outcome(c convrssim.Call) convrssim.Behavior {
	tail, _ := strconv.Atoi(c.Phone[len(c.Phone)-2:])
	b := behave(c, tail, int(uint64(c.Roll)*1000>>32))
	b.Delay = time.Duration(120+2*tail) * time.Millisecond // what an API on the internet takes
	return b
}

func behave(c convrssim.Call, tail, permille int) convrssim.Behavior {
	if !strings.HasPrefix(c.Phone, "+") {
		return convrssim.Behavior{} // free text to a user id: the session alone decides, and there is no receipt
	}
	if c.N == 1 && strings.HasPrefix(c.Phone, "+4477009009") && tail >= 40 && tail <= 45 {
		return convrssim.Behavior{Status: 503} // down for a moment
	}
	if c.BotID == smsBot {
		return textMessage(permille)
	}
	return template(c, permille)
}

// textMessage gives what becomes of 1000 text messages.
func textMessage(permille int) convrssim.Behavior {
	switch {
	case permille < 30:
		return convrssim.Behavior{Acks: acks(0, 1)} // the operator never confirms
	case permille < 50:
		return convrssim.Behavior{Error: 2005} // sending failed: not taken
	}
	return convrssim.Behavior{Acks: acks(0, 1, 2)}
}

// template gives what becomes of 1000 WhatsApp templates.
func template(c convrssim.Call, permille int) convrssim.Behavior {
	switch {
	case permille < 70:
		return convrssim.Behavior{Acks: acks(-2)} // not on WhatsApp
	case permille < 160:
		return convrssim.Behavior{Acks: acks(0, 1)} // the phone is off: no receipt
	case permille < 190 && c.N == 1:
		return convrssim.Behavior{Status: 429, RetryAfter: "1"} // too fast, says the vendor
	case permille < 210:
		return convrssim.Behavior{Error: 2001} // talking to an agent
	case permille < 225:
		return convrssim.Behavior{Error: 2006} // unsubscribed
	case permille < 250:
		return convrssim.Behavior{Drop: true, Taken: true, Acks: acks(0, 1, 2)} // connection lost, but taken
	case permille < 600:
		return convrssim.Behavior{Acks: acks(0, 1, 2)}
	}
	return convrssim.Behavior{Acks: acks(0, 1, 2, 3)}
}

// acks are receipts a fifth of a second apart: accepted, sent, delivered, read; -2 is not on WhatsApp.
func acks(codes ...int) []convrssim.Ack {
	var list []convrssim.Ack
	for _, c := range codes {
		list = append(list, convrssim.Ack{After: 200 * time.Millisecond, Ack: c})
	}
	return list
}
