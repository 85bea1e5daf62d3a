package wire

import (
	"time"

	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/fault"
)

// FaultToProto converts any error; one that is no fault goes as class internal. nil stays nil.
func FaultToProto(err error) *pb.Fault {
	f := fault.From(err)
	if f == nil {
		return nil
	}
	return &pb.Fault{
		Class: text(f.Class), Code: text(f.Code), Text: text(f.Text), VendorCode: text(f.VendorCode),
		VendorText: text(f.VendorText), RetryAfterNanos: int64(f.RetryAfter), MayBeTaken: f.Class.Taken() == fault.MayTaken,
	}
}

// FaultFromProto converts back. A class that this side does not know, from a newer peer, becomes internal, or
// outcome_unknown where the peer says that the vendor may have taken the message; its name is kept as the code.
func FaultFromProto(p *pb.Fault) *fault.Fault {
	if p == nil {
		return nil
	}
	f := &fault.Fault{
		Class: fault.Class(p.Class), Code: p.Code, Text: p.Text, VendorCode: p.VendorCode, VendorText: p.VendorText,
		RetryAfter: time.Duration(p.RetryAfterNanos),
	}
	if f.Class.Known() {
		return f
	}
	f.Class = fault.Internal
	if p.MayBeTaken {
		f.Class = fault.OutcomeUnknown
	}
	if p.Code != "" {
		f.Text = "[" + p.Code + "] " + p.Text
	}
	f.Code = p.Class
	return f
}

// ErrorFromProto is FaultFromProto as an error: nil where there is no fault.
func ErrorFromProto(p *pb.Fault) error {
	if p == nil {
		return nil
	}
	return FaultFromProto(p)
}
