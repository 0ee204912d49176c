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
		s, err := b.startWritten(ctx, a.stored, 1)
		if err != nil {
			return err
		}
		defer s.release()
		systems[a.stored] = s
	}
	contenders := make([]contender, len(all))
	for i, a := range all {
		contenders[i] = contender{systems[a.stored], load{traffic: plain(a.groups), clients: b.plan.most()}}
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

func (b *bench) reportStored(all []pushedTo, measured map[pushedTo][]pushed) {
	fmt.Printf("%d clients; %s.\n\n", b.plan.most(), b.turns())
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
