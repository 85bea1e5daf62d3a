package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
)

const (
	socketName  = "control.sock"
	addressName = "control.addr" // holds the socket's path where the folder's own path is too long for one
	maxPath     = 100            // of a unix socket, in bytes; the systems' limits are 104 and 108
)

// Folder returns where an engine's socket belongs: its data folder, or for an engine with no folder of its own (NATS) a
// private one that follows from its configuration file.
func Folder(data, configFile string) string {
	if data != "" {
		return data
	}
	return filepath.Join(os.TempDir(), prefix(configFile))
}

func prefix(path string) string {
	sum := sha256.Sum256([]byte(path))
	return "hermod-" + hex.EncodeToString(sum[:6])
}

// Listen opens the control socket of a folder, for the process that has the folder's journal open: a socket that is there
// is a dead one. Only the same user can connect. Closing the listener removes the socket.
func Listen(ctx context.Context, folder string) (net.Listener, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, socketError(err)
	}
	path, place, err := choose(folder)
	if err != nil {
		return nil, socketError(err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, socketError(err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, socketError(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(socketError(err), l.Close())
	}
	return &socket{l, place}, nil
}

func socketError(err error) error {
	return problem.New(problem.ExitEnvironment, "control_socket", "the control socket cannot be opened: %s", err.Error()).
		Advise("check who owns the data folder and its free space")
}

// choose returns the socket's path. Where the folder's path is too long, it makes a private folder with a short one, and
// writes down where; place lists what to remove afterwards.
func choose(folder string) (path string, place []string, err error) {
	path = filepath.Join(folder, socketName)
	address := filepath.Join(folder, addressName)
	if old, err := os.ReadFile(address); err == nil {
		if dir := filepath.Dir(string(old)); strings.HasPrefix(filepath.Base(dir), prefix(folder)) {
			_ = os.RemoveAll(dir) // left by a process that was killed; harmless if it stays
		}
		_ = os.Remove(address) // written anew below if it is needed
	}
	if len(path) <= maxPath {
		return path, nil, nil
	}
	dir, err := os.MkdirTemp("", prefix(folder)+"-")
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, socketName)
	return path, []string{address, dir}, os.WriteFile(address, []byte(path), 0o600)
}

// address returns the path of a folder's socket for a caller.
func address(folder string) string {
	path := filepath.Join(folder, socketName)
	if len(path) <= maxPath {
		return path
	}
	if written, err := os.ReadFile(filepath.Join(folder, addressName)); err == nil {
		return string(written)
	}
	return path
}

type socket struct {
	net.Listener
	place []string
}

func (s *socket) Close() error {
	err := s.Listener.Close()
	for _, p := range s.place {
		_ = os.Remove(p) // a next Listen removes what stays
	}
	return err
}
