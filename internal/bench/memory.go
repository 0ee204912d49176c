package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"
)

// resident is the memory of a process, in bytes.
type resident struct{ now, peak int64 }

var residentLines = regexp.MustCompile(`(?m)^(VmHWM|VmRSS):\s+(\d+) kB$`)

// residentMemory returns how much memory the process occupies, and the most
// that it has occupied.
func residentMemory(pid int) (resident, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return resident{}, fmt.Errorf("read the memory: %w", err)
	}
	found := map[string]int64{}
	for _, m := range residentLines.FindAllSubmatch(status, -1) {
		kB, err := strconv.ParseInt(string(m[2]), 10, 64)
		if err != nil {
			return resident{}, fmt.Errorf("read the memory: %w", err)
		}
		found[string(m[1])] = kB << 10
	}
	if len(found) != 2 {
		return resident{}, fmt.Errorf("read the memory: /proc/%d/status does not tell", pid)
	}
	return resident{found["VmRSS"], found["VmHWM"]}, nil
}

// watch samples the memory of a process until the returned function is called,
// which returns the samples.
func watch(pid int, every time.Duration) func() ([]int64, error) {
	stop, done := make(chan struct{}), make(chan struct{})
	var samples []int64
	var failed error
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			r, err := residentMemory(pid)
			if err != nil {
				failed = err
				return
			}
			samples = append(samples, r.now)
		}
	}()
	return func() ([]int64, error) {
		close(stop)
		<-done
		return samples, failed
	}
}

func mean(values []int64) int64 {
	var total int64
	for _, v := range values {
		total += v
	}
	return total / int64(max(len(values), 1))
}
