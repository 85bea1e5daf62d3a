//go:build unix

package process

import (
	"os"
	"syscall"
)

// killGroup kills the child and what it started.
func killGroup(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGKILL) }

// lockFile takes an exclusive lock that ends with the process, however it ends.
func lockFile(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
