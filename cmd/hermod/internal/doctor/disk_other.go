//go:build !linux && !darwin && !freebsd

package doctor

import "errors"

// Free cannot tell on this system.
func Free(string) (uint64, error) { return 0, errors.ErrUnsupported }
