package main

import (
	"context"
	"fmt"
)

// pushedTo is pushes to some of the groups that are stored.
type pushedTo struct{ stored, groups int }

// storedSection compares pushes beside few groups with those beside many, in
// turns. To one group is not to many, as those that are committed together become
// one change: so each is compared with pushes to as many groups.
func (b *bench) storedSection(ctx context.Context) error {
	few, many := b.plan.stored[:2], b.plan.stored[len(b.plan.stored)-1]
	var all []pushedTo
	for _, n := range few {
		all = append(all, pushedTo{n, n}, pushedTo{many, n})
	}
	all = append(all, pushedTo{many, many})
	systems := map[int]*system{}
	for _, a := range all {
		if systems[a.stored] != nil {
			continue
		}
		s, err := b.startWritten(ctx, a.stored)
		if err != nil {
			return err
		}
		defer s.release()
		systems[a.stored] = s
	}
	contenders := make([]contender, len(all))
	for i, a := range all {
		contenders[i] = contender{systems[a.stored], plain(a.groups)}
	}
	results, err := b.inTurns(ctx, contenders)
	if err != nil {
		return err
	}
	measured := map[pushedTo][]pushed{}
	for i, a := range all {
		measured[a] = results[i]
	}
	b.reportStored(all, measured)
	return nil
}

// startWritten starts a replica beside so many groups, all of which have been
// pushed to twice: PostgreSQL writes a page as a whole when it changes for the
// first time after a checkpoint.
func (b *bench) startWritten(ctx context.Context, stored int) (*system, error) {
	database, err := b.ours.postgres(ctx, stored)
	if err != nil {
		return nil, err
	}
	s, err := b.ours.start(ctx, database, 1)
	if err != nil {
		return nil, err
	}
	for range 2 {
		if err := pushOnce(ctx, s.gateways, plain(stored), stored, newValues()); err != nil {
			s.release()
			return nil, err
		}
	}
	return s, nil
}

func (b *bench) reportStored(all []pushedTo, measured map[pushedTo][]pushed) {
	fmt.Printf("%s.\n\n", b.turns())
	t := table{{"groups stored", "pushed to", "pushes/s", "p50 ms", "p99 ms", "CPU ms per push", "PostgreSQL's"}}
	for _, a := range all {
		m := median(measured[a])
		t.add(thousands(a.stored), thousands(a.groups), perSecond(m.rate), millis(m.p50), millis(m.p99), millis(m.cost.system()), millis(m.cost.database))
	}
	t.print()
	compare := func(from, to pushedTo) {
		few, many := median(measured[from]), median(measured[to])
		b.atLeast(0.9, many.rate, few.rate, fmt.Sprintf("pushes to %s of %s groups, to %s of %s", thousands(to.groups), thousands(to.stored), thousands(from.groups), thousands(from.stored)),
			perSecond(many.rate)+"/s", perSecond(few.rate)+"/s")
	}
	last := all[len(all)-1]
	compare(all[0], all[1])
	compare(all[2], all[3])
	compare(all[2], last)
	compare(all[0], last)
}
