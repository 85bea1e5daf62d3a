package supervisor

import (
	"time"

	"github.com/hermodhq/hermod/internal/wire"
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Phase is where a connector's process stands.
type Phase string

// The phases.
const (
	Up         Phase = "up"         // it serves
	Crashed    Phase = "crashed"    // it died, hung, or did not come up; see the fault
	Restarting Phase = "restarting" // it is being started again
	Down       Phase = "down"       // it was stopped
)

// State is a report of a change.
type State struct {
	Connector message.ConnectorName
	Account   message.AccountID // the account, for a process of its own
	Phase     Phase
	Version   string
	PID       int           // 0 where there is no process
	Restarts  int           // how often it was started again
	Fault     *fault.Fault  // why it is not up
	RetryIn   time.Duration // until the next start
	At        time.Time
}

// NotRunning is the fault of everything asked of a host that is not started, or is being stopped.
func NotRunning() *fault.Fault {
	return fault.New(fault.Unavailable, "host_stopped", "the engine is not running connectors at this moment")
}

func describe(p *pb.DescribeResponse) connector.Description {
	w := wire.DescriptionFromProto(p)
	d := connector.Description{
		Name: w.Name, Version: w.Version, Summary: w.Summary, Vendor: w.Vendor, Docs: w.Docs, Config: w.Config,
		Channels: []connector.ChannelInfo{}, Operations: []connector.OperationInfo{}, Events: append([]message.EventType{}, w.Events...),
		Limits: connector.Limits(w.Limits), Capabilities: connector.Capabilities(w.Capabilities),
	}
	for _, c := range w.Channels {
		d.Channels = append(d.Channels, connector.ChannelInfo{
			Channel: c.Channel, Kinds: c.Kinds, MaxText: c.MaxText, Receipts: connector.Receipts(c.Receipts), Outcomes: c.Outcomes,
			Session: c.Session, TTL: c.TTL, NeedsUserID: c.NeedsUserID,
		})
	}
	for _, o := range w.Operations {
		d.Operations = append(d.Operations, connector.OperationInfo(o))
	}
	return d
}
