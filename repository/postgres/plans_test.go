package postgres_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
)

// aMonth fills the history with 200,000 pushes to 200 groups of 20 jobs.
const aMonth = `
	SELECT make_history_partitions((now() AT TIME ZONE 'UTC')::date - 31, (now() AT TIME ZONE 'UTC')::date);
	INSERT INTO push_history (seq, at, key, labels, job, method, outcome, reason, success, affected, series, bytes, replica, commit_id)
	SELECT i, now() - (200000 - i) * interval '30 days' / 200000, sha256((i % 200)::text::bytea),
	       jsonb_build_object('job', 'job' || i % 20, 'i', (i % 200)::text), 'job' || i % 20, 'PUT',
	       CASE i % 300 WHEN 7 THEN 'rejected' ELSE 'accepted' END, CASE i % 300 WHEN 7 THEN 'no' END,
	       CASE i % 300 WHEN 7 THEN NULL ELSE i % 100 <> 13 END, 1, 1, 100, 'r', '00000000-0000-0000-0000-000000000000'
	FROM generate_series(1, 200000) i;
	INSERT INTO push_group (key, labels, job, families, pushed_at)
	SELECT key, labels, job, '{}', at FROM push_history WHERE seq <= 200;
	ANALYZE`

// TestViewPlans protects those who ask from reading a whole history, and
// pushes from those.
func TestViewPlans(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, postgres.Migrate)
	conn := connect(t, url)
	run(t, conn, aMonth)
	large := query[[]string](t, conn, `SELECT array_agg(relname::text) FROM pg_class WHERE relname ~ '^push_history_.*\d$' AND relkind = 'r' AND reltuples > 1000`)
	if len(large) < 30 {
		t.Fatalf("%d partitions are large, want 30", len(large))
	}
	scan := regexp.MustCompile(`Seq Scan on (` + strings.Join(large, "|") + `)\b`)
	for _, sql := range []string{
		`SELECT * FROM failed_runs WHERE at > now() - interval '7 days'`,
		`SELECT * FROM failed_runs WHERE at > now() - interval '7 days' ORDER BY at DESC LIMIT 10`,
		`SELECT job, count(*) FROM failed_runs GROUP BY job`,
		`SELECT * FROM overdue_jobs`,
		`SELECT * FROM overdue_jobs WHERE job = 'job7'`,
		`SELECT * FROM job_runs WHERE hashtextextended(job, 0) = hashtextextended('job7', 0) AND job = 'job7' ORDER BY at DESC, seq DESC LIMIT 1`,
		`SELECT j.job, r.* FROM (SELECT DISTINCT job FROM push_group) j CROSS JOIN LATERAL (SELECT at, state FROM job_runs
			WHERE hashtextextended(job, 0) = hashtextextended(j.job, 0) AND job = j.job ORDER BY at DESC, seq DESC LIMIT 1) r`,
		`SELECT * FROM job_runs ORDER BY at DESC LIMIT 10`,
		`SELECT reason, client, count(*) FROM rejected_pushes GROUP BY reason, client`,
		`SELECT * FROM rejected_pushes WHERE at > now() - interval '7 days'`,
	} {
		var plan strings.Builder
		for _, row := range cells(t, conn, "EXPLAIN (COSTS OFF) "+sql) {
			fmt.Fprintln(&plan, row[0])
		}
		if found := scan.FindString(plan.String()); found != "" {
			t.Errorf("%s\nhas a %s:\n%s", sql, found, plan.String())
		}
	}
	if n := query[int](t, conn, `SELECT count(*) FROM failed_runs`); n == 0 || n > 2000 {
		t.Errorf("%d runs have failed", n)
	}
}
