//go:build unix

package throughputtest

import (
	"syscall"
	"testing"
	"time"
)

const roundSize = 500 // messages between readings of the CPU's time

// Measure is the whole body of a benchmark. It sends messages to the simulator in rounds of 500, by turns through the connector and, with
// a bare net/http client, as the bytes that the connector sent for one message. The simulator runs in another process, the test binary
// started again, so that CPU time is that of the sending side alone. Measure reports the medians of the rounds:
//
//	msg/s                       through the connector
//	cpu-us/msg                  CPU time for a message through the connector, in microseconds
//	bare-cpu-us/msg             the same by the bare client
//	extra-cpu-us/msg            the difference: what the connector costs. -p25 and -p75 are its quartiles
//	conns/1000msg               connections that the connector opened
//
// and, from 500 messages on, logs whether the goal of 60 us is met. A missed goal does not fail the benchmark: machines differ. Where
// there is no Unix it is skipped.
func Measure(b *testing.B, c Case) {
	b.Helper()
	r := prepare(b, c)
	if r == nil {
		return // this is the simulator's process
	}
	b.ResetTimer()
	f := r.run(b.N, roundSize)
	b.StopTimer()
	f.report(b.ReportMetric)
	if b.N >= roundSize {
		b.Log(f.verdict())
	}
}

// run is a measurement that is ready.
type run struct {
	tb            testing.TB
	through, bare func() error
	connections   func() int // ends the simulator's process
}

// prepare starts the simulator's process. In that process it serves, and returns nil in the end.
func prepare(tb testing.TB, c Case) *run {
	tb.Helper()
	c.check(tb)
	if serveIfAsked(tb, c) {
		return nil
	}
	urls, connections := startSimulator(tb)
	r := &run{tb: tb, through: c.open(tb, urls[0]), bare: c.bare(tb, urls[1]), connections: connections}
	_, _ = r.round(Senders, r.through), r.round(Senders, r.bare) // connections and caches are warm then
	return r
}

// run sends n messages each way.
func (r *run) run(n, size int) *figures {
	r.tb.Helper()
	f := &figures{messages: n}
	for left := n; left > 0; left -= size {
		n := min(left, size)
		var mine, other spent
		if len(f.extra)%2 == 0 {
			mine, other = r.round(n, r.through), r.round(n, r.bare)
		} else {
			other, mine = r.round(n, r.bare), r.round(n, r.through)
		}
		f.wall += mine.wall
		f.with, f.without, f.extra = append(f.with, mine.each), append(f.without, other.each), append(f.extra, mine.each-other.each)
	}
	f.connections = r.connections()
	return f
}

// spent is what a round took.
type spent struct {
	wall time.Duration
	each float64 // microseconds of CPU for a message
}

func (r *run) round(n int, send func() error) spent {
	r.tb.Helper()
	cpu, start := cpuTime(r.tb), time.Now()
	if err := sendAll(n, send); err != nil {
		r.tb.Fatal(err)
	}
	return spent{wall: time.Since(start), each: float64((cpuTime(r.tb) - cpu).Nanoseconds()) / 1000 / float64(n)}
}

// cpuTime is what this process alone has used.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
