//go:build linux

package pluginhost

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/sdk/fault"
)

func TestLockFile(t *testing.T) {
	fsys := afero.NewMemMapFs()
	write := func(name, content string) {
		t.Helper()
		if err := afero.WriteFile(fsys, "plugins/"+name, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	code := func(err error) string {
		if err == nil {
			return ""
		}
		return fault.From(err).Code
	}
	if found, err := Discover(fsys, "plugins"); len(found) != 0 || err != nil {
		t.Errorf("no directory gave %v, %v", found, err)
	}
	write("hermod-convrs", "one")
	write("hermod-telegram-bot.exe", "two")
	write("README.md", "not a program")
	write("hermod-Convrs", "not a name")
	found, err := Discover(fsys, "plugins")
	if code(err) != "plugin_unpinned" || len(found) != 0 {
		t.Errorf("unpinned programs gave %v, %v", found, err)
	}
	if n := strings.Count(err.Error(), "hermod connectors pin"); n != 2 {
		t.Errorf("the error names the command %d times: %v", n, err)
	}
	if err := WriteLock(fsys, "plugins"); err != nil {
		t.Fatal(err)
	}
	found, err = Discover(fsys, "plugins")
	if err != nil || len(found) != 2 || found["convrs"].Path != "plugins/hermod-convrs" || len(found["telegram-bot"].SHA256) != 32 {
		t.Fatalf("pinned programs gave %v, %v", found, err)
	}
	if _, err := New(Config{Programs: found}); err != nil {
		t.Errorf("a discovered program is refused: %v", err)
	}
	write("hermod-convrs", "changed")
	found, err = Discover(fsys, "plugins")
	if code(err) != "plugin_checksum" || len(found) != 1 || !strings.Contains(err.Error(), "hermod connectors pin") {
		t.Errorf("a changed program gave %v, %v", found, err)
	}
	write(LockName, "nonsense\n")
	if _, err = Discover(fsys, "plugins"); code(err) != "lock_invalid" {
		t.Errorf("a broken lock file gave %v", err)
	}
}

// FuzzLock holds that any bytes are either refused or mean the same when they are written again.
func FuzzLock(f *testing.F) {
	sum := strings.Repeat("ab", 32)
	f.Add(lockHeader + sum + "  hermod-convrs\n")
	f.Add(sum + "  hermod-a\n" + sum + "  hermod-a\n")
	f.Add("\r\n" + sum + " hermod-a")
	f.Fuzz(func(t *testing.T, text string) {
		pins, err := parseLock([]byte(text))
		if err != nil {
			if fault.From(err).Code != "lock_invalid" {
				t.Error(err)
			}
			return
		}
		var b strings.Builder
		for file, sum := range pins {
			fmt.Fprintf(&b, "%x  %s\n", sum, file)
		}
		again, err := parseLock([]byte(b.String()))
		if err != nil || len(again) != len(pins) {
			t.Errorf("%q gave %v, then %v, %v", text, pins, again, err)
		}
	})
}
