// Package front starts the demo's hosts, one after the other, and speaks to the one that runs.
package front

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/examples/quickstart/internal/host"
	"github.com/hermodhq/hermod/sdk/message"
)

// Front starts hosts on the same journal, rules and address. Where the system lets a child inherit it, the listening socket
// outlives them: what the vendor reports while no host runs waits there, as it would at a load balancer. Its methods are safe for
// concurrent use.
type Front struct {
	dir      string // the hosts' working directory
	settings host.Settings
	socket   *os.File
	client   *http.Client
	logfile  *os.File
}

// Open makes the socket, and the file host.log in dir that takes the hosts' logs. dir is the hosts' working directory. Of the
// settings, those of the vendor must be set; Open adds the others.
func Open(dir string, settings host.Settings) (*Front, error) {
	f := &Front{dir: dir, settings: settings, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	f.settings.Data, f.settings.Secret = filepath.Join(dir, "journal"), rand.Text()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f.settings.Address = l.Addr().String()
	if tcp, ok := l.(*net.TCPListener); ok {
		f.socket, err = tcp.File()
		f.settings.Inherited = err == nil // Windows cannot
	}
	if err := l.Close(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if f.logfile, err = os.Create(filepath.Join(dir, "host.log")); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Settings returns what the hosts are given, secrets included.
func (f *Front) Settings() host.Settings { return f.settings }

// Close closes what Open opened. The host must have ended.
func (f *Front) Close() error {
	f.client.CloseIdleConnections()
	var errs []error
	for _, file := range []*os.File{f.socket, f.logfile} {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	return errors.Join(errs...)
}

// Host is one run of the host's process.
type Host struct {
	cmd   *exec.Cmd
	stdin io.Closer
	log   *Log
	ended chan struct{}
}

// Start starts a host and returns when its engine runs.
func (f *Front) Start(ctx context.Context) (*Host, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h := &Host{cmd: exec.Command(exe, host.Command), log: newLog(f.logfile), ended: make(chan struct{})}
	if f.settings.Inherited {
		h.cmd.ExtraFiles = []*os.File{f.socket}
	}
	h.cmd.Dir, h.cmd.Stderr = f.dir, h.log
	in, err := h.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	h.stdin = in
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = h.cmd.Wait() // how it ended is in its log
		h.log.end()
		close(h.ended)
	}()
	if err := json.NewEncoder(in).Encode(f.settings); err != nil {
		return nil, errors.Join(err, h.Stop())
	}
	if _, err := h.log.Wait(ctx, 0, func(e Entry) bool { return e["ready"] != nil }); err != nil {
		return nil, errors.Join(fmt.Errorf("the host did not start: %w", err), h.Stop())
	}
	return h, nil
}

// PID returns the process id.
func (h *Host) PID() int { return h.cmd.Process.Pid }

// Log returns what the host has logged.
func (h *Host) Log() *Log { return h.log }

// Kill ends the host with SIGKILL: nothing in it gets to run any more.
func (h *Host) Kill() error {
	err := h.cmd.Process.Kill()
	<-h.ended
	return err
}

// Stop lets the host end by itself, and kills it when it does not.
func (h *Host) Stop() error {
	if err := h.stdin.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return errors.Join(err, h.Kill())
	}
	select {
	case <-h.ended:
		return nil
	case <-time.After(15 * time.Second):
		return errors.Join(errors.New("the host did not end within 15 seconds, and was killed"), h.Kill())
	}
}

// Send hands a message to the host. An error leaves open whether it was accepted.
func (f *Front) Send(ctx context.Context, m message.Message) (id message.ID, err error) {
	body, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	err = f.call(ctx, http.MethodPost, "/messages", bytes.NewReader(body), &id)
	return id, err
}

// Final waits until a message has its final outcome.
func (f *Front) Final(ctx context.Context, id message.ID) (s core.Status, err error) {
	err = f.call(ctx, http.MethodGet, "/messages/"+string(id)+"/final", nil, &s)
	return s, err
}

// Trace returns everything that happened to a message.
func (f *Front) Trace(ctx context.Context, id message.ID) (t core.Timeline, err error) {
	err = f.call(ctx, http.MethodGet, "/messages/"+string(id), nil, &t)
	return t, err
}

// Revision names the rule set in use.
func (f *Front) Revision(ctx context.Context) (revision string, err error) {
	err = f.call(ctx, http.MethodGet, "/revision", nil, &revision)
	return revision, err
}

func (f *Front) call(ctx context.Context, method, path string, body io.Reader, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+f.settings.Address+path, body)
	if err != nil {
		return err
	}
	res, err := f.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the host answered %d: %s", res.StatusCode, strings.TrimSpace(string(data)))
	}
	return json.Unmarshal(data, out)
}
