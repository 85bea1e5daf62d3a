package chatondesksim

import (
	"hash/fnv"
	"net/http"
	"time"
)

// Call is one call that sends, as a script sees it.
type Call struct {
	Name  string // such as structuredpush.json
	Type  string // template, message, or empty
	Phone string // the first number, its digits with a plus
	N     int    // 1 for the first call to this phone
	Roll  uint32 // a pseudo-random number from the seed, the phone and N: the same in every run
}

// Behavior says what becomes of one call. The zero value is a good answer at once.
type Behavior struct {
	Delay      time.Duration // before the answer, times Options.Pace
	Error      string        // answer with status error and this description
	Desc       bool          // the description is an object with desc
	Status     int           // HTTP status: beside Error, or bare
	RetryAfter string        // header beside Status
	Drop       bool          // close the connection instead of answering
	Hang       bool          // never answer
	Body       string        // answer with this instead of JSON
	Spaces     int           // put so many before the JSON
	Taken      bool          // with Status, Drop, Hang or Body: it is done all the same
}

// suffixes is what the last two digits of a phone number bring about. 19 to 29 mean the same for every vendor.
var suffixes = map[string]Behavior{
	"19": {Status: http.StatusServiceUnavailable},               // down for three calls
	"20": {Delay: 2 * time.Second},                              // slow
	"21": {Hang: true},                                          // no answer, not taken
	"22": {Hang: true, Taken: true},                             // no answer, but taken
	"23": {Drop: true},                                          // connection lost, not taken
	"24": {Drop: true, Taken: true},                             // connection lost, but taken
	"25": {Body: "<html>busy</html>", Taken: true},              // garbage
	"26": {Spaces: 32 << 20},                                    // an endless answer
	"27": {Status: http.StatusInternalServerError, Taken: true}, // failed after taking
	"28": {Status: http.StatusServiceUnavailable},               // unavailable
	"29": {Status: http.StatusTooManyRequests, RetryAfter: "2"}, // too fast
	"30": {Error: unknownStructure},                             // every known error text
	"31": {Error: notApproved, Desc: true},
	"32": {Error: "dormant account."},
	"33": {Error: badCredentials},
	"34": {Error: noChannel, Desc: true},
	"35": {Error: "no senderid available for your account", Desc: true},
	"36": {Error: "Something went wrong"},            // a text that nobody knows
	"37": {Desc: true},                               // taken, and the description is an object
	"38": {Status: http.StatusAccepted, Taken: true}, // taken, with 202 and no body
	"60": {Status: http.StatusBadRequest},            // the other documented statuses
	"61": {Status: http.StatusUnauthorized},
	"62": {Status: http.StatusPaymentRequired},
	"63": {Status: http.StatusForbidden},
	"64": {Status: http.StatusNotFound},
	"65": {Status: http.StatusConflict},
	"66": {Status: http.StatusBadGateway},
}

// Suffixes is the default script: the last two digits of the phone decide, see the README. All other numbers get their message.
func Suffixes(c Call) Behavior {
	digits := c.Phone[max(0, len(c.Phone)-2):]
	if digits == "19" && c.N > 3 {
		return Behavior{}
	}
	return suffixes[digits]
}

func roll(seed uint64, phone string, n int) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(phone))
	return uint32(((uint64(h.Sum32()) ^ seed + uint64(n)) * 0x9E3779B97F4A7C15) >> 32)
}
