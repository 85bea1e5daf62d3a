package connector

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "github.com/hermodhq/hermod/proto/hermod/connector/v1"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

func TestMain(m *testing.M) {
	if os.Getenv("TEST_SERVE") != "" {
		ServeIfAsked(batching())
		Serve(batching())
		return
	}
	goleak.VerifyTestMain(m)
}

type batcher struct{}

func batching() Connector {
	return Define(Spec{Name: "batching", Version: "0.1.0", Summary: "Takes batches.", Vendor: "Test", Limits: Limits{Concurrency: 1}},
		func(context.Context, struct{}, Env) (*batcher, error) { return &batcher{}, nil })
}

// SendBatch answers as a careless author might, by the first message's text.
func (*batcher) SendBatch(ctx context.Context, batch []Delivery, answer func(Answer)) {
	switch batch[0].Content.Text {
	case "twice":
		for range 2 {
			for _, d := range batch {
				answer(Answer{Message: d.Message, Attempt: d.Attempt})
			}
		}
	case "forgets":
		answer(Answer{Message: batch[1].Message, Attempt: batch[1].Attempt})
		answer(Answer{Message: "nobody's"})
	case "panics":
		answer(Answer{Message: batch[0].Message, Attempt: batch[0].Attempt})
		panic("no")
	case "waits":
		<-ctx.Done()
		for _, d := range batch {
			answer(Answer{Message: d.Message, Attempt: d.Attempt, Err: ctx.Err()})
		}
	}
}

// dial serves c and opens an account on it.
func dial(t *testing.T, c Connector) (pb.ConnectorServiceClient, uint64) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- ServeOn(ctx, c, l, slog.New(slog.DiscardHandler)) }()
	conn, err := grpc.NewClient("unix:"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(conn.Close(), <-served); err != nil {
			t.Error(err)
		}
	})
	client := pb.NewConnectorServiceClient(conn)
	resp, err := client.Open(t.Context(), &pb.OpenRequest{Account: "a"})
	if err != nil || resp.Fault != nil {
		t.Fatal(err, resp)
	}
	return client, resp.Handle
}

func TestBatchesAreAnsweredOnceEach(t *testing.T) {
	client, handle := dial(t, batching())
	for text, want := range map[string]map[string]int{
		"twice": {"": 3}, "forgets": {"": 1, "no_answer": 2}, "panics": {"": 1, "connector_panic": 2}, "waits": {"no_answer": 3},
	} {
		stream, err := client.Deliver(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		frame := &pb.DeliverRequest{Handle: handle, TimeoutNanos: int64(50 * time.Millisecond)}
		for i := range 3 {
			frame.Deliveries = append(frame.Deliveries, &pb.Delivery{
				Sequence: uint64(i + 1), Message: string(rune('a' + i)), Attempt: 1, Content: &pb.Content{Text: text},
			})
		}
		if err := errors.Join(stream.Send(frame), stream.CloseSend()); err != nil {
			t.Fatal(err)
		}
		got, seen := map[string]int{}, map[uint64]bool{}
		for {
			answers, err := stream.Recv()
			if err != nil {
				break
			}
			for _, a := range answers.Answers {
				if seen[a.Sequence] {
					t.Errorf("%s: %d was answered twice", text, a.Sequence)
				}
				seen[a.Sequence] = true
				got[a.GetFault().GetCode()]++
			}
		}
		for code, n := range want {
			if got[code] != n {
				t.Errorf("%s: answers by code %v, want %v", text, got, want)
			}
		}
	}
}

func TestWhatCouldNotStartWasNotTaken(t *testing.T) {
	client, handle := dial(t, batching())
	stream, err := client.Deliver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 { // the one worker is busy with the first until both have run out of time
		if err := stream.Send(&pb.DeliverRequest{Handle: handle, TimeoutNanos: int64(100 * time.Millisecond), Deliveries: []*pb.Delivery{
			{Sequence: uint64(i + 1), Message: "m", Attempt: int64(i), Content: &pb.Content{Text: "waits"}},
		}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	classes := map[uint64]string{}
	for {
		answers, err := stream.Recv()
		if err != nil {
			break
		}
		for _, a := range answers.Answers {
			classes[a.Sequence] = a.GetFault().GetClass()
		}
	}
	if classes[1] != string(fault.OutcomeUnknown) || len(classes) != 2 {
		t.Errorf("classes %v", classes)
	}
}

func TestHandlesThatAreNotOpen(t *testing.T) {
	client, handle := dial(t, batching())
	if _, err := client.Invoke(t.Context(), &pb.InvokeRequest{Handle: handle + 1, Operation: "x"}); err == nil {
		t.Error("a handle that is not open was used")
	}
	for range 2 {
		if resp, err := client.Close(t.Context(), &pb.CloseRequest{Handle: handle}); err != nil || resp.Fault != nil {
			t.Errorf("closing gave %v, %v", resp, err)
		}
	}
	if resp, err := client.Open(t.Context(), &pb.OpenRequest{Account: "a", Config: []byte(`{"x":1}`)}); err != nil || resp.GetFault().GetCode() != "config_invalid" {
		t.Errorf("opening with an unknown field gave %v, %v", resp, err)
	}
}

// What an operation leaves open depends on whether it changes something.
func TestOperationsWithoutAnAnswer(t *testing.T) {
	fails := map[string]func(ctx context.Context) error{"panics": func(context.Context) error { panic("no") }, "waits": func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	var operations []Operation[*batcher]
	for how, fail := range fails {
		for kind, mutates := range map[string]bool{"act": true, "read": false} {
			operations = append(operations, Op(kind+"."+how, "x", "x", mutates, func(ctx context.Context, _ *batcher, _ struct{}) (struct{}, error) {
				return struct{}{}, fail(ctx)
			}))
		}
	}
	s := newServer(Define(Spec{Name: "failing", Version: "0.1.0", Summary: "Fails.", Vendor: "Test"},
		func(context.Context, struct{}, Env) (*batcher, error) { return &batcher{}, nil }, operations...), slog.New(slog.DiscardHandler))
	opened, err := s.Open(t.Context(), &pb.OpenRequest{Account: "a"})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for operation, class := range map[string]fault.Class{"act.panics": fault.OutcomeUnknown, "read.panics": fault.Internal,
		"act.waits": fault.OutcomeUnknown, "read.waits": fault.Unavailable} {
		resp, err := s.Invoke(ended, &pb.InvokeRequest{Handle: opened.Handle, Operation: operation})
		if err != nil || fault.Class(resp.GetFault().GetClass()) != class {
			t.Errorf("%s is answered with %v, %v, want class %s", operation, resp, err, class)
		}
	}
}

func TestRunByHand(t *testing.T) {
	for name, c := range map[string]struct {
		env  []string
		want string
	}{
		"no engine":    {nil, "batching 0.1.0 is a connector for Hermod: Takes batches."},
		"another name": {[]string{"HERMOD_CONNECTOR=d1c6a1c2-hermod-connector", "HERMOD_CONNECTOR_NAME=other"}, `no connector named "other"`},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(c.env, "TEST_SERVE=1")
			out, err := cmd.CombinedOutput()
			exit, ok := errors.AsType[*exec.ExitError](err)
			if !ok || exit.ExitCode() != 2 || !strings.Contains(string(out), c.want) {
				t.Errorf("it ended with %v and said:\n%s", err, out)
			}
		})
	}
}

func TestLogLinesNameTheAccount(t *testing.T) {
	var b strings.Builder
	logger := slog.New(newLogHandler(&b, "DEBUG")).With("a", 1).WithGroup("g")
	logger.DebugContext(withAccount(context.Background(), message.AccountID("acme-uk"), logger), "hello", "b", 2, "took", 1500*time.Microsecond)
	if !strings.Contains(b.String(), "acme-uk") || !strings.Contains(b.String(), `"took":"1.5ms"`) {
		t.Errorf("the line is %s", b.String())
	}
}
