package rules

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/rules/internal/files"
)

// WatchOptions tune a [Watcher]. The zero value is good.
type WatchOptions struct {
	// Poll is how often the files are compared; zero is 3s. Polling finds what notifications miss: other file systems
	// than the operating system's, links that are swapped, a directory that is made anew.
	Poll time.Duration
	// Settle is how long files must stay the same before they are loaded; zero is 100ms. It keeps a file that is being
	// written from being read half.
	Settle time.Duration
	// NoNotify turns the operating system's notifications off; changes are then seen at the next poll.
	NoNotify bool
}

func (o WatchOptions) withDefaults() WatchOptions {
	if o.Poll <= 0 {
		o.Poll = 3 * time.Second
	}
	if o.Settle <= 0 {
		o.Settle = 100 * time.Millisecond
	}
	return o
}

// Watcher keeps the newest good rule set of a directory. A changed, new, renamed or deleted file leads to a whole new set,
// which is compiled aside and swapped in with one pointer; on any error the last good set stays. All methods may
// be called from several goroutines at once.
type Watcher struct {
	fsys    afero.Fs
	dir     string
	catalog func() Catalog
	onLoad  func(*Set)
	onError func(error)
	opts    WatchOptions

	current atomic.Pointer[Set]
	mu      sync.Mutex // one load at a time; guards what follows
	tried   string     // the state that was loaded or refused last
	failed  error      // why it was refused; nil when it was loaded
}

// NewWatcher makes a watcher; it reads nothing yet. catalog is asked at every look, and a changed catalog loads the rules
// anew. onLoad is called after each swap, onError once for each refused state of the files, with [Errors] that name
// the places; either may be nil. Both are called by the goroutine that loads, one call at a time, and must not call Reload.
func NewWatcher(fsys afero.Fs, dir string, catalog func() Catalog, onLoad func(*Set), onError func(error), opts WatchOptions) *Watcher {
	if onLoad == nil {
		onLoad = func(*Set) {}
	}
	if onError == nil {
		onError = func(error) {}
	}
	return &Watcher{fsys: fsys, dir: dir, catalog: catalog, onLoad: onLoad, onError: onError, opts: opts.withDefaults()}
}

// Current returns the newest good set, and nil before the first one. Take it once for a message: so one revision decides it.
func (w *Watcher) Current() *Set { return w.current.Load() }

// Reload looks at the files now, without waiting for them to settle. It returns the current set, and the error of the files as they are;
// a host calls it once before Run, so that it starts with rules or not at all. With an error the set is the last good one, or nil.
// Files and a catalog that were loaded before are not loaded again.
func (w *Watcher) Reload() (*Set, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	state := w.look()
	if state.key != w.tried {
		w.load(state)
	}
	return w.Current(), w.failed
}

// Run watches until ctx ends, and returns ctx.Err(). Everything it opened is closed then. One Run at a time.
func (w *Watcher) Run(ctx context.Context) error {
	events := w.listen()
	defer events.Close()
	poll := time.NewTicker(w.opts.Poll)
	defer poll.Stop()
	settle := time.NewTimer(w.opts.Settle)
	defer settle.Stop()
	armed := true // settle will fire
	arm := func() {
		if !armed {
			armed = true
			settle.Reset(w.opts.Settle)
		}
	}
	seen := "" // the state that must still be there when settle fires
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-events.Changes():
			arm()
		case <-events.Lost():
			arm()
		case <-poll.C:
			w.told(events.Renew())
			arm()
		case <-settle.C:
			armed = false
			if seen = w.settle(seen); seen != "" {
				arm()
			}
		}
	}
}

// state is what the directory and the catalog are at one time.
type state struct {
	key  string // equal for equal states
	snap files.Snapshot
	cat  Catalog
	err  error // why there is no snapshot
}

func (w *Watcher) look() state {
	s := state{cat: w.catalog()}
	s.snap, s.err = read(w.fsys, w.dir)
	cat, err := json.Marshal(s.cat)
	if err != nil {
		s.err = fmt.Errorf("the catalog of accounts cannot be compared: %w", err)
	}
	h := sha256.New()
	h.Write(cat)
	h.Write([]byte(s.snap.Revision))
	if s.err != nil {
		h.Write([]byte(s.err.Error()))
	}
	s.key = hex.EncodeToString(h.Sum(nil))
	return s
}

// settle looks at the files. A state that was not tried yet is loaded when it is the one that was seen the last time;
// otherwise it is returned, to be looked at once more.
func (w *Watcher) settle(seen string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.look()
	switch s.key {
	case w.tried:
		return ""
	case seen:
		w.load(s)
		return ""
	}
	return s.key
}

// load compiles a state and swaps it in. The caller holds mu.
func (w *Watcher) load(s state) {
	set, err := (*Set)(nil), s.err
	if err == nil {
		set, err = compile(s.snap, w.dir, s.cat)
	}
	w.tried, w.failed = s.key, err
	if err != nil {
		w.onError(err)
		return
	}
	w.current.Store(set)
	w.onLoad(set)
}

// listen begins to hear of changes, where that is possible.
func (w *Watcher) listen() *files.Notifier {
	if w.opts.NoNotify {
		return nil
	}
	n, err := files.Notify(w.fsys, w.dir)
	w.told(err)
	w.told(n.Renew())
	return n
}

// told passes on why there are no notifications.
func (w *Watcher) told(err error) {
	if err == nil {
		return
	}
	w.mu.Lock() // callbacks come one at a time
	defer w.mu.Unlock()
	w.onError(fmt.Errorf("rules: changes are seen at each poll only, every %s: %w", w.opts.Poll, err))
}
