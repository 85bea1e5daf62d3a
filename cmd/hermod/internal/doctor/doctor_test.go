package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func plenty(string) (uint64, error) { return 100 << 30, nil }

func states(all []Finding) string {
	var s []string
	for _, f := range all {
		s = append(s, string(f.State))
	}
	return strings.Join(s, " ")
}

func TestFolder(t *testing.T) {
	private := filepath.Join(t.TempDir(), "private")
	open := filepath.Join(t.TempDir(), "open")
	file := filepath.Join(t.TempDir(), "file")
	for dir, mode := range map[string]os.FileMode{private: 0o700, open: 0o755} {
		if err := os.Mkdir(dir, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path string
		free func(string) (uint64, error)
		want string
	}{
		{private, plenty, "ok ok"},
		{open, plenty, "warn ok"},
		{file, plenty, "fail"},
		{filepath.Join(file, "below"), plenty, "fail"},
		{filepath.Join(private, "not", "yet"), plenty, "ok ok"},
		{private, func(string) (uint64, error) { return 1 << 30, nil }, "ok warn"},
		{private, func(string) (uint64, error) { return 1 << 20, nil }, "ok fail"},
		{private, func(string) (uint64, error) { return 0, errors.ErrUnsupported }, "ok warn"},
	} {
		if got := states(Folder(tt.path, tt.free)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.path, got, tt.want)
		}
	}
	if left, err := os.ReadDir(private); err != nil || len(left) != 0 {
		t.Errorf("the check left %v behind, %v", left, err)
	}
}

func TestFree(t *testing.T) {
	if n, err := Free(t.TempDir()); err != nil && !errors.Is(err, errors.ErrUnsupported) || err == nil && n == 0 {
		t.Errorf("Free = %d, %v", n, err)
	}
}

func TestClock(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	set := func(at time.Time) {
		for _, name := range []string{file, dir} {
			if err := os.Chtimes(name, at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	set(now.Add(-time.Hour))
	if f := Clock(now, dir); f.State != OK {
		t.Errorf("%+v", f)
	}
	if f := Clock(now, filepath.Join(dir, "none")); f.State != OK {
		t.Errorf("%+v", f)
	}
	set(now.Add(time.Hour))
	if f := Clock(now, dir); f.State != Fail {
		t.Errorf("behind the newest file: %+v", f)
	}
	if f := Clock(time.Unix(0, 0), dir); f.State != Fail {
		t.Errorf("1970: %+v", f)
	}
}

func TestPublicURL(t *testing.T) {
	for _, tt := range []struct {
		url      string
		accounts []string
		want     State
	}{
		{"", nil, OK},
		{"", []string{"convrs-uk"}, Warn},
		{"https://messages.example.com", []string{"convrs-uk"}, OK},
		{"http://messages.example.com", nil, Warn},
		{"https://localhost:8080", nil, Warn},
		{"https://", nil, Fail},
	} {
		if f := PublicURL(tt.url, tt.accounts); f.State != tt.want {
			t.Errorf("%q: %+v", tt.url, f)
		}
	}
}

func TestWrite(t *testing.T) {
	var b strings.Builder
	all := []Finding{Good("clock", "now"), {"rules", Fail, "two\nlines", "mend them"}}
	if err := Write(&b, all); err != nil {
		t.Fatal(err)
	}
	want := "ok    clock         now\nfail  rules         two\n                    lines\n                    mend them\n"
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
	if !Failed(all) || Failed(all[:1]) {
		t.Error("Failed is wrong")
	}
}
