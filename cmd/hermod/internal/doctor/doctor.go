// Package doctor looks at the surroundings of an engine: its data folder, the clock, the public address. It changes nothing
// but a file that it writes to the data folder and removes again.
package doctor

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// State says how a check went.
type State string

// The states.
const (
	OK   State = "ok"
	Warn State = "warn" // works, and may not for long
	Fail State = "fail" // does not work
)

// Finding is the result of one check.
type Finding struct {
	Check  string `json:"check"`
	State  State  `json:"state"`
	Text   string `json:"text"`
	Advice string `json:"advice,omitempty"`
}

// Good returns a finding that all is well.
func Good(check, format string, args ...any) Finding {
	return Finding{Check: check, State: OK, Text: fmt.Sprintf(format, args...)}
}

// Limits of free space in the data folder, in bytes.
const (
	LittleSpace = 5 << 30
	NoSpace     = 512 << 20
)

// Folder checks the folder of an embedded journal, which need not exist yet. free tells the free space at a path, in bytes.
func Folder(path string, free func(string) (uint64, error)) []Finding {
	const check = "data folder"
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		parent := nearest(path)
		if err := writable(parent); err != nil {
			return []Finding{{check, Fail, fmt.Sprintf("%s does not exist and cannot be made: %s", path, reason(err)), "make it, owned by the user that runs hermod"}}
		}
		return []Finding{Good(check, "%s does not exist yet and can be made", path), space(parent, free)}
	case err != nil:
		return []Finding{{check, Fail, fmt.Sprintf("%s cannot be read: %s", path, reason(err)), "check who owns it"}}
	case !info.IsDir():
		return []Finding{{check, Fail, path + " is not a folder", "name another folder in `data`"}}
	}
	if err := writable(path); err != nil {
		return []Finding{{check, Fail, fmt.Sprintf("%s cannot be written: %s", path, reason(err)), "check who owns it, and whether the disk is full"}}
	}
	found := []Finding{Good(check, "%s can be written", path), space(path, free)}
	if info.Mode().Perm()&0o077 != 0 {
		found[0] = Finding{check, Warn, fmt.Sprintf("%s can be read by other users (%v)", path, info.Mode().Perm()), "it holds customers' messages: chmod 700 " + path}
	}
	return found
}

// nearest returns the closest parent that exists.
func nearest(path string) string {
	for {
		parent := filepath.Dir(path)
		if _, err := os.Stat(parent); err == nil || parent == path {
			return parent
		}
		path = parent
	}
}

func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".hermod-doctor-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func reason(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

func space(path string, free func(string) (uint64, error)) Finding {
	const check = "disk space"
	n, err := free(path)
	switch {
	case err != nil:
		return Finding{check, Warn, fmt.Sprintf("the free space cannot be told: %s", reason(err)), "look at it yourself"}
	case n < NoSpace:
		return Finding{check, Fail, size(n) + " are free", "make room: a full disk stops the engine; or lower `retention` and `max_bytes`"}
	case n < LittleSpace:
		return Finding{check, Warn, size(n) + " are free", "make room, or lower `retention` and `max_bytes`"}
	}
	return Good(check, "%s are free", size(n))
}

func size(n uint64) string {
	if n < 10<<30 {
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%d GiB", n>>30)
}

// Clock checks that now can be right: not before this program was written, and not before the newest file in the data folder,
// of which it looks at some thousands.
func Clock(now time.Time, data string) Finding {
	const check = "clock"
	if now.Year() < 2026 {
		return Finding{check, Fail, "the clock says " + now.UTC().Format(time.DateTime), "set it: timers, expiry and message ids go by it"}
	}
	newest, seen := time.Time{}, 0
	err := filepath.WalkDir(data, func(_ string, d fs.DirEntry, err error) error {
		if seen++; err != nil || seen > 5000 {
			return fs.SkipAll
		}
		if info, err := d.Info(); err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		return nil
	})
	if err == nil && newest.Sub(now) > time.Minute {
		return Finding{check, Fail, fmt.Sprintf("the clock is %s behind the newest file in the data folder", newest.Sub(now).Round(time.Second)),
			"set it, and keep it right with NTP: timers, expiry and message ids go by it"}
	}
	return Good(check, "%s", now.UTC().Format("2006-01-02 15:04:05 UTC"))
}

// PublicURL checks the address at which vendors call webhooks. accounts are those whose connectors want to be called.
func PublicURL(public string, accounts []string) Finding {
	const check = "webhooks"
	switch u, err := url.Parse(public); {
	case public == "" && len(accounts) > 0:
		return Finding{check, Warn, "http.public_url is not set, so vendors cannot report for " + strings.Join(accounts, ", "),
			"set it to where vendors reach this host, such as https://messages.example.com"}
	case public == "":
		return Good(check, "no account needs them")
	case err != nil || u.Hostname() == "":
		return Finding{check, Fail, "http.public_url is not a URL", "write it like https://messages.example.com"}
	case u.Scheme != "https":
		return Finding{check, Warn, "http.public_url is not https: what vendors report can be read and forged on the way", "put a TLS proxy in front, and use https"}
	case u.Hostname() == "localhost" || strings.HasPrefix(u.Hostname(), "127."):
		return Finding{check, Warn, "http.public_url leads to this machine, which vendors cannot reach", "use the public name"}
	}
	return Good(check, "vendors call %s/webhooks/ACCOUNT", public)
}

// Write writes a line for each finding, and below it what to do.
func Write(w io.Writer, all []Finding) error {
	var b strings.Builder
	for _, f := range all {
		fmt.Fprintf(&b, "%-4s  %-12s  %s\n", f.State, f.Check, strings.ReplaceAll(f.Text, "\n", "\n                    "))
		if f.Advice != "" {
			fmt.Fprintf(&b, "                    %s\n", f.Advice)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Failed reports whether a check failed.
func Failed(all []Finding) bool {
	for _, f := range all {
		if f.State == Fail {
			return true
		}
	}
	return false
}
