package wire

import (
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/message"
)

// ReceiptToProto converts a receipt. nil stays nil.
func ReceiptToProto(r *message.Receipt) *pb.Receipt {
	if r == nil {
		return nil
	}
	p := &pb.Receipt{
		VendorId: text(r.VendorID), Message: text(r.Message), Attempt: int64(r.Attempt), Outcome: text(r.Outcome),
		At: timeToProto(r.At),
	}
	if r.Fault != nil {
		p.Fault = FaultToProto(r.Fault)
	}
	return p
}

// ReceiptFromProto converts back. Times are in UTC. nil stays nil.
func ReceiptFromProto(p *pb.Receipt) *message.Receipt {
	if p == nil {
		return nil
	}
	return &message.Receipt{
		VendorID: message.VendorMessageID(p.VendorId), Message: message.ID(p.Message), Attempt: int(p.Attempt),
		Outcome: message.Outcome(p.Outcome), Fault: FaultFromProto(p.Fault), At: timeFromProto(p.At),
	}
}

// EventToProto converts an event.
func EventToProto(e message.Event) *pb.Event {
	p := &pb.Event{
		Id: text(e.ID), Source: text(e.Source), Type: text(e.Type), Time: timeToProto(e.Time), Account: text(e.Account),
		Message: text(e.Message), Receipt: ReceiptToProto(e.Receipt), User: text(e.User),
		Conversation: text(e.Conversation), Messages: each(e.Messages, inboundToProto), Data: e.Data, Vendor: e.Vendor,
	}
	if c := e.Contact; c != nil {
		p.Contact = &pb.Contact{
			User: text(c.User), Name: text(c.Name), Phone: text(c.Phone), Email: text(c.Email), Fields: textMap(c.Fields),
		}
	}
	if e.Inbound != nil {
		p.Inbound = inboundToProto(*e.Inbound)
	}
	return p
}

// EventFromProto converts back. Times are in UTC.
func EventFromProto(p *pb.Event) message.Event {
	if p == nil {
		return message.Event{}
	}
	e := message.Event{
		ID: message.EventID(p.Id), Source: p.Source, Type: message.EventType(p.Type), Time: timeFromProto(p.Time),
		Account: message.AccountID(p.Account), Message: message.ID(p.Message), Receipt: ReceiptFromProto(p.Receipt),
		User: message.VendorUserID(p.User), Conversation: message.ConversationID(p.Conversation),
		Messages: each(p.Messages, inboundFromProto), Data: p.Data, Vendor: p.Vendor,
	}
	if c := p.Contact; c != nil {
		e.Contact = &message.Contact{
			User: message.VendorUserID(c.User), Name: c.Name, Phone: c.Phone, Email: c.Email,
			Fields: textMapFrom[string, string](c.Fields),
		}
	}
	if p.Inbound != nil {
		in := inboundFromProto(p.Inbound)
		e.Inbound = &in
	}
	return e
}

// EventsToProto converts several events.
func EventsToProto(events []message.Event) []*pb.Event { return each(events, EventToProto) }

// EventsFromProto converts back.
func EventsFromProto(events []*pb.Event) []message.Event { return each(events, EventFromProto) }

func inboundToProto(m message.Inbound) *pb.Inbound {
	return &pb.Inbound{
		VendorId: text(m.VendorID), Channel: text(m.Channel), From: text(m.From), Author: text(m.Author),
		Content: ContentToProto(&m.Content), At: timeToProto(m.At),
	}
}

func inboundFromProto(p *pb.Inbound) message.Inbound {
	return message.Inbound{
		VendorID: message.VendorMessageID(p.GetVendorId()), Channel: message.Channel(p.GetChannel()), From: p.GetFrom(),
		Author: p.GetAuthor(), Content: ContentFromProto(p.GetContent()), At: timeFromProto(p.GetAt()),
	}
}
