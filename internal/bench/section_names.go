package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// namesSection measures what commits cannot be plain for: jobs with several
// sets of label names, and metric names that nobody has pushed before.
func (b *bench) namesSection(ctx context.Context) error {
	if err := b.shapes(ctx); err != nil {
		return err
	}
	fmt.Println()
	return b.storm(ctx)
}

func (b *bench) shapes(ctx context.Context) error {
	const count = 50
	perJob := b.plan.groups / count
	kinds := []struct {
		name    string
		traffic traffic
	}{
		{"one set of label names", jobs(count, perJob)},
		{"three sets of label names", shapes(count, perJob)},
	}
	database, err := b.ours.empty(ctx)
	if err != nil {
		return err
	}
	rounds := make([][]pushed, len(kinds))
	for _, kind := range kinds {
		if err := b.ours.seed(ctx, database, kind.traffic, b.plan.groups); err != nil {
			return err
		}
	}
	for range b.plan.rounds {
		for i, kind := range kinds {
			result, err := b.loadOne(ctx, database, load{traffic: kind.traffic, clients: b.plan.most()})
			if err != nil {
				return err
			}
			progress("%s: %s/s", kind.name, perSecond(result.rate))
			rounds[i] = append(rounds[i], result)
		}
	}
	t := table{{fmt.Sprintf("%d jobs of %d groups, %d clients", count, perJob, b.plan.most()), "pushes/s", "ratio", "p50 ms", "p99 ms", "CPU ms per push", "PostgreSQL's"}}
	one := median(rounds[0])
	for i, kind := range kinds {
		m := median(rounds[i])
		t.add(kind.name, perSecond(m.rate), ratio(m.rate, one.rate), millis(m.p50), millis(m.p99), millis(m.cost.system()), millis(m.cost.database))
	}
	t.print()
	m := median(rounds[1])
	b.atLeast(0.5, m.rate, one.rate, "jobs with several sets of label names, beside plain ones", perSecond(m.rate)+"/s", perSecond(one.rate)+"/s")
	return nil
}

// loadOne puts a load on one replica that is started for it.
func (b *bench) loadOne(ctx context.Context, database string, l load) (pushed, error) {
	s, err := b.ours.start(ctx, database, 1)
	if err != nil {
		return pushed{}, err
	}
	defer s.release()
	if err := l.warm(ctx, s, b.plan.warmUp); err != nil {
		return pushed{}, err
	}
	l.time, l.first = b.plan.time, newValues()
	return l.run(ctx, s)
}

// storm measures pushes with new metric names alone, plain pushes alone, and
// both beside each other.
func (b *bench) storm(ctx context.Context) error {
	const stormers = 16
	database, err := b.ours.postgres(ctx, b.plan.groups)
	if err != nil {
		return err
	}
	stormLoad := load{traffic: storm(1000), clients: stormers}
	plainLoad := load{traffic: plain(b.plan.groups), clients: b.plan.most()}
	var stormAlone, plainAlone, stormBeside, plainBeside []pushed
	for range b.plan.rounds {
		alone, err := b.loadOne(ctx, database, plainLoad)
		if err != nil {
			return err
		}
		storm, err := b.loadOne(ctx, database, stormLoad)
		if err != nil {
			return err
		}
		both, err := b.loadBoth(ctx, database, stormLoad, plainLoad)
		if err != nil {
			return err
		}
		progress("plain %s/s, storm %s/s; beside each other %s/s and %s/s", perSecond(alone.rate), perSecond(storm.rate), perSecond(both[1].rate), perSecond(both[0].rate))
		plainAlone, stormAlone = append(plainAlone, alone), append(stormAlone, storm)
		stormBeside, plainBeside = append(stormBeside, both[0]), append(plainBeside, both[1])
	}
	t := table{{"pushes", "clients", "pushes/s", "ratio", "p50 ms", "p99 ms"}}
	row := func(name string, clients int, rounds, alone []pushed) {
		m := median(rounds)
		compared := ""
		if alone != nil {
			compared = ratio(m.rate, median(alone).rate)
		}
		t.add(name, fmt.Sprint(clients), perSecond(m.rate), compared, millis(m.p50), millis(m.p99))
	}
	row("plain", plainLoad.clients, plainAlone, nil)
	row("each with a new metric name", stormers, stormAlone, nil)
	row("plain, beside new names", plainLoad.clients, plainBeside, plainAlone)
	row("each with a new metric name, beside plain ones", stormers, stormBeside, stormAlone)
	t.print()
	alone, beside, fresh := median(plainAlone), median(plainBeside), median(stormBeside)
	b.atLeast(1, fresh.rate, 300, "each push a new metric name, beside plain pushes", perSecond(fresh.rate)+"/s", "300/s")
	b.atLeast(0.5, beside.rate, alone.rate, "plain pushes beside those, and alone", perSecond(beside.rate)+"/s", perSecond(alone.rate)+"/s")
	return nil
}

// loadBoth puts two loads on one replica at once.
func (b *bench) loadBoth(ctx context.Context, database string, loads ...load) ([]pushed, error) {
	s, err := b.ours.start(ctx, database, 1)
	if err != nil {
		return nil, err
	}
	defer s.release()
	results, errs := make([]pushed, len(loads)), make([]error, len(loads))
	var wait sync.WaitGroup
	for i, l := range loads {
		if err := l.warm(ctx, s, b.plan.warmUp); err != nil {
			return nil, err
		}
		l.time, l.first = b.plan.time, newValues()
		wait.Go(func() { results[i], errs[i] = l.run(ctx, s) })
	}
	wait.Wait()
	return results, errors.Join(errs...)
}
