package main

import (
	"context"
	"fmt"
	"os"
)

// The systems that are compared; the first is what the others are compared
// with.
const (
	pushgateway = iota
	oneReplica
	threeReplicas
)

var replicas = map[int]int{oneReplica: 1, threeReplicas: 3}

// slowPushes is how many pushes Pushgateway gets where each takes it so long
// that no duration would do.
const slowPushes = 20

// bench collects results.
type bench struct {
	plan   plan
	dir    string
	theirs *original
	ours   *ours
	pushed map[key][]pushed // one for each round
	scrape []scrapeRow
}

// key is what was measured.
type key struct {
	cell    cell
	clients int
	system  int
}

type scrapeRow struct {
	state    string
	encoding string
	theirs   scraped
	ours     scraped
}

func (b *bench) run(ctx context.Context) error {
	seen := map[int]bool{}
	for _, c := range b.plan.cells {
		if seen[c.stored] {
			continue
		}
		seen[c.stored] = true
		if err := b.runStored(ctx, c.stored); err != nil {
			return err
		}
	}
	return nil
}

// runStored measures everything with one number of stored groups.
func (b *bench) runStored(ctx context.Context, stored int) error {
	progress("storing %s groups", thousands(stored))
	theirs, err := b.theirs.start(ctx, b.dir, stored)
	if err != nil {
		return err
	}
	defer theirs.stop()
	database, err := b.ours.store(ctx, stored)
	if err != nil {
		return err
	}
	for round := range b.plan.rounds {
		progress("round %d of %d", round+1, b.plan.rounds)
		if err := b.round(ctx, theirs, database, stored, round); err != nil {
			return err
		}
	}
	if stored == b.plan.scrapedGroups {
		return b.scrapes(ctx, theirs, database)
	}
	return nil
}

// round measures pushes on each system once.
func (b *bench) round(ctx context.Context, theirs *system, database string, stored, round int) error {
	if stored < 10_000 || round == 0 {
		if err := b.loads(ctx, theirs, pushgateway, stored); err != nil {
			return err
		}
	}
	for _, which := range []int{oneReplica, threeReplicas} {
		s, err := b.ours.start(ctx, database, replicas[which])
		if err != nil {
			return err
		}
		err = b.loads(ctx, s, which, stored)
		s.stop()
		if err != nil {
			return err
		}
	}
	return nil
}

// loads measures one system with each number of clients.
func (b *bench) loads(ctx context.Context, s *system, which, stored int) error {
	for _, c := range b.plan.cells {
		// How pushes to a part of the groups compare is a question about one
		// replica only.
		if c.stored != stored || c.groups != stored && which != oneReplica {
			continue
		}
		for _, clients := range b.plan.clients {
			l := load{clients: clients, groups: c.groups, time: b.plan.warmUp}
			if which == pushgateway && stored >= 10_000 {
				l.pushes = slowPushes
				l.time = 0
			} else {
				l.first = newValues()
				if _, err := l.push(ctx, s.gateways); err != nil {
					return err
				}
				l.time = b.plan.time
			}
			l.first = newValues()
			result, err := l.run(ctx, s)
			if err != nil {
				return fmt.Errorf("%s, %s stored, %d clients: %w", s.name, c, clients, err)
			}
			k := key{c, clients, which}
			b.pushed[k] = append(b.pushed[k], result)
			progress("%-11s  stored: %s  clients: %2d  %s/s, p50 %s ms, p99 %s ms", s.name, c, clients,
				perSecond(result.rate), millis(result.p50), millis(result.p99))
		}
	}
	return nil
}

// scrapes measures scrapes of one replica beside Pushgateway's.
func (b *bench) scrapes(ctx context.Context, theirs *system, database string) error {
	for _, e := range encodings {
		progress("scrapes: %s", e.name)
		// It keeps nothing between scrapes, so that one figure will do.
		original, err := scrapeAll(ctx, theirs, e, b.plan.scrapes, b.plan.scrapedGroups, 0)
		if err != nil {
			return err
		}
		s, err := b.ours.start(ctx, database, 1)
		if err != nil {
			return err
		}
		defer s.stop()
		for _, state := range []struct {
			name           string
			times, changed int
		}{
			{"first after the start", 1, 0},
			{"nothing changed", b.plan.scrapes, 0},
			{thousands(b.plan.changed) + " groups changed", b.plan.scrapes, b.plan.changed},
		} {
			result, err := scrapeAll(ctx, s, e, state.times, b.plan.scrapedGroups, state.changed)
			if err != nil {
				return err
			}
			b.scrape = append(b.scrape, scrapeRow{state.name, e.name, original, result})
		}
		s.stop()
	}
	return nil
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
