//go:build linux || darwin || freebsd

package doctor

import "golang.org/x/sys/unix"

// Free returns the space at a path that this user may fill, in bytes.
func Free(path string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, err
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil //nolint:unconvert // the fields' types differ between systems
}
