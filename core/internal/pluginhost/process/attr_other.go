//go:build !linux

package process

import "os"

// selfPath is this binary's file.
func selfPath() (string, error) { return os.Executable() }
