// Package directory guards the directory of an embedded journal: its lock, what it was created with, and the marks that
// show whether frames were lost.
package directory

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hermodhq/hermod/core/internal/journal/internal/jerr"
)

const (
	lockFile     = "lock"
	manifestFile = "journal.json"
	storeDir     = "jetstream" // made by the server, below the directory it is given
	keyRounds    = 50_000
)

// manifest is what a directory remembers about its creation.
type manifest struct {
	Format     int    `json:"format"`
	Partitions int    `json:"partitions"`
	Prefix     string `json:"prefix"`
	KeySalt    []byte `json:"key_salt,omitempty"`
	KeyCheck   []byte `json:"key_check,omitempty"`
}

// Spec says what is to be opened. All of it is fixed when the journal is created.
type Spec struct {
	Path       string
	Partitions int
	Prefix     string
	Key        string // for encryption; empty for none
}

// Directory is an embedded journal's directory, locked for as long as it is open.
type Directory struct {
	Marks *Marks
	spec  Spec
	lock  *os.File
	fresh bool // there was no manifest: the journal is being created
}

// Fresh reports whether the journal is being created.
func (d *Directory) Fresh() bool { return d.fresh }

// Open makes and locks the directory and checks that it fits the spec. It does so before the server
// starts, since a server that is given the wrong key removes the blocks it cannot read.
func Open(spec Spec) (_ *Directory, err error) {
	if err := os.MkdirAll(spec.Path, 0o700); err != nil {
		return nil, notWritable(spec.Path, err)
	}
	d := &Directory{spec: spec}
	defer func() {
		if err != nil {
			_ = d.Close()
		}
	}()
	if err := d.takeLock(); err != nil {
		return nil, err
	}
	if err := d.Probe(1); err != nil {
		return nil, err
	}
	if err := d.checkManifest(); err != nil {
		return nil, err
	}
	d.Marks, err = openMarks(filepath.Join(spec.Path, MarksFile), spec.Partitions+1) // the last is for the cursors
	if err != nil {
		return nil, err
	}
	return d, nil
}

func notWritable(dir string, err error) *jerr.Error {
	return jerr.New(jerr.CodeNotWritable, "give this user the right to write there, or set `data` to another directory",
		"cannot write to the journal's directory %s: %w", dir, err)
}

func (d *Directory) takeLock() error {
	f, err := os.OpenFile(filepath.Join(d.spec.Path, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return notWritable(d.spec.Path, err)
	}
	ok, err := tryLock(f)
	if err != nil || !ok {
		pid := readPID(f)
		_ = f.Close()
		if err != nil {
			return notWritable(d.spec.Path, fmt.Errorf("lock: %w", err))
		}
		return jerr.New(jerr.CodeLocked, "use the `hermod` commands against the running engine, or stop it first",
			"the journal in %s is open in process %s", d.spec.Path, pid)
	}
	d.lock = f
	if err := f.Truncate(0); err != nil {
		return notWritable(d.spec.Path, err)
	}
	if _, err := fmt.Fprintln(f, os.Getpid()); err != nil {
		return roomOr(d.spec.Path, err)
	}
	return nil
}

func readPID(f *os.File) string {
	buf := make([]byte, 32)
	n, _ := f.ReadAt(buf, 0)
	pid, _, _ := strings.Cut(string(buf[:n]), "\n")
	if pid == "" {
		return "(unknown)"
	}
	return pid
}

// roomOr tells a full disk from a directory that cannot be written.
func roomOr(dir string, err error) *jerr.Error {
	if e := jerr.Disk(err.Error()); e.Code == jerr.CodeDiskFull {
		return jerr.Wrap(e.Code, e.Advice, e.Text, err)
	}
	return notWritable(dir, err)
}

// Probe finds out whether n bytes can be written and synced.
func (d *Directory) Probe(n int) error {
	dir := d.spec.Path
	f, err := os.CreateTemp(dir, "probe-*")
	if err != nil {
		return roomOr(dir, err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(make([]byte, n))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return roomOr(dir, err)
	}
	return nil
}

func (d *Directory) checkManifest() error {
	raw, err := os.ReadFile(filepath.Join(d.spec.Path, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		d.fresh = true
		return d.checkFresh()
	}
	if err != nil {
		return notWritable(d.spec.Path, err)
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil || m.Format < 1 || m.Partitions < 1 {
		return jerr.New(jerr.CodeCorrupt, jerr.AdviceRestore, "%s in %s cannot be read", manifestFile, d.spec.Path)
	}
	if m.Format > 1 {
		return jerr.New(jerr.CodeCorrupt, "use the version of Hermod that wrote it", "the journal in %s has format %d, this version knows 1", d.spec.Path, m.Format)
	}
	if m.Prefix != d.spec.Prefix {
		return jerr.New(jerr.CodeConfig, "use that prefix, or another directory", "the journal in %s was created with the prefix %q, not %q", d.spec.Path, m.Prefix, d.spec.Prefix)
	}
	if err := CheckPartitions(m.Partitions, d.spec.Partitions); err != nil {
		return err
	}
	return m.checkKey(d.spec.Path, d.spec.Key)
}

// checkFresh refuses a directory whose manifest is gone but whose frames are there. Empty streams without a manifest are
// what a creation that was cut short leaves behind; it is repeated.
func (d *Directory) checkFresh() error {
	blocks, err := filepath.Glob(filepath.Join(d.spec.Path, storeDir, "*", "streams", "*", "msgs", "*.blk"))
	if err != nil {
		return notWritable(d.spec.Path, err)
	}
	for _, b := range blocks {
		if st, err := os.Stat(b); err == nil && st.Size() > 0 {
			return jerr.New(jerr.CodeCorrupt, jerr.AdviceRestore, "%s in %s is missing", manifestFile, d.spec.Path)
		}
	}
	return nil
}

// CheckPartitions compares the number that a journal was created with to the one that is wanted.
func CheckPartitions(have, want int) error {
	if have == want {
		return nil
	}
	return jerr.New(jerr.CodePartitions, fmt.Sprintf("set partitions to %d, or start a new journal elsewhere; the number cannot change later", have),
		"the journal was created with %d partitions, the configuration says %d", have, want)
}

func (m *manifest) checkKey(dir, key string) error {
	switch {
	case len(m.KeyCheck) == 0 && key == "":
		return nil
	case len(m.KeyCheck) == 0:
		return jerr.New(jerr.CodeKey, "open it without a key, or start a new journal elsewhere", "the journal in %s is not encrypted", dir)
	case key == "":
		return jerr.New(jerr.CodeKey, "set the encryption key that it was created with", "the journal in %s is encrypted", dir)
	}
	sum, err := keyCheck(key, m.KeySalt)
	if err != nil || !hmac.Equal(sum, m.KeyCheck) {
		return jerr.New(jerr.CodeKey, "set the encryption key that it was created with; a lost key cannot be replaced",
			"the encryption key is not the one of the journal in %s", dir)
	}
	return nil
}

func keyCheck(key string, salt []byte) ([]byte, error) {
	return pbkdf2.Key(sha256.New, "hermod journal "+key, salt, keyRounds, sha256.Size)
}

// Commit writes the manifest: the last act of creation.
func (d *Directory) Commit() error {
	if !d.fresh {
		return nil
	}
	m := manifest{Format: 1, Partitions: d.spec.Partitions, Prefix: d.spec.Prefix}
	if d.spec.Key != "" {
		m.KeySalt = make([]byte, 16)
		_, _ = rand.Read(m.KeySalt) // never fails: see crypto/rand
		var err error
		if m.KeyCheck, err = keyCheck(d.spec.Key, m.KeySalt); err != nil {
			return jerr.New(jerr.CodeKey, "use another key", "the encryption key cannot be used: %w", err)
		}
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return jerr.New(jerr.CodeConfig, "report this", "manifest: %w", err)
	}
	if err := replaceFile(filepath.Join(d.spec.Path, manifestFile), append(raw, '\n')); err != nil {
		return roomOr(d.spec.Path, err)
	}
	d.fresh = false
	return nil
}

// replaceFile writes a file so that a crash leaves the old one or the new one.
func replaceFile(path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.ReadFrom(bytes.NewReader(data))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return err
	}
	syncDir(filepath.Dir(path))
	return nil
}

// syncDir makes a rename durable where the system can do that; some cannot open a directory for it.
func syncDir(path string) {
	if f, err := os.Open(path); err == nil {
		_ = f.Sync()
		_ = f.Close()
	}
}

// Close syncs the marks and gives up the lock.
func (d *Directory) Close() error {
	var err error
	if d.Marks != nil {
		err = d.Marks.close()
	}
	if d.lock != nil {
		err = errors.Join(err, unlock(d.lock), d.lock.Close())
	}
	d.Marks, d.lock = nil, nil
	return err
}
