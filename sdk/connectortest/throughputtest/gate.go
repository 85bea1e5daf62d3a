package throughputtest

import (
	"net/http"
	"sync"
	"time"
)

// gate lets calls through to the simulator in waves: none before all of its wave have come. So each call of a wave needs a connection of
// its own, and how many are opened does not depend on time. A connector that never makes so many calls at once opens the gate for good
// after some patience.
type gate struct {
	http.Handler
	patience time.Duration

	mu      sync.Mutex
	wave    int // calls that go through together
	waiting int
	through chan struct{} // closed when those that wait may go
	forever bool          // open
}

func newGate(h http.Handler, patience time.Duration) *gate {
	return &gate{Handler: h, patience: patience, through: make(chan struct{})}
}

// next says how many calls come at once. Nobody may wait then.
func (g *gate) next(wave int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wave = wave
}

// ServeHTTP waits for the rest of the wave, and serves.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if through := g.enter(); through != nil {
		patience := time.NewTimer(g.patience)
		defer patience.Stop()
		select {
		case <-through:
		case <-r.Context().Done():
		case <-patience.C:
			g.giveUp()
		}
	}
	g.Handler.ServeHTTP(w, r)
}

// enter returns what to wait for, and nil for the last of a wave.
func (g *gate) enter() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.forever {
		return nil
	}
	if g.waiting++; g.waiting < g.wave {
		return g.through
	}
	close(g.through)
	g.through, g.waiting = make(chan struct{}), 0
	return nil
}

func (g *gate) giveUp() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.forever {
		g.forever = true
		close(g.through)
	}
}
