package wasmhost_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/afero"
	"go.uber.org/goleak"

	"github.com/hermodhq/hermod/core/internal/wasmhost"
	"github.com/hermodhq/hermod/sdk/message"
	"github.com/hermodhq/hermod/sdk/transformtest"
)

var update = flag.Bool("update", false, "write golden files anew")

// What TestMain readies once for all tests: the Go guest of testdata, and a cache in which it is compiled.
var (
	goGuest  []byte
	cacheDir string
)

func TestMain(m *testing.M) {
	tmp, err := os.MkdirTemp("", "wasmhost")
	if err == nil {
		cacheDir = filepath.Join(tmp, "cache")
		goGuest, err = buildGuest(filepath.Join(tmp, "guest.wasm"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(tmp)
		os.Exit(code)
	}))
}

func buildGuest(file string) ([]byte, error) {
	if err := transformtest.BuildTo(context.Background(), "testdata/guest", file); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// patient is a configuration for tests in which nothing shall time out.
func patient() wasmhost.Config {
	return wasmhost.Config{CacheDir: cacheDir, Deadline: time.Minute, StartDeadline: time.Minute}
}

// files is a file system that holds these files in the directory transforms.
func files(tb testing.TB, contents map[string][]byte) afero.Fs {
	tb.Helper()
	fsys := afero.NewMemMapFs()
	for name, content := range contents {
		if err := afero.WriteFile(fsys, filepath.Join("transforms", name), content, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return fsys
}

// load loads files that must be right; the set is closed with the test.
func load(tb testing.TB, cfg wasmhost.Config, contents map[string][]byte) *wasmhost.Set {
	tb.Helper()
	s, err := wasmhost.Load(tb.Context(), cfg, files(tb, contents), "transforms")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(tb.Context())); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// hello is a message that asks the Go guest to do something.
func hello(do string) message.Message {
	return message.Message{
		ID: "m1", Key: "k1", To: message.Recipient{Phone: "+447700900123", Country: "GB"}, Category: "order",
		Content: message.Content{Text: "Hello"},
		Data:    map[string]any{"do": do, "gone": true, "order": "1042"},
		Labels:  map[string]string{"tenant": "a", "old": "1"},
	}
}

// golden compares text with a file of testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", path, diff)
	}
}

// signals is a log handler that hands over every record's text attribute.
type signals struct{ texts chan string }

func (s signals) Enabled(context.Context, slog.Level) bool { return true }
func (s signals) WithAttrs([]slog.Attr) slog.Handler       { return s }
func (s signals) WithGroup(string) slog.Handler            { return s }
func (s signals) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "text" {
			s.texts <- a.Value.String()
		}
		return true
	})
	return nil
}
