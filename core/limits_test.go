package core_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// What a connector says of its vendor's limits holds for accounts that say nothing, for messages and for operations that change
// something; what an account says comes first.
func TestDescribedLimitsArePacing(t *testing.T) {
	for name, tt := range map[string]struct {
		limits *connector.Limits
		passes bool
	}{
		"the connector's": {nil, false},
		"the account's":   {&connector.Limits{PerSecond: 1e6}, true},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t)
			v.answer = func(context.Context, vendCall, int) vendReply { return vendReply{Outcome: message.Delivered} }
			k := newKit(t, v, oneStep(""), func(c *core.Config) {
				c.Connectors = []connector.Connector{slowVend()}
				c.Accounts = map[message.AccountID]core.Account{"one": {Connector: "slow-vend", Config: v.settings(false), Limits: tt.limits}}
			})
			first := k.send(message.Message{To: message.Recipient{Phone: "+447700900001"}, Content: message.Content{Text: "Hi Ada"}})
			k.ends(first, message.Delivered, "")
			second := k.send(message.Message{To: message.Recipient{Phone: "+447700900002"}, Content: message.Content{Text: "Hi Ada"}})
			if _, err := k.Invoke(t.Context(), "one", "pid", json.RawMessage(`{}`)); err != nil {
				t.Errorf("an operation that changes nothing waits: %v", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if !tt.passes {
				cancel()
				ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			}
			defer cancel()
			_, err := k.Invoke(ctx, "one", "note", json.RawMessage(`{}`))
			if f, limited := errors.AsType[*fault.Fault](err); tt.passes && err != nil || !tt.passes && (!limited || f.Class != fault.RateLimited || f.Code != "limit_wait") {
				t.Errorf("an operation that changes something: %v", err)
			}
			if tt.passes {
				k.ends(second, message.Delivered, "")
			} else if s := k.Accounts()[0]; s.Queued+s.InFlight != 1 {
				t.Errorf("%d messages wait and %d are called, want one that waits", s.Queued, s.InFlight)
			}
		})
	}
}
