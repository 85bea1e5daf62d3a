package wire_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/hermodhq/hermod/internal/wire"
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// same compares without telling nil from empty, for protobuf cannot.
var same = []cmp.Option{cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(fault.Fault{})}

// overTheWire encodes and decodes, as the pipe does.
func overTheWire[M proto.Message](t *rapid.T, in M) M {
	b, err := proto.Marshal(in)
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	out := in.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(b, out); err != nil {
		t.Fatalf("unmarshal: %v", err)
	}
	return out.(M)
}

func check(t *rapid.T, want, got any) {
	if d := cmp.Diff(want, got, same...); d != "" {
		t.Fatalf("did not come back (-sent +received):\n%s", d)
	}
}

func times() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "zero") {
			return time.Time{}
		}
		return time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).UTC()
	})
}

func contents() *rapid.Generator[message.Content] {
	return rapid.Custom(func(t *rapid.T) message.Content {
		c := message.Content{
			Text: rapid.String().Draw(t, "text"), Subject: rapid.String().Draw(t, "subject"),
			Media:       rapid.Make[*message.Media]().Draw(t, "media"),
			Interactive: rapid.Make[*message.Interactive]().Draw(t, "interactive"),
		}
		if rapid.Bool().Draw(t, "template") {
			named := map[string]any{}
			for k, v := range rapid.Make[map[string]string]().Draw(t, "named") {
				named[k] = []any{v, 1.5, nil, true}
			}
			c.Template = &message.Template{
				Name: rapid.String().Draw(t, "name"), Language: "en", Params: rapid.Make[[]string]().Draw(t, "params"),
				Named: named, Header: rapid.Make[*message.Media]().Draw(t, "header"),
			}
		}
		return c
	})
}

func faults() *rapid.Generator[*fault.Fault] {
	return rapid.Custom(func(t *rapid.T) *fault.Fault {
		return &fault.Fault{
			Class: rapid.SampledFrom(fault.Classes()).Draw(t, "class"), Code: rapid.String().Draw(t, "code"),
			Text: rapid.String().Draw(t, "text"), VendorCode: rapid.String().Draw(t, "vendor code"),
			VendorText: rapid.String().Draw(t, "vendor text"), RetryAfter: time.Duration(rapid.Int64().Draw(t, "after")),
		}
	})
}

func receipts() *rapid.Generator[*message.Receipt] {
	return rapid.Custom(func(t *rapid.T) *message.Receipt {
		r := &message.Receipt{
			VendorID: message.VendorMessageID(rapid.String().Draw(t, "vendor")), Message: message.ID(rapid.String().Draw(t, "id")),
			Attempt: rapid.Int().Draw(t, "attempt"), Outcome: message.Delivered, At: times().Draw(t, "at"),
		}
		if rapid.Bool().Draw(t, "failed") {
			r.Fault = faults().Draw(t, "fault")
		}
		return r
	})
}

func inbounds() *rapid.Generator[message.Inbound] {
	return rapid.Custom(func(t *rapid.T) message.Inbound {
		return message.Inbound{
			VendorID: "v", Channel: message.WhatsApp, From: rapid.String().Draw(t, "from"), Author: rapid.String().Draw(t, "author"),
			Content: contents().Draw(t, "content"), At: times().Draw(t, "at"),
		}
	})
}

func TestDeliveryRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := connector.Delivery{
			Message: message.ID(rapid.String().Draw(t, "id")), Attempt: rapid.Int().Draw(t, "attempt"),
			Channel: message.Channel(rapid.String().Draw(t, "channel")), To: rapid.Make[message.Recipient]().Draw(t, "to"),
			Content: contents().Draw(t, "content"), Category: rapid.String().Draw(t, "category"),
			Labels: rapid.Make[map[string]string]().Draw(t, "labels"), Within: time.Duration(rapid.Int64().Draw(t, "within")),
		}
		w := wire.Delivery(d)
		p := overTheWire(t, wire.DeliveryToProto(7, &w))
		if p.Sequence != 7 {
			t.Fatalf("sequence is %d", p.Sequence)
		}
		check(t, d, connector.Delivery(wire.DeliveryFromProto(p)))
	})
}

func TestAnswerRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := connector.Result{
			VendorID: message.VendorMessageID(rapid.String().Draw(t, "id")), Outcome: message.Sent,
			User: message.VendorUserID(rapid.String().Draw(t, "user")), Detail: rapid.Make[map[string]string]().Draw(t, "detail"),
		}
		var fails error
		if rapid.Bool().Draw(t, "fails") {
			fails = faults().Draw(t, "fault")
		}
		w := wire.Result(r)
		got, err := wire.AnswerFromProto(overTheWire(t, wire.AnswerToProto(1, &w, fails)))
		check(t, r, connector.Result(got))
		check(t, fails, err)
	})
}

func TestEventRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := message.Event{
			ID: message.EventID(rapid.String().Draw(t, "id")), Source: rapid.String().Draw(t, "source"),
			Type: message.EventType(rapid.String().Draw(t, "type")), Time: times().Draw(t, "time"), Account: "acme-uk",
			Message: message.ID(rapid.String().Draw(t, "message")), Receipt: rapid.Ptr(rapid.Just(message.Receipt{}), true).Draw(t, "r"),
			User: message.VendorUserID(rapid.String().Draw(t, "user")), Conversation: message.ConversationID(rapid.String().Draw(t, "conv")),
			Contact: rapid.Make[*message.Contact]().Draw(t, "contact"), Messages: rapid.SliceOf(inbounds()).Draw(t, "messages"),
			Data: json.RawMessage(`{"a":1}`), Vendor: rapid.SliceOf(rapid.Byte()).Draw(t, "vendor"),
		}
		if e.Receipt != nil {
			e.Receipt = receipts().Draw(t, "receipt")
		}
		if rapid.Bool().Draw(t, "has inbound") {
			in := inbounds().Draw(t, "inbound")
			e.Inbound = &in
		}
		check(t, e, wire.EventFromProto(overTheWire(t, wire.EventToProto(e))))
	})
}

func TestReceiptRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := receipts().Draw(t, "receipt")
		check(t, r, wire.ReceiptFromProto(overTheWire(t, wire.ReceiptToProto(r))))
	})
}

func TestDescriptionRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.Make[wire.Description]().Draw(t, "description")
		check(t, d, wire.DescriptionFromProto(overTheWire(t, wire.DescriptionToProto(&d))))
	})
}

func TestWebhookRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		req := rapid.Make[connector.Request]().Draw(t, "request")
		check(t, req, connector.Request(wire.RequestFromProto(overTheWire(t, wire.RequestToProto(3, wire.Request(req))))))
		resp := rapid.Make[wire.Response]().Draw(t, "response")
		check(t, &resp, wire.ResponseFromProto(overTheWire(t, wire.ResponseToProto(&resp))))
		q := rapid.Make[connector.Query]().Draw(t, "query")
		check(t, q, connector.Query(wire.QueryFromProto(overTheWire(t, wire.QueryToProto(3, wire.Query(q))))))
	})
	if wire.ResponseFromProto(wire.ResponseToProto(nil)) != nil {
		t.Error("no response became one")
	}
}

// TestMirrorsAreWhole fails when a type of sdk/connector gains a field that does not cross the pipe.
func TestMirrorsAreWhole(t *testing.T) {
	for _, pair := range [][2]any{
		{connector.Description{}, wire.Description{}}, {connector.ChannelInfo{}, wire.Channel{}},
		{connector.OperationInfo{}, wire.Operation{}}, {connector.Limits{}, wire.Limits{}},
		{connector.Capabilities{}, wire.Capabilities{}}, {connector.Response{}, wire.Response{}},
	} {
		if a, b := fields(pair[0]), fields(pair[1]); a != b {
			t.Errorf("%T has the fields %s, its mirror %s", pair[0], a, b)
		}
	}
}

func fields(v any) string {
	var names []string
	for f := range reflect.TypeOf(v).Fields() {
		names = append(names, f.Name)
	}
	return strings.Join(names, " ")
}

func TestFaultsThatAreNotFaults(t *testing.T) {
	if wire.FaultToProto(nil) != nil || wire.ErrorFromProto(nil) != nil {
		t.Error("nil did not stay nil")
	}
	f := wire.FaultFromProto(wire.FaultToProto(errors.New("dial tcp: refused, call +447700900123")))
	if f.Class != fault.Internal || f.Code != "unclassified" || strings.Contains(f.Text, "7700900123") {
		t.Errorf("an ordinary error became %v", f)
	}
}

func TestTextThatIsNotUTF8CrossesThePipe(t *testing.T) {
	p := wire.DeliveryToProto(1, &wire.Delivery{Message: "m", Content: message.Content{Text: "a\xffb"}, Labels: map[string]string{"\xfe": "x"}})
	if _, err := proto.Marshal(p); err != nil {
		t.Fatal(err)
	}
	if p.Content.Text != "a\uFFFDb" {
		t.Errorf("text is %q", p.Content.Text)
	}
}

func TestHeaderKeepsEveryValue(t *testing.T) {
	h := http.Header{"X-Signature": {"a", "b"}, "Accept": {"c"}}
	got := wire.RequestFromProto(wire.RequestToProto(1, wire.Request{Header: h})).Header
	if d := cmp.Diff(h, got); d != "" {
		t.Error(d)
	}
}

// FuzzFault holds that a fault of any class comes back as it was, and that a class from a newer peer keeps its name and
// never looks safer than its sender says.
func FuzzFault(f *testing.F) {
	for _, c := range fault.Classes() {
		f.Add(string(c), "code", "text", "403", "no", int64(5), false)
	}
	f.Add("account_frozen", "x", "y", "", "", int64(0), true)
	f.Fuzz(func(t *testing.T, class, code, text, vendorCode, vendorText string, after int64, mayBeTaken bool) {
		sent := &fault.Fault{
			Class: fault.Class(class), Code: code, Text: text, VendorCode: vendorCode, VendorText: vendorText, RetryAfter: time.Duration(after),
		}
		p := wire.FaultToProto(sent)
		if !sent.Class.Known() {
			p.MayBeTaken = mayBeTaken
		}
		b, err := proto.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var q pb.Fault
		if err := proto.Unmarshal(b, &q); err != nil {
			t.Fatal(err)
		}
		got := wire.FaultFromProto(&q)
		if got.VendorCode != valid(vendorCode) || got.VendorText != valid(vendorText) || got.RetryAfter != sent.RetryAfter {
			t.Errorf("sent %v, received %v", sent, got)
		}
		if sent.Class.Known() {
			if got.Class != sent.Class || got.Code != valid(code) || got.Text != valid(text) {
				t.Errorf("sent %v, received %v", sent, got)
			}
			return
		}
		if !got.Class.Known() || got.Code != valid(class) || (got.Class.Taken() == fault.MayTaken) != mayBeTaken {
			t.Errorf("sent an unknown class as %v, received %v", sent, got)
		}
	})
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
