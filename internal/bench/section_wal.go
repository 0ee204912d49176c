package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// written is what pushes left in PostgreSQL's log.
type written struct {
	pushes          int
	records, images int64 // bytes; full-page images are apart
}

// walSection measures what pushes write to PostgreSQL's log, and how its table
// grows.
func (b *bench) walSection(ctx context.Context) error {
	database, err := b.ours.empty(ctx)
	if err != nil {
		return err
	}
	if err := b.ours.seed(ctx, database, plain(b.plan.groups), b.plan.groups); err != nil {
		return err
	}
	seeded, err := b.ours.table(ctx, database)
	if err != nil {
		return err
	}
	if err := b.wal(ctx, database); err != nil {
		return err
	}
	fmt.Println()
	return b.churn(ctx, database, seeded)
}

func (b *bench) wal(ctx context.Context, database string) error {
	all := map[int][]written{}
	for range b.plan.rounds {
		for _, clients := range b.plan.clients {
			w, err := b.written(ctx, database, clients)
			if err != nil {
				return err
			}
			all[clients] = append(all[clients], w)
		}
	}
	t := table{{"clients", "WAL bytes per push", "the body's", "ratio", "full-page images"}}
	for _, clients := range b.plan.clients {
		records := middle(all[clients], func(w written) float64 { return float64(w.records) / float64(w.pushes) })
		images := middle(all[clients], func(w written) float64 { return float64(w.images) / float64(w.pushes) })
		t.add(fmt.Sprint(clients), thousands(int(records)), thousands(int(bodySize())), ratio(records, bodySize()), thousands(int(images)))
		b.atMost(2, records, bodySize(), "WAL per push, "+clientsText(clients), thousands(int(records))+" B", thousands(int(bodySize()))+" B")
	}
	t.print()
	return nil
}

func (b *bench) written(ctx context.Context, database string, clients int) (w written, err error) {
	s, err := b.ours.start(ctx, database, 1)
	if err != nil {
		return w, err
	}
	defer s.release()
	// The first change of each page after a checkpoint writes all of it.
	if err := pushOnce(ctx, s.gateways, plain(b.plan.groups), b.plan.groups, newValues()); err != nil {
		return w, err
	}
	err = b.ours.query(ctx, b.ours.cluster.URL("postgres"), func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, `CREATE EXTENSION IF NOT EXISTS pg_walinspect`); err != nil {
			return fmt.Errorf("this needs PostgreSQL 15 or later with its contributed modules: %w", err)
		}
		var begin string
		if err := conn.QueryRow(ctx, `SELECT pg_current_wal_flush_lsn()::text`).Scan(&begin); err != nil {
			return err
		}
		l := load{traffic: plain(b.plan.groups), clients: clients, time: b.plan.time, first: newValues()}
		result, err := l.run(ctx, s)
		if err != nil {
			return err
		}
		w.pushes = result.count
		return conn.QueryRow(ctx, `SELECT sum(record_size)::bigint, sum(fpi_size)::bigint
			FROM pg_get_wal_stats($1::text::pg_lsn, pg_current_wal_flush_lsn())`, begin).Scan(&w.records, &w.images)
	})
	progress("%s: %d bytes per push", clientsText(clients), w.records/int64(max(w.pushes, 1)))
	return w, err
}

// groupTable is the state of the table push_group.
type groupTable struct{ size, updates, hot int64 }

// table is called when no gateway works on the database: processes tell what
// they have counted at their end at the latest.
func (o *ours) table(ctx context.Context, database string) (g groupTable, err error) {
	err = o.query(ctx, database, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT pg_total_relation_size('push_group'), n_tup_upd, n_tup_hot_upd
			FROM pg_stat_user_tables WHERE relname = 'push_group'`).Scan(&g.size, &g.updates, &g.hot)
	})
	return g, err
}

// churn pushes for long, and compares the table with what it was.
func (b *bench) churn(ctx context.Context, database string, seeded groupTable) error {
	s, err := b.ours.start(ctx, database, 1)
	if err != nil {
		return err
	}
	defer s.release()
	l := load{traffic: plain(b.plan.groups), clients: b.plan.most(), pushes: b.plan.churn, first: newValues()}
	progress("%s pushes", thousands(l.pushes))
	result, err := l.run(ctx, s)
	if err != nil {
		return err
	}
	s.release()
	after, err := b.ours.table(ctx, database)
	if err != nil {
		return err
	}
	updates := after.updates - seeded.updates
	hot := float64(after.hot-seeded.hot) / float64(max(updates, 1))
	t := table{{"pushes", "pushes/s", "p50 ms", "p99 ms", "CPU ms per push", "PostgreSQL's", "push_group MB after the seed", "now", "ratio", "rows updated", "of them HOT"}}
	t.add(thousands(result.count), perSecond(result.rate), millis(result.p50), millis(result.p99), millis(result.cost.system()), millis(result.cost.database),
		megabytes(seeded.size), megabytes(after.size), ratio(float64(after.size), float64(seeded.size)), thousands(int(updates)), percent(hot))
	t.print()
	b.atMost(2, float64(after.size), float64(seeded.size), fmt.Sprintf("size of push_group after %s pushes, and after the seed", thousands(result.count)),
		megabytes(after.size)+" MB", megabytes(seeded.size)+" MB")
	b.atLeast(0.9, hot, 1, "HOT updates of push_group", percent(hot), "all")
	return nil
}
