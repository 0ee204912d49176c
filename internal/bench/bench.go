package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// The systems that are compared; the first is what the others are compared
// with.
const (
	pushgateway     = iota
	pushgatewayFile // writes its file each second in which something changes
	onSQLite
	oneReplica
	threeReplicas
)

var names = map[int]string{
	pushgateway: "Pushgateway", pushgatewayFile: "Pushgateway, file",
	onSQLite: "SQLite", oneReplica: "1 replica", threeReplicas: "3 replicas",
}

var replicas = map[int]int{onSQLite: 1, oneReplica: 1, threeReplicas: 3}

// slow is from how many groups on Pushgateway, which reads all of them for each
// push, is measured by slowPushes, once. With a file it is left out then.
const slow = 10_000

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
	memory []memoryRow
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
	theirs, err := b.startTheirs(ctx, stored)
	defer func() {
		for _, s := range theirs {
			s.stop()
		}
	}()
	if err != nil {
		return err
	}
	postgres, err := b.ours.storePostgres(ctx, stored)
	if err != nil {
		return err
	}
	sqlite, err := b.ours.storeSQLite(ctx, b.dir, stored)
	if err != nil {
		return err
	}
	databases := map[int]string{onSQLite: sqlite, oneReplica: postgres, threeReplicas: postgres}
	for round := range b.plan.rounds {
		progress("round %d of %d", round+1, b.plan.rounds)
		if err := b.round(ctx, theirs, databases, stored, round); err != nil {
			return err
		}
	}
	if stored != b.plan.scrapedGroups {
		return nil
	}
	if err := b.scrapes(ctx, theirs[pushgateway], postgres); err != nil {
		return err
	}
	return b.remember(ctx, theirs[pushgateway], databases, stored)
}

// startTheirs returns those that were started even if there is an error.
func (b *bench) startTheirs(ctx context.Context, stored int) (map[int]*system, error) {
	intervals := map[int]time.Duration{pushgateway: 24 * time.Hour, pushgatewayFile: time.Second}
	if stored >= slow {
		delete(intervals, pushgatewayFile)
	}
	theirs := map[int]*system{}
	for which, interval := range intervals {
		s, err := b.theirs.start(ctx, filepath.Join(b.dir, fmt.Sprintf("groups-%d-%d", stored, which)), stored, interval)
		if err != nil {
			return theirs, err
		}
		theirs[which] = s
	}
	return theirs, nil
}

// round measures pushes on each system once.
func (b *bench) round(ctx context.Context, theirs map[int]*system, databases map[int]string, stored, round int) error {
	for _, which := range []int{pushgateway, pushgatewayFile} {
		if theirs[which] == nil || stored >= slow && round > 0 {
			continue
		}
		if err := b.loads(ctx, theirs[which], which, stored); err != nil {
			return err
		}
	}
	for _, which := range []int{onSQLite, oneReplica, threeReplicas} {
		s, err := b.ours.start(ctx, databases[which], replicas[which])
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
			if which == pushgateway && stored >= slow {
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
				return fmt.Errorf("%s, %s stored, %d clients: %w", names[which], c, clients, err)
			}
			k := key{c, clients, which}
			b.pushed[k] = append(b.pushed[k], result)
			progress("%-17s  stored: %s  clients: %2d  %s/s, p50 %s ms, p99 %s ms", names[which], c, clients,
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
