package throughputtest

import (
	"fmt"
	"slices"
	"time"
)

// goal is the most CPU time, in microseconds, that a connector should take for a message beside what net/http takes.
const goal = 60

// figures are what a run found. CPU times are in microseconds for a message, one of each round.
type figures struct {
	messages             int           // in rounds
	wall                 time.Duration // of the rounds through the connector
	with, without, extra []float64     // through the connector, by the bare client, and the difference
	connections          int           // that the connector opened for the messages and the Senders ones before them
}

// quantile returns the value below which the part q of v lies, between its neighbours where none is there.
func quantile(v []float64, q float64) float64 {
	v = slices.Sorted(slices.Values(v))
	at := q * float64(len(v)-1)
	low := int(at)
	high := min(low+1, len(v)-1)
	return v[low] + (v[high]-v[low])*(at-float64(low))
}

func (f *figures) report(metric func(n float64, unit string)) {
	metric(float64(f.messages)/f.wall.Seconds(), "msg/s")
	metric(quantile(f.with, 0.5), "cpu-us/msg")
	metric(quantile(f.without, 0.5), "bare-cpu-us/msg")
	metric(quantile(f.extra, 0.5), "extra-cpu-us/msg")
	metric(quantile(f.extra, 0.25), "extra-cpu-us/msg-p25")
	metric(quantile(f.extra, 0.75), "extra-cpu-us/msg-p75")
	metric(float64(f.connections)*1000/float64(f.messages+Senders), "conns/1000msg")
	metric(0, "ns/op") // of both ways together: says nothing
}

// verdict says whether the goal was met.
func (f *figures) verdict() string {
	word, low, high := "met", quantile(f.extra, 0.25), quantile(f.extra, 0.75)
	if quantile(f.extra, 0.5) > goal {
		word = "missed"
	}
	if low <= goal && high > goal {
		word += " within the noise"
	}
	reused := "reused"
	if f.connections > 4*Senders { // while the first ones are opened, a few more may be
		reused = "NOT reused"
	}
	return fmt.Sprintf("goal of at most %d us of CPU for a message beside net/http: %s: %.1f us, quartiles %.1f and %.1f, %d rounds; connections %s: %d for %d messages",
		goal, word, quantile(f.extra, 0.5), low, high, len(f.extra), reused, f.connections, f.messages+Senders)
}
