package core_test

import (
	"context"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

// TestMain lets the test binary be its own connector's subprocess, as a host's binary is, and the host
// that is killed.
func TestMain(m *testing.M) {
	connector.ServeIfAsked(echo(), vend(), slowVend())
	if job := os.Getenv(hostEnv); job != "" {
		os.Exit(hostMain(job))
	}
	if job := os.Getenv(reactHostEnv); job != "" {
		os.Exit(reactHostMain(job))
	}
	goleak.VerifyTestMain(m)
}

type echoConfig struct{}

type echoAccount struct{}

// echo is a connector that accepts everything at once.
func echo() connector.Connector {
	return connector.Define(connector.Spec{
		Name: "echo", Version: "1.0.0", Summary: "Accepts everything at once.", Vendor: "none",
		Channels: []connector.ChannelInfo{{
			Channel: message.SMS, Kinds: []message.ContentKind{message.KindText}, Receipts: connector.Pushed,
			Outcomes: []message.Outcome{message.Accepted, message.Sent, message.Delivered},
		}},
	}, func(context.Context, echoConfig, connector.Env) (*echoAccount, error) { return &echoAccount{}, nil })
}

// SendBatch answers without a goroutine for each message, so that a benchmark measures the engine.
func (*echoAccount) SendBatch(_ context.Context, batch []connector.Delivery, answer func(connector.Answer)) {
	for i := range batch {
		answer(connector.Answer{Message: batch[i].Message, Attempt: batch[i].Attempt,
			Result: connector.Result{VendorID: message.VendorMessageID(batch[i].Message), Outcome: message.Accepted}})
	}
}
