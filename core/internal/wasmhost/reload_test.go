package wasmhost_test

import (
	"bytes"
	"os"
	"runtime"
	"testing"

	"github.com/hermodhq/hermod/core/internal/wasmhost"
)

// usage is what sets hold of this process.
type usage struct {
	goroutines int
	heap       uint64 // bytes, linear memories among them
	mappings   int    // of memory, compiled code among them; 0 where the system does not tell
}

func measure(t *testing.T) usage {
	t.Helper()
	for range 3 { // code is unmapped by finalizers, one collection after its last use
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	maps, _ := os.ReadFile("/proc/self/maps")
	return usage{runtime.NumGoroutine(), m.HeapAlloc, bytes.Count(maps, []byte("\n"))}
}

// Sets that were closed hold nothing any more, whatever became of their instances, and even where somebody still holds them.
func TestReloadsLeaveNothing(t *testing.T) {
	contents := map[string][]byte{"ok.wasm": doing(bodyOK).wasm(), "trap.wasm": doing(bodyTrap).wasm()}
	cfg := patient()
	small := files(t, contents)
	contents["go.wasm"] = goGuest // large, and so slow to load where the race detector watches
	large := files(t, contents)
	var closed []*wasmhost.Set
	reload := func(i int) {
		fsys := small
		if i%5 == 0 {
			fsys = large
		}
		s, err := wasmhost.Load(t.Context(), cfg, fsys, "transforms")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range s.Names() {
			m := hello("upper")
			if err := s.Apply(t.Context(), []string{name}, &m); (err != nil) != (name == "trap") {
				t.Fatal(err)
			}
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		closed = append(closed, s)
	}
	for i := range 6 {
		reload(i)
	}
	before := measure(t)
	for i := range 50 {
		reload(i)
	}
	after := measure(t)
	const slack = 4 << 20 // a set with the large file holds about 10 MiB
	if after.goroutines > before.goroutines+2 || after.heap > before.heap+slack || after.mappings > before.mappings+20 {
		t.Errorf("50 reloads: before %+v, after %+v", before, after)
	}
	runtime.KeepAlive(closed)
}

// A set that does not load whole leaves nothing behind either.
func TestFailedLoadsLeaveNothing(t *testing.T) {
	fsys := files(t, map[string][]byte{"go.wasm": goGuest, "bad.wasm": tiny{}.wasm()})
	fail := func() {
		if _, err := wasmhost.Load(t.Context(), patient(), fsys, "transforms"); err == nil {
			t.Fatal("loaded")
		}
	}
	fail()
	before := measure(t)
	for range 4 {
		fail()
	}
	if after := measure(t); after.goroutines > before.goroutines+2 || after.heap > before.heap+(8<<20) || after.mappings > before.mappings+4 {
		t.Errorf("4 failed loads: before %+v, after %+v", before, after)
	}
}
