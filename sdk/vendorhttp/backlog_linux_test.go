package vendorhttp

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// TestFullBacklog connects to a vendor whose queue of connections is full, so that TCP itself hangs.
func TestFullBacklog(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	full := false
	for range 16 {
		conn, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
		if err != nil {
			full = true
			break
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	if !full {
		t.Fatal("the queue takes more connections than it was asked to")
	}
	c := newClient(t, Options{DialTimeout: 100 * time.Millisecond})
	_, err = c.Do("POST messages", newRequest(t, t.Context(), http.MethodPost, "http://"+address))
	if _, dial := errors.AsType[*net.OpError](err); !dial {
		t.Errorf("the error is %v, want one of dialing", err)
	}
	if lost := lostOf(t, err); lost.Reason != Timeout || lost.Sent {
		t.Errorf("the error is %v, want a timeout, not sent", err)
	}
}
