package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	socketsPrefix = "hermod-run-"
	lockName      = "lock"
	maxBase       = 40          // a Unix socket's path may have little more than 100 bytes
	youngDir      = time.Minute // a directory without a lock file may be about to get one
)

// Sockets is a host's private directory for its connectors' sockets.
type Sockets struct {
	dir  string
	lock *os.File
}

// OpenSockets makes the directory, readable by this user only, and removes those of hosts that were killed.
func OpenSockets() (*Sockets, error) {
	base := os.TempDir()
	if len(base) > maxBase && os.PathSeparator == '/' {
		base = "/tmp"
	}
	removeStale(base)
	for range 3 {
		dir, err := os.MkdirTemp(base, socketsPrefix)
		if err != nil {
			return nil, fmt.Errorf("pluginhost: a directory for connectors' sockets (set TMPDIR to one that can be written): %w", err)
		}
		lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("pluginhost: the lock of the sockets' directory: %w", err), os.RemoveAll(dir))
		}
		if lockFile(lock) {
			return &Sockets{dir: dir, lock: lock}, nil
		}
		_ = lock.Close() // another host took the directory for a stale one
	}
	return nil, errors.New("pluginhost: cannot lock a directory for connectors' sockets: does the file system of TMPDIR support flock?")
}

// Dir returns the directory.
func (s *Sockets) Dir() string { return s.dir }

// Close removes the directory.
func (s *Sockets) Close() error {
	return errors.Join(os.RemoveAll(s.dir), s.lock.Close())
}

// removeStale removes directories whose lock nobody holds. What it cannot remove belongs to others.
func removeStale(base string) {
	dirs, _ := filepath.Glob(filepath.Join(base, socketsPrefix+"*"))
	for _, dir := range dirs {
		lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR, 0)
		if err != nil {
			if info, serr := os.Stat(dir); os.IsNotExist(err) && serr == nil && time.Since(info.ModTime()) > youngDir {
				_ = os.RemoveAll(dir)
			}
			continue
		}
		if lockFile(lock) {
			_ = os.RemoveAll(dir)
		}
		_ = lock.Close()
	}
}
