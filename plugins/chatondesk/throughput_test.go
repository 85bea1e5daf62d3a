//go:build unix

package chatondesk_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hermodhq/hermod/plugins/chatondesk/chatondesksim"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

const (
	simulatorEnv = "HERMOD_THROUGHPUT_SIMULATOR" // makes BenchmarkThroughput the simulator's process
	senders      = 16                            // messages under way at once
	apiPath      = "/api"
	roundSize    = 500 // messages between readings of the CPU's time
)

// BenchmarkThroughput sends messages to the simulator in rounds, by turns through the connector and as the same bytes with a bare
// client. The simulator is another process, so that CPU time is that of the sending side alone: extra-cpu-us/msg is what the
// connector costs. conns is how many connections the connector opened for 1,000 messages.
func BenchmarkThroughput(b *testing.B) {
	if os.Getenv(simulatorEnv) != "" {
		serveSimulator(b)
		return
	}
	urls, counts := startSimulator(b)
	a, sent := openAccount(b, urls[0], nil), atomic.Int64{}
	through := func() error {
		var err error
		a.Deliver(context.Background(), []connector.Delivery{numbered(int(sent.Add(1)))}, func(x connector.Answer) { err = x.Err })
		return err
	}
	bare := bareClient(b, urls[1])
	_, _ = measure(b, senders, through), measure(b, senders, bare) // connections and caches are warm then
	sent.Store(0)
	var wall time.Duration
	var with, without, extra []float64
	b.ResetTimer()
	for left := b.N; left > 0; left -= roundSize {
		n := min(left, roundSize)
		var mine, other spent
		if len(extra)%2 == 0 {
			mine, other = measure(b, n, through), measure(b, n, bare)
		} else {
			other, mine = measure(b, n, bare), measure(b, n, through)
		}
		wall += mine.wall
		with, without, extra = append(with, mine.each), append(without, other.each), append(extra, mine.each-other.each)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/wall.Seconds(), "msg/s")
	b.ReportMetric(median(with), "cpu-us/msg")
	b.ReportMetric(median(without), "bare-cpu-us/msg")
	b.ReportMetric(median(extra), "extra-cpu-us/msg")
	b.ReportMetric(float64(counts())*1000/float64(b.N+senders), "conns/1000msg")
	b.ReportMetric(0, "ns/op") // of both ways together: says nothing
}

// numbered is the nth message; all have the same length.
func numbered(n int) connector.Delivery {
	d := template(ada, map[string]any{"name": "Ada", "time": "12:30"})
	d.Message, d.Attempt = message.ID(fmt.Sprintf("01HX%08d", n)), 1
	return d
}

// simulator serves without limits, below apiPath.
func simulator() *chatondesksim.Sim { return chatondesksim.New(chatondesksim.Options{Pace: 0.001}) }

// spent is what a round took.
type spent struct {
	wall time.Duration
	each float64 // microseconds of CPU for a message
}

func measure(b *testing.B, n int, send func() error) spent {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	cpu, start := cpuTime(b), time.Now()
	for range senders {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				if err := send(); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return spent{wall: time.Since(start), each: float64((cpuTime(b) - cpu).Nanoseconds()) / 1000 / float64(n)}
}

// cpuTime is what this process alone has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// bareClient returns what repeats one request of the connector, byte for byte, and reads the answer.
func bareClient(b *testing.B, target string) func() error {
	b.Helper()
	req, body := capture(b, target)
	client := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2: true, MaxIdleConns: 64, MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64, IdleConnTimeout: 90 * time.Second,
	}}
	b.Cleanup(client.CloseIdleConnections)
	u, err := url.Parse(target)
	if err != nil {
		b.Fatal(err)
	}
	address := "http://" + u.Host + req.URL.RequestURI()
	for _, own := range []string{"Accept-Encoding", "Content-Length", "User-Agent"} {
		req.Header.Del(own) // net/http writes the same ones again
	}
	return func() error {
		r, err := http.NewRequestWithContext(context.Background(), req.Method, address, bytes.NewReader(body))
		if err != nil {
			return err
		}
		for name, v := range req.Header {
			r.Header[name] = v
		}
		res, err := client.Do(r)
		if err != nil {
			return err
		}
		_, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("the simulator answered %s", res.Status)
		}
		return err
	}
}

// capture returns the last request that the connector makes for one message.
func capture(b *testing.B, target string) (req *http.Request, body []byte) {
	b.Helper()
	u, err := url.Parse(target)
	if err != nil {
		b.Fatal(err)
	}
	u.Path = "" // requests have it
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	proxy := httputil.NewSingleHostReverseProxy(u)
	proxy.Transport = transport
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		req = r.Clone(context.Background())
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	defer srv.Close()
	if x := deliver(b, openAccount(b, srv.URL+apiPath, nil), numbered(0)); x.Err != nil {
		b.Fatal(x.Err)
	}
	return req, body
}

// startSimulator starts the simulator's process. It returns two URLs of it, and what ends it and returns how many
// connections came to the first.
func startSimulator(b *testing.B) (urls [2]string, stop func() int) {
	b.Helper()
	out, theirs, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkThroughput$", "-test.benchtime=1x")
	cmd.Env, cmd.ExtraFiles, cmd.Stderr = append(os.Environ(), simulatorEnv+"=1"), []*os.File{theirs}, os.Stderr
	stdin, err := cmd.StdinPipe() // its end is the child's
	if err == nil {
		err = cmd.Start()
	}
	_ = theirs.Close()
	if err != nil {
		b.Fatal(err)
	}
	var count int
	end := sync.OnceFunc(func() {
		_ = stdin.Close()
		_, scanErr := fmt.Fscanln(out, &count)
		_ = out.Close()
		if err := cmd.Wait(); err != nil || scanErr != nil {
			b.Errorf("the simulator's process: %v, %v", err, scanErr)
		}
	})
	b.Cleanup(end)
	if _, err := fmt.Fscanln(out, &urls[0], &urls[1]); err != nil {
		b.Fatal(err)
	}
	return urls, func() int { end(); return count }
}

// serveSimulator is the child: it writes its URLs to file 3, serves until its input ends, and writes the count.
func serveSimulator(b *testing.B) {
	b.Helper()
	sim := simulator()
	defer sim.Close()
	out := os.NewFile(3, "parent")
	var servers sync.WaitGroup
	defer servers.Wait() // after they are closed
	var opened [2]atomic.Int64
	var urls [2]string
	for i := range urls {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		urls[i] = "http://" + l.Addr().String() + apiPath
		server := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second, ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				opened[i].Add(1)
			}
		}}
		servers.Go(func() { _ = server.Serve(l) })
		defer func() { _ = server.Close() }()
	}
	_, _ = fmt.Fprintln(out, urls[0], urls[1])
	_, _ = io.Copy(io.Discard, os.Stdin)
	_, _ = fmt.Fprintln(out, opened[0].Load())
	_ = out.Close()
}
