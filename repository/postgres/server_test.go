package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
)

// TestMigrateAtOnce protects a first start of many replicas.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	for name, through := range map[string]func(testing.TB, string) string{
		"eight replicas on an empty database": func(_ testing.TB, url string) string { return url },
		"eight replicas through PgBouncer":    pgtest.PgBouncer,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := through(t, pgtest.NewEmpty(t))
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					if err := postgres.Migrate(t.Context(), url); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		})
	}
}

// TestLostConnections protects scrapes after the server, or something on the way to
// it, has closed the connections that wait for them.
func TestLostConnections(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, postgres.Migrate)
	r, c := newReplica(t, url), connect(t, url)
	for range 3 {
		r.put("m 1\n", "job/a")
		r.catchUp()
		run(t, c, "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		_, err := r.CatchUp(t.Context(), r.cursor, nil, r.apply) // once
		r.must(err)
	}
}

// TestDiskErrors protects who must make room from being told something else.
func TestDiskErrors(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, postgres.Migrate)
	r, c := newReplica(t, url), connect(t, url)
	for state, want := range map[string]error{"53100": repository.ErrFull, "58030": repository.ErrDisk, "53200": repository.ErrUnavailable} {
		run(t, c, `CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no' USING ERRCODE = '`+state+`'; END $$`)
		run(t, c, `CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON push_history FOR EACH STATEMENT EXECUTE FUNCTION fail()`)
		err := r.Commit(t.Context(), r.commit(repository.Put, "m 1\n", "job/a"))
		if !errors.Is(err, want) || state == "53200" && (errors.Is(err, repository.ErrFull) || errors.Is(err, repository.ErrDisk)) {
			t.Errorf("a commit that fails with %s: %v", state, err)
		}
	}
}

// TestShare protects that a replica knows of the commits of others.
func TestShare(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, postgres.Migrate)
	a, b := newReplica(t, url), newReplica(t, url)
	for i := range 64 {
		a.put(fmt.Sprintf("m %d\n", i), "job/a")
		b.put(fmt.Sprintf("m %d\n", i), "job/b")
	}
	for _, r := range []*replica{a, b} { // other databases of the server have their share, too
		if share := r.Share(); share <= 0 || share > 0.6 {
			t.Errorf("one of two who commit in turns has a share of %.2f, want half or less", share)
		}
	}
}

// TestPgBouncer protects what a pooler in transaction mode breaks: anything
// that needs a session.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	url := pgtest.PgBouncer(t, pgtest.New(t, postgres.Migrate))
	a, b := newReplica(t, url), newReplica(t, url)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			r := []*replica{a, b}[w%2]
			for i := range 20 {
				if err := r.Commit(t.Context(), r.commit(repository.Put, fmt.Sprintf("m %d\n", i), fmt.Sprintf("job/a/w/%d", w))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	tx, shapes, err := a.BeginJobs(t.Context(), a.epoch, deadline(), []string{"a"})
	if err != nil || len(shapes) != 0 {
		t.Fatalf("shapes %v, %v", shapes, err)
	}
	tx.Rollback()
	a.catchUp()
	for w := range 8 {
		if got := a.value(fmt.Sprintf("job/a/w/%d", w)); got != "19" {
			t.Errorf("value of %d is %q", w, got)
		}
	}
}

// TestServerSettings protects commits from settings that an administrator may
// have made for all sessions.
func TestServerSettings(t *testing.T) {
	t.Parallel()
	for name, setting := range map[string]string{
		"repeatable read is the default":     "default_transaction_isolation = 'repeatable read'",
		"serializable is the default":        "default_transaction_isolation = 'serializable'",
		"commits do not wait for the disk":   "synchronous_commit = off",
		"sessions are in another time zone":  "timezone = 'Asia/Kathmandu'",
		"dates look different":               "datestyle = 'SQL, DMY'",
		"a statement may take a second only": "statement_timeout = '1s'",
		"floats are printed with few digits": "extra_float_digits = -15",
		"bytes are printed the ancient way":  "bytea_output = 'escape'",
		"strings escape with the backslash":  "standard_conforming_strings = off",
		"an idle transaction ends at once":   "idle_in_transaction_session_timeout = '50ms'",
		"nobody waits for a lock very long":  "lock_timeout = '10ms'",
		"plans are made for each call":       "plan_cache_mode = force_custom_plan",
		"plans are made once":                "plan_cache_mode = force_generic_plan",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.New(t, postgres.Migrate)
			c := connect(t, url)
			run(t, c, "ALTER DATABASE "+c.Config().Database+" SET "+setting)
			defer run(t, c, "ALTER DATABASE "+c.Config().Database+" RESET ALL")
			r := newReplica(t, url)
			r.must(r.Commit(t.Context(), r.commit(repository.Put, "m 1\nn 1\n", "job/a")))
			r.must(r.Commit(t.Context(), r.commit(repository.Post, "m 0.1\n", "job/a")))
			r.catchUp()
			if got := r.value("job/a"); got != "0.1" {
				t.Errorf("value is %q, want 0.1", got)
			}
			if times := r.groups[key(t, "job/a").Digest()].FamilyTimes; len(times) != 1 || time.Since(times["n"]).Abs() > time.Minute {
				t.Errorf("family times are %v", times)
			}
			if n := len(r.history()); n != 2 {
				t.Errorf("history has %d rows, want 2", n)
			}
		})
	}
	t.Run("a commit waits for the disk whatever the default", func(t *testing.T) {
		t.Parallel()
		c := connect(t, pgtest.New(t, postgres.Migrate))
		run(t, c, "SET synchronous_commit = off")
		run(t, c, "BEGIN")
		run(t, c, "SELECT enter_commit(clock_timestamp() + interval '5 s')")
		if got := query[string](t, c, "SHOW synchronous_commit"); got != "on" {
			t.Errorf("synchronous_commit is %s", got)
		}
		run(t, c, "ROLLBACK")
	})
}

// TestAuditor protects pushes from somebody who reads the history for hours.
func TestAuditor(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, postgres.Migrate)
	r := newReplica(t, url)
	r.put("m 1\n", "job/a")
	auditor := connect(t, url)
	run(t, auditor, "BEGIN")
	run(t, auditor, "SELECT * FROM push_history")
	run(t, connect(t, url), "SELECT drop_history_partition(clock_timestamp() - interval '30 days')")
	r.must(r.Maintain(t.Context(), 0))
	r.put("m 2\n", "job/a")
	run(t, auditor, "COMMIT")
	r.must(r.Maintain(t.Context(), repository.DefaultRetention))
	r.catchUp()
	if got := r.value("job/a"); got != "2" {
		t.Errorf("value is %q, want 2", got)
	}
}

// TestPartitions protects midnight, and a history that does not grow for ever.
func TestPartitions(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, postgres.Migrate)
	r := newReplica(t, url)
	c := connect(t, url)
	partitions := func() int {
		return query[int](t, c, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'push_history'::regclass")
	}
	if n := partitions(); n != 9 {
		t.Errorf("there are %d partitions, want today, a week and the default", n)
	}
	run(t, c, "SELECT drop_history_partition(clock_timestamp() + interval '2 days')")
	r.put("m 1\n", "job/a")
	if n := query[int](t, c, "SELECT count(*) FROM push_history_default"); n != 1 {
		t.Errorf("the default partition has %d rows, want the one for which there is no partition", n)
	}
	r.must(r.Maintain(t.Context(), time.Hour))
	if n := len(r.history()); n != 1 {
		t.Errorf("history has %d rows, want 1", n)
	}
	run(t, c, "UPDATE push_history SET at = at - interval '40 days'")
	r.must(r.Maintain(t.Context(), repository.DefaultRetention))
	if n := len(r.history()); n != 0 {
		t.Errorf("history has %d rows older than its retention", n)
	}
}

// TestNotBefore protects the push times of a group from clocks: time does not
// run backwards, but one wrong clock does not freeze it either.
func TestNotBefore(t *testing.T) {
	t.Parallel()
	c := connect(t, pgtest.New(t, postgres.Migrate))
	for last, want := range map[string]string{
		"'12:00:00'": "12:00:30", // earlier
		"'12:01:00'": "12:01:00", // a little ahead: keep
		"'12:02:00'": "12:00:30", // far ahead: a clock was wrong
		"NULL":       "12:00:30",
	} {
		sql := "SELECT to_char(not_before((date '2026-01-01' + time " + last + ") AT TIME ZONE 'UTC', '2026-01-01 12:00:30Z') AT TIME ZONE 'UTC', 'HH24:MI:SS')"
		if got := query[string](t, c, strings.ReplaceAll(sql, "time NULL", "NULL::time")); got != want {
			t.Errorf("after %s comes %s, want %s", last, got, want)
		}
	}
}

// TestCatchUpPlan protects the cost of a catch-up from what is stored.
func TestCatchUpPlan(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, postgres.Migrate)
	c := connect(t, url)
	run(t, c, `INSERT INTO push_group (key, labels, job, families)
		SELECT sha256(i::text::bytea), '{"job": "a"}', 'a', '{}' FROM generate_series(1, 20000) i`)
	run(t, c, `INSERT INTO feed (commit_id, xid, at, keys)
		SELECT gen_random_uuid(), i::text::xid8, now(), ARRAY[sha256(i::text::bytea)] FROM generate_series(1, 20000) i`)
	run(t, c, "ANALYZE")
	rows, err := c.Query(t.Context(), "EXPLAIN "+strings.ReplaceAll(postgres.DeltaSQL, "$1", "'19990:19990:'"))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, "Seq Scan on push_group") || strings.Contains(line, "Seq Scan on feed") {
			t.Errorf("the plan reads a whole table: %s", line)
		}
	}
}

// TestCommitPlan protects the cost of a push from what is stored: plans are
// made once, by the first pushes, when the tables are empty.
func TestCommitPlan(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, postgres.Migrate)
	r, c := newReplica(t, url), connect(t, url)
	commit := func(method repository.Method, path string) {
		t.Helper()
		commit := r.commit(method, "m 1\n", path)
		commit.Names = []repository.Claim{{Claim: exposition.Claim{Name: "m", Owner: "m", Type: exposition.Untyped}}}
		commit.Jobs = []repository.JobShape{{Job: "a", Shape: "instance\xffjob"}}
		r.must(r.CommitOn(t.Context(), c, commit))
	}
	all := func() {
		for _, method := range []repository.Method{repository.Put, repository.Put, repository.Post, repository.Delete} {
			commit(method, "job/a/instance/b")
		}
	}
	all()
	run(t, c, `INSERT INTO push_group (key, labels, job, families)
		SELECT sha256(i::text::bytea), '{"job": "a"}', 'a', '{}' FROM generate_series(1, 2000) i`)
	run(t, c, `INSERT INTO names SELECT sha256(i::text::bytea), i, i, 'gauge' FROM generate_series(1, 2000) i`)
	run(t, c, `INSERT INTO jobs SELECT sha256(i::text::bytea), i, '' FROM generate_series(1, 2000) i`)
	run(t, c, "BEGIN")
	all()
	read := query[int](t, c, `SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::int
		FROM pg_stat_xact_user_tables WHERE relname <> 'catalog'`)
	if read > 100 {
		t.Errorf("four small commits read %d rows", read)
	}
	run(t, c, "ROLLBACK")
}
