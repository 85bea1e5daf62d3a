//go:build unix

package link

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup gives a child its own process group: signals from the terminal reach only this process, which then ends the child.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills a child and those it started; os.ErrProcessDone says that there is nobody.
func killGroup(p *os.Process) error {
	if err := syscall.Kill(-p.Pid, syscall.SIGKILL); err != syscall.ESRCH { //nolint:errorlint // it is a bare number
		return err
	}
	return os.ErrProcessDone
}
