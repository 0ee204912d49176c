package main

import (
	"context"
	"fmt"
)

// cell is one place in the table of pushes.
type cell struct{ stored, groups, clients, system int }

// pushSection measures pushes by the number of groups that are stored and of
// clients, on all systems.
func (b *bench) pushSection(ctx context.Context) error {
	all := map[cell][]pushed{}
	for round := range b.plan.rounds {
		progress("round %d of %d", round+1, b.plan.rounds)
		for _, stored := range b.plan.stored {
			for which := range len(names) {
				if which == pushgateway && stored >= slow && round > 0 {
					continue
				}
				if err := b.pushes(ctx, all, which, stored); err != nil {
					return fmt.Errorf("%s with %s groups: %w", names[which], thousands(stored), err)
				}
			}
		}
	}
	b.printPushes(all)
	b.judgePushes(all)
	b.charts = append(b.charts, b.chartPushes(all))
	return nil
}

// pushes measures one system with one number of groups stored.
func (b *bench) pushes(ctx context.Context, all map[cell][]pushed, which, stored int) error {
	s, err := b.start(ctx, which, stored)
	if err != nil {
		return err
	}
	defer s.release()
	for _, c := range b.plan.cells(which, stored) {
		l := load{traffic: plain(c.groups), clients: c.clients}
		if which == pushgateway && stored >= slow {
			l.pushes = b.plan.slowPushes * slow / stored
		} else {
			if err := l.warm(ctx, s, b.plan.warmUp); err != nil {
				return err
			}
			l.time = b.plan.time
		}
		l.first = newValues()
		result, err := l.run(ctx, s)
		if err != nil {
			return err
		}
		all[c] = append(all[c], result)
		progress("%-22s %6s stored, %6s pushed to, %2d clients: %s/s, p50 %s ms, p99 %s ms", names[which], thousands(stored), thousands(c.groups), c.clients,
			perSecond(result.rate), millis(result.p50), millis(result.p99))
	}
	return nil
}

// few are numbers of groups that are pushed to beside any number that is stored:
// whether what is stored makes pushes slower shows where all else is equal.
var few = []int{1, 1000}

func (p plan) cells(which, stored int) []cell {
	var cells []cell
	for _, clients := range p.clients {
		cells = append(cells, cell{stored, stored, clients, which})
	}
	for _, groups := range few {
		if which == oneReplica && stored > groups {
			cells = append(cells, cell{stored, groups, p.most(), which})
		}
	}
	return cells
}

func (b *bench) printPushes(all map[cell][]pushed) {
	t := table{{"groups stored", "pushed to", "clients", "system", "pushes/s", "× check off", "× check on", "p50 ms", "p99 ms", "p99/p50", "CPU ms per push", "PostgreSQL's", "clients'"}}
	for _, stored := range b.plan.stored {
		for _, c := range b.plan.cells(oneReplica, stored) { // no other has more
			for c.system = range len(names) {
				if len(all[c]) > 0 {
					t.addPushes(all, c)
				}
			}
		}
	}
	t.print()
}

func (t *table) addPushes(all map[cell][]pushed, c cell) {
	of := func(which int) pushed {
		other := c
		other.system = which
		return median(all[other])
	}
	m := median(all[c])
	off, on, database := "", "", ""
	if c.system != unchecked && c.system != pushgateway {
		off, on = ratio(m.rate, of(unchecked).rate), ratio(m.rate, of(pushgateway).rate)
	}
	if m.cost.database > 0 {
		database = millis(m.cost.database)
	}
	t.add(thousands(c.stored), thousands(c.groups), fmt.Sprint(c.clients), names[c.system], perSecond(m.rate), off, on,
		millis(m.p50), millis(m.p99), ratio(float64(m.p99), float64(m.p50)), millis(m.cost.system()), database, millis(m.cost.clients))
}

func (b *bench) judgePushes(all map[cell][]pushed) {
	at := func(which, stored, groups int) pushed {
		return median(all[cell{stored, groups, b.plan.most(), which}])
	}
	n := b.plan.groups
	one, off, on := at(oneReplica, n, n), at(unchecked, n, n), at(pushgateway, n, n)
	what := fmt.Sprintf("%d clients, %s groups: ", b.plan.most(), thousands(n))
	b.atLeast(1, one.rate, off.rate, what+"rate, check off", perSecond(one.rate)+"/s", perSecond(off.rate)+"/s")
	b.atLeast(1000, one.rate, on.rate, what+"rate, check on", perSecond(one.rate)+"/s", perSecond(on.rate)+"/s")
	b.atMost(4, float64(one.p99), float64(one.p50), what+"p99, p50", millis(one.p99)+" ms", millis(one.p50)+" ms")
	b.atMost(1, float64(one.cost.system()), float64(off.cost.system()), what+"CPU of replica and database per push, check off",
		millis(one.cost.system())+" ms", millis(off.cost.system())+" ms")
	last := b.plan.stored[len(b.plan.stored)-1]
	grow := func(from, fromGroups, groups int, to string) {
		first, then := at(oneReplica, from, fromGroups), at(oneReplica, last, groups)
		b.atLeast(0.9, then.rate, first.rate, fmt.Sprintf("rate with %s groups stored, and with %s, pushes to %s", thousands(last), thousands(from), to),
			perSecond(then.rate)+"/s", perSecond(first.rate)+"/s")
	}
	for _, groups := range few {
		grow(groups, groups, groups, thousands(groups))
	}
	grow(b.plan.stored[0], b.plan.stored[0], last, "all")
}

func (b *bench) chartPushes(all map[cell][]pushed) chart {
	c := chart{file: "pushes.svg", title: fmt.Sprintf("Pushes per second, %d clients", b.plan.most()), x: "groups stored", y: "pushes per second"}
	for which := range len(names) {
		l := line{name: names[which], ours: which != pushgateway && which != unchecked}
		for _, stored := range b.plan.stored {
			l.add(stored, median(all[cell{stored, stored, b.plan.most(), which}]).rate)
		}
		c.lines = append(c.lines, l)
	}
	return c
}
