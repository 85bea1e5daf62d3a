package core_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hermodhq/hermod/core/internal/pluginhost/process"
	"github.com/hermodhq/hermod/internal/wire"
	connectorv1 "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

const ceilingFrame = 256

// BenchmarkCeilingStream is what go-plugin's stream alone can do with the engine's frames: the same connector in a subprocess,
// nothing decided, nothing stored, nothing converted on the host's side.
func BenchmarkCeilingStream(b *testing.B) {
	forker := process.NewForker()
	defer forker.Close()
	p, err := process.Start(b.Context(), process.Spec{Name: "echo", SocketDir: b.TempDir(), Timeout: 10 * time.Second,
		Logger: slog.New(slog.DiscardHandler), Forker: forker})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Kill()
	client := connectorv1.NewConnectorServiceClient(p.Conn())
	opened, err := client.Open(b.Context(), &connectorv1.OpenRequest{Account: "echo-1", Config: []byte("{}")})
	if err != nil {
		b.Fatal(err)
	}
	stream, err := client.Deliver(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	frame := &connectorv1.DeliverRequest{Handle: opened.GetHandle()}
	for i := range ceilingFrame {
		m := orderMessage(i)
		d := connector.Delivery{Message: "01a20069-19f9-7235-8ca6-9cdce01ede01", Attempt: 1, Channel: message.SMS, To: m.To,
			Content: message.Content{Text: "Hi Ada, your order 1042 has shipped."}, Category: m.Category, Labels: m.Labels}
		frame.Deliveries = append(frame.Deliveries, wire.DeliveryToProto(uint64(i), (*wire.Delivery)(&d)))
	}
	b.ResetTimer()
	frames := (b.N + ceilingFrame - 1) / ceilingFrame
	window := make(chan struct{}, 16)
	go func() {
		for range frames {
			window <- struct{}{}
			if stream.Send(frame) != nil {
				return
			}
		}
	}()
	for answered := 0; answered < frames*ceilingFrame; {
		got, err := stream.Recv()
		if err != nil {
			b.Fatal(err)
		}
		before := answered / ceilingFrame
		answered += len(got.GetAnswers())
		for range answered/ceilingFrame - before {
			<-window
		}
	}
	b.ReportMetric(float64(frames*ceilingFrame)/b.Elapsed().Seconds(), "msg/s")
}

// BenchmarkCeilingJetStream is what JetStream alone can do: "frames" with an fsync for each frame of 256 messages of 512 bytes,
// "messages" with a record for each message and no fsync.
func BenchmarkCeilingJetStream(b *testing.B) {
	for _, test := range []struct {
		name string
		sync bool
		per  int
	}{{"frames-sync", true, ceilingFrame}, {"messages-async", false, 1}} {
		b.Run(test.name, func(b *testing.B) {
			s, err := server.NewServer(&server.Options{ServerName: "ceiling", DontListen: true, JetStream: true, StoreDir: b.TempDir(), SyncAlways: test.sync, NoSigs: true})
			if err != nil {
				b.Fatal(err)
			}
			s.Start()
			defer s.WaitForShutdown()
			defer s.Shutdown()
			if !s.ReadyForConnections(5 * time.Second) {
				b.Fatal("the server does not start")
			}
			nc, err := nats.Connect("", nats.InProcessServer(s))
			if err != nil {
				b.Fatal(err)
			}
			defer nc.Close()
			js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4096/test.per), jetstream.WithPublishAsyncTimeout(30*time.Second))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := js.CreateStream(b.Context(), jetstream.StreamConfig{Name: "C", Subjects: []string{"c"}}); err != nil {
				b.Fatal(err)
			}
			data := make([]byte, 512*test.per)
			b.ResetTimer()
			n := (b.N + test.per - 1) / test.per
			for range n {
				if _, err := js.PublishAsync("c", data, jetstream.WithStallWait(30*time.Second)); err != nil {
					b.Fatal(err)
				}
			}
			<-js.PublishAsyncComplete()
			b.ReportMetric(float64(n*test.per)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}
