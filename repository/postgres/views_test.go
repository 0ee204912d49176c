package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
	"github.com/sqlpushgateway/sqlpushgateway/repository/storetest"
)

func TestViews(t *testing.T) {
	t.Parallel()
	storetest.RunViews(t, func(t testing.TB) (repository.Store, storetest.Query) {
		url := pgtest.New(t, postgres.Migrate)
		conn := connect(t, url)
		return open(t, url), func(t testing.TB, sql string) [][]any { return cells(t, conn, sql) }
	})
}

// cells returns the cells of all rows of a query.
func cells(t testing.TB, conn *pgx.Conn, sql string) [][]any {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	for _, row := range found {
		for i, v := range row {
			if gap, ok := v.(pgtype.Interval); ok {
				row[i] = float64(gap.Microseconds)/1e6 + float64(gap.Days)*(24*time.Hour).Seconds()
			}
		}
	}
	return found
}

// TestComments protects those who look at the database without our documents:
// every table and view for them, and each of their columns, says what it is.
func TestComments(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t, postgres.Migrate))
	const objects = `c.relname IN ('push_group', 'push_history') OR c.relkind = 'v'`
	if n := query[int](t, conn, `SELECT count(*) FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND (`+objects+`)`); n != 7 {
		t.Errorf("there are %d tables and views for people, want 7", n)
	}
	if silent := query[[]string](t, conn, `SELECT coalesce(array_agg(c.relname || coalesce('.' || a.attname, '')), '{}')
		FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE relnamespace = 'public'::regnamespace AND (`+objects+`)
		  AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)`); len(silent) > 0 {
		t.Errorf("these have no comment: %v", silent)
	}
}
