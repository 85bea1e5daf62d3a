// Package files takes snapshots of the rule files of a directory, and hears of changes in it.
package files

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/rules/internal/source"
)

// maxFiles bounds how many rule files a directory may hold.
const maxFiles = 1000

// The stable codes of errors.
const (
	CodeUnreadable = "rules_unreadable"
	CodeTooLarge   = "rules_too_large"
)

// Error says why there is no snapshot.
type Error struct {
	Code, Path, Text, Suggestion string
	Cause                        error // nil for limits
}

// Snapshot is the rule files of a directory at one time.
type Snapshot struct {
	Files    []File // by name
	Revision string // a short hash over names and bytes: equal files, equal revision
}

// File is one rule file.
type File struct {
	Name string // without the directory
	Path string // with it, for people
	Data []byte
}

// Read takes a snapshot.
func Read(fsys afero.Fs, dir string) (Snapshot, *Error) {
	entries, err := afero.ReadDir(fsys, dir)
	if err != nil {
		return Snapshot{}, unreadable(dir, err)
	}
	var snap Snapshot
	for _, entry := range entries {
		if !isRuleFile(entry.Name()) {
			continue
		}
		f, problem := readFile(fsys, filepath.Join(dir, entry.Name()))
		switch {
		case problem != nil:
			return Snapshot{}, problem
		case f == nil:
			continue
		case len(snap.Files) == maxFiles:
			return Snapshot{}, &Error{Code: CodeTooLarge, Path: filepath.ToSlash(dir),
				Text: fmt.Sprintf("holds more than %d rule files", maxFiles), Suggestion: "merge some of them"}
		}
		snap.Files = append(snap.Files, *f)
	}
	slices.SortFunc(snap.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	snap.Revision = revision(snap.Files)
	return snap, nil
}

func unreadable(path string, err error) *Error {
	return &Error{Code: CodeUnreadable, Path: filepath.ToSlash(path), Text: "cannot be read: " + reason(err),
		Suggestion: "check the path and its permissions", Cause: err}
}

func isRuleFile(name string) bool {
	return !strings.HasPrefix(name, ".") && (strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml"))
}

// reason is the system's own word for a failed read, without the path, which stands before it.
func reason(err error) string {
	for e := err; e != nil; {
		p, ok := e.(*fs.PathError)
		if !ok {
			return e.Error()
		}
		e = p.Err
	}
	return "unknown reason"
}

// readFile reads one rule file; nil for a folder, a pipe or anything else that is no file.
func readFile(fsys afero.Fs, path string) (*File, *Error) {
	info, err := fsys.Stat(path) // follows links, which ReadDir does not
	if err != nil {
		return nil, unreadable(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil
	}
	f, err := fsys.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer func() { _ = f.Close() }() // it was opened for reading
	data, err := io.ReadAll(io.LimitReader(f, source.MaxBytes+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	if len(data) > source.MaxBytes {
		return nil, &Error{Code: CodeTooLarge, Path: filepath.ToSlash(path), Text: fmt.Sprintf("is larger than %d bytes", source.MaxBytes), Suggestion: "split the file"}
	}
	return &File{Name: filepath.Base(path), Path: filepath.ToSlash(path), Data: data}, nil
}

// revision is a short stable hash of names and bytes.
func revision(files []File) string {
	h := sha256.New()
	var size [8]byte
	field := func(b []byte) {
		binary.BigEndian.PutUint64(size[:], uint64(len(b)))
		h.Write(size[:])
		h.Write(b)
	}
	for _, f := range files {
		field([]byte(f.Name))
		field(f.Data)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}
