package convrssim

import (
	"hash/fnv"
	"strings"
	"time"
)

// Call is one sending command, as a script sees it.
type Call struct {
	Cmd   string
	Phone string // normalized, e.g. "+447700900123"; for SendTextMessage the uid
	BotID int
	N     int    // 1 for the first call to this phone
	Roll  uint32 // a pseudo-random number from the seed, the phone and N: the same in every run
}

// Behavior says what becomes of one command. The zero value is a good answer at once.
type Behavior struct {
	Delay         time.Duration // before the answer, times Options.Pace
	Error         int           // answer with ok 0 and this errorCode
	WhatsAppError int           // whatsappErrorCode beside error 3002, and beside acknowledgement -1
	Status        int           // answer with this HTTP status, and with Body or nothing
	RetryAfter    string        // header beside Status
	Drop          bool          // close the connection instead of answering
	Hang          bool          // never answer
	Body          string        // answer with this instead of JSON
	Spaces        int           // put so many before the JSON
	Taken         bool          // with Status, Drop, Hang or Body: the message is taken all the same
	Acks          []Ack         // progress of the message; callbacks are sent in this order, repeats included
}

// Ack is one step of a message's progress.
type Ack struct {
	After time.Duration // since the step before, times Options.Pace
	Ack   int           // -2, -1, 0, 1, 2, 3 or 10
}

func acks(codes ...int) []Ack {
	list := make([]Ack, len(codes))
	for i, c := range codes {
		list[i] = Ack{After: 100 * time.Millisecond, Ack: c}
	}
	return list
}

var delivered = acks(0, 1, 2)

// suffixes is what the last two digits of a phone number bring about.
var suffixes = map[string]Behavior{
	"10": {Acks: acks(-2)},                                          // not on WhatsApp
	"11": {},                                                        // no receipt, ever
	"12": {Error: 3002, WhatsAppError: 131047},                      // session closed
	"13": {Acks: acks(0, 1)},                                        // sent, and no further
	"14": {Acks: delivered},                                         // delivered
	"15": {Acks: acks(0, 1, 2, 3)},                                  // read
	"16": {Acks: acks(0, 1, 2, 3, 10)},                              // replied
	"17": {Error: 2001},                                             // talking to an agent
	"18": {Error: 2006},                                             // unsubscribed
	"19": {Status: 503},                                             // down for three calls
	"20": {Delay: 2 * time.Second, Acks: delivered},                 // slow
	"21": {Hang: true},                                              // no answer, not taken
	"22": {Hang: true, Taken: true, Acks: delivered},                // no answer, but taken
	"23": {Drop: true},                                              // connection lost, not taken
	"24": {Drop: true, Taken: true, Acks: delivered},                // connection lost, but taken
	"25": {Body: "<html>busy</html>", Taken: true, Acks: delivered}, // garbage
	"26": {Spaces: 16 << 20, Acks: delivered},                       // an endless answer
	"27": {Status: 500, Taken: true, Acks: delivered},               // failed after taking
	"28": {Status: 503},                                             // unavailable
	"29": {Status: 429, RetryAfter: "2"},                            // too fast
	"30": {Acks: acks(0, 1, -1), WhatsAppError: 131026},             // fails later
	"31": {Acks: acks(3, 1, 2, 2, 0)},                               // out of order, repeated
}

// Suffixes is the default script. The last two digits of the phone decide, from 10 to 31: see the README. All other numbers
// get their message delivered, and half of them, by the roll, read.
func Suffixes(c Call) Behavior {
	b, ok := suffixes[c.Phone[max(0, len(c.Phone)-2):]]
	switch {
	case !strings.HasPrefix(c.Phone, "+"):
		return Behavior{}
	case ok && (c.Phone[len(c.Phone)-2:] != "19" || c.N <= 3):
		return b
	case c.Roll%2 == 0, c.Cmd == "SendSMSMessage": // 3, read, is WhatsApp's only
		return Behavior{Acks: delivered}
	}
	return Behavior{Acks: acks(0, 1, 2, 3)}
}

func roll(seed uint64, phone string, n int) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(phone))
	return uint32(((uint64(h.Sum32()) ^ seed + uint64(n)) * 0x9E3779B97F4A7C15) >> 32)
}
