package toy

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Vendor is the toy's vendor, which behaves well. It keeps an update until the next one is asked for with its id.
type Vendor struct {
	updates chan string // ids of updates that nobody has been given

	mu    sync.Mutex
	sent  int
	given string // id of the update that was given and not acknowledged
	last  int    // of the updates
}

// NewVendor returns a vendor.
func NewVendor() *Vendor { return &Vendor{updates: make(chan string)} }

// Happen gives one update to a listener, and waits for one.
func (v *Vendor) Happen(ctx context.Context) error {
	v.mu.Lock()
	v.last++
	id := "happened-" + strconv.Itoa(v.last)
	v.mu.Unlock()
	select {
	case v.updates <- id:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ServeHTTP takes messages, tells their state, runs operations and passes updates on.
func (v *Vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch id := strings.TrimPrefix(r.URL.Path, "/messages/"); {
	case r.Method == http.MethodPost && r.URL.Path == "/messages":
		v.mu.Lock()
		v.sent++
		n := v.sent
		v.mu.Unlock()
		_, _ = fmt.Fprintf(w, `{"id":"m%d"}`, n)
	case r.Method == http.MethodPost && r.URL.Path == "/notes":
		_, _ = fmt.Fprint(w, `{"id":"n1"}`)
	case r.URL.Path == "/greet":
		_, _ = fmt.Fprintf(w, `{"hello":%q}`, r.URL.Query().Get("name"))
	case r.URL.Path == "/updates":
		v.update(w, r)
	case strings.HasPrefix(id, "m"):
		_, _ = fmt.Fprint(w, `{"state":"delivered"}`)
	default:
		http.NotFound(w, r)
	}
}

// update gives the update that was not acknowledged again, or waits for the next.
func (v *Vendor) update(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	if v.given == r.URL.Query().Get("after") {
		v.given = ""
	}
	id := v.given
	v.mu.Unlock()
	if id == "" {
		select {
		case id = <-v.updates:
		case <-r.Context().Done():
			return
		}
		v.mu.Lock()
		v.given = id
		v.mu.Unlock()
	}
	_, _ = fmt.Fprintf(w, `{"id":%q}`, id)
}
