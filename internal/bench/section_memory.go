package main

import (
	"context"
	"fmt"
	"path/filepath"
)

// memoryRounds are enough for figures that differ little, since pushing to and
// scraping everything takes long.
const memoryRounds = 3

// memorySection measures the memory of gateways to which each group was pushed
// once, and that were scraped thrice. They begin with nothing stored, and one
// more replica with everything. Pushgateway does not check what is pushed,
// which would take it hours.
func (b *bench) memorySection(ctx context.Context) error {
	rounds := min(b.plan.rounds, memoryRounds)
	t := table{{"groups", "system", "resident MB", "ratio", "peak MB", "ratio"}}
	for _, groups := range b.plan.remembered {
		systems := b.remembering(groups)
		all := make([][]resident, len(systems))
		for range rounds {
			for i, of := range systems {
				r, err := b.remember(ctx, of.start, groups)
				if err != nil {
					return err
				}
				progress("%s groups, %s: %s MB, peak %s MB", thousands(groups), of.name, megabytes(r.now), megabytes(r.peak))
				all[i] = append(all[i], r)
			}
		}
		now := func(i int) int64 { return middle(all[i], func(r resident) int64 { return r.now }) }
		peak := func(i int) int64 { return middle(all[i], func(r resident) int64 { return r.peak }) }
		for i, of := range systems {
			t.add(thousands(groups), of.name, megabytes(now(i)), ratio(float64(now(i)), float64(now(0))),
				megabytes(peak(i)), ratio(float64(peak(i)), float64(peak(0))))
			if of.judged {
				b.atMost(1.0/3, float64(now(i)), float64(now(0)), fmt.Sprintf("resident memory with %s groups, %s", thousands(groups), of.name),
					megabytes(now(i))+" MB", megabytes(now(0))+" MB")
			}
		}
	}
	fmt.Printf("Medians of %d rounds.\n\n", rounds)
	t.print()
	return nil
}

// remembering is a system whose memory is measured.
type remembering struct {
	name   string
	judged bool
	start  func(context.Context) (*system, error)
}

func (b *bench) remembering(groups int) []remembering {
	return []remembering{
		{names[unchecked], false, func(ctx context.Context) (*system, error) {
			p, err := start(ctx, nil, b.theirs.program, "--push.disable-consistency-check")
			if err != nil {
				return nil, err
			}
			return &system{gateways: []*process{p}, release: p.kill}, nil
		}},
		{names[onSQLite], false, func(ctx context.Context) (*system, error) {
			b.ours.count++
			return b.ours.start(ctx, "sqlite:"+filepath.Join(b.ours.dir, fmt.Sprintf("empty_%d.db", b.ours.count)), 1)
		}},
		{names[oneReplica], true, func(ctx context.Context) (*system, error) {
			database, err := b.ours.empty(ctx)
			if err != nil {
				return nil, err
			}
			return b.ours.start(ctx, database, 1)
		}},
		{names[oneReplica] + ", groups stored before", true, func(ctx context.Context) (*system, error) {
			return b.start(ctx, oneReplica, groups)
		}},
	}
}

func (b *bench) remember(ctx context.Context, start func(context.Context) (*system, error), groups int) (resident, error) {
	s, err := start(ctx)
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
	return c.scrape(e)
}
