//go:build linux

package pluginhost_test

import (
	"fmt"
	"github.com/hermodhq/hermod/core/internal/pluginhost/process"
	"github.com/hermodhq/hermod/internal/wire"
	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hermodhq/hermod/core/internal/pluginhost"
	"github.com/hermodhq/hermod/sdk/connector"
)

// BenchmarkDeliver measures deliveries through a real subprocess that answers at once, from Deliver to Answers.
func BenchmarkDeliver(b *testing.B) {
	for _, size := range []int{1, 32, 256} {
		b.Run(fmt.Sprint("batch=", size), func(b *testing.B) {
			f := start(b, pluginhost.Program{SelfExec: true}, nil)
			var n atomic.Int64
			room := make(chan struct{}, 1)
			a, err := f.Open(b.Context(), pluginhost.AccountSpec{ID: "bench", Connector: "echo", Answers: func(got []connector.Answer) {
				for i := range got {
					if got[i].Err != nil {
						b.Error(got[i].Err)
					}
				}
				n.Add(int64(len(got)))
				select {
				case room <- struct{}{}:
				default:
				}
			}})
			if err != nil {
				b.Fatal(err)
			}
			deliveries := batch(size, "Hi Ada, your order 1042 has shipped and will be with you between nine and eleven tomorrow.")
			b.ReportAllocs()
			b.ResetTimer()
			sent := int64(0)
			for sent < int64(b.N) {
				for sent-n.Load() > 4096 {
					<-room
				}
				a.Deliver(deliveries)
				sent += int64(size)
			}
			for n.Load() < sent {
				<-room
			}
			b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "msgs/s")
		})
	}
}

// BenchmarkRawStream is the ceiling: the same frames over the same kind of stream, with nothing kept and nothing converted.
func BenchmarkRawStream(b *testing.B) {
	for _, size := range []int{32, 256} {
		b.Run(fmt.Sprint("frame=", size), func(b *testing.B) {
			program := self(b)
			forker := process.NewForker()
			p, err := process.Start(b.Context(), process.Spec{
				Name: "echo", Path: program.Path, SHA256: program.SHA256, Args: []string{"misbehave", "raw"}, SocketDir: b.TempDir(),
				Timeout: 10 * time.Second, Logger: slog.New(slog.DiscardHandler), Forker: forker,
			})
			if err != nil {
				b.Fatal(err)
			}
			defer forker.Close()
			defer p.Kill()
			stream, err := pb.NewConnectorServiceClient(p.Conn()).Deliver(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			frame := &pb.DeliverRequest{}
			for i, d := range batch(size, "Hi Ada, your order 1042 has shipped and will be with you between nine and eleven tomorrow.") {
				w := wire.Delivery(d)
				frame.Deliveries = append(frame.Deliveries, wire.DeliveryToProto(uint64(i), &w))
			}
			b.ReportAllocs()
			b.ResetTimer()
			frames := (b.N + size - 1) / size
			window := make(chan struct{}, max(1, 1024/size))
			go func() {
				for range frames {
					window <- struct{}{}
					if stream.Send(frame) != nil {
						return
					}
				}
			}()
			for range frames {
				if _, err := stream.Recv(); err != nil {
					b.Fatal(err)
				}
				<-window
			}
			b.ReportMetric(float64(frames*size)/b.Elapsed().Seconds(), "msgs/s")
		})
	}
}
