//go:build !unix

package throughputtest

import "testing"

// Measure is the whole body of a benchmark. It needs a Unix, and is skipped elsewhere.
func Measure(b *testing.B, _ Case) {
	b.Helper()
	b.Skip("SKIPPED: the throughput was NOT measured: this needs a Unix, where a process can read its CPU time (getrusage)")
}
