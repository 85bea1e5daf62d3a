package journal

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

var benchSizes = []int{512, 16 << 10, 128 << 10}

func BenchmarkAppend(b *testing.B) {
	for _, sync := range []bool{true, false} {
		for _, size := range benchSizes {
			b.Run(fmt.Sprintf("sync=%v/%d", sync, size), func(b *testing.B) {
				cfg := testConfig(b.TempDir())
				cfg.Sync = sync
				p := start(b, cfg).Partition(0)
				data := make([]byte, size)
				took := make([]time.Duration, 0, b.N)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					began := time.Now()
					if _, err := p.Append(b.Context(), data); err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(began))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
			})
		}
	}
}

func BenchmarkScan(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			dir := b.TempDir()
			cfg := testConfig(dir)
			cfg.Sync = false
			j := start(b, cfg)
			data := make([]byte, size)
			frames := min(64<<20/size, 20_000)
			for range frames {
				if _, err := j.Partition(0).Append(b.Context(), data); err != nil {
					b.Fatal(err)
				}
			}
			stop(b, j)
			p := start(b, cfg).Partition(0)
			b.SetBytes(int64(frames * size))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if err := p.Scan(b.Context(), 0, func(Frame) error { n++; return nil }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "frames/s")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	p := start(b, testConfig(b.TempDir())).Partition(0)
	for range 100 {
		if _, err := p.Append(b.Context(), make([]byte, 128<<10)); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(128 << 10)
	seq := uint64(0)
	for b.Loop() {
		seq = seq%100 + 1
		if _, err := p.Read(b.Context(), seq); err != nil {
			b.Fatal(err)
		}
	}
}
