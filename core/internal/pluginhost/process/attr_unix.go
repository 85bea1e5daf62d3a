//go:build unix && !linux

package process

import "syscall"

// attributes give the child its own process group; the parent watch in the connector ends it when the host dies.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
