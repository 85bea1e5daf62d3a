package process

import "syscall"

// attributes give the child its own process group, so that a signal from the terminal reaches only the host, which then
// drains; and have the kernel kill it when the host dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// selfPath is this very binary, even after its file has been replaced.
func selfPath() (string, error) { return "/proc/self/exe", nil }
