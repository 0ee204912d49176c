package main

import (
	"context"
	"fmt"
)

var remembering = []int{unchecked, onSQLite, oneReplica}

// memorySection measures the memory of gateways that were started with all
// groups stored, then were pushed to, each group once, and scraped thrice.
// Pushgateway does not check what is pushed, which would take it hours.
func (b *bench) memorySection(ctx context.Context) error {
	t := table{{"groups", "system", "resident MB", "ratio", "peak MB", "ratio"}}
	for _, groups := range b.plan.remembered {
		all := map[int][]resident{}
		for range b.plan.rounds {
			for _, which := range remembering {
				r, err := b.remember(ctx, which, groups)
				if err != nil {
					return err
				}
				progress("%s groups, %s: %s MB, peak %s MB", thousands(groups), names[which], megabytes(r.now), megabytes(r.peak))
				all[which] = append(all[which], r)
			}
		}
		now := func(which int) int64 { return middle(all[which], func(r resident) int64 { return r.now }) }
		peak := func(which int) int64 { return middle(all[which], func(r resident) int64 { return r.peak }) }
		for _, which := range remembering {
			t.add(thousands(groups), names[which], megabytes(now(which)), ratio(float64(now(which)), float64(now(unchecked))),
				megabytes(peak(which)), ratio(float64(peak(which)), float64(peak(unchecked))))
		}
		b.atMost(1.0/3, float64(now(oneReplica)), float64(now(unchecked)), "resident memory with "+thousands(groups)+" groups",
			megabytes(now(oneReplica))+" MB", megabytes(now(unchecked))+" MB")
	}
	t.print()
	return nil
}

func (b *bench) remember(ctx context.Context, which, groups int) (resident, error) {
	s, err := b.startNew(ctx, which, groups)
	if err != nil {
		return resident{}, err
	}
	defer s.release()
	if err := pushOnce(ctx, s.gateways, plain(groups), groups, newValues()); err != nil {
		return resident{}, err
	}
	for range 3 {
		if _, err := scrapeOnce(ctx, s.gateways[0], textGzip); err != nil {
			return resident{}, err
		}
	}
	return residentMemory(s.gateways[0].pid())
}

// scrapeOnce scrapes over a connection of its own.
func scrapeOnce(ctx context.Context, g *process, e encoding) (int64, error) {
	c, err := dial(ctx, g.address)
	if err != nil {
		return 0, err
	}
	defer c.close()
	n, err := c.scrape(e)
	if err != nil {
		return 0, fmt.Errorf("scrape %s: %w", g.address, err)
	}
	return n, nil
}
