//go:build unix && !solaris && !aix

package directory

import (
	"os"

	"golang.org/x/sys/unix"
)

// tryLock takes an exclusive lock that dies with the process. It reports false when somebody else holds it.
func tryLock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return false, nil
	}
	return err == nil, err
}

// unlock gives the lock back. Closing the file is not enough: a process that is just being forked holds it too, until it runs its program.
func unlock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_UN) }
