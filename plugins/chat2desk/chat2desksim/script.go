package chat2desksim

// Call is one POST messages, as a script sees it.
type Call struct {
	Phone string // the client's
	N     int    // 1 for the first message to this client
}

// Behavior says what becomes of one call. The zero value is a good answer at once.
type Behavior struct {
	Error      string   // refuse with status "error" and this message
	Status     int      // answer with this HTTP status, bare unless there is an Error
	RetryAfter string   // header beside Status
	Drop       bool     // close the connection instead of answering
	Hang       bool     // never answer
	Body       string   // answer with this instead of JSON
	Taken      bool     // with Status, Drop, Hang or Body: the call is carried out all the same
	States     []string // outbox_status events in this order, repeats included; "failed: TEXT" carries an error
}

// suffixes is what the last two digits of a client's phone number bring about.
var suffixes = map[string]Behavior{
	"10": {States: []string{"not_delivered"}},
	"11": {}, // no receipt, ever
	"13": {States: []string{"sent"}},
	"14": {States: []string{"sent", "delivered"}},
	"15": {States: []string{"sent", "delivered", "read"}},
	"17": {Error: "Number of API requests exceeded"},
	"18": {Error: "API calls exceeded API limit per month"},
	"19": {Status: 503}, // for three calls
	"21": {Hang: true},
	"22": {Hang: true, Taken: true},
	"23": {Drop: true},
	"24": {Drop: true, Taken: true},
	"25": {Body: "<html>busy</html>", Taken: true},
	"27": {Status: 500, Taken: true},
	"28": {Status: 503},
	"29": {Status: 429, RetryAfter: "90"},
	"30": {States: []string{"sent", "failed: Client not found in messenger"}},
	"31": {States: []string{"read", "sent", "delivered", "delivered"}},
}

// Suffixes is the default script. The last two digits of the client's phone decide, from 10 to 31: see the README. All other clients
// get their message delivered.
func Suffixes(c Call) Behavior {
	tail := c.Phone[max(0, len(c.Phone)-2):]
	if b, ok := suffixes[tail]; ok && (tail != "19" || c.N <= 3) {
		return b
	}
	return suffixes["14"]
}
