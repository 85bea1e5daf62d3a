package wire

import (
	"net/http"
	"time"

	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/message"
)

// The types below mirror those of sdk/connector field by field, for sdk/connector itself stands on this package. The
// language converts between the two for nothing, and refuses to compile once they differ.
type (
	// Delivery mirrors connector.Delivery.
	Delivery struct {
		Message  message.ID
		Attempt  int
		Channel  message.Channel
		To       message.Recipient
		Content  message.Content
		Category string
		Labels   map[string]string
		Within   time.Duration
	}
	// Result mirrors connector.Result.
	Result struct {
		VendorID message.VendorMessageID
		Outcome  message.Outcome
		User     message.VendorUserID
		Detail   map[string]string
	}
	// Query mirrors connector.Query.
	Query struct {
		VendorID message.VendorMessageID
		Message  message.ID
		Attempt  int
		Channel  message.Channel
	}
	// Request mirrors connector.Request.
	Request struct {
		Method string
		Path   string
		Query  string
		Header http.Header
		Body   []byte
	}
	// Response mirrors connector.Response.
	Response struct {
		Status int
		Header http.Header
		Body   []byte
	}
)

// DeliverySlot is room for one delivery: a frame's deliveries in one piece cost one allocation instead of three each.
type DeliverySlot struct {
	delivery pb.Delivery
	to       pb.Recipient
	content  pb.Content
}

// DeliveryInto converts a delivery into an unused slot, and gives it its sequence on the stream.
func DeliveryInto(slot *DeliverySlot, sequence uint64, d *Delivery) *pb.Delivery {
	recipientInto(&slot.to, &d.To)
	contentInto(&slot.content, &d.Content)
	p := &slot.delivery
	p.Sequence, p.Message, p.Attempt, p.Channel = sequence, text(d.Message), int64(d.Attempt), text(d.Channel)
	p.To, p.Content, p.Category, p.Labels = &slot.to, &slot.content, text(d.Category), textMap(d.Labels)
	p.WithinNanos = int64(d.Within)
	return p
}

// DeliveryToProto is [DeliveryInto] with a slot of its own.
func DeliveryToProto(sequence uint64, d *Delivery) *pb.Delivery {
	return DeliveryInto(&DeliverySlot{}, sequence, d)
}

// DeliveryFromProto converts back.
func DeliveryFromProto(p *pb.Delivery) Delivery {
	if p == nil {
		return Delivery{}
	}
	return Delivery{
		Message: message.ID(p.Message), Attempt: int(p.Attempt), Channel: message.Channel(p.Channel),
		To: RecipientFromProto(p.To), Content: ContentFromProto(p.Content), Category: p.Category, Labels: nilIfEmpty(p.Labels),
		Within: time.Duration(p.WithinNanos),
	}
}

func nilIfEmpty(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m
}

// AnswerToProto converts what became of the delivery with this sequence.
func AnswerToProto(sequence uint64, r *Result, err error) *pb.Answer {
	return &pb.Answer{
		Sequence: sequence, VendorId: text(r.VendorID), Outcome: text(r.Outcome), User: text(r.User),
		Detail: textMap(r.Detail), Fault: FaultToProto(err),
	}
}

// AnswerFromProto converts back; the error is nil or a *fault.Fault.
func AnswerFromProto(p *pb.Answer) (Result, error) {
	if p == nil {
		return Result{}, nil
	}
	return Result{
		VendorID: message.VendorMessageID(p.VendorId), Outcome: message.Outcome(p.Outcome),
		User: message.VendorUserID(p.User), Detail: nilIfEmpty(p.Detail),
	}, ErrorFromProto(p.Fault)
}

// QueryToProto converts a query.
func QueryToProto(handle uint64, q Query) *pb.QueryRequest {
	return &pb.QueryRequest{
		Handle: handle, VendorId: text(q.VendorID), Message: text(q.Message), Attempt: int64(q.Attempt), Channel: text(q.Channel),
	}
}

// QueryFromProto converts back.
func QueryFromProto(p *pb.QueryRequest) Query {
	return Query{
		VendorID: message.VendorMessageID(p.GetVendorId()), Message: message.ID(p.GetMessage()), Attempt: int(p.GetAttempt()),
		Channel: message.Channel(p.GetChannel()),
	}
}

// RequestToProto converts a webhook request.
func RequestToProto(handle uint64, r Request) *pb.ReceiveRequest {
	return &pb.ReceiveRequest{
		Handle: handle, Method: text(r.Method), Path: text(r.Path), Query: text(r.Query), Header: headerToProto(r.Header), Body: r.Body,
	}
}

// RequestFromProto converts back.
func RequestFromProto(p *pb.ReceiveRequest) Request {
	return Request{
		Method: p.GetMethod(), Path: p.GetPath(), Query: p.GetQuery(), Header: headerFromProto(p.GetHeader()), Body: p.GetBody(),
	}
}

// ResponseToProto converts the answer to a webhook request. nil stays nil.
func ResponseToProto(r *Response) *pb.HTTPResponse {
	if r == nil {
		return nil
	}
	return &pb.HTTPResponse{Status: int64(r.Status), Header: headerToProto(r.Header), Body: r.Body}
}

// ResponseFromProto converts back.
func ResponseFromProto(p *pb.HTTPResponse) *Response {
	if p == nil {
		return nil
	}
	return &Response{Status: int(p.Status), Header: headerFromProto(p.Header), Body: p.Body}
}

func headerToProto(h http.Header) []*pb.Header {
	if len(h) == 0 {
		return nil
	}
	out := make([]*pb.Header, 0, len(h))
	for name, values := range h {
		out = append(out, &pb.Header{Name: text(name), Values: texts(values)})
	}
	return out
}

func headerFromProto(in []*pb.Header) http.Header {
	if len(in) == 0 {
		return nil
	}
	h := make(http.Header, len(in))
	for _, p := range in {
		h[p.GetName()] = append(h[p.GetName()], p.GetValues()...)
	}
	return h
}
