package wire

import (
	"encoding/json"
	"time"

	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/message"
)

type (
	// Channel mirrors connector.ChannelInfo, but for the type of Receipts.
	Channel struct {
		Channel     message.Channel
		Kinds       []message.ContentKind
		MaxText     int
		Receipts    string
		Outcomes    []message.Outcome
		Session     time.Duration
		TTL         time.Duration
		NeedsUserID bool
	}
	// Operation mirrors connector.OperationInfo.
	Operation struct {
		Name     string
		Summary  string
		Endpoint string
		Input    json.RawMessage
		Output   json.RawMessage
		Mutates  bool
	}
	// Limits mirrors connector.Limits.
	Limits struct {
		PerSecond             float64
		PerRecipientPerSecond float64
		Concurrency           int
	}
	// Capabilities mirrors connector.Capabilities.
	Capabilities struct{ Send, Receive, Listen, Query bool }
	// Description has the fields of connector.Description.
	Description struct {
		Name         message.ConnectorName
		Version      string
		Summary      string
		Vendor       string
		Docs         string
		Channels     []Channel
		Operations   []Operation
		Events       []message.EventType
		Config       json.RawMessage
		Limits       Limits
		Capabilities Capabilities
	}
)

// DescriptionToProto converts a description.
func DescriptionToProto(d *Description) *pb.DescribeResponse {
	return &pb.DescribeResponse{
		Name: text(d.Name), Version: text(d.Version), Summary: text(d.Summary), Vendor: text(d.Vendor), Docs: text(d.Docs),
		Channels: each(d.Channels, channelToProto), Operations: each(d.Operations, operationToProto), Events: texts(d.Events),
		ConfigSchema: d.Config,
		Limits: &pb.Limits{
			PerSecond: d.Limits.PerSecond, PerRecipientPerSecond: d.Limits.PerRecipientPerSecond,
			Concurrency: int64(d.Limits.Concurrency),
		},
		Capabilities: &pb.Capabilities{
			Send: d.Capabilities.Send, Receive: d.Capabilities.Receive, Listen: d.Capabilities.Listen, Query: d.Capabilities.Query,
		},
	}
}

// DescriptionFromProto converts back.
func DescriptionFromProto(p *pb.DescribeResponse) Description {
	return Description{
		Name: message.ConnectorName(p.GetName()), Version: p.GetVersion(), Summary: p.GetSummary(), Vendor: p.GetVendor(),
		Docs: p.GetDocs(), Channels: each(p.GetChannels(), channelFromProto),
		Operations: each(p.GetOperations(), operationFromProto), Events: textsFrom[message.EventType](p.GetEvents()),
		Config: p.GetConfigSchema(),
		Limits: Limits{
			PerSecond:             p.GetLimits().GetPerSecond(),
			PerRecipientPerSecond: p.GetLimits().GetPerRecipientPerSecond(),
			Concurrency:           int(p.GetLimits().GetConcurrency()),
		},
		Capabilities: Capabilities{
			Send: p.GetCapabilities().GetSend(), Receive: p.GetCapabilities().GetReceive(),
			Listen: p.GetCapabilities().GetListen(), Query: p.GetCapabilities().GetQuery(),
		},
	}
}

func channelToProto(c Channel) *pb.ChannelInfo {
	return &pb.ChannelInfo{
		Channel: text(c.Channel), Kinds: texts(c.Kinds), MaxText: int64(c.MaxText), Receipts: text(c.Receipts),
		Outcomes: texts(c.Outcomes), SessionNanos: int64(c.Session), TtlNanos: int64(c.TTL), NeedsUserId: c.NeedsUserID,
	}
}

func channelFromProto(p *pb.ChannelInfo) Channel {
	return Channel{
		Channel: message.Channel(p.GetChannel()), Kinds: textsFrom[message.ContentKind](p.GetKinds()),
		MaxText: int(p.GetMaxText()), Receipts: p.GetReceipts(), Outcomes: textsFrom[message.Outcome](p.GetOutcomes()),
		Session: time.Duration(p.GetSessionNanos()), TTL: time.Duration(p.GetTtlNanos()), NeedsUserID: p.GetNeedsUserId(),
	}
}

func operationToProto(o Operation) *pb.OperationInfo {
	return &pb.OperationInfo{
		Name: text(o.Name), Summary: text(o.Summary), Endpoint: text(o.Endpoint), InputSchema: o.Input, OutputSchema: o.Output,
		Mutates: o.Mutates,
	}
}

func operationFromProto(p *pb.OperationInfo) Operation {
	return Operation{
		Name: p.GetName(), Summary: p.GetSummary(), Endpoint: p.GetEndpoint(), Input: p.GetInputSchema(),
		Output: p.GetOutputSchema(), Mutates: p.GetMutates(),
	}
}
