package toy

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// Vendor is the toy's vendor, which behaves well.
type Vendor struct {
	updates chan string

	mu   sync.Mutex
	sent int
}

// NewVendor returns a vendor.
func NewVendor() *Vendor { return &Vendor{updates: make(chan string)} }

// Happen gives one update to a listener, and waits for one.
func (v *Vendor) Happen(ctx context.Context) error {
	select {
	case v.updates <- `{"id":"happened"}`:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ServeHTTP takes messages, tells their state and passes updates on.
func (v *Vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch id := strings.TrimPrefix(r.URL.Path, "/messages/"); {
	case r.Method == http.MethodPost && r.URL.Path == "/messages":
		v.mu.Lock()
		v.sent++
		n := v.sent
		v.mu.Unlock()
		_, _ = fmt.Fprintf(w, `{"id":"m%d"}`, n)
	case r.URL.Path == "/updates":
		select {
		case u := <-v.updates:
			_, _ = fmt.Fprint(w, u)
		case <-r.Context().Done():
		}
	case strings.HasPrefix(id, "m"):
		_, _ = fmt.Fprint(w, `{"state":"delivered"}`)
	default:
		http.NotFound(w, r)
	}
}
