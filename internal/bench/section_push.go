package main

import (
	"context"
	"fmt"
)

// cell is one place in the table of pushes.
type cell struct{ stored, clients, system int }

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
		l := load{traffic: plain(stored), clients: c.clients}
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
		progress("%-22s %6s groups, %2d clients: %s/s, p50 %s ms, p99 %s ms", names[which], thousands(stored), c.clients,
			perSecond(result.rate), millis(result.p50), millis(result.p99))
	}
	return nil
}

func (p plan) cells(which, stored int) []cell {
	var cells []cell
	for _, clients := range p.clients {
		cells = append(cells, cell{stored, clients, which})
	}
	return cells
}

func (b *bench) printPushes(all map[cell][]pushed) {
	t := table{{"groups", "clients", "system", "pushes/s", "× check off", "× check on", "p50 ms", "p99 ms", "p99/p50", "CPU ms per push", "PostgreSQL's", "clients'"}}
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
	t.add(thousands(c.stored), fmt.Sprint(c.clients), names[c.system], perSecond(m.rate), off, on,
		millis(m.p50), millis(m.p99), ratio(float64(m.p99), float64(m.p50)), millis(m.cost.system()), database, millis(m.cost.clients))
}

func (b *bench) judgePushes(all map[cell][]pushed) {
	n := b.plan.groups
	at := func(which int) pushed { return median(all[cell{n, b.plan.most(), which}]) }
	one, off, on := at(oneReplica), at(unchecked), at(pushgateway)
	what := fmt.Sprintf("%d clients, %s groups: ", b.plan.most(), thousands(n))
	b.atLeast(1, one.rate, off.rate, what+"rate, check off", perSecond(one.rate)+"/s", perSecond(off.rate)+"/s")
	b.atLeast(1000, one.rate, on.rate, what+"rate, check on", perSecond(one.rate)+"/s", perSecond(on.rate)+"/s")
	b.atMost(4, float64(one.p99), float64(one.p50), what+"p99, p50", millis(one.p99)+" ms", millis(one.p50)+" ms")
	b.atMost(1, float64(one.cost.system()), float64(off.cost.system()), what+"CPU of replica and database per push, check off",
		millis(one.cost.system())+" ms", millis(off.cost.system())+" ms")
}

func (b *bench) chartPushes(all map[cell][]pushed) chart {
	c := chart{file: "pushes.svg", title: fmt.Sprintf("Pushes per second, %d clients", b.plan.most()), x: "groups stored", y: "pushes per second"}
	for which := range len(names) {
		l := line{name: names[which], ours: which != pushgateway && which != unchecked}
		for _, stored := range b.plan.stored {
			l.add(stored, median(all[cell{stored, b.plan.most(), which}]).rate)
		}
		c.lines = append(c.lines, l)
	}
	return c
}
