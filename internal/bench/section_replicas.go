package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// replicasSection spreads many clients over one, three and six replicas, and
// shows who had the cores.
func (b *bench) replicasSection(ctx context.Context) error {
	const clients = 256
	counts := []int{1, 3, 6}
	contenders := make([]contender, len(counts))
	for i, count := range counts {
		s, err := b.startWritten(ctx, b.plan.groups, count)
		if err != nil {
			return err
		}
		defer s.release()
		contenders[i] = contender{s, load{traffic: plain(b.plan.groups), clients: clients}}
	}
	measured, err := b.inTurns(ctx, contenders)
	if err != nil {
		return err
	}
	t := table{{"replicas", "pushes/s", "ratio", "p50 ms", "p99 ms", "pushes per transaction", "CPU ms per push: gateways", "PostgreSQL", "clients",
		"share of the cores: gateways", "PostgreSQL", "clients", "others and kernel", "idle"}}
	one := median(measured[0])
	for i, count := range counts {
		m := median(measured[i])
		t.add(fmt.Sprint(count), perSecond(m.rate), ratio(m.rate, one.rate), millis(m.p50), millis(m.p99),
			fmt.Sprintf("%.1f", m.perCommit),
			millis(m.cost.gateways), millis(m.cost.database), millis(m.cost.clients),
			percent(m.shares.gateways), percent(m.shares.database), percent(m.shares.clients), percent(m.shares.others), percent(m.shares.idle))
	}
	fmt.Printf("%d clients, spread over the replicas; %s groups; %s.\n\n", clients, thousands(b.plan.groups), b.turns())
	t.print()
	for i, limit := range []float64{1, 0.9} {
		m := median(measured[i+1])
		b.atLeast(limit, m.rate, one.rate, fmt.Sprintf("%d clients on %d replicas, beside 1", clients, counts[i+1]),
			perSecond(m.rate)+"/s", perSecond(one.rate)+"/s")
	}
	return nil
}

// transactions returns how many transactions have had an id, as those have that
// write.
func (o *ours) transactions(ctx context.Context) (n int64, err error) {
	err = o.query(ctx, o.cluster.URL("postgres"), func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint`).Scan(&n)
	})
	return n, err
}
