package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of the CPU times in /proc.
const tick = time.Second / 100

// usage is the CPU time that all parts of a run have used so far.
type usage struct {
	gateways, database, clients time.Duration
	first                       time.Duration // of the first gateway alone
	idle, all                   time.Duration // of the machine; all includes what was idle
}

// since returns what was used since before.
func (u usage) since(before usage) usage {
	return usage{
		gateways: u.gateways - before.gateways, database: u.database - before.database, clients: u.clients - before.clients,
		first: u.first - before.first, idle: u.idle - before.idle, all: u.all - before.all,
	}
}

// usage returns what the system, this process and the machine have used so far.
func (s *system) usage() (u usage, err error) {
	for i, g := range s.gateways {
		used, err := treeTime(g.pid())
		if err != nil {
			return u, err
		}
		u.gateways += used
		if i == 0 {
			u.first = used
		}
	}
	if s.database != 0 {
		if u.database, err = treeTime(s.database); err != nil {
			return u, err
		}
	}
	if u.clients, err = processTime(os.Getpid()); err != nil {
		return u, err
	}
	u.idle, u.all, err = machineTime()
	return u, err
}

// treeTime returns the CPU time that a process and its children have used.
func treeTime(pid int) (time.Duration, error) {
	// Children are listed before those that have ended are counted: one that
	// ends in between counts in coarse ticks once more rather than not at all.
	list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	total, err := processTime(pid)
	if err != nil {
		return 0, err
	}
	for field := range strings.FieldsSeq(string(list)) {
		if child, err := strconv.Atoi(field); err == nil {
			if used, err := treeTime(child); err == nil { // else it has just ended
				total += used
			}
		}
	}
	ended, err := endedTime(pid)
	return total + ended, err
}

// processTime returns the CPU time of all threads of a process, from the clock
// that the kernel has for each process: it counts in nanoseconds, whereas
// /proc/PID/stat counts in ticks of 10 ms.
func processTime(pid int) (time.Duration, error) {
	const scheduler = 2 // the clock of the time that a process was running
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|scheduler, &t); err != nil {
		return 0, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// endedTime returns the CPU time of a process' children that have ended.
func endedTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read CPU times: %w", err)
	}
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	fields := strings.Fields(string(rest))
	if len(fields) < 15 {
		return 0, fmt.Errorf("read CPU times: /proc/%d/stat is %q", pid, stat)
	}
	return ticks(fields[13:15])
}

// machineTime returns how long all cores together have been idle, and have
// been there.
func machineTime() (idle, all time.Duration, err error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, fmt.Errorf("read CPU times: %w", err)
	}
	first, _, _ := strings.Cut(string(stat), "\n")
	fields := strings.Fields(first)
	if len(fields) < 9 {
		return 0, 0, fmt.Errorf("read CPU times: /proc/stat is %q", first)
	}
	if idle, err = ticks(fields[4:6]); err == nil { // idle, and idle with a disk at work
		all, err = ticks(fields[1:9])
	}
	return idle, all, err
}

func ticks(fields []string) (total time.Duration, err error) {
	for _, field := range fields {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read CPU times: %w", err)
		}
		total += time.Duration(n) * tick
	}
	return total, nil
}
