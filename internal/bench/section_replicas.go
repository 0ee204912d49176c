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
	database, err := b.ours.postgres(ctx, b.plan.groups)
	if err != nil {
		return err
	}
	rounds := map[int][]pushed{}
	commits := map[int][]float64{}
	for range b.plan.rounds {
		for _, count := range counts {
			result, perCommit, err := b.replicas(ctx, database, count, clients)
			if err != nil {
				return err
			}
			progress("%d replicas: %s/s", count, perSecond(result.rate))
			rounds[count] = append(rounds[count], result)
			commits[count] = append(commits[count], perCommit)
		}
	}
	t := table{{"replicas", "pushes/s", "ratio", "p50 ms", "p99 ms", "pushes per transaction", "CPU ms per push: gateways", "PostgreSQL", "clients",
		"share of the cores: gateways", "PostgreSQL", "clients", "others and kernel", "idle"}}
	one := median(rounds[1])
	for _, count := range counts {
		m := median(rounds[count])
		t.add(fmt.Sprint(count), perSecond(m.rate), ratio(m.rate, one.rate), millis(m.p50), millis(m.p99),
			fmt.Sprintf("%.1f", middle(commits[count], func(f float64) float64 { return f })),
			millis(m.cost.gateways), millis(m.cost.database), millis(m.cost.clients),
			percent(m.shares.gateways), percent(m.shares.database), percent(m.shares.clients), percent(m.shares.others), percent(m.shares.idle))
	}
	fmt.Printf("%d clients, spread over the replicas; %s groups.\n\n", clients, thousands(b.plan.groups))
	t.print()
	for i, limit := range []float64{1, 0.9} {
		m := median(rounds[counts[i+1]])
		b.atLeast(limit, m.rate, one.rate, fmt.Sprintf("%d clients on %d replicas, beside 1", clients, counts[i+1]),
			perSecond(m.rate)+"/s", perSecond(one.rate)+"/s")
	}
	return nil
}

// replicas returns, too, how many pushes there were for each transaction that
// wrote something.
func (b *bench) replicas(ctx context.Context, database string, count, clients int) (pushed, float64, error) {
	s, err := b.ours.start(ctx, database, count)
	if err != nil {
		return pushed{}, 0, err
	}
	defer s.release()
	l := load{traffic: plain(b.plan.groups), clients: clients}
	if err := l.warm(ctx, s, 2*b.plan.warmUp); err != nil {
		return pushed{}, 0, err
	}
	before, err := b.ours.transactions(ctx)
	if err != nil {
		return pushed{}, 0, err
	}
	l.time, l.first = 2*b.plan.time, newValues()
	result, err := l.run(ctx, s)
	if err != nil {
		return pushed{}, 0, err
	}
	after, err := b.ours.transactions(ctx)
	return result, float64(result.count) / float64(max(after-before, 1)), err
}

// transactions returns how many transactions have had an id, as those have that
// write.
func (o *ours) transactions(ctx context.Context) (n int64, err error) {
	err = o.query(ctx, o.cluster.URL("postgres"), func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint`).Scan(&n)
	})
	return n, err
}
