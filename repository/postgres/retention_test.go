package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
)

// TestThirtyDays protects the disk from a history that grows for ever: in 30 days
// of 10,000 pushes, two replicas keep what is of the last seven. Days that pass
// are as well ones that have passed, with a longer retention.
func TestThirtyDays(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, postgres.Migrate)
	conn := connect(t, url)
	stores := []*postgres.Store{open(t, url), open(t, url)}
	const days, perDay, kept = 30, 10_000, 7
	for ago := days; ago >= 0; ago-- {
		run(t, conn, `SELECT make_history_partitions((now() AT TIME ZONE 'UTC')::date - $1::int, (now() AT TIME ZONE 'UTC')::date - $1::int)`, ago)
		run(t, conn, `INSERT INTO push_history (seq, at, method, outcome, affected, series, bytes, replica, commit_id)
			SELECT nextval('push_history_seq'), (now() AT TIME ZONE 'UTC')::date::timestamp AT TIME ZONE 'UTC' + (i::float8 / $2 - $1) * interval '1 day',
			       'PUT', 'accepted', 1, 20, 1000, 'r', '00000000-0000-0000-0000-000000000000'
			FROM generate_series(0, $2::int - 1) i`, ago, perDay)
		failed := make(chan error, len(stores))
		for _, s := range stores {
			go func() { failed <- s.Maintain(t.Context(), time.Duration(ago+kept)*24*time.Hour) }()
		}
		if err := errors.Join(<-failed, <-failed); err != nil {
			t.Fatalf("%d days ago: %v", ago, err)
		}
		// Half a day is over on average, and what is not dropped today is tomorrow.
		if rows := query[int](t, conn, `SELECT count(*) FROM push_history`); rows > (kept+3)*perDay {
			t.Fatalf("%d days ago there were %d rows", ago, rows)
		}
		// There are also those of the next week, and the default one.
		if partitions := query[int](t, conn, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'push_history'::regclass`); partitions > kept+3+8+1 {
			t.Fatalf("%d days ago there were %d partitions", ago, partitions)
		}
	}
	if rows := query[int](t, conn, `SELECT count(*) FROM push_history WHERE at > now() - interval '7 days'`); rows < kept*perDay {
		t.Errorf("%d rows of the last %d days are left, want all %d", rows, kept, kept*perDay)
	}
}

// TestThinStatistics protects the pruning of groups, which waits while PostgreSQL
// analyzes the history, from long waits.
func TestThinStatistics(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, postgres.Migrate)
	newReplica(t, url)
	n := query[int](t, connect(t, url), `SELECT count(*) FROM pg_partition_tree('push_history') p
		JOIN pg_index i ON i.indrelid = p.relid JOIN pg_attribute a ON a.attrelid = p.relid OR a.attrelid = i.indexrelid AND i.indkey[a.attnum - 1] = 0
		WHERE p.isleaf AND p.relid <> 'push_history_default'::regclass AND a.attnum > 0 AND a.attstattarget IS DISTINCT FROM 10`)
	if n > 0 {
		t.Errorf("%d columns of partitions have another statistics target than 10", n)
	}
}
