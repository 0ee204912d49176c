package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
)

type memoryRow struct {
	system int
	bytes  int64
}

// remember measures the memory of gateways that have been pushed to and
// scraped; Pushgateway, which would take hours for that, has read its file.
func (b *bench) remember(ctx context.Context, theirs *system, databases map[int]string, stored int) error {
	if err := b.rememberOne(ctx, theirs, pushgateway, 0); err != nil {
		return err
	}
	for _, which := range []int{onSQLite, oneReplica} {
		progress("memory: %s", names[which])
		s, err := b.ours.start(ctx, databases[which], 1)
		if err != nil {
			return err
		}
		err = b.rememberOne(ctx, s, which, stored)
		s.stop()
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) rememberOne(ctx context.Context, s *system, which, pushes int) error {
	if pushes > 0 {
		if err := seed(ctx, s.gateways, pushes); err != nil {
			return err
		}
	}
	if _, err := scrapeAll(ctx, s, encodings[1], 3, b.plan.scrapedGroups, 0); err != nil {
		return err
	}
	bytes, err := residentMemory(s.pids()[0])
	b.memory = append(b.memory, memoryRow{which, bytes})
	return err
}

var residentLine = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)

// residentMemory returns how many bytes of memory the process occupies now.
func residentMemory(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the memory: %w", err)
	}
	m := residentLine.FindSubmatch(status)
	if m == nil {
		return 0, fmt.Errorf("read the memory: /proc/%d/status does not tell", pid)
	}
	kB, err := strconv.ParseInt(string(m[1]), 10, 64)
	return kB << 10, err
}
