// Command bench measures this gateway, on SQLite and on a durable PostgreSQL of
// its own, beside Pushgateway: pushes by the number of clients and of stored
// groups, scrapes, and memory. All run on one machine and share its cores with
// the clients. It prints three tables; docs/benchmarks.md explains them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// plan says what is measured.
type plan struct {
	cells         []cell
	clients       []int
	rounds        int
	warmUp, time  time.Duration // of each load
	scrapes       int
	scrapedGroups int
	changed       int // groups that change between two scrapes
}

// cell is how many groups are stored, and to how many of them clients push.
type cell struct{ stored, groups int }

func (c cell) String() string {
	if c.stored == c.groups {
		return thousands(c.stored)
	}
	return fmt.Sprintf("%s, pushed to %s", thousands(c.stored), thousands(c.groups))
}

func newPlan(quick bool) plan {
	p := plan{
		cells:   []cell{{1, 1}, {1000, 1000}, {10_000, 10_000}, {10_000, 1}, {10_000, 1000}},
		clients: []int{1, 16, 64},
		rounds:  3, warmUp: 500 * time.Millisecond, time: 3 * time.Second,
		scrapes: 15, scrapedGroups: 10_000, changed: 1000,
	}
	if quick {
		p.rounds, p.warmUp, p.time, p.scrapes = 1, 300*time.Millisecond, time.Second, 5
	}
	return p
}

func main() {
	quick := flag.Bool("quick", false, "Measure once and shortly.")
	gateway := flag.String("gateway", "bin/sqlpushgateway", "Path of this gateway's program.")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, newPlan(*quick), *gateway)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, p plan, gateway string) (err error) {
	if runtime.GOOS != "linux" {
		return errors.New("CPU times are read from /proc: run it on Linux")
	}
	if _, err := os.Stat(gateway); err != nil {
		return fmt.Errorf("build the gateway first, with make build: %w", err)
	}
	theirs, err := findOriginal()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ours, err := newOurs(ctx, gateway)
	if err != nil {
		return err
	}
	defer ours.cluster.Remove()
	printEnvironment(p, theirs, ours)
	b := bench{plan: p, dir: dir, theirs: theirs, ours: ours, pushed: map[key][]pushed{}}
	if err := b.run(ctx); err != nil {
		return err
	}
	b.print()
	return nil
}
