package postgres_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
)

// TestAuditorRole protects what is stored from those who may read it, and shows
// that they may read all of it.
func TestAuditorRole(t *testing.T) {
	t.Parallel()
	cluster := pgtest.StartCluster(t, pgtest.Options{}) // roles belong to a whole server
	admin := connect(t, cluster.URL("postgres"))
	run(t, admin, `CREATE ROLE pushgateway LOGIN`)
	run(t, admin, `CREATE DATABASE "push ""gateway" OWNER pushgateway`)
	database := cluster.URL(`push "gateway`)
	as := func(role string) string { return strings.Replace(database, "postgres@", role+"@", 1) }
	if err := postgres.Migrate(t.Context(), as("pushgateway")); err != nil {
		t.Fatal(err)
	}
	script := func(args ...string) string {
		out, err := exec.Command("psql", append([]string{"--no-psqlrc", "--quiet", "--file=../../deploy/sql/auditor.sql", "--dbname=" + database}, args...)...).CombinedOutput()
		if err != nil {
			return string(out) + err.Error()
		}
		return ""
	}
	if out := script(); !strings.Contains(out, "add -v password=SECRET") {
		t.Errorf("without a password the script says %q", out)
	}
	for _, password := range []string{"first", "it's the \"second\""} {
		if out := script("--set=password=" + password); out != "" {
			t.Fatalf("the script says %s", out)
		}
	}
	later := newReplica(t, as("pushgateway"))
	later.put("success 1\n", "job/a")
	run(t, connect(t, as("pushgateway")), `SELECT make_history_partitions('2100-01-01', '2100-01-01')`)

	auditor := connect(t, as("auditor"))
	if got := query[string](t, auditor, `SHOW statement_timeout`) + query[string](t, auditor, `SHOW default_transaction_read_only`); got != "1minon" {
		t.Errorf("the settings of the auditor are %s", got)
	}
	for from, want := range map[string]int{"push_group": 1, "push_history": 1, "push_history_21000101": 0, "push_history_default": 0,
		"current_samples": 1, "job_runs": 1, "failed_runs": 0, "overdue_jobs": 0, "rejected_pushes": 0} {
		if got := len(cells(t, auditor, "SELECT * FROM "+from)); got != want {
			t.Errorf("the auditor sees %d rows of %s, want %d", got, from, want)
		}
	}
	run(t, auditor, `SET default_transaction_read_only = off`) // which is a default, and no protection
	for _, sql := range []string{
		`INSERT INTO push_history SELECT * FROM push_history`,
		`UPDATE push_group SET job = 'b'`,
		`DELETE FROM push_history_default`,
		`DELETE FROM job_runs`,
		`TRUNCATE push_group`,
		`DROP VIEW overdue_jobs`,
		`CREATE TABLE public.mine (a int)`,
		`CREATE FUNCTION public.not_before(timestamptz, timestamptz) RETURNS int LANGUAGE sql AS 'SELECT 1'`,
		`SELECT drop_history_partition(now() + interval '1 year')`,
		`SELECT nextval('push_history_seq')`,
		`SELECT life FROM incarnation`,
	} {
		if _, err := auditor.Exec(t.Context(), sql); sqlState(err) != "42501" {
			t.Errorf("%s: %v, want that the auditor must not", sql, err)
		}
	}

	run(t, admin, `ALTER ROLE auditor SUPERUSER`)
	if out := script("--set=password=x"); !strings.Contains(out, "has other rights already") {
		t.Errorf("for a superuser of that name the script says %q", out)
	}
	later.put("success 0\n", "job/a") // nothing was taken from the gateway
}

func sqlState(err error) string {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return ""
	}
	return e.Code
}
