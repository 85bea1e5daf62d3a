package core_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// tree lists this process and its live descendants.
func tree() []string {
	pids := []string{strconv.Itoa(os.Getpid())}
	for i := 0; i < len(pids); i++ {
		lists, _ := filepath.Glob("/proc/" + pids[i] + "/task/*/children")
		for _, list := range lists {
			text, _ := os.ReadFile(list)
			pids = append(pids, strings.Fields(string(text))...)
		}
	}
	return pids
}

// cpuSeconds is what this process and its live descendants have used, user and system.
func cpuSeconds() float64 {
	ticks := 0
	for _, pid := range tree() {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // from the third, the state
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		ticks += user + system
	}
	return float64(ticks) / 100 // USER_HZ
}

// peakMiB is the highest resident memory of this process and its live descendants, summed.
func peakMiB() float64 {
	sum := 0.0
	for _, pid := range tree() {
		text, _ := os.ReadFile("/proc/" + pid + "/status")
		for line := range strings.Lines(string(text)) {
			var kb float64
			if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kb); n == 1 {
				sum += kb / 1024
			}
		}
	}
	return sum
}
