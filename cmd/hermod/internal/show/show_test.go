package show

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConnector(t *testing.T) {
	d := connector.Description{
		Name: "acme", Version: "1.2.3", Summary: "One\x1b[31m sentence.", Vendor: "Acme", Docs: "https://docs.example.com",
		Channels: []connector.ChannelInfo{{Channel: message.WhatsApp, Kinds: []message.ContentKind{message.KindText, message.KindTemplate}, MaxText: 4096,
			Receipts: connector.Pushed, Outcomes: []message.Outcome{message.Accepted, message.Delivered}, Session: 24 * time.Hour, TTL: 90 * time.Minute, NeedsUserID: true}},
		Operations: []connector.OperationInfo{{Name: "user.get", Endpoint: "GET /users", Summary: "Return a user."}, {Name: "user.tag", Endpoint: "POST /tags", Summary: "Tag a user.", Mutates: true}},
		Events:     []message.EventType{message.EventReceipt},
		Config: []byte(`{"type":"object","required":["token"],"properties":{"base_url":{"type":"string","description":"where"},
			"token":{"type":"string","writeOnly":true},"proxy":{"type":["null","object"],"properties":{"host":{"type":"string"}}},"any":{}}}`),
		Limits:       connector.Limits{PerSecond: 10, PerRecipientPerSecond: 0.5, Concurrency: 4},
		Capabilities: connector.Capabilities{Send: true, Query: true},
	}
	var b bytes.Buffer
	if err := Connector(&b, &d); err != nil {
		t.Fatal(err)
	}
	want := `acme 1.2.3: One[31m sentence.
vendor:       Acme
docs:         https://docs.example.com
can:          send messages, query receipts
limits:       10 a second, 0.5 a second to one recipient, 4 calls at once
events:       receipt

channels
  whatsapp  text, template  receipts pushed (accepted, delivered)  at most 4096 characters; free text only within 24h of the recipient's last message; the vendor keeps trying for 90m; needs the vendor's user id

config of an account
  token     string, required, secret  
  any       any                       
  base_url  string                    where
  proxy     object                    
    host    string                    

operations (* changes something at the vendor)
  user.get  GET /users  Return a user.
* user.tag  POST /tags  Tag a user.
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	d.Config = []byte("{")
	if err := Connector(&b, &d); err == nil {
		t.Error("a broken schema must be an error")
	}
}

func TestLittleIsKnown(t *testing.T) {
	var b bytes.Buffer
	d := connector.Description{Name: "x", Version: "0.1.0"}
	if err := Connector(&b, &d); err != nil || !strings.Contains(b.String(), "limits:       none documented") || !strings.Contains(b.String(), "can:          -") {
		t.Errorf("%v\n%s", err, &b)
	}
	b.Reset()
	if err := Connectors(&b, []connector.Description{d}); err != nil || b.String() != "NAME  VERSION  CHANNELS  OPERATIONS  SUMMARY\nx     0.1.0    -         0           \n" {
		t.Errorf("%v\n%q", err, b.String())
	}
}

func TestProgress(t *testing.T) {
	start := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	tick := make(chan time.Time)
	counted := make(chan Counts)
	var b bytes.Buffer
	p := StartProgress(&b, start, tick, func() Counts { return <-counted })
	tick <- start.Add(time.Second)
	counted <- Counts{Stored: 12000, Refused: 2, Read: 50, Size: 200}
	tick <- start.Add(2 * time.Second)
	counted <- Counts{Stored: 20000, Refused: 2, Waiting: 1500, Read: 200, Size: 200}
	p.Stop()
	want := "\r\x1b[K 25%  12,000 stored, 2 refused  12,000/s  1s" +
		"\r\x1b[K100%  20,000 stored, 2 refused, 1,500 waiting  11,000/s  2s\r\x1b[K"
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
}

func TestAboveWithNothingDrawn(t *testing.T) {
	var b bytes.Buffer
	p := StartProgress(&b, time.Time{}, nil, nil)
	p.Above(func() { b.WriteString("x") })
	p.Stop()
	if b.String() != "x" {
		t.Errorf("%q", b.String())
	}
}

func TestSmallWords(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := Number(n); got != want {
			t.Errorf("Number(%d) = %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{24 * time.Hour: "24h", 90 * time.Minute: "90m", 1500 * time.Millisecond: "1.5s"} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %s, want %s", d, got, want)
		}
	}
	if got := Standing("", false, "") + "|" + Standing(message.Failed, true, "no_route"); got != "stored (under way)|failed: no_route" {
		t.Error(got)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := errors.Join(JSON(&b, map[string]string{"a": "<b>"}), Line(&b, []int{1})); err != nil {
		t.Fatal(err)
	}
	if b.String() != "{\n  \"a\": \"<b>\"\n}\n[1]\n" {
		t.Errorf("%q", b.String())
	}
	if err := JSON(&b, func() {}); err == nil {
		t.Error("a value with no JSON must be an error")
	}
}
