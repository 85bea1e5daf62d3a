package wasmhost_test

import (
	"testing"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/core/internal/wasmhost"
	"github.com/hermodhq/hermod/sdk/message"
)

// BenchmarkApply is the price of one call of a transform.
func BenchmarkApply(b *testing.B) {
	s := load(b, patient(), map[string][]byte{"go.wasm": goGuest, "tiny.wasm": doing(bodyOK).wasm()})
	for _, c := range []struct {
		name, transform, do string
	}{
		{"empty", "tiny", ""},  // a module that does nothing: the price of a call
		{"echo", "go", "echo"}, // a Go guest that reads one field
		{"accessors", "go", "upper"},
		{"json", "go", "json"},
		{"reject", "go", "reject"},
	} {
		b.Run(c.name, func(b *testing.B) {
			original := hello(c.do)
			names := []string{c.transform}
			b.ReportAllocs()
			for b.Loop() {
				m := original
				if err := s.Apply(b.Context(), names, &m); (err != nil) != (c.name == "reject") {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("accessors/parallel", func(b *testing.B) {
		names := []string{"go"}
		b.RunParallel(func(pb *testing.PB) {
			original := hello("upper")
			for pb.Next() {
				var m message.Message = original
				if err := s.Apply(b.Context(), names, &m); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkLoad is the price of a reload, per Go guest, without and with its compiled code in the cache.
func BenchmarkLoad(b *testing.B) {
	for _, c := range []struct{ name, cache string }{{"cold", ""}, {"cached", cacheDir}} {
		b.Run(c.name, func(b *testing.B) {
			fsys := files(b, map[string][]byte{"go.wasm": goGuest})
			benchmarkLoad(b, wasmhost.Config{CacheDir: c.cache}, fsys)
			b.ReportMetric(float64(len(goGuest)), "wasm-bytes")
		})
	}
}

func benchmarkLoad(b *testing.B, cfg wasmhost.Config, fsys afero.Fs) {
	for b.Loop() {
		s, err := wasmhost.Load(b.Context(), cfg, fsys, "transforms")
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
