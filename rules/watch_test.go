package rules_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/afero"
	"go.uber.org/goleak"

	"github.com/hermodhq/hermod/rules"
	"github.com/hermodhq/hermod/sdk/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// oneRoute is a rule file with one route that takes everything.
func oneRoute(name string) string {
	return fmt.Sprintf("routes:\n  - name: %s\n    fallback: [{via: convrs-uk/whatsapp}]\n", name)
}

// watching is a watcher that runs, and what it told.
type watching struct {
	*rules.Watcher
	loads  chan *rules.Set
	errors chan error
}

// watch runs a watcher until the test ends.
func watch(t *testing.T, fsys afero.Fs, dir string, catalog func() rules.Catalog, opts rules.WatchOptions) *watching {
	t.Helper()
	w := &watching{loads: make(chan *rules.Set, 100), errors: make(chan error, 100)}
	w.Watcher = rules.NewWatcher(fsys, dir, catalog, func(s *rules.Set) { w.loads <- s }, func(err error) { w.errors <- err }, opts)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: got %v, want context.Canceled", err)
		}
	})
	return w
}

// loaded waits for the next set and checks which route takes a message.
func (w *watching) loaded(t *testing.T, want string) {
	t.Helper()
	select {
	case set := <-w.loads:
		if set != w.Current() {
			t.Error("the set that was told is not the current one")
		}
		if d := decide(t, set, order()); d.Route != want {
			t.Errorf("got route %s, want %s", d.Route, want)
		}
	case err := <-w.errors:
		t.Fatalf("waiting for route %s: %v", want, err)
	case <-time.After(20 * time.Second):
		t.Fatalf("route %s did not load", want)
	}
}

// refused waits for the next error.
func (w *watching) refused(t *testing.T, code string) {
	t.Helper()
	select {
	case set := <-w.loads:
		t.Fatalf("revision %s was loaded, want the error %s", set.Revision(), code)
	case err := <-w.errors:
		if errs := rules.AsErrors(err); len(errs) != 1 || errs[0].Code != code {
			t.Fatalf("got %v, want %s", err, code)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("the error %s did not come", code)
	}
}

func (w *watching) quiet(t *testing.T) {
	t.Helper()
	if len(w.loads) > 0 || len(w.errors) > 0 {
		t.Errorf("%d loads and %d errors came, want none", len(w.loads), len(w.errors))
	}
}

func TestReloadIsATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := afero.NewMemMapFs()
		write(t, fsys, "rules/a.yaml", oneRoute("one"))
		accounts := atomic.Pointer[rules.Catalog]{}
		full := testCatalog()
		accounts.Store(&full)
		w := watch(t, fsys, "rules", func() rules.Catalog { return *accounts.Load() }, rules.WatchOptions{Poll: time.Second})
		w.loaded(t, "one")
		first := w.Current()

		write(t, fsys, "rules/a.yaml", oneRoute("two"))
		w.loaded(t, "two")
		second := w.Current()
		if first.Revision() == second.Revision() {
			t.Error("both sets have one revision")
		}

		write(t, fsys, "rules/a.yaml", strings.Replace(oneRoute("three"), "fallback", "fallbak", 1)+"unrouted: fail\n")
		if err := <-w.errors; !strings.Contains(err.Error(), "rules/a.yaml:3:5: a route has no key fallbak [key_unknown]") {
			t.Errorf("got %v, want the place of the mistake", err)
		}
		if w.Current() != second {
			t.Error("a bad edit replaced the good set")
		}
		time.Sleep(time.Minute) // virtual
		w.quiet(t)              // one error for one bad state
		if _, err := w.Reload(); err == nil {
			t.Error("Reload hides the error of the files as they are")
		}
		w.quiet(t)

		write(t, fsys, "rules/a.yaml", oneRoute("two")) // mended to what runs already: a new load, the same revision
		w.loaded(t, "two")
		if err := fsys.Rename("rules/a.yaml", "rules/b.yaml"); err != nil {
			t.Fatal(err)
		}
		w.loaded(t, "two")
		write(t, fsys, "rules/a.yaml", strings.Replace(oneRoute("new"), "    fallback", "    when: msg.category == \"order\"\n    fallback", 1))
		w.loaded(t, "new")
		if err := fsys.Remove("rules/a.yaml"); err != nil {
			t.Fatal(err)
		}
		w.loaded(t, "two")
		if err := fsys.Remove("rules/b.yaml"); err != nil {
			t.Fatal(err)
		}
		w.refused(t, rules.CodeEmpty)
		write(t, fsys, "rules/b.yaml", oneRoute("two"))
		w.loaded(t, "two")

		none := rules.Catalog{Accounts: map[message.AccountID]rules.AccountInfo{}}
		accounts.Store(&none) // the account is gone: the rules do not fit any more
		w.refused(t, rules.CodeAccountUnknown)
		accounts.Store(&full)
		w.loaded(t, "two")
		time.Sleep(time.Minute)
		w.quiet(t)
	})
}

func TestAFileThatIsBeingWrittenIsNotReadHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := afero.NewMemMapFs()
		write(t, fsys, "rules/a.yaml", oneRoute("one"))
		w := watch(t, fsys, "rules", testCatalog, rules.WatchOptions{Poll: 50 * time.Millisecond, Settle: 200 * time.Millisecond})
		w.loaded(t, "one")
		text := ""
		for i := range 20 { // each piece is a right file by itself
			text += fmt.Sprintf("%s- name: r%d\n  when: msg.key == \"%d\"\n  fallback: [{via: convrs-uk/whatsapp}]\n", map[bool]string{true: "unrouted: fail\nroutes:\n"}[i == 0], i, i)
			write(t, fsys, "rules/a.yaml", text)
			time.Sleep(150 * time.Millisecond)
			w.quiet(t)
		}
		if set := <-w.loads; set.Routes() != 20 {
			t.Errorf("got %d routes, want all 20", set.Routes())
		}
	})
}

// operating runs a test on a directory of the operating system, with notifications and without.
func operating(t *testing.T, test func(t *testing.T, fsys afero.Fs, opts rules.WatchOptions)) {
	for name, opts := range map[string]rules.WatchOptions{
		"notified": {Poll: time.Hour, Settle: 5 * time.Millisecond},
		"polled":   {Poll: 10 * time.Millisecond, Settle: 5 * time.Millisecond, NoNotify: true},
	} {
		t.Run(name, func(t *testing.T) { test(t, afero.NewBasePathFs(afero.NewOsFs(), t.TempDir()), opts) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEditorsThatRenameAndReplace(t *testing.T) {
	operating(t, func(t *testing.T, fsys afero.Fs, opts rules.WatchOptions) {
		write(t, fsys, "rules/a.yaml", oneRoute("one"))
		w := watch(t, fsys, "rules", testCatalog, opts)
		w.loaded(t, "one")
		// As vim does: the old file becomes a backup, the new one is written beside, and renamed.
		must(t, fsys.Rename("rules/a.yaml", "rules/a.yaml~"))
		write(t, fsys, "rules/.a.yaml.swp", "routes: [")
		must(t, fsys.Rename("rules/.a.yaml.swp", "rules/.a.yaml.new"))
		write(t, fsys, "rules/.a.yaml.new", oneRoute("two"))
		must(t, fsys.Rename("rules/.a.yaml.new", "rules/a.yaml"))
		for set := w.Current(); decide(t, set, order()).Route != "two"; {
			select { // between the two renames there was no file
			case set = <-w.loads:
			case err := <-w.errors:
				if errs := rules.AsErrors(err); errs[0].Code != rules.CodeEmpty {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestConfigMapsOfKubernetes(t *testing.T) {
	operating(t, func(t *testing.T, fsys afero.Fs, opts rules.WatchOptions) {
		root, err := fsys.(*afero.BasePathFs).RealPath("rules")
		must(t, err)
		version := func(name string) {
			write(t, fsys, filepath.Join("rules", "..v_"+name, "a.yaml"), oneRoute(name))
			must(t, os.Symlink("..v_"+name, filepath.Join(root, "..data_tmp")))
			must(t, os.Rename(filepath.Join(root, "..data_tmp"), filepath.Join(root, "..data")))
		}
		version("one")
		must(t, os.Symlink(filepath.Join("..data", "a.yaml"), filepath.Join(root, "a.yaml")))
		w := watch(t, fsys, "rules", testCatalog, opts)
		w.loaded(t, "one")
		version("two")
		w.loaded(t, "two")
	})
}

func TestADirectoryThatIsMadeAnew(t *testing.T) {
	fsys := afero.NewBasePathFs(afero.NewOsFs(), t.TempDir())
	write(t, fsys, "rules/a.yaml", oneRoute("one"))
	w := watch(t, fsys, "rules", testCatalog, rules.WatchOptions{Poll: 20 * time.Millisecond, Settle: 5 * time.Millisecond})
	w.loaded(t, "one")
	must(t, fsys.RemoveAll("rules"))
	for {
		err := <-w.errors // of the files, and of the notifications
		if errs := rules.AsErrors(err); len(errs) == 1 && errs[0].Code == rules.CodeUnreadable {
			break
		}
	}
	write(t, fsys, "rules/a.yaml", oneRoute("two"))
	for set := w.Current(); decide(t, set, order()).Route != "two"; {
		select {
		case set = <-w.loads:
		case <-w.errors: // the directory stood empty for a moment
		}
	}
}

// usage is what a thousand reloads must not add to.
func usage(t *testing.T) (files, goroutines int, heap uint64) {
	t.Helper()
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		files = len(entries)
	}
	var m runtime.MemStats
	for range 4 { // a sync.Pool lets go after the second
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return files, runtime.NumGoroutine(), m.HeapAlloc
}

// A thousand reloads while messages are decided: each message by one revision, and nothing is left behind.
func TestAThousandReloadsUnderLoad(t *testing.T) {
	fsys := afero.NewBasePathFs(afero.NewOsFs(), t.TempDir())
	text := func(i int) string {
		return fmt.Sprintf("routes:\n  - name: r%d\n    fallback: [{via: convrs-uk/whatsapp, text: \"r%d for {{ data.name }}\"}]\n", i, i)
	}
	write(t, fsys, "rules/a.yaml", text(0))
	w := watch(t, fsys, "rules", testCatalog, rules.WatchOptions{Settle: time.Millisecond})
	w.loaded(t, "r0")
	decided := 0
	underLoad := func(work func()) { // runs work while messages are decided
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ; ctx.Err() == nil; decided++ {
				set := w.Current()
				d, err := set.Decide(&rules.Input{Message: order(), Now: noon})
				if err != nil || d.Revision != set.Revision() || d.Plan.Revision != d.Revision || d.Plan.Steps[0].Content.Text != d.Route+" for Ada" {
					t.Errorf("a message was decided by more than one revision: %+v, %v", d, err)
					return
				}
			}
		}()
		defer func() { cancel(); <-done }()
		work()
	}
	reload := func(from, to int) {
		for i := from; i < to; i++ {
			write(t, fsys, "rules/.new", text(i))
			must(t, fsys.Rename("rules/.new", "rules/a.yaml"))
			set, err := w.Reload()
			if err != nil || decide(t, set, order()).Route != fmt.Sprintf("r%d", i) {
				t.Fatalf("reload %d: %v", i, err)
			}
			for len(w.loads) > 0 {
				<-w.loads
			}
		}
	}
	underLoad(func() { reload(1, 100) })
	files, goroutines, heap := usage(t)
	underLoad(func() { reload(100, 1100) })
	files2, goroutines2, heap2 := usage(t)
	t.Logf("%d messages decided; descriptors %d and %d, goroutines %d and %d, heap %d and %d KB", decided, files, files2, goroutines, goroutines2, heap>>10, heap2>>10)
	if files2 > files || goroutines2 > goroutines || heap2 > heap+1<<20 {
		t.Error("reloading leaves something behind")
	}
}
