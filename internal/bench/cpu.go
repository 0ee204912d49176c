package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc's CPU times.
const tick = time.Second / 100

// cpuTime returns the CPU time that the processes and all their children have
// used so far.
func cpuTime(pids ...int) (time.Duration, error) {
	var total time.Duration
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, fmt.Errorf("read CPU times: %w", err)
		}
		_, rest, _ := bytes.Cut(stat, []byte(") "))
		fields := strings.Fields(string(rest))
		if len(fields) < 15 {
			return 0, fmt.Errorf("read CPU times: /proc/%d/stat is %q", pid, stat)
		}
		for _, field := range fields[11:15] { // utime, stime, and those of children that ended
			n, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read CPU times: %w", err)
			}
			total += time.Duration(n) * tick
		}
		list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		for field := range strings.FieldsSeq(string(list)) {
			if child, err := strconv.Atoi(field); err == nil {
				n, err := cpuTime(child)
				if err == nil { // else it has just ended
					total += n
				}
			}
		}
	}
	return total, nil
}
