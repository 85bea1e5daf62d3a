package toy

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Vendor is the toy's vendor, which behaves well. It keeps an update until the next one is asked for with its id: what it gave to a
// request that has ended meanwhile is not lost.
type Vendor struct {
	mu    sync.Mutex
	sent  int
	last  int           // of the updates
	queue []update      // not acknowledged, oldest first
	news  chan struct{} // closed and replaced when the queue grows
}

type update struct {
	id    string
	given chan struct{} // holds one when somebody was given it
}

// NewVendor returns a vendor.
func NewVendor() *Vendor { return &Vendor{news: make(chan struct{})} }

// Happen gives one update to a listener, and waits for one.
func (v *Vendor) Happen(ctx context.Context) error {
	v.mu.Lock()
	v.last++
	u := update{"happened-" + strconv.Itoa(v.last), make(chan struct{}, 1)}
	v.queue = append(v.queue, u)
	close(v.news)
	v.news = make(chan struct{})
	v.mu.Unlock()
	select {
	case <-u.given:
		return nil
	case <-ctx.Done():
		v.mu.Lock()
		defer v.mu.Unlock()
		v.queue = slices.DeleteFunc(v.queue, func(have update) bool { return have.id == u.id })
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

// update gives the oldest update that was not acknowledged, or waits for one.
func (v *Vendor) update(w http.ResponseWriter, r *http.Request) {
	for {
		v.mu.Lock()
		if len(v.queue) > 0 && v.queue[0].id == r.URL.Query().Get("after") {
			v.queue = v.queue[1:]
		}
		if len(v.queue) > 0 {
			u := v.queue[0]
			v.mu.Unlock()
			select {
			case u.given <- struct{}{}:
			default: // it was given before
			}
			_, _ = fmt.Fprintf(w, `{"id":%q}`, u.id)
			return
		}
		news := v.news
		v.mu.Unlock()
		select {
		case <-news:
		case <-r.Context().Done():
			return
		}
	}
}
