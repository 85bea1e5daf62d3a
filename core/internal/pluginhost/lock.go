package pluginhost

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// LockName is the file beside the programs that pins them. Its lines are those of sha256sum, which can check it.
const LockName = "plugins.lock"

const lockHeader = "# Connectors that this engine may run. Written by: hermod connectors pin\n"

var programName = regexp.MustCompile(`^hermod-([a-z0-9][a-z0-9-]*)(\.exe)?$`)

// Discover finds the programs hermod-NAME in dir and compares them with their pins in dir/plugins.lock. A directory that
// does not exist holds none. The error joins one fault for each program that is not pinned (plugin_unpinned) or not the
// one that was pinned (plugin_checksum); the programs that are well are returned all the same.
func Discover(fsys afero.Fs, dir string) (map[message.ConnectorName]Program, error) {
	files, err := programFiles(fsys, dir)
	if err != nil {
		return nil, err
	}
	pins, err := readLock(fsys, dir)
	if err != nil {
		return nil, err
	}
	programs := map[message.ConnectorName]Program{}
	var problems []error
	for _, file := range files {
		name := message.ConnectorName(programName.FindStringSubmatch(file)[1])
		path := filepath.Join(dir, file)
		pin, pinned := pins[file]
		if !pinned {
			problems = append(problems, unpinned(name, path))
			continue
		}
		sum, err := checksum(fsys, path)
		switch {
		case err != nil:
			problems = append(problems, err)
		case !bytes.Equal(sum, pin):
			problems = append(problems, fault.New(fault.Misconfigured, "plugin_checksum",
				"connector %s: the program %s is not the one that was pinned; if the change was meant, run: hermod connectors pin", name, path))
		default:
			programs[name] = Program{Path: path, SHA256: sum}
		}
	}
	return programs, errors.Join(problems...)
}

// WriteLock pins every program hermod-NAME that is in dir now, and forgets those that are not.
func WriteLock(fsys afero.Fs, dir string) error {
	files, err := programFiles(fsys, dir)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(lockHeader)
	for _, file := range files {
		sum, err := checksum(fsys, filepath.Join(dir, file))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x  %s\n", sum, file)
	}
	path := filepath.Join(dir, LockName)
	if err := afero.WriteFile(fsys, path+".new", []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("pluginhost: write the lock file: %w", err)
	}
	if err := fsys.Rename(path+".new", path); err != nil {
		return fmt.Errorf("pluginhost: write the lock file: %w", err)
	}
	return nil
}

// programFiles lists the programs in name order.
func programFiles(fsys afero.Fs, dir string) ([]string, error) {
	infos, err := afero.ReadDir(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pluginhost: list the connectors' programs: %w", err)
	}
	var files []string
	for _, info := range infos {
		if !info.IsDir() && programName.MatchString(info.Name()) {
			files = append(files, info.Name())
		}
	}
	return files, nil
}

func checksum(fsys afero.Fs, path string) (_ []byte, err error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, fmt.Errorf("pluginhost: read a connector's program: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, fmt.Errorf("pluginhost: read a connector's program: %w", err)
	}
	return h.Sum(nil), nil
}

func readLock(fsys afero.Fs, dir string) (map[string][]byte, error) {
	b, err := afero.ReadFile(fsys, filepath.Join(dir, LockName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pluginhost: read the lock file: %w", err)
	}
	return parseLock(b)
}

// parseLock reads the lines of a lock file: a checksum, two spaces, a file name. Lines that begin with # are comments.
func parseLock(b []byte) (map[string][]byte, error) {
	pins := map[string][]byte{}
	n := 0
	for line := range bytes.Lines(b) {
		n++
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		digits, file, _ := strings.Cut(string(line), "  ")
		sum, err := hex.DecodeString(digits)
		if err != nil || len(sum) != sha256.Size || !programName.MatchString(file) {
			return nil, fault.New(fault.Misconfigured, "lock_invalid",
				"%s line %d: want a SHA-256 checksum, two spaces and a file name; to write the file anew, run: hermod connectors pin", LockName, n)
		}
		if _, twice := pins[file]; twice {
			return nil, fault.New(fault.Misconfigured, "lock_invalid",
				"%s line %d: %s is pinned twice; to write the file anew, run: hermod connectors pin", LockName, n, file)
		}
		pins[file] = sum
	}
	return pins, nil
}
