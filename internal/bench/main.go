// Command bench measures this gateway, on SQLite and on a durable PostgreSQL of
// its own, beside Pushgateway. All run on one machine and share its cores with
// the clients. It prints a table for each section, and one that says which
// targets hold; docs/benchmarks.md explains them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// bench is one run.
type bench struct {
	plan    plan
	theirs  *original
	ours    *ours
	targets []target
	charts  []chart
}

// section is a part of the benchmark that can be chosen.
type section struct {
	name    string
	heading string
	run     func(*bench, context.Context) error
	extra   bool // left out unless it is asked for
}

func sections() []section {
	return []section{
		{name: "push", heading: "Pushes", run: (*bench).pushSection},
		{name: "stored", heading: "Pushes beside few and many groups", run: (*bench).storedSection},
		{name: "pgbench", heading: "The limit of a push", run: (*bench).pgbenchSection},
		{name: "replicas", heading: "Replicas", run: (*bench).replicasSection},
		{name: "names", heading: "Label-name sets and new metric names", run: (*bench).namesSection},
		{name: "wal", heading: "What PostgreSQL writes", run: (*bench).walSection},
		{name: "scrape", heading: "Scrapes", run: (*bench).scrapeSection},
		{name: "scrapers", heading: "Pushes beside scrapes", run: (*bench).scrapersSection},
		{name: "memory", heading: "Memory", run: (*bench).memorySection},
		{name: "start", heading: "Start", run: (*bench).startSection},
		{name: "soak", heading: "Memory over time", run: (*bench).soakSection, extra: true},
		{name: "history", heading: "A long history", run: (*bench).historySection, extra: true},
		{name: "profile", heading: "A profile", run: (*bench).profileSection, extra: true},
	}
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) (err error) {
	if path := os.Getenv(serveVariable); path != "" {
		return serveReady(path, args)
	}
	o, err := parseOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if runtime.GOOS != "linux" {
		return errors.New("CPU times are read from /proc: run it on Linux")
	}
	if _, err := os.Stat(o.gateway); err != nil {
		return fmt.Errorf("build the gateway first, with make build: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{plan: o.plan}
	if b.theirs, err = findOriginal(dir); err != nil {
		return err
	}
	defer b.theirs.forget()
	if b.ours, err = newOurs(ctx, o.gateway, dir); err != nil {
		return err
	}
	defer b.ours.cluster.Remove()
	if err := b.run(ctx, o.sections); err != nil || o.charts == "" {
		return err
	}
	return b.writeCharts(o.charts)
}

// run runs the sections in their order. What was judged is printed even if one
// fails.
func (b *bench) run(ctx context.Context, chosen []section) error {
	b.printEnvironment()
	defer b.printTargets()
	for _, s := range chosen {
		progress("section %s", s.name)
		fmt.Printf("\n## %s\n\n", s.heading)
		began := time.Now()
		if err := s.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Printf("\nThis took %v.\n", time.Since(began).Round(time.Second))
		b.theirs.forget()
	}
	return nil
}

type options struct {
	plan     plan
	gateway  string
	charts   string
	sections []section
}

func parseOptions(args []string) (options, error) {
	var known, usual, extra []string
	for _, s := range sections() {
		known = append(known, s.name)
		if s.extra {
			extra = append(extra, s.name)
		} else {
			usual = append(usual, s.name)
		}
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "Measure once, shortly, and with fewer groups.")
	gateway := flags.String("gateway", "bin/sqlpushgateway", "`Path` of this gateway's program.")
	list := flags.String("sections", strings.Join(usual, ","), "What to measure; "+strings.Join(extra, ", ")+" have to be asked for.")
	soak := flags.Duration("soak", 30*time.Minute, "How long the section soak takes.")
	var history historySize
	flags.IntVar(&history.rows, "history", 10_000_000, "How many rows the history of the section history has.")
	flags.IntVar(&history.groups, "history-groups", 100_000, "How many groups its queries look through.")
	profile := flags.String("profile", "cmd/sqlpushgateway/default.pgo", "`Path` of what the section profile writes.")
	charts := flags.String("charts", "", "`Folder` to draw pushes.svg and scrapes.svg into.")
	rounds := flags.Int("rounds", 0, "How often each figure is measured (5, or 1 with -quick).")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q: see -help", flags.Arg(0))
	}
	o := options{plan: newPlan(*quick), gateway: *gateway, charts: *charts}
	o.plan.soak, o.plan.history, o.plan.profile = *soak, history, *profile
	if *rounds > 0 {
		o.plan.rounds = *rounds
	}
	if least := 2 * o.plan.groups; history.rows < 1 || history.groups < least {
		return options{}, fmt.Errorf("-history has to be 1 at least, and -history-groups %d", least)
	}
	wanted := strings.Split(*list, ",")
	for _, name := range wanted {
		if !slices.Contains(known, name) {
			return options{}, fmt.Errorf("there is no section %q: choose from %s", name, strings.Join(known, ", "))
		}
	}
	for _, s := range sections() {
		if slices.Contains(wanted, s.name) {
			o.sections = append(o.sections, s)
		}
	}
	return o, nil
}
