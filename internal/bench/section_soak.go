package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	soakRate     = 500 // pushes per second
	soakClients  = 16
	soakInterval = 15 * time.Second // of scrapes
)

// soakSection pushes and scrapes steadily for long. It is an error if the
// replica's memory in the last third of that is more than 1.05 times what it was
// in the second sixth: of 30 minutes, the last ten, and the sixth to the tenth.
func (b *bench) soakSection(ctx context.Context) error {
	database, err := b.ours.postgres(ctx, b.plan.groups)
	if err != nil {
		return err
	}
	s, err := b.ours.start(ctx, database, 1)
	if err != nil {
		return err
	}
	defer s.release()
	samples, result, err := b.soak(ctx, s)
	if err != nil {
		return err
	}
	n := len(samples)
	if n < 12 {
		return errors.New("too short: -soak has to be 12s at least")
	}
	fmt.Printf("%s groups, %s pushes/s, p50 %s ms, p99 %s ms, a scrape every %v.\n\n", thousands(b.plan.groups), perSecond(result.rate),
		millis(result.p50), millis(result.p99), soakInterval)
	t := table{{"time", "resident MB, mean", "highest"}}
	for i := range 12 {
		part := samples[n*i/12 : n*(i+1)/12]
		from, to := b.plan.soak*time.Duration(i)/12, b.plan.soak*time.Duration(i+1)/12
		t.add(fmt.Sprintf("%v to %v", from, to), megabytes(mean(part)), megabytes(slices.Max(part)))
	}
	t.print()
	early, late := mean(samples[n/6:n/3]), mean(samples[n*2/3:])
	b.atMost(1.05, float64(late), float64(early), fmt.Sprintf("memory in the last third of %v, and in the second sixth", b.plan.soak),
		megabytes(late)+" MB", megabytes(early)+" MB")
	if g := b.targets[len(b.targets)-1]; !g.holds() {
		return fmt.Errorf("memory grows: %s after %s", g.ours, g.theirs)
	}
	return nil
}

// soak returns the replica's memory in each second.
func (b *bench) soak(ctx context.Context, s *system) ([]int64, pushed, error) {
	var wait sync.WaitGroup
	var scrapeErr error
	scraping, stop := context.WithCancel(ctx)
	defer stop()
	wait.Go(func() { _, scrapeErr = scrapeEvery(scraping, s.gateways[0], soakInterval) })
	samples := watch(s.gateways[0].pid(), time.Second)
	l := load{traffic: plain(b.plan.groups), clients: soakClients, time: b.plan.soak, pace: soakRate, first: newValues()}
	result, err := l.run(ctx, s)
	memory, failed := samples()
	stop()
	wait.Wait()
	return memory, result, errors.Join(err, failed, scrapeErr)
}
