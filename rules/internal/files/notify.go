package files

import (
	"os"

	"github.com/fsnotify/fsnotify"
	"github.com/spf13/afero"
)

// Notifier hears of changes in a directory from the operating system. A nil Notifier hears nothing.
type Notifier struct {
	watcher *fsnotify.Watcher
	path    string
	told    bool // that notifications do not work
}

// Notify begins to listen. It returns nil without an error where the operating system does not know the directory.
func Notify(fsys afero.Fs, dir string) (*Notifier, error) {
	path, ok := osPath(fsys, dir)
	if !ok {
		return nil, nil
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return &Notifier{watcher: watcher, path: path}, nil
}

// Close ends it. It may be called again.
func (n *Notifier) Close() {
	if n != nil {
		_ = n.watcher.Close() // there is nobody left to hear of it
	}
}

// Renew adds the directory again: a directory that was made anew is another one. The error comes once, until it works again.
func (n *Notifier) Renew() error {
	if n == nil {
		return nil
	}
	err := n.watcher.Add(n.path)
	told := n.told
	n.told = err != nil
	if told {
		return nil
	}
	return err
}

// Changes tells that something in the directory has changed.
func (n *Notifier) Changes() <-chan fsnotify.Event {
	if n == nil {
		return nil
	}
	return n.watcher.Events
}

// Lost tells that changes were missed, for whatever reason.
func (n *Notifier) Lost() <-chan error {
	if n == nil {
		return nil
	}
	return n.watcher.Errors
}

// osPath finds the directory of the operating system behind a file system, where there is one.
func osPath(fsys afero.Fs, dir string) (string, bool) {
	path := dir
	switch f := fsys.(type) {
	case *afero.OsFs:
		return dir, true
	case *afero.BasePathFs:
		real, err := f.RealPath(dir)
		if err != nil {
			return "", false
		}
		path = real
	default:
		return "", false
	}
	inside, err := fsys.Stat(dir)
	if err != nil {
		return "", false
	}
	outside, err := os.Stat(path)
	return path, err == nil && os.SameFile(inside, outside)
}
