//go:build !linux

package core_test

// cpuSeconds and peakMiB are measured on Linux only.
func cpuSeconds() float64 { return 0 }
func peakMiB() float64    { return 0 }
